"""LGBP-TOP against loops over pixels, and in cases whose answer is known."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from mavfer.store import ClipStore
from model.count_cache import CountCache
from model.data import ClipDataset
from model.lgbp_network import KNOWN_COUNTS
from model.lgbp_top import (
    BLOCKS,
    N_BINS,
    N_FEATURES,
    N_FILTERS,
    binary_patterns,
    gabor_bank,
    gabor_magnitudes,
    histograms,
    lgbp_top,
    window_counts,
)
from model.presets import preset
from model.train import TrainPlan, train

AROUND = [(-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1)]


def transitions(bits: list[bool]) -> int:
    return sum(bits[k] != bits[k - 1] for k in range(8))


def uniform_bin(bits: list[bool]) -> int:
    """Number the patterns of at most two transitions by their code; 58 is all others."""
    code = sum(bit << k for k, bit in enumerate(bits))
    if transitions(bits) > 2:
        return 58
    return sum(transitions([bool(other >> k & 1) for k in range(8)]) <= 2 for other in range(code))


def slow_patterns(volume: np.ndarray) -> np.ndarray:
    steps, filters, height, width = volume.shape
    out = np.zeros((3, *volume.shape), np.int64)

    def at(t: int, f: int, y: int, x: int) -> float:
        clamp = lambda k, n: min(max(k, 0), n - 1)  # noqa: E731
        return float(volume[clamp(t, steps), f, clamp(y, height), clamp(x, width)])

    for t, f, y, x in np.ndindex(volume.shape):
        centre = volume[t, f, y, x]
        xy = [at(t, f, y + a, x + b) >= centre for a, b in AROUND]
        xt = [at(t + a, f, y, x + b) >= centre for a, b in AROUND]
        yt = [at(t + a, f, y + b, x) >= centre for a, b in AROUND]
        out[:, t, f, y, x] = [uniform_bin(bits) for bits in (xy, xt, yt)]
    del filters
    return out


def test_patterns_and_histograms_against_loops() -> None:
    # Few levels, so that neighbours are often equal.
    volume = np.random.default_rng(0).integers(0, 4, (3, 2, 9, 8)).astype(np.float32)
    slow = slow_patterns(volume)
    fast = binary_patterns(torch.from_numpy(volume))
    np.testing.assert_array_equal(fast.numpy(), slow)

    counted = histograms(fast).reshape(3, 3, 2, BLOCKS, BLOCKS, N_BINS).numpy()
    expected = np.zeros_like(counted)
    for plane, t, f, y, x in np.ndindex(slow.shape):
        expected[t, plane, f, y * BLOCKS // 9, x * BLOCKS // 8, slow[plane, t, f, y, x]] += 1
    np.testing.assert_array_equal(counted, expected)


def test_there_are_59_bins_and_as_many_features_as_filters_blocks_and_planes_make() -> None:
    assert N_BINS == 59
    assert N_FEATURES == 3 * 18 * 16 * 59


def test_a_flat_volume_has_the_pattern_of_equal_neighbours() -> None:
    all_set = uniform_bin([True] * 8)
    assert (binary_patterns(torch.ones(3, 1, 5, 5)) == all_set).all()


def test_a_still_clip_moves_in_no_plane_of_time() -> None:
    # Along time nothing changes, so the two neighbours in time are never smaller.
    still = torch.rand(1, 1, 6, 6).expand(4, 1, 6, 6)
    xt = binary_patterns(still)[1]
    allowed = {
        uniform_bin([True if b == 0 else side[b] for _, b in AROUND])
        for side in ({-1: p, 1: q} for p in (False, True) for q in (False, True))
    }
    assert set(xt.unique().tolist()) <= allowed


def wave(frequency: float, angle: float, size: int = 48) -> Tensor:
    y, x = torch.meshgrid(*[torch.arange(size, dtype=torch.float64)] * 2, indexing="ij")
    phase = 2 * math.pi * frequency * (x * math.cos(angle) + y * math.sin(angle))
    return torch.cos(phase)[None, None]


@pytest.mark.parametrize("scale", [0, 1, 2])
@pytest.mark.parametrize("orientation", [0, 2, 5])
def test_a_wave_answers_in_its_own_filter(scale: int, orientation: int) -> None:
    frequency = 0.25 / math.sqrt(2) ** scale
    inner = slice(12, -12)
    energy = gabor_magnitudes(wave(frequency, math.pi * orientation / 6), gabor_bank())
    mean = energy[0, :, inner, inner].mean((1, 2))
    same_scale = mean.reshape(3, 6)[scale]
    assert int(same_scale.argmax()) == orientation
    # The magnitude is the same at every phase, but for the correction of the real part.
    own = energy[0, scale * 6 + orientation, inner, inner]
    assert own.std() < 0.04 * own.mean()


def test_brightness_leaves_no_trace() -> None:
    flat = torch.full((1, 1, 20, 20), 7.0).double()
    assert gabor_magnitudes(flat, gabor_bank()).abs().max() < 1e-10


def test_a_description_does_not_depend_on_gain_and_offset() -> None:
    clip = torch.rand(6, 1, 24, 24, generator=torch.Generator().manual_seed(0)).double()
    bank = gabor_bank()
    one, other = lgbp_top(clip, bank), lgbp_top(4 * clip + 1, bank)
    assert one.shape == (6, N_FEATURES)
    # Ties broken by rounding move single pixels.
    assert (one - other).abs().sum() < 1e-3 * one.sum()
    sums = one.reshape(6, 3, N_FILTERS, BLOCKS**2, N_BINS).sum(-1)
    torch.testing.assert_close(sums, torch.ones_like(sums))


def test_a_frame_is_described_by_the_five_around_it() -> None:
    clip = torch.rand(9, 1, 16, 16, generator=torch.Generator().manual_seed(1)).double()
    changed = clip.clone()
    changed[8] = torch.rand(16, 16)
    difference = (lgbp_top(clip, gabor_bank()) - lgbp_top(changed, gabor_bank())).abs().sum(1)
    # Frame 8 reaches 7 through the planes of time, and their windows reach 5 and 6.
    assert difference[:5].max() == 0
    assert (difference[5:] > 0).all()


def test_counts_are_made_once_of_each_clip_and_of_its_mirror_image() -> None:
    clip = torch.rand(3, 1, 16, 16, generator=torch.Generator().manual_seed(2))
    bank = gabor_bank().float()
    calls = []

    def count(clip: Tensor) -> Tensor:
        calls.append(clip)
        return window_counts(clip, bank)

    cache = CountCache(2**20)
    first = cache.counts(clip, count)
    assert torch.equal(cache.counts(clip.clone(), count), first)
    assert torch.equal(cache.counts(clip.flip(-1), count), window_counts(clip.flip(-1), bank))
    assert not torch.equal(cache.counts(clip.flip(-1), count), first)
    assert cache.counts(clip[:2], count).shape == (2, N_FEATURES)
    assert len(calls) == 3
    assert cache.hits == 2


def test_the_oldest_counts_go_when_room_is_short_and_large_ones_are_not_kept() -> None:
    calls = []

    def count(clip: Tensor) -> Tensor:
        calls.append(float(clip[0]))
        return clip.long().repeat(10)

    cache = CountCache(2 * 10 * 2)  # two results of ten numbers
    for value in (1, 2, 1, 3, 1, 3):
        assert cache.counts(torch.tensor([float(value)]), count).tolist() == [value] * 10
    assert calls == [1, 2, 3, 1]
    for _ in range(2):
        assert cache.counts(torch.tensor([70_000.0]), count).tolist() == [70_000] * 10
    assert calls[4:] == [70_000, 70_000]


def test_training_counts_no_clip_twice(store: ClipStore, tmp_path: Path) -> None:
    model, train_config = preset("small", architecture="lgbp_top_lstm", modalities=("color",))
    assert (train_config.contrast_jitter, train_config.color_jitter) == (0, 0)
    model = replace(model, input_px=16, clip_length=4)
    train_config = replace(train_config, max_steps=2, batch_size=2, validate_every=2)
    plan = TrainPlan(model, train_config, "small", torch.device("cpu"))
    train(store, tmp_path / "one", plan)
    before = KNOWN_COUNTS.hits
    train(store, tmp_path / "two", plan)
    validation = ClipDataset(store, model, split="validation", stride_frames=4, min_valid_share=0.5)
    assert len(validation)
    assert KNOWN_COUNTS.hits - before == 2 * 2 + len(validation)
    one, two = (
        (tmp_path / name / "checkpoint.safetensors").read_bytes() for name in ("one", "two")
    )
    assert one == two
