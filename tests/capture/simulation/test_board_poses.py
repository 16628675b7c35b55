"""Where the board is held: every region of the color and infrared images gets its corners."""

import numpy as np
import pytest
from numpy.typing import NDArray

from capture.errors import ConfigError
from capture.simulation.board_poses import draw_poses
from capture.simulation.board_shape import CENTRE_M, board_points_m
from capture.simulation.rig import SimulatedRig, kinect2_rig
from capture.transform import RigidTransform

RIG = kinect2_rig()


def corners_px(name: str, pose: RigidTransform, rig: SimulatedRig = RIG) -> NDArray[np.float64]:
    in_camera = rig.T_camera_infrared(name) @ pose
    return rig.camera(name).project(in_camera.apply(board_points_m()))


def seen(name: str, pose: RigidTransform, rig: SimulatedRig = RIG) -> bool:
    camera, pixels = rig.camera(name), corners_px(name, pose, rig)
    size = np.array([camera.width_px, camera.height_px])
    return bool(np.all(pixels > 2) and np.all(pixels < size - 3))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    ("n_views", "n_outer"), [(3, 0), (8, 0), (12, 4), (14, 6), (20, 10), (31, 15)]
)
def test_half_of_the_views_are_outer_ones_where_thermal_can_spare_them(
    seed: int, n_views: int, n_outer: int
) -> None:
    poses = draw_poses(RIG, n_views=n_views, seed=seed)
    assert len(poses) == n_views
    for name in ("color", "infrared"):
        assert all(seen(name, pose) for pose in poses)
    in_thermal = sum(seen("thermal", pose) for pose in poses)
    assert n_views - n_outer <= in_thermal <= n_views - n_outer // 2


@pytest.mark.parametrize("device", ["196605135147", "299150235147"])
@pytest.mark.parametrize("seed", range(4))
def test_corners_reach_the_edges_of_the_field_that_color_and_infrared_share(
    seed: int, device: str
) -> None:
    rig = kinect2_rig(device=device)
    poses = draw_poses(rig, n_views=20, seed=seed)
    infrared = np.concatenate([corners_px("infrared", pose, rig) for pose in poses])
    color = np.concatenate([corners_px("color", pose, rig) for pose in poses])
    # infrared is the narrower one sideways, color up and down
    assert infrared[:, 0].min() < 0.09 * rig.infrared.width_px
    assert infrared[:, 0].max() > 0.91 * rig.infrared.width_px
    assert color[:, 1].min() < 0.09 * rig.color.height_px
    assert color[:, 1].max() > 0.91 * rig.color.height_px
    middle = np.array([rig.infrared.width_px, rig.infrared.height_px]) / 2
    for right in (-1, 1):
        for down in (-1, 1):
            outward = (infrared - middle) / middle * (right, down)
            assert np.min(outward, axis=1).max() > 0.6


def test_tilts_and_distances_vary_and_the_roll_stays_small() -> None:
    poses = draw_poses(RIG, n_views=40, seed=2)
    tilt_deg = [np.degrees(np.arccos(pose.rotation[2, 2])) for pose in poses]
    assert 4.9 <= min(tilt_deg) < 12
    assert 30 < max(tilt_deg) <= 38.1
    depth_m = [pose.apply(np.array(CENTRE_M))[2] for pose in poses]
    assert 0.55 <= min(depth_m) < 0.65
    assert 0.95 < max(depth_m) <= 1.05
    for pose in poses:
        across = pose.rotation[:, 0]
        assert abs(np.degrees(np.arctan2(across[1], across[0]))) < 45


def test_poses_depend_on_the_seed_alone() -> None:
    again = [draw_poses(RIG, n_views=20, seed=seed)[5].translation_m for seed in (1, 1, 2)]
    np.testing.assert_array_equal(again[0], again[1])
    assert np.abs(again[0] - again[2]).max() > 0.01


def test_cameras_that_look_apart_have_no_common_view() -> None:
    away = RigidTransform.from_rotvec([0, 1.5, 0], [0, 0, 0])
    apart = SimulatedRig(
        color=RIG.color,
        infrared=RIG.infrared,
        thermal=RIG.thermal,
        T_color_infrared=RIG.T_color_infrared,
        T_thermal_infrared=away,
        depth_shift_mm=0.0,
        device=RIG.device,
        scale=RIG.scale,
    )
    with pytest.raises(ConfigError, match="all cameras see whole"):
        draw_poses(apart, n_views=1, seed=0)
