"""The thermal crop's own pixels lie where the color crop has the same skin."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.figure import Bar, require
from benchmarks.thermal_shift import PLACES, thermal_shifts_px
from calibration.registration import undistort_color_px
from capture.simulation.rig import SimulatedRig
from mavfer.alignment import align
from mavfer.build_cli import main
from mavfer.crops import crop_depth, crop_rig, crop_thermal
from mavfer.store import open_store

CROP_PX = 96


def test_thermal_pixels_of_a_built_store_are_those_of_the_skin(
    laboratory, tmp_path: Path, small_rig: SimulatedRig
) -> None:
    """One pixel at the median, two at 95 %, at eyes, nostrils and over the face, as detected."""
    path = tmp_path / "store.h5"
    arguments = ["--calibration", str(laboratory.calibration), "--split", "none", "--quiet"]
    sessions = map(str, laboratory.sessions)
    assert main([*sessions, *arguments, "-o", str(path), "--workers", "1"]) == 0
    shifts = []
    with open_store(path) as store:
        for name, scene in laboratory.scenes.items():
            seen = store.valid(name)["thermal"] & store.valid(name)["face"]
            places = store.T_crop_color(name)
            for row in np.flatnonzero(seen)[::4]:
                crop = store.read(name, int(row), 1, "thermal")[0]
                truth = scene.moment(int(store.seq(name, "thermal")[row])).truth
                shifts.append(thermal_shifts_px(crop, places[row], truth, small_rig))
    apart_px = np.array(shifts)
    assert len(apart_px) >= 12
    assert np.isfinite(apart_px).mean() > 0.95
    for place, values in zip(PLACES, apart_px.T, strict=True):
        assert np.nanmedian(values) <= 1.0, place
    assert np.nanpercentile(apart_px, 95) <= 2.0


@pytest.mark.parametrize(("axis", "by_px"), [(1, 3), (0, -3)])
def test_a_thermal_image_that_is_shifted_shows(
    ideal_moments, face_calibration, small_rig: SimulatedRig, axis: int, by_px: int
) -> None:
    apart_px = {0: [], by_px: []}
    for moment in ideal_moments[::2]:
        landmarks = undistort_color_px(moment.truth.landmarks_px["color"], face_calibration)
        T = align(landmarks, 68, crop_px=CROP_PX)
        rig_of_crop = crop_rig(face_calibration, T, crop_px=CROP_PX)
        depth = crop_depth(moment.images["depth"], rig_of_crop)
        for by, found in apart_px.items():
            image = np.roll(moment.images["thermal"], by, axis=axis)
            crop = crop_thermal(image, depth, rig_of_crop)
            found.append(thermal_shifts_px(crop, T, moment.truth, small_rig))
    assert np.median(apart_px[0]) < 0.3
    assert np.median(apart_px[by_px]) > 2.0


def test_a_benchmark_fails_below_its_bars() -> None:
    require([Bar("faces", 99.0, at_least=99.0), Bar("mislabelled", 0, at_most=0)])
    bars = [Bar("faces", 98.9, at_least=99.0), Bar("mislabelled", 1, at_most=0)]
    with pytest.raises(RuntimeError, match=r"faces is 98\.9, .* least 99; mislabelled is 1"):
        require([*bars, Bar("shift", 0.1, at_most=1.0)])
    with pytest.raises(RuntimeError, match="shift is nan"):
        require([Bar("shift", float("nan"), at_most=1.0)])
