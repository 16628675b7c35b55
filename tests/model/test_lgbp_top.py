"""LGBP-TOP against loops over pixels, and in cases whose answer is known."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

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
)

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
