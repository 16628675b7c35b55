"""Sixteen frames are four seconds, from whatever frames a store has."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mavfer.store import open_store
from mavfer.store_assembly import write_store
from mavfer.store_writer import StoreLayout
from model.clip_rate import clip_rate_hz, clip_rows
from model.config import ModelConfig
from model.data import ClipDataset
from model.errors import ModelWarning
from tests.model.conftest import CROP_PX, video_entry

CONFIG = ModelConfig("uran", ("color",), input_px=16)


def times_ns(rate_hz: float, *, n: int = 80, camera_hz: float | None = None) -> np.ndarray:
    time_s = np.arange(n) / rate_hz
    if camera_hz is not None:  # the frames of a camera that are nearest to the grid
        time_s = np.round(time_s * camera_hz) / camera_hz
    return np.round(time_s * 1e9).astype(np.int64)


@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize("rate_hz", [4.5, 5.0, 10.0, 25.0])
def test_faster_frames_are_taken_off_a_grid_of_four_hertz(rate_hz: float, declared: bool) -> None:
    time_ns = times_ns(rate_hz, n=160)
    rows = clip_rows(time_ns, store_rate_hz=rate_hz if declared else None)
    clip = time_ns[rows[:17]]
    assert (clip[-1] - clip[0]) / 1e9 == pytest.approx(4.0, abs=0.5 / rate_hz + 1e-6)


@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize(("rate_hz", "camera_hz"), [(4.0, None), (4.0, 30.0), (2.0, None)])
def test_frames_at_four_hertz_or_fewer_are_taken_as_they_are(
    rate_hz: float, camera_hz: float | None, declared: bool
) -> None:
    time_ns = times_ns(rate_hz, camera_hz=camera_hz)
    rows = clip_rows(time_ns, store_rate_hz=rate_hz if declared else None)
    np.testing.assert_array_equal(rows, np.arange(80))


def test_films_of_no_or_one_frame_have_their_rows() -> None:
    assert len(clip_rows(np.empty(0, np.int64), store_rate_hz=25.0)) == 0
    assert list(clip_rows(np.array([5]), store_rate_hz=25.0)) == [0]


@pytest.mark.parametrize(
    ("rate", "store_hz", "expected"),
    [
        ("4", 4.0, 4.0),
        ("4", 5.0, 4.0),
        ("4", 2.0, 2.0),
        ("4", None, 4.0),
        ("native", 10.0, 10.0),
        ("native", None, None),
    ],
)
def test_the_rate_of_clips(rate: str, store_hz: float | None, expected: float | None) -> None:
    assert clip_rate_hz(store_hz, replace(CONFIG, rate=rate)) == expected


@pytest.mark.parametrize("declared_hz", [2.0, 0.0])
def test_slower_frames_are_taken_with_a_warning(tmp_path: Path, declared_hz: float) -> None:
    entry = video_entry("T9", 9)
    slow = replace(entry, time_ns=entry.time_ns * 2)
    layout = StoreLayout(("color", "depth", "thermal"), CROP_PX, 16, declared_hz)
    write_store(tmp_path / "slow.h5", [slow], layout=layout, splits={"T9": "train"})
    with open_store(tmp_path / "slow.h5") as store:

        def read(config: ModelConfig) -> int:
            return len(
                ClipDataset(store, config, split=None, stride_frames=16, min_valid_share=0.5)
            )

        with pytest.warns(ModelWarning, match=r"2 frames a second.*16 frames last 8 s.*of 4 s"):
            n_clips = read(CONFIG)
        assert read(replace(CONFIG, rate="native")) == n_clips
