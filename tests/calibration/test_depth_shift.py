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


def board_depth(pose, shift_mm, rng, noise_mm=1.5, scale=1.0, by_radius_mm=0.0, extra_mm=0.0):
    """What a depth camera with that shift measures of an endless board."""
    normal = pose.rotation[:, 2]
    z_mm = 1000 * (normal @ pose.translation_m) / (INFRARED.rays() @ normal[:2] + normal[2])
    radius = np.linalg.norm(INFRARED.rays(), axis=-1)
    error_mm = by_radius_mm * radius + extra_mm
    measured = np.round((z_mm - shift_mm - error_mm) / scale + rng.normal(0, noise_mm, z_mm.shape))
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


@pytest.fixture
def spread_poses():
    """Boards from near to far, left and right."""
    rng = np.random.default_rng(8)
    return {
        view: RigidTransform.from_rotvec(
            rng.uniform(-0.5, 0.5, 3), [*rng.uniform(-0.25, 0.15, 2), 0.55 + 0.05 * view]
        )
        for view in range(20)
    }


def trends_of(found):
    return {trend.against: trend for trend in found.trends}


def test_an_honest_sensor_shows_no_trend(spread_poses):
    rng = np.random.default_rng(5)
    depth = {view: board_depth(pose, -13.0, rng) for view, pose in spread_poses.items()}
    bright = {view: checkers(rng) for view in spread_poses}
    found = estimate_depth_shift(
        depth, spread_poses, infrared=INFRARED, board=BOARD, amplitude=bright
    )
    trends = trends_of(found)
    assert set(trends) == {"distance", "radius", "amplitude"}
    for trend in trends.values():
        assert abs(trend.slope) < 4 * trend.std_error
        assert not trend.matters


def checkers(rng):
    """Infrared counts of black and white squares, no matter where."""
    y, x = np.mgrid[0 : INFRARED.height_px, 0 : INFRARED.width_px] // 8
    return np.where((x + y) % 2, 4000.0, 500.0).astype(np.float32)


def test_depth_that_errs_with_distance_is_seen_and_a_line_takes_it_out(spread_poses):
    rng = np.random.default_rng(6)
    depth = {
        view: board_depth(pose, -20.0, rng, scale=1.008) for view, pose in spread_poses.items()
    }
    found = estimate_depth_shift(depth, spread_poses, infrared=INFRARED, board=BOARD)
    assert trends_of(found)["distance"].matters
    assert found.linear.scale == pytest.approx(1.008, abs=4 * found.linear.scale_std_error)
    assert found.linear.shift_mm == pytest.approx(-20, abs=4 * found.linear.shift_std_error_mm)
    assert found.linear.scale_std_error < 1e-3


def test_depth_that_errs_towards_the_rim_is_seen(spread_poses):
    rng = np.random.default_rng(7)
    depth = {
        view: board_depth(pose, -13.0, rng, by_radius_mm=20.0)
        for view, pose in spread_poses.items()
    }
    found = estimate_depth_shift(depth, spread_poses, infrared=INFRARED, board=BOARD)
    trend = trends_of(found)["radius"]
    assert trend.matters
    assert trend.slope == pytest.approx(20, abs=4 * trend.std_error)


def test_depth_that_errs_with_brightness_is_seen(spread_poses):
    rng = np.random.default_rng(9)
    bright = {view: checkers(rng) for view in spread_poses}
    depth = {
        view: board_depth(pose, -13.0, rng, extra_mm=1.5 * np.log2(bright[view] / 500.0))
        for view, pose in spread_poses.items()
    }
    found = estimate_depth_shift(
        depth, spread_poses, infrared=INFRARED, board=BOARD, amplitude=bright
    )
    trend = trends_of(found)["amplitude"]
    assert trend.matters
    assert trend.slope == pytest.approx(1.5, abs=0.2)


def test_boards_at_one_distance_cannot_show_a_line(poses):
    rng = np.random.default_rng(1)
    near = {
        view: RigidTransform.from_rotvec([0.3, 0.1 * view, 0], [-0.1, -0.1, 0.8])
        for view in range(8)
    }
    depth = {view: board_depth(pose, -13.0, rng) for view, pose in near.items()}
    found = estimate_depth_shift(depth, near, infrared=INFRARED, board=BOARD)
    assert found.linear is None
    assert "distance" not in trends_of(found)


def test_a_shift_out_of_all_reason_is_refused(poses):
    rng = np.random.default_rng(1)
    depth = {view: board_depth(pose, 55.0, rng) for view, pose in poses.items()}
    with pytest.raises(CalibrationError, match=r"depth shift 5\d\.\d mm: .* within 40 mm"):
        estimate_depth_shift(depth, poses, infrared=INFRARED, board=BOARD)
