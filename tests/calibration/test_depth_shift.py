"""The depth shift on analytic boards: recovered, honest about its error, robust."""

import numpy as np
import pytest

from calibration.board import BoardSpec
from calibration.depth_shift import estimate_depth_shift
from calibration.errors import CalibrationError
from capture.simulation.rig import kinect2_rig
from capture.transform import RigidTransform

BOARD = BoardSpec()
INFRARED = kinect2_rig(scale=0.5).infrared


def board_depth(pose, shift_mm, rng, noise_mm=1.5):
    """What a depth camera with that shift measures of an endless board."""
    normal = pose.rotation[:, 2]
    z_mm = 1000 * (normal @ pose.translation_m) / (INFRARED.rays() @ normal[:2] + normal[2])
    measured = np.round(z_mm - shift_mm + rng.normal(0, noise_mm, z_mm.shape))
    return np.where(z_mm > 0, measured, 0).astype(np.float32)


@pytest.fixture
def poses():
    rng = np.random.default_rng(4)
    return {
        view: RigidTransform.from_rotvec(
            rng.uniform(-0.5, 0.5, 3), [*rng.uniform(-0.2, 0.1, 2), rng.uniform(0.6, 1.1)]
        )
        for view in range(12)
    }


@pytest.mark.parametrize("shift_mm", [-13.354, 0.0, 24.0])
def test_a_known_shift_is_recovered_to_a_tenth_of_a_millimetre(poses, shift_mm):
    rng = np.random.default_rng(1)
    depth = {view: board_depth(pose, shift_mm, rng) for view, pose in poses.items()}
    found = estimate_depth_shift(depth, poses, infrared=INFRARED, board=BOARD)
    assert found.shift_mm == pytest.approx(shift_mm, abs=0.1)
    assert abs(found.shift_mm - shift_mm) < 5 * found.std_error_mm
    assert not found.rejected


def test_holes_mixed_pixels_and_things_in_front_do_not_pull(poses):
    rng = np.random.default_rng(2)
    depth = {}
    for view, pose in poses.items():
        image = board_depth(pose, -10.0, rng)
        image[rng.random(image.shape) < 0.2] = 0
        image[rng.random(image.shape) < 0.1] += 60
        depth[view] = image
    found = estimate_depth_shift(depth, poses, infrared=INFRARED, board=BOARD)
    assert found.shift_mm == pytest.approx(-10.0, abs=0.5)


def test_a_view_that_disagrees_is_rejected_and_named(poses):
    rng = np.random.default_rng(3)
    depth = {view: board_depth(pose, -13.0, rng) for view, pose in poses.items()}
    depth[5] = board_depth(poses[5], 20.0, rng)
    depth[6] = np.zeros_like(depth[6])
    found = estimate_depth_shift(depth, poses, infrared=INFRARED, board=BOARD)
    assert found.shift_mm == pytest.approx(-13.0, abs=0.1)
    assert "differs from the board's plane by" in found.rejected[5]
    assert "0 valid depth pixels" in found.rejected[6]


def test_boards_out_of_range_are_explained(poses):
    empty = {view: np.zeros((212, 256), np.float32) for view in poses}
    with pytest.raises(CalibrationError, match="0 views show the board in depth"):
        estimate_depth_shift(empty, poses, infrared=INFRARED, board=BOARD)
