"""Crops show the same skin in all modalities: against the truth of the simulated rig."""

import cv2
import numpy as np
import pytest

from calibration.registration import undistort_color, undistort_color_px
from capture.camera import CameraModel
from capture.frame import KELVIN_PER_COUNT
from mavfer.alignment import align, apply_similarity, invert_similarity, smooth_alignment
from mavfer.crops import crop_color, crop_depth, crop_rig, crop_thermal, shows_face
from mavfer.faces import FaceTracker

CROP_PX = 96
INNER = slice(17, 68)
CHEEKS_CROP_PX = np.array([[30.0, 48.0], [65.0, 48.0], [33.0, 55.0], [62.0, 55.0], [47.5, 18.0]])


def true_alignment(moment, rig) -> np.ndarray:
    landmarks = undistort_color_px(moment.truth.landmarks_px["color"], rig)
    return align(landmarks, 68, crop_px=CROP_PX)


def test_depth_crop_holds_the_true_depth_of_the_landmarks(
    ideal_moments, face_calibration, small_rig
) -> None:
    for moment in ideal_moments:
        T = true_alignment(moment, face_calibration)
        crop = crop_depth(
            moment.images["depth"], crop_rig(face_calibration, T, crop_px=CROP_PX)
        ).astype(float)
        color_px = undistort_color_px(moment.truth.landmarks_px["color"], face_calibration)
        at = np.rint(apply_similarity(T, color_px)[INNER]).astype(int)
        true_mm = small_rig.T_color_infrared.apply(moment.truth.landmarks_m)[INNER, 2] * 1000
        error_mm = np.abs(crop[at[:, 1], at[:, 0]] - true_mm)
        assert np.median(error_mm) < 1.5
        assert np.percentile(error_mm, 90) < 4.0


def test_thermal_crop_holds_the_true_temperature_of_cheeks_and_forehead(
    ideal_moments, face_calibration, small_rig
) -> None:
    for moment in ideal_moments:
        T = true_alignment(moment, face_calibration)
        rig_of_crop = crop_rig(face_calibration, T, crop_px=CROP_PX)
        depth = crop_depth(moment.images["depth"], rig_of_crop)
        crop = crop_thermal(moment.images["thermal"], depth, rig_of_crop)
        at = CHEEKS_CROP_PX.astype(int)
        z_m = depth[at[:, 1], at[:, 0]] / 1000
        # Where these points lie in the thermal image, by the simulated rig's own geometry.
        color_px = apply_similarity(invert_similarity(T), at.astype(float))
        rays = small_rig.color.without_distortion().unproject(color_px)
        points_m = np.concatenate([rays * z_m[:, None], z_m[:, None]], axis=1)
        T_thermal_color = small_rig.T_thermal_infrared @ small_rig.T_color_infrared.inverse()
        thermal_px = small_rig.thermal.project(T_thermal_color.apply(points_m)).astype(np.float32)
        true_c = cv2.remap(
            moment.truth.temperature_c, thermal_px[:, None, 0], thermal_px[:, None, 1],
            cv2.INTER_LINEAR,
        ).ravel()  # fmt: skip
        found_c = crop[at[:, 1], at[:, 0]] * KELVIN_PER_COUNT - 273.15
        assert np.abs(found_c - true_c).max() < 0.3


def test_thermal_and_depth_are_invalid_together_beside_the_face(
    ideal_moments, face_calibration
) -> None:
    moment = ideal_moments[0]
    rig_of_crop = crop_rig(face_calibration, true_alignment(moment, face_calibration), crop_px=96)
    depth = crop_depth(moment.images["depth"], rig_of_crop)
    thermal = crop_thermal(moment.images["thermal"], depth, rig_of_crop)
    assert not thermal[depth == 0].any()
    assert shows_face(depth)
    assert shows_face(thermal)
    assert not shows_face(np.zeros_like(depth))


