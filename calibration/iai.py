"""Write a calibration as iai_kinect2's four files, for programs that read those.

iai_kinect2's own tools place infrared pixels a quarter pixel too far right and down (corners
found in a doubled image are halved without the half-pixel term); these files do not.
"""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from capture.camera import CameraModel
from capture.files import write_text_atomic

from .rig import RigCalibration

FILES = ("calib_color.yaml", "calib_ir.yaml", "calib_pose.yaml", "calib_depth.yaml")


def export_iai(folder: Path, rig: RigCalibration, *, overwrite: bool = False) -> None:
    """Write ``calib_{color,ir,pose,depth}.yaml`` into `folder`, which is created."""
    T_color_infrared = rig.T_color_infrared
    tx, ty, tz = T_color_infrared.translation_m
    cross = np.array([[0, -tz, ty], [tz, 0, -tx], [-ty, tx, 0]])
    essential = cross @ T_color_infrared.rotation
    color, infrared = rig.cameras["color"], rig.cameras["infrared"]
    fundamental = np.linalg.inv(color.matrix).T @ essential @ np.linalg.inv(infrared.matrix)
    pose = {
        "rotation": T_color_infrared.rotation,
        "translation": T_color_infrared.translation_m[:, None],
        "essential": essential,
        "fundamental": fundamental / fundamental[2, 2],
    }
    contents: list[dict[str, NDArray[np.float64] | float]] = [
        _camera(color),
        _camera(infrared),
        {**pose},
        {"depthShift": float(rig.depth_shift_mm)},
    ]
    for name, values in zip(FILES, contents, strict=True):
        storage = cv2.FileStorage(name, cv2.FileStorage_WRITE | cv2.FileStorage_MEMORY)
        for key, value in values.items():
            storage.write(key, value)
        write_text_atomic(folder / name, storage.releaseAndGetString(), overwrite=overwrite)


def _camera(camera: CameraModel) -> dict[str, NDArray[np.float64] | float]:
    projection = np.zeros((4, 4))
    projection[:3, :3] = camera.matrix
    projection[3, 3] = 1
    return {
        "cameraMatrix": camera.matrix,
        "distortionCoefficients": np.array([camera.distortion or (0.0,) * 5]),
        "rotation": np.eye(3),
        "projection": projection,
    }
