from dataclasses import replace

import numpy as np
import pytest
import torch

from model.augment import augment
from model.config import ModelConfig, TrainConfig
from model.errors import ModelError
from model.preprocess import check_stats, prepare

STATS = {
    "color": {"mean": [100.0, 110.0, 120.0], "std": [50.0, 40.0, 30.0]},
    "depth": {"mean": [800.0], "std": [100.0]},
    "thermal": {"mean": [7600.0], "std": [50.0]},
}


def config(normalisation: str, input_px: int = 16) -> ModelConfig:
    return ModelConfig(
        "mran",
        ("color", "depth", "thermal"),
        input_px=input_px,
        width=0.1,
        normalisation=normalisation,
    )


def crops(size: int = 32) -> dict[str, torch.Tensor]:
    rng = np.random.default_rng(0)
    return {
        "color": torch.from_numpy(rng.integers(0, 256, (2, 3, size, size, 3), dtype=np.uint8)),
        "depth": torch.from_numpy(rng.integers(700, 900, (2, 3, size, size)).astype(np.uint16)),
        "thermal": torch.from_numpy(rng.integers(7500, 7700, (2, 3, size, size)).astype(np.uint16)),
    }


def test_store_normalisation_in_the_layout_of_the_networks() -> None:
    raw = crops(16)
    prepared = prepare(raw, config("store"), STATS)
    assert prepared["color"].shape == (3, 2, 3, 16, 16)
    assert prepared["depth"].shape == (3, 2, 1, 16, 16)
    expected = (float(raw["color"][1, 2, 5, 7, 1]) - 110) / 40
    assert prepared["color"][2, 1, 1, 5, 7].item() == pytest.approx(expected)
    expected = (int(raw["depth"][1, 2, 5, 7]) - 800) / 100
    assert prepared["depth"][2, 1, 0, 5, 7].item() == pytest.approx(expected)


def test_reduction_is_the_mean_of_the_covered_pixels() -> None:
    raw = crops(48)
    raw["color"] = raw["color"].float().round().to(torch.uint8)
    prepared = prepare(raw, config("store"), STATS)
    block = raw["color"][0, 1, 3:6, 6:9, 2].float().mean()
    assert prepared["color"][1, 0, 2, 1, 2].item() == pytest.approx(
        (block.item() - 120) / 30, abs=1e-5
    )


