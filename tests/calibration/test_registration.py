"""Registration against a scene whose truth is ray traced: reference figures in the asserts."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from calibration.errors import CalibrationError
from calibration.exchange import compose_rig, read_source
from calibration.registration import (
    color_to_infrared_px,
    color_to_thermal_px,
    register_depth,
    register_depth_float,
    register_thermal,
    undistort_color,
    undistort_color_px,
)
from calibration.simulated import ideal_calibration
from capture.simulation.rig import kinect2_rig
from capture.transform import RigidTransform

DEVICES = ("196605135147", "299150235147")


@pytest.fixture(scope="module")
def rig():
    return ideal_calibration(kinect2_rig(scale=0.3))


def seen_and_unhidden(camera, T_color_camera, rig, scene, truth_m):
    """Color pixels whose surface point lies in another camera's image, and unhidden from it."""
    rays = rig.undistorted_color.rays()
    points = np.concatenate([rays * truth_m[..., None], truth_m[..., None]], axis=-1)
    in_camera = T_color_camera.inverse().apply(points)
    own_rays = in_camera[..., :2] / in_camera[..., 2:]
    nearest_m = scene.depth_m(own_rays, T_color_camera.inverse() @ rig.T_color_infrared)
    pixels = camera.project(in_camera)
    seen = (np.square(own_rays).sum(-1) < 1) & (pixels >= 0).all(-1)
    seen &= (pixels <= [camera.width_px - 1, camera.height_px - 1]).all(-1)
    return seen, in_camera[..., 2] < nearest_m + 2e-3


@pytest.mark.parametrize("device", DEVICES)
def test_depth_matches_ray_traced_truth_at_full_size(device, scene, measure_depth):
    rig = ideal_calibration(kinect2_rig(device=device))
    infrared = rig.cameras["infrared"]
    registered_mm = register_depth_float(measure_depth(scene, infrared, rig.depth_shift_mm), rig)
    truth_m = scene.depth_m(rig.undistorted_color.rays(), rig.T_color_infrared)
    seen, unhidden = seen_and_unhidden(infrared, rig.T_color_infrared, rig, scene, truth_m)
    error_mm = registered_mm - 1000 * truth_m
    judged, shadow, filled = seen & unhidden, seen & ~unhidden, registered_mm > 0
    on_surface = judged & filled & (np.abs(error_mm) < 100)
    assert np.sqrt(np.square(error_mm[on_surface]).mean()) <= 0.25
    assert (judged & ~filled).sum() <= 0.005 * judged.sum()
    assert (shadow & filled).sum() <= 0.001 * shadow.sum()
    assert not (judged & filled & (error_mm < -100)).any(), "a foreground grew outward"


REAL = Path(__file__).parents[3] / "shared/data/kinect2_calibrations/iai/kinect2_bridge/data"


@pytest.mark.skipif(not REAL.exists(), reason=f"{REAL} is not here: real files of iai_kinect2")
def test_rotation_and_change_of_z_of_a_real_device_are_honoured(scene, measure_depth):
    """Device 196605135147 is turned by 1.2 degrees: z differs by 9 mm a metre at the rim."""
    source = read_source(str(REAL / "196605135147"), quarter_pixel=True)
    real = compose_rig([source], base=ideal_calibration(kinect2_rig()))
    infrared = real.cameras["infrared"]
    depth_mm = measure_depth(scene, infrared, real.depth_shift_mm)
    truth_m = scene.depth_m(real.undistorted_color.rays(), real.T_color_infrared)
    straight = RigidTransform(np.eye(3), real.T_color_infrared.translation_m)
    rmse_mm = []
    for transform in (real.T_color_infrared, straight):
        found = register_depth_float(depth_mm, replace(real, T_color_infrared=transform))
        error_mm = found - 1000 * truth_m
        close = (found > 0) & (np.abs(error_mm) < 100)
        rmse_mm.append(np.sqrt(np.square(error_mm[close]).mean()))
    assert rmse_mm[0] <= 0.25
    assert rmse_mm[1] > 5


def test_rounded_and_float_depth_agree(rig, scene, measure_depth):
    depth_mm = measure_depth(scene, rig.cameras["infrared"], rig.depth_shift_mm)
    exact, rounded = register_depth_float(depth_mm, rig), register_depth(depth_mm, rig)
    assert rounded.dtype == np.uint16
    assert np.abs(exact - rounded).max() <= 0.501
    assert ((exact == 0) == (rounded == 0)).all()


