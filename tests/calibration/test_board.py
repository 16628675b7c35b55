"""The board: its text form and its points; one corner order for all cameras of a view."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calibration.board import BoardSpec
from calibration.errors import CalibrationError
from calibration.order import agree_in_view, canonical_order
from capture.simulation.board import board_points_m
from capture.simulation.rig import kinect2_rig
from capture.transform import RigidTransform

BOARD = BoardSpec()


def test_text_form_round_trips():
    assert BoardSpec.parse("5x7x0.03") == BOARD
    assert BoardSpec.parse("chess7x9x.025") == BoardSpec(7, 9, 0.025)
    assert BoardSpec.parse(str(BoardSpec(9, 6, 0.0505))) == BoardSpec(9, 6, 0.0505)


@pytest.mark.parametrize("text", ["", "5x7", "5x7x0", "2x7x0.03", "6x6x0.03", "5x7x-1", "axbxc"])
def test_what_is_no_board_is_refused(text):
    with pytest.raises(CalibrationError, match="expected"):
        BoardSpec.parse(text)


def test_points_are_those_of_the_simulated_board():
    np.testing.assert_allclose(BOARD.points_m, board_points_m())


@given(
    flips=st.tuples(st.booleans(), st.booleans(), st.booleans()),
    mirrored=st.booleans(),
    turn_rad=st.floats(-3.1, 3.1),
    seed=st.integers(0, 99),
)
def test_all_cameras_of_a_view_agree_whatever_order_they_were_found_in(
    flips, mirrored, turn_rad, seed
):
    rng = np.random.default_rng(seed)
    rig = kinect2_rig()
    tilt = RigidTransform.from_rotvec(rng.uniform(-0.5, 0.5, 3), [-0.05, -0.08, 0.8])
    pose = tilt @ RigidTransform.from_rotvec([0, 0, turn_rad], [0, 0, 0])
    truth, found = {}, {}
    for flip, name in zip(flips, ("color", "infrared", "thermal"), strict=True):
        in_camera = (rig.T_camera_infrared(name) @ pose).apply(BOARD.points_m)
        truth[name] = rig.camera(name).project(in_camera)
        corners = truth[name][::-1] if flip else truth[name]
        if mirrored:
            corners = corners.reshape(7, 5, 2)[:, ::-1].reshape(-1, 2)
        found[name] = corners
    ordered = agree_in_view(found, BOARD)
    turned = not np.allclose(ordered["color"], truth["color"])
    for name, corners in ordered.items():
        np.testing.assert_allclose(corners, truth[name][::-1] if turned else truth[name])


def test_a_view_that_no_camera_sees_is_empty():
    assert agree_in_view({}, BOARD) == {}


def test_canonical_order_starts_on_top():
    y, x = np.mgrid[0:7, 0:5]
    grid = np.stack([x.ravel(), y.ravel()], axis=1) * 10.0
    np.testing.assert_array_equal(canonical_order(grid[::-1], BOARD), grid)