def test_clip_normalisation_of_color_forgets_the_light() -> None:
    raw = crops()
    bright = {**raw, "color": (raw["color"] // 4) * 3 + 20}
    dark = {**raw, "color": raw["color"] // 4}
    one = prepare(bright, config("clip"), {})["color"]
    other = prepare(dark, config("clip"), {})["color"]
    torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_the_noise_of_a_dark_clip_stays_smaller_than_a_face() -> None:
    rng = np.random.default_rng(1)
    noise = torch.from_numpy(rng.integers(0, 4, (2, 3, 32, 32, 3), dtype=np.uint8))
    other = prepare({**crops(), "color": noise}, config("clip", 32), {})["color"]
    assert other.std().item() == pytest.approx(noise.float().std().item() / 4, rel=0.01)


def test_depth_counts_towards_the_camera_from_the_face_and_is_clipped() -> None:
    raw = crops()
    raw["depth"] = torch.full((2, 3, 32, 32), 800, dtype=torch.int32)
    raw["depth"][:, :, 10:12, 10:12] = 790  # 10 mm nearer than the face
    raw["depth"][:, :, :2, :2] = 2200  # the wall
    raw["depth"][:, :, 2:4, :2] = 0  # a hole
    far = {**raw, "depth": torch.where(raw["depth"] > 0, raw["depth"] + 150, 0)}
    prepared = prepare(raw, config("clip"), {})["depth"]
    assert prepared[0, 0, 0, 5, 5].item() == pytest.approx(0.5)
    assert prepared[0, 0, 0, 0, 0].item() == pytest.approx(-2)
    assert prepared[0, 0, 0, 1, 0].item() == 0
    torch.testing.assert_close(prepare(far, config("clip"), {})["depth"], prepared)


def test_a_frame_without_any_valid_pixel_is_neutral() -> None:
    raw = crops()
    raw["thermal"] = torch.zeros(2, 3, 32, 32, dtype=torch.uint16)
    for normalisation in ("clip", "store"):
        prepared = prepare(raw, config(normalisation), STATS)
        assert not prepared["thermal"].any()
        assert all(torch.isfinite(clip).all() for clip in prepared.values())


def test_a_clip_of_noise_lacks_color_where_only_lit_clips_count() -> None:
    generator = torch.Generator().manual_seed(3)
    lit = torch.randint(0, 256, (1, 4, 32, 32, 3), generator=generator, dtype=torch.uint8)
    dark = torch.randint(0, 8, (1, 4, 32, 32, 3), generator=generator, dtype=torch.uint8)
    red = torch.zeros_like(dark)
    red[..., 0] = lit[..., 0] // 8  # one channel that shows something is enough
    crops = {"color": torch.cat([lit, dark, red])}
    lit_only = ModelConfig("early_fusion", ("color",), input_px=16, normalisation="clip_lit")
    found = prepare(crops, lit_only, {})["color"]
    every = prepare(crops, replace(lit_only, normalisation="clip"), {})["color"]
    assert torch.equal(found[:, [0, 2]], every[:, [0, 2]])
    assert not found[:, 1].any()
    assert every[:, 1].any()


def test_augmentation_leaves_a_missing_clip_missing() -> None:
    clips = {"color": torch.randn(2, 3, 3, 8, 8)}
    clips["color"][:, 1] = 0
    out = augment(clips, TrainConfig(), config("clip"), torch.Generator().manual_seed(0))["color"]
    assert not out[:, 1].any()
    assert out[:, [0, 2]].flatten(2).all()


def test_crops_smaller_than_the_input_are_refused() -> None:
    with pytest.raises(ModelError, match="crops are 16 px"):
        prepare(crops(16), config("store", input_px=32), STATS)


@pytest.mark.parametrize(
    "damage",
    [{"depth": {"mean": [1.0]}}, {"depth": {"mean": ["x"], "std": [1.0]}}, {"color": {"mean": 3}}],
)
def test_unusable_statistics_are_refused(damage: dict) -> None:
    with pytest.raises(ModelError, match="statistics of"):
        check_stats(STATS | damage, config("store"))


def test_augmentation_is_one_draw_a_clip_for_all_frames_and_modalities() -> None:
    train = TrainConfig(contrast_jitter=0.3, color_jitter=0.2)
    clips = {
        "color": torch.randn(1, 64, 3, 8, 8).expand(4, -1, -1, -1, -1),
        "depth": torch.randn(1, 64, 1, 8, 8).expand(4, -1, -1, -1, -1),
    }
    out = augment(clips, train, config("clip"), torch.Generator().manual_seed(1))
    again = augment(clips, train, config("clip"), torch.Generator().manual_seed(1))
    assert all(torch.equal(out[name], again[name]) for name in clips)
    for clip in out.values():  # a still clip stays still
        assert torch.equal(clip[0], clip[3])
    mirrored = torch.tensor(
        [torch.equal(out["depth"][0, b], clips["depth"][0, b].flip(-1)) for b in range(64)]
    )
    assert 10 < mirrored.sum() < 54
    # Color was mirrored where depth was: undo the mirror and only gain and offset remain.
    undone = torch.where(mirrored[None, :, None, None, None], out["color"].flip(-1), out["color"])
    gains = undone.std((3, 4)) / clips["color"].std((3, 4))
    torch.testing.assert_close(gains, gains[:, :, :1].expand(-1, -1, 3), rtol=1e-4, atol=1e-4)
    assert (gains - 1).abs().max() <= 0.3 + 1e-4


def test_nothing_is_augmented_when_nothing_is_asked_for() -> None:
    train = TrainConfig(flip=False, contrast_jitter=0, color_jitter=0)
    clips = {"color": torch.randn(2, 3, 3, 8, 8)}
    out = augment(clips, train, config("clip"), torch.Generator().manual_seed(0))
    assert torch.equal(out["color"], clips["color"])
