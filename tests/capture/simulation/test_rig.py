from pathlib import Path

import cv2
import numpy as np
import pytest

from capture.errors import ConfigError
from capture.simulation.raster import camera_rays
from capture.simulation.rig import CAMERAS, kinect2_rig

DEVICES = ("196605135147", "299150235147")


@pytest.mark.parametrize("device", DEVICES)
def test_calibrations_are_those_published_with_iai_kinect2(device: str, shared_data: Path) -> None:
    rig = kinect2_rig(device=device)
    folder = shared_data / "kinect2_calibrations/iai/kinect2_bridge/data" / device
    for file, camera in (("calib_color", rig.color), ("calib_ir", rig.infrared)):
        stored = cv2.FileStorage(str(folder / f"{file}.yaml"), cv2.FILE_STORAGE_READ)
        matrix = stored.getNode("cameraMatrix").mat()
        np.testing.assert_allclose(matrix, camera.matrix, rtol=1e-14)
        distortion = stored.getNode("distortionCoefficients").mat().ravel()
        np.testing.assert_array_equal(distortion, camera.distortion)
    pose = cv2.FileStorage(str(folder / "calib_pose.yaml"), cv2.FILE_STORAGE_READ)
    np.testing.assert_array_equal(pose.getNode("rotation").mat(), rig.T_color_infrared.rotation)
    translation = pose.getNode("translation").mat().ravel()
    np.testing.assert_allclose(translation, rig.T_color_infrared.translation_m, rtol=1e-14)


def test_the_color_camera_stands_to_the_right_of_the_infrared_one() -> None:
    position = kinect2_rig().T_color_infrared.inverse().translation_m
    assert position[0] == pytest.approx(0.052, abs=0.001)


def test_the_thermal_camera_stands_above() -> None:
    assert kinect2_rig().T_thermal_infrared.inverse().translation_m[1] < -0.05


def test_each_camera_can_be_reduced_on_its_own() -> None:
    rig = kinect2_rig(scale={"color": 0.5})
    assert (rig.color.width_px, rig.color.height_px) == (960, 540)
    assert (rig.infrared.width_px, rig.infrared.height_px) == (512, 424)
    assert (rig.thermal.width_px, rig.thermal.height_px) == (640, 512)


@pytest.mark.parametrize(
    "arguments", [{"device": "1"}, {"scale": {"ir": 0.5}}, {"scale": 0.0}, {"scale": 1.5}]
)
def test_what_cannot_be_meant_is_refused(arguments: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        kinect2_rig(**arguments)  # type: ignore[arg-type]  # wrong on purpose


def test_rays_invert_the_distortion() -> None:
    rig = kinect2_rig(scale=0.2)
    for name in CAMERAS:
        camera = rig.camera(name)
        rays = camera_rays(camera).astype(np.float64)
        pixels = camera.project(np.dstack([rays, np.ones(rays.shape[:2])]))
        v, u = np.mgrid[: camera.height_px, : camera.width_px]
        np.testing.assert_allclose(pixels, np.dstack([u, v]), atol=1e-4)