@pytest.mark.parametrize("window", [(100, 60, 200, 150), (-30, -20, 90, 70), (500, 250, 200, 200)])
def test_a_window_is_a_cutout_of_the_whole(rig, scene, measure_depth, window):
    depth_mm = measure_depth(scene, rig.cameras["infrared"], rig.depth_shift_mm)
    part, whole = register_depth(depth_mm, rig, window=window), register_depth(depth_mm, rig)
    x, y, width, height = window
    assert part.shape == (height, width)
    left, top = max(0, x), max(0, y)
    inside = whole[top : y + height, left : x + width]
    same = part[top - y : top - y + inside.shape[0], left - x : left - x + inside.shape[1]]
    difference = np.abs(same.astype(int) - inside)
    assert (difference > 1).mean() < 1e-3  # a pixel on a triangle's edge may fall either way


@pytest.mark.parametrize("window", [None, (100, 60, 200, 150), (-30, -20, 90, 70)])
@pytest.mark.parametrize("n_threads", [2, 3, 7])
def test_bands_give_the_very_same_pixels(rig, scene, measure_depth, window, n_threads):
    depth_mm = measure_depth(scene, rig.cameras["infrared"], rig.depth_shift_mm)
    for register in (register_depth, register_depth_float):
        alone = register(depth_mm, rig, window=window)
        together = register(depth_mm, rig, window=window, n_threads=n_threads)
        np.testing.assert_array_equal(alone, together)


def test_buffers_of_the_caller_are_filled_and_what_was_in_them_is_gone(rig, scene, measure_depth):
    depth_mm = measure_depth(scene, rig.cameras["infrared"], rig.depth_shift_mm)
    expected, exact = register_depth(depth_mm, rig), register_depth_float(depth_mm, rig)
    out = np.full(expected.shape, 7, np.uint16)
    scratch = np.full(expected.shape, 9.0, np.float32)
    assert register_depth(depth_mm, rig, out=out, scratch=scratch) is out
    np.testing.assert_array_equal(out, expected)
    assert register_depth_float(depth_mm, rig, out=scratch, n_threads=2) is scratch
    np.testing.assert_array_equal(scratch, exact)


@pytest.mark.parametrize(
    "buffer",
    [np.empty((5, 5), np.uint16), np.empty((1080, 1920), np.int16), np.empty((4, 4))[::2]],
)
def test_buffers_that_do_not_fit_are_refused(rig, buffer):
    empty = np.zeros((rig.cameras["infrared"].height_px, rig.cameras["infrared"].width_px))
    with pytest.raises(CalibrationError, match="a buffer of"):
        register_depth(empty.astype(np.uint16), rig, out=buffer)
    with pytest.raises(CalibrationError, match="at least 1"):
        register_depth(empty.astype(np.uint16), rig, n_threads=0)


def test_invalid_depth_stays_invalid_although_a_shift_is_added(rig):
    for shift_mm in (-13.0, 25.0):
        shifted = replace(rig, depth_shift_mm=shift_mm)
        empty = np.zeros((shifted.cameras["infrared"].height_px, rig.cameras["infrared"].width_px))
        assert not register_depth(empty.astype(np.uint16), shifted).any()
    near = np.full(empty.shape, 10, np.uint16)
    assert not register_depth(near, replace(rig, depth_shift_mm=-13.0)).any()


def test_registering_with_identical_cameras_changes_nothing(rig):
    infrared = rig.cameras["infrared"].without_distortion()
    same = replace(
        rig,
        cameras={**rig.cameras, "color": infrared, "infrared": infrared},
        T_color_infrared=RigidTransform.identity(),
        depth_shift_mm=0.0,
        crop_window=replace(rig.crop_window, x_px=0, y_px=0, width_px=16, height_px=9),
    )
    rng = np.random.default_rng(3)
    depth_mm = (1500 + rng.integers(0, 20, (127, 154))).astype(np.uint16)
    difference = np.abs(register_depth(depth_mm, same).astype(int) - depth_mm)
    assert difference[1:-1, 1:-1].max() <= 1  # rounding decides about the outermost row


