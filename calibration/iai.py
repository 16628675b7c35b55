"""Write and read iai_kinect2's four files.

iai_kinect2's own tools place infrared pixels a quarter pixel too far right and down (corners
found in a doubled image are halved without the half-pixel term); these files do not.
"""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from capture.camera import CameraModel
from capture.files import write_text_atomic

from .errors import CalibrationError
from .opencv_file import (
    CameraSet,
    camera_from,
    open_storage,
    read_matrix,
    read_number,
    transform_from,
)
from .rig import RigCalibration

FILES = ("calib_color.yaml", "calib_ir.yaml", "calib_pose.yaml", "calib_depth.yaml")
_SIZES_PX = {"color": (1920, 1080), "infrared": (512, 424)}
_CENTRE_SHARE = 0.15
"""A Kinect v2's principal point lies within this share of the width from the image's middle."""
QUARTER_PX = 0.25
"""How far to the right and down iai_kinect2's own tools place infrared pixels."""


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


def import_iai(folder: Path, *, quarter_pixel: bool) -> CameraSet:
    """Read the files of a Kinect v2 from `folder`; the depth shift's may be missing.

    Parameters
    ----------
    folder : Path
    quarter_pixel : bool
        The files were made by iai_kinect2's own tools: undo their quarter pixel.

    Raises
    ------
    CalibrationError
        A file is missing or not what it should be.
    """
    cameras = {}
    for name, file in zip(("color", "infrared"), FILES, strict=False):
        storage = open_storage(folder / file)
        matrix, distortion = (
            read_matrix(storage, key, folder / file)
            for key in ("cameraMatrix", "distortionCoefficients")
        )
        if name == "infrared" and quarter_pixel:
            matrix[:2, 2] -= QUARTER_PX
        where = str(folder / file)
        _require_full_size(matrix, name, where)
        cameras[name] = camera_from(matrix, distortion, _SIZES_PX[name], where=where)
    path = folder / "calib_pose.yaml"
    pose = open_storage(path)
    rotation, translation_m = (read_matrix(pose, key, path) for key in ("rotation", "translation"))
    transform = transform_from(rotation, translation_m, where=str(path))
    shift_mm = None
    if (folder / "calib_depth.yaml").exists():
        depth = open_storage(folder / "calib_depth.yaml")
        shift_mm = read_number(depth, "depthShift", folder / "calib_depth.yaml")
    return CameraSet(cameras, {"infrared": transform}, None, shift_mm)


def _require_full_size(matrix: NDArray[np.float64], name: str, where: str) -> None:
    """Refuse cameras of other image sizes, which these files do not tell."""
    width_px, height_px = _SIZES_PX[name]
    off_px = np.abs(matrix[:2, 2] - [width_px / 2, height_px / 2])
    if (off_px > _CENTRE_SHARE * width_px).any():
        x_px, y_px = matrix[:2, 2]
        raise CalibrationError(
            f"{where}: the centre is at {x_px:.0f}, {y_px:.0f} px: not a camera of "
            f"{width_px}x{height_px}, which is what iai_kinect2's files are for",
            remedy="carry cameras of other sizes in OpenCV's or ROS's files, which tell them",
        )
