"""Checks and hints follow the views; the forecast follows where the board was."""

import numpy as np
import pytest

from calibration.board import BoardSpec
from calibration.errors import CalibrationError
from calibration.forecast import forecast_calibration
from calibration.gates import TRANSFER_PX
from calibration.live.advice import assess
from calibration.live.collector import TakenView
from capture.simulation.board_poses import draw_poses
from capture.simulation.rig import kinect2_rig

BOARD = BoardSpec()
RIG = kinect2_rig()
NAMES = ("color", "infrared", "thermal")
SIZES_PX = {name: (RIG.camera(name).width_px, RIG.camera(name).height_px) for name in NAMES}


@pytest.fixture(scope="module")
def views():
    """Sixteen views, corners as bad as those of previews."""
    rng = np.random.default_rng(0)
    views = []
    for pose in draw_poses(RIG, n_views=16, seed=0):
        view = {}
        for name in NAMES:
            in_camera = RIG.T_camera_infrared(name) @ pose
            corners = RIG.camera(name).project(in_camera.apply(BOARD.points_m))
            if (corners > 2).all() and (corners < np.array(SIZES_PX[name]) - 3).all():
                view[name] = corners + rng.normal(0, 0.4, corners.shape)
        views.append(TakenView(view))
    return views


def progress(views, transfer_px=None, n_wanted=16):
    return assess(views, SIZES_PX, BOARD, n_wanted=n_wanted, transfer_px=transfer_px or {})


def test_nothing_seen_is_nothing_reached():
    nothing = progress([])
    assert not nothing.enough
    assert [check.met for check in nothing.checks] == [False, False, False]
    assert sum(nothing.tilts) == sum(nothing.distances) == 0


def test_enough_needs_the_views_and_both_predictions(views):
    good = {"infrared": 0.2, "thermal": 0.5}
    assert progress(views, good).enough
    assert not progress(views, good, n_wanted=17).enough
    assert not progress(views, {"infrared": 0.2, "thermal": 0.51}).enough
    assert not progress(views, {"infrared": 0.2}).enough
    assert "over 10 px" in progress(views, {"infrared": 1e6, "thermal": 0.1}).checks[1].text


def test_views_are_counted_by_camera_tilt_and_distance(views):
    told = progress(views)
    assert told.seen_by["color"] == told.seen_by["infrared"] == 16
    assert told.seen_by["thermal"] == 8
    assert sum(told.tilts) == sum(told.distances) == 16
    assert np.sum(told.cells["color"]) == 16 * BOARD.n_corners


def test_hints_name_empty_places_tilts_and_distances(views):
    hints = progress([views[1]] * 3).hints
    assert any("of color" in hint for hint in hints)
    assert any(hint.startswith("Hold it nearer and farther") for hint in hints)
    few = [TakenView({"color": view.corners_px["color"]}) for view in views]
    assert "before the thermal camera" in progress(few).hints[0]


def test_a_forecast_from_rough_corners_is_that_of_the_noise_the_limits_allow(views):
    told = forecast_calibration([v.corners_px for v in views], sizes_px=SIZES_PX, board=BOARD)
    assert set(told) == {"infrared", "thermal"}
    for value_px in told.values():
        assert 0.05 < value_px < TRANSFER_PX[0]
    with pytest.raises(CalibrationError, match="usable views"):
        forecast_calibration([v.corners_px for v in views[:5]], sizes_px=SIZES_PX, board=BOARD)