@pytest.mark.parametrize("roll_deg", [0.0, 12.0, -25.0])
@pytest.mark.parametrize("scale", [0.5, 1.3])
def test_the_crops_rig_sees_what_the_alignment_says(
    face_calibration, roll_deg: float, scale: float
) -> None:
    """A crop pixel means the same ray through the crop's camera as through color pixels."""
    angle = np.radians(roll_deg)
    a, b = scale * np.cos(angle), scale * np.sin(angle)
    T = np.array([[a, -b, 0.0], [b, a, 0.0]])
    T[:, 2] = 47.5 - T[:, :2] @ [500.0, 150.0]
    rig = crop_rig(face_calibration, T, crop_px=CROP_PX)
    corners = np.array([[0, 0], [95, 0], [0, 95], [95, 95], [47.5, 47.5]], float)
    color = face_calibration.undistorted_color
    rays = color.unproject(apply_similarity(invert_similarity(T), corners))
    points_m = np.concatenate([rays, np.ones((5, 1))], axis=1) * 0.8
    T_crop_color_frame = rig.T_color_infrared @ face_calibration.T_color_infrared.inverse()
    seen = rig.undistorted_color.project(T_crop_color_frame.apply(points_m))
    limit_px = 0.01 + 96 * 0.006 * abs(np.sin(angle))
    assert np.linalg.norm(seen - corners, axis=1).max() < limit_px
    np.testing.assert_allclose(seen[4], corners[4], atol=1e-6)
    np.testing.assert_allclose(T_crop_color_frame.apply(points_m)[:, 2], 0.8)


def test_color_crop_equals_the_undistorted_image_resampled(ideal_moments, face_calibration) -> None:
    moment = ideal_moments[0]
    T = true_alignment(moment, face_calibration)
    direct = crop_color(
        moment.images["color"], T, crop_px=CROP_PX, camera=face_calibration.cameras["color"]
    )
    undistorted = undistort_color(moment.images["color"], face_calibration)
    twice = cv2.warpAffine(undistorted, T, (CROP_PX, CROP_PX), flags=cv2.INTER_LINEAR)
    difference = np.abs(direct.astype(int) - cv2.cvtColor(twice, cv2.COLOR_BGR2RGB).astype(int))
    assert difference.mean() < 3.0


def test_color_crop_takes_distortion_out() -> None:
    camera = CameraModel(640, 480, 500, 500, 320, 240, (0.2, -0.1, 0.002, -0.001, 0.0))
    spot = np.array([[150.0, 120.0]])
    ideal = camera.without_distortion()
    seen = camera.project(np.array([[*ideal.unproject(spot)[0], 1.0]]))[0]
    y, x = np.mgrid[:480, :640]
    image = np.exp(-((x - seen[0]) ** 2 + (y - seen[1]) ** 2) / 18)
    image = np.repeat((image * 255).astype(np.uint8)[..., None], 3, axis=2)
    T = np.array([[0.8, 0.0, 40 - 0.8 * 150], [0.0, 0.8, 60 - 0.8 * 120]])
    crop = crop_color(image, T, crop_px=CROP_PX, camera=camera)[..., 0].astype(float)
    v, u = np.mgrid[:CROP_PX, :CROP_PX]
    centroid = np.array([(u * crop).sum(), (v * crop).sum()]) / crop.sum()
    np.testing.assert_allclose(centroid, [40, 60], atol=0.1)


def test_fine_texture_is_averaged_not_aliased() -> None:
    checker = np.indices((400, 400)).sum(axis=0) % 2 * 255
    image = np.repeat(checker.astype(np.uint8)[..., None], 3, axis=2)
    T = np.array([[0.25, 0.0, 0.1], [0.0, 0.25, 0.07]])
    crop = crop_color(image, T, crop_px=CROP_PX).astype(float)
    assert crop[2:-2, 2:-2].std() < 20
    assert abs(crop.mean() - 127.5) < 5


def test_beyond_the_image_is_black() -> None:
    image = np.full((50, 50, 3), 200, np.uint8)
    crop = crop_color(image, np.array([[1.0, 0, 40.0], [0, 1.0, 40.0]]), crop_px=CROP_PX)
    assert not crop[:30, :30].any()
    assert (crop[45:80, 45:80] == 200).all()


def test_detected_faces_lie_still_in_the_crop(ideal_moments, face_calibration) -> None:
    """The eyes of a moving head keep their place in the crop to about a pixel."""
    tracker = FaceTracker(68)
    aligned, eyes = [], []
    for moment in ideal_moments:
        grey = cv2.cvtColor(moment.images["color"], cv2.COLOR_BGR2GRAY)
        found = undistort_color_px(tracker.look(grey).landmarks_px, face_calibration)
        aligned.append(align(found, 68, crop_px=CROP_PX))
        truth = undistort_color_px(moment.truth.landmarks_px["color"], face_calibration)
        eyes.append(truth[[36, 39, 42, 45]].mean(axis=0))
    time_ns = np.arange(len(aligned)) * 250_000_000
    smoothed = smooth_alignment(np.array(aligned), time_ns, crop_px=CROP_PX)
    places = np.array([apply_similarity(T, eye) for T, eye in zip(smoothed, eyes, strict=True)])
    assert np.sqrt(np.square(places - places.mean(axis=0)).sum(axis=1).mean()) < 1.5