def test_thermal_lands_on_its_surface_and_hidden_points_stay_empty(rig, scene, measure_depth):
    thermal = rig.cameras["thermal"]
    T_thermal_infrared = rig.T_color_thermal.inverse() @ rig.T_color_infrared
    own_depth_m = scene.depth_m(thermal.rays(), T_thermal_infrared)
    counts = np.where(own_depth_m < 1.5, 8000, 7400).astype(np.uint16)
    depth = register_depth(measure_depth(scene, rig.cameras["infrared"], rig.depth_shift_mm), rig)
    registered = register_thermal(counts, depth, rig)
    truth_m = scene.depth_m(rig.undistorted_color.rays(), rig.T_color_infrared)
    seen, unhidden = seen_and_unhidden(thermal, rig.T_color_thermal, rig, scene, truth_m)
    known, on_sphere = (depth > 0) & seen, truth_m < 1.5
    filled = registered > 0
    assert filled[known & on_sphere].mean() > 0.97
    assert filled[known & unhidden].mean() > 0.97
    behind_sphere = known & ~unhidden & ~on_sphere
    assert behind_sphere.sum() > 100
    # The sphere's outermost strip has no depth, so it hides nothing: a few points slip by.
    assert filled[behind_sphere].mean() < 0.05
    assert not filled[depth == 0].any()
    right = np.where(on_sphere, 8000, 7400)
    judged = known & filled & unhidden
    assert (np.abs(registered.astype(int) - right)[judged] > 1).mean() < 0.02


def test_thermal_window_must_match_the_depth(rig):
    counts = np.zeros((154, 192), np.uint16)
    with pytest.raises(CalibrationError, match="window asks for"):
        register_thermal(counts, np.zeros((10, 10), np.uint16), rig, window=(0, 0, 11, 10))


def test_points_are_carried_to_the_other_cameras(rig, scene):
    rng = np.random.default_rng(5)
    points_m = rng.uniform([-0.2, -0.15, 0.6], [0.2, 0.15, 1.2], (200, 3))
    in_color = rig.T_color_infrared.apply(points_m)
    color_px = rig.undistorted_color.project(in_color)
    found = color_to_infrared_px(color_px, in_color[:, 2], rig)
    np.testing.assert_allclose(found, rig.cameras["infrared"].project(points_m), atol=1e-6)
    T_thermal_infrared = rig.T_color_thermal.inverse() @ rig.T_color_infrared
    found = color_to_thermal_px(color_px, in_color[:, 2], rig)
    expected = rig.cameras["thermal"].project(T_thermal_infrared.apply(points_m))
    np.testing.assert_allclose(found, expected, atol=1e-6)
    raw_px = rig.cameras["color"].project(in_color)
    np.testing.assert_allclose(undistort_color_px(raw_px, rig), color_px, atol=1e-6)


def test_points_without_depth_or_out_of_view_are_nan(rig):
    found = color_to_thermal_px(np.array([[100.0, 80.0]] * 2), np.array([0.0, -1.0]), rig)
    assert np.isnan(found).all()
    far_out = color_to_thermal_px(np.array([[-3000.0, 80.0]]), np.array([0.7]), rig)
    assert np.isnan(far_out).all()


def test_undistorted_image_has_the_pixels_where_the_points_say(rig):
    color = rig.cameras["color"]
    v, u = np.mgrid[0 : color.height_px, 0 : color.width_px]
    ramp = np.stack([u * 255 / color.width_px, v * 255 / color.height_px, 0 * u], axis=-1)
    undistorted = undistort_color(ramp.round().astype(np.uint8), rig)
    points_px = np.array([[60.0, 40.0], [300.0, 160.0], [500.0, 280.0]])
    ideal_px = undistort_color_px(points_px, rig).round().astype(int)
    for (x, y), (ideal_x, ideal_y) in zip(points_px, ideal_px, strict=True):
        b, g, _ = undistorted[ideal_y, ideal_x]
        assert abs(int(b) - x * 255 / color.width_px) < 1.5
        assert abs(int(g) - y * 255 / color.height_px) < 1.5


def test_images_of_another_size_are_refused(rig):
    with pytest.raises(CalibrationError, match="512x424: calibrated for 154x127"):
        register_depth(np.zeros((424, 512), np.uint16), rig)
    with pytest.raises(CalibrationError, match="color image is 10x10"):
        undistort_color(np.zeros((10, 10, 3), np.uint8), rig)
    with pytest.raises(CalibrationError, match="is empty"):
        register_depth(np.zeros((127, 154), np.uint16), rig, window=(0, 0, 0, 5))


def test_a_linear_depth_model_is_applied(rig):
    """Twice: measured 1000 mm at scale 1.01 and shift -13 is what 1010 - 13 mm is without."""
    flat = np.full((rig.cameras["infrared"].height_px, rig.cameras["infrared"].width_px), 1000)
    scaled = replace(rig, depth_scale=1.01)
    by_scale = register_depth_float(flat.astype(np.uint16), scaled)
    by_shift = register_depth_float((flat + 10).astype(np.uint16), rig)
    np.testing.assert_allclose(by_scale, by_shift, rtol=1e-6)
