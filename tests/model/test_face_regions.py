"""Attention on parts of the face, which are where the landmarks of each frame say."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from mavfer.store import open_store
from mavfer.store_assembly import write_store
from mavfer.store_writer import FrameCrops, StoreLayout, VideoEntry
from model.attention_watch import AttentionWatch
from model.config import ModelConfig
from model.data import ClipDataset
from model.face_regions import REGIONS, landmarks_in_map, region_density, region_masks

SIZE_PX = 32


def drawn_landmarks() -> NDArray[np.float64]:
    """A face of 68 points on a map of 32 px: jaw and brows, nose, eyes, mouth."""

    def ellipse(n: int, x: float, y: float, rx: float, ry: float) -> NDArray[np.float64]:
        angle = np.linspace(0, 2 * np.pi, n, endpoint=False)
        return np.stack([x + rx * np.cos(angle), y + ry * np.sin(angle)], 1)

    return np.concatenate(
        [
            ellipse(27, 15.5, 15.5, 12, 12),
            ellipse(9, 15.5, 15.5, 2, 3),
            ellipse(6, 10, 9, 2, 1),
            ellipse(6, 21, 9, 2, 1),
            ellipse(20, 15.5, 23, 4, 2),
        ]
    )


def test_regions_lie_around_their_landmarks_and_nowhere_without_them() -> None:
    points = np.stack([drawn_landmarks(), np.full((68, 2), np.nan)])
    masks = region_masks(points, size_px=SIZE_PX)
    assert masks.shape == (2, 4, SIZE_PX, SIZE_PX)
    assert not masks[1].any()
    mouth, eyes, nose, rim = masks[0]
    y, x = np.mgrid[:SIZE_PX, :SIZE_PX]
    assert mouth[23, 15]
    assert not mouth[15, 15]
    assert eyes[9, 10]
    assert eyes[9, 21]
    assert not eyes[9, 15]
    assert nose[15, 15]
    assert rim[0, 0]
    assert not rim[15, 15]
    assert np.array_equal(rim | (np.hypot(x - 15.5, y - 15.5) < 13.5), np.ones_like(rim))
    assert not (rim & (mouth | eyes | nose)).any()
    assert mouth.sum() == pytest.approx(np.pi * 4 * 2, rel=0.5)  # and what the outline touches


def test_density_is_one_where_attention_is_uniform_whatever_its_scale() -> None:
    masks = region_masks(np.stack([drawn_landmarks()] * 2), size_px=SIZE_PX)
    uniform = np.full((2, SIZE_PX, SIZE_PX), 0.3)
    np.testing.assert_allclose(region_density(uniform, masks), 1)
    on_mouth = masks[:, 0].astype(float)
    found = region_density(on_mouth, masks)
    area = masks[0, 0].sum() / SIZE_PX**2
    np.testing.assert_allclose(found[:, 0], 1 / area)
    assert (found[:, 1:] == 0).all()
    nothing = region_density(uniform, np.zeros_like(masks))
    assert np.isnan(nothing).all()


def test_landmarks_in_camera_pixels_are_brought_to_the_crop_of_their_frame(
    film_entry: VideoEntry, tmp_path: Path
) -> None:
    n_frames = len(film_entry.time_ns)
    drawn = drawn_landmarks()
    # The face wanders through the image; its crop, of twice the map's size, follows.
    shift = np.stack([np.linspace(0, 40, n_frames), np.linspace(5, 9, n_frames)], 1)
    in_crop = (drawn + 0.5) * 2 - 0.5
    camera = (3 * in_crop + shift[:, None]).astype(np.float32)
    camera[4] = np.nan
    T_crop_color = np.zeros((n_frames, 2, 3), np.float32)
    T_crop_color[:, 0, 0] = T_crop_color[:, 1, 1] = 1 / 3
    T_crop_color[:, :, 2] = -shift / 3
    crops = [FrameCrops({"color": np.zeros((64, 64, 3), np.uint8)}) for _ in range(n_frames)]
    entry = replace(film_entry, crops=crops, landmarks_px=camera, T_crop_color=T_crop_color)
    layout = StoreLayout(modalities=("color",), crop_px=64, clip_length=16, rate_hz=4.0)
    write_store(tmp_path / "s.h5", [entry], layout=layout, splits={"T9": "test"})
    config = ModelConfig("uran", ("color",), input_px=SIZE_PX, attention="mean1")
    with open_store(tmp_path / "s.h5") as store:
        rows = np.array([0, 4, 30])
        found = landmarks_in_map(store, entry.id, rows, size_px=SIZE_PX)
        np.testing.assert_allclose(found[[0, 2]], np.stack([drawn, drawn]), atol=1e-3)
        assert np.isnan(found[1]).all()

        dataset = ClipDataset(
            store, config, split="test", stride_frames=8, min_valid_share=0.5, labelled=False
        )
        watch = AttentionWatch(dataset, store, config)
        assert watch.regions is None
        mouth = region_masks(drawn[None], size_px=SIZE_PX)[0, 0]
        attention = torch.from_numpy(np.where(mouth, 3.0, 1.0)).float()
        for row in range(len(dataset)):
            watch.see([row], attention.expand(16, 1, 1, SIZE_PX, SIZE_PX))
        mean = 1 + 2 * mouth.mean()
        expected = dict.fromkeys(REGIONS, 1 / mean) | {"mouth": 3 / mean}
        assert watch.regions == pytest.approx(expected, rel=1e-5)
        store.landmarks = 5
        other = AttentionWatch(dataset, store, config)
        other.see([0], attention.expand(16, 1, 1, SIZE_PX, SIZE_PX))
        assert other.regions is None
