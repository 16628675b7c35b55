"""The crop window: every pixel of it has depth at every distance it claims to hold for."""

from dataclasses import replace

import numpy as np
import pytest

from calibration.crop_window import compute_crop_window, paper_window_px
from calibration.errors import CalibrationError
from calibration.simulated import ideal_calibration
from capture.simulation.rig import kinect2_rig
from capture.transform import RigidTransform


@pytest.mark.parametrize("device", ["196605135147", "299150235147"])
def test_the_papers_window_fits_both_published_kinects_off_centre(device):
    rig = kinect2_rig(device=device)
    window = compute_crop_window(rig.color, rig.infrared, rig.T_color_infrared)
    assert (window.width_px, window.height_px) == (1408, 792)
    assert 0.5 <= window.z_min_m <= 0.75
    assert window.x_px != (1920 - 1408) // 2


@pytest.mark.parametrize("z_min_m", [0.5, 0.6, 0.8, 1.5])
@pytest.mark.parametrize("scale", [1.0, 0.3])
def test_every_pixel_of_the_window_has_depth_from_the_nearest_distance_on(z_min_m, scale):
    rig = kinect2_rig(scale=scale)
    window = compute_crop_window(rig.color, rig.infrared, rig.T_color_infrared, z_min_m=z_min_m)
    corners_x = window.x_px + np.array([0, window.width_px - 1])
    corners_y = window.y_px + np.array([0, window.height_px - 1])
    ideal = rig.color.without_distortion()
    pixels = [(x, y) for x in np.linspace(*corners_x, 40) for y in np.linspace(*corners_y, 40)]
    rays = ideal.unproject(np.array(pixels))
    for z_m in (z_min_m * 1.02, 1.0 * max(1, z_min_m), 2.0, 5.0):
        points_m = np.concatenate([rays, np.ones((len(rays), 1))], axis=1) * z_m
        seen = rig.infrared.project(rig.T_color_infrared.inverse().apply(points_m))
        assert (seen >= -0.5).all()
        assert (seen <= [rig.infrared.width_px - 0.5, rig.infrared.height_px - 0.5]).all()


@pytest.mark.parametrize("k2", [-0.32, -0.4, -0.6])
def test_the_window_keeps_to_pixels_that_have_a_ray(k2):
    rig = kinect2_rig(scale=0.3)
    folding = replace(rig.infrared, distortion=(0.1, k2, 0.0, 0.0, 0.0))
    assert np.isnan(folding.rays()).any()
    window = compute_crop_window(rig.color, folding, rig.T_color_infrared, z_min_m=0.6)
    ends_x = window.x_px + np.array([0, window.width_px - 1])
    ends_y = window.y_px + np.array([0, window.height_px - 1])
    pixels = [(x, y) for x in np.linspace(*ends_x, 30) for y in np.linspace(*ends_y, 30)]
    rays = rig.color.without_distortion().unproject(np.array(pixels))
    for z_m in (0.62, 1.0, 5.0):
        points_m = np.concatenate([rays, np.ones((len(rays), 1))], axis=1) * z_m
        in_infrared = rig.T_color_infrared.inverse().apply(points_m)
        back = folding.unproject(folding.project(in_infrared))
        wanted = in_infrared[:, :2] / in_infrared[:, 2:]
        assert np.abs(back - wanted).max() < 1e-4


def test_a_nearer_limit_gives_a_smaller_window_of_the_same_shape():
    rig = kinect2_rig()
    window = compute_crop_window(rig.color, rig.infrared, rig.T_color_infrared, z_min_m=0.4)
    assert window.width_px < 1408
    assert abs(window.width_px / window.height_px - 16 / 9) < 0.01


def test_smaller_images_get_the_window_in_proportion():
    rig = kinect2_rig(scale=0.5)
    assert paper_window_px(rig.color) == (704, 396)
    assert ideal_calibration(rig).crop_window.width_px == 704


def test_cameras_that_share_no_view_are_refused():
    rig = kinect2_rig()
    away = RigidTransform.from_rotvec([0, 1.5, 0], [0.05, 0, 0])
    with pytest.raises(CalibrationError, match="covers no window"):
        compute_crop_window(rig.color, rig.infrared, away)
