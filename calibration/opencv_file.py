"""Cameras, transforms and depth correction in OpenCV's FileStorage (YAML, XML or JSON by name).

One file for all cameras::

    cameras: "color infrared"            the first is the reference frame
    color_image_size: [1920, 1080]       width and height
    color_camera_matrix: 3x3
    color_distortion_coefficients: 1x5 or 1x8, OpenCV's order
    infrared_...
    R_color_infrared, t_color_infrared   points of infrared to color, metres
    depth_scale, depth_shift_mm          where depth was corrected

Read are also the files that OpenCV's calibration sample writes for a single camera
(``image_width``, ``image_height``, ``camera_matrix``, ``distortion_coefficients``).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from capture.camera import CameraModel
from capture.files import write_text_atomic
from capture.names import check_name
from capture.transform import RigidTransform

from .errors import CalibrationError

_KNOWN_LENGTHS = (0, 4, 5, 8)


@dataclass(frozen=True, slots=True, eq=False)
class CameraSet:
    """What files of other programs say of some cameras.

    Attributes
    ----------
    cameras : mapping of str to CameraModel
    T_reference_camera : mapping of str to RigidTransform
        To the first camera's frame, of every other whose place is known.
    depth_scale, depth_shift_mm : float or None
    """

    cameras: Mapping[str, CameraModel] = field(default_factory=dict)
    T_reference_camera: Mapping[str, RigidTransform] = field(default_factory=dict)
    depth_scale: float | None = None
    depth_shift_mm: float | None = None


def write_opencv(path: Path, known: CameraSet, *, overwrite: bool = False) -> None:
    """Write `known` as OpenCV's FileStorage; the format follows the file's name."""
    names = list(known.cameras)
    storage = cv2.FileStorage(path.name, cv2.FileStorage_WRITE | cv2.FileStorage_MEMORY)
    storage.write("cameras", " ".join(names))
    for name, camera in known.cameras.items():
        size = np.array([[camera.width_px, camera.height_px]], np.int32)
        storage.write(f"{name}_image_size", size)
        storage.write(f"{name}_camera_matrix", camera.matrix)
        values = np.array([camera.distortion or (0.0,) * 5])
        storage.write(f"{name}_distortion_coefficients", values)
    for name, transform in known.T_reference_camera.items():
        storage.write(f"R_{names[0]}_{name}", transform.rotation)
        storage.write(f"t_{names[0]}_{name}", transform.translation_m[:, None])
    if known.depth_scale is not None:
        storage.write("depth_scale", float(known.depth_scale))
    if known.depth_shift_mm is not None:
        storage.write("depth_shift_mm", float(known.depth_shift_mm))
    write_text_atomic(path, storage.releaseAndGetString(), overwrite=overwrite)


def read_opencv(path: Path, *, name: str = "camera") -> CameraSet:
    """Read what `write_opencv` or OpenCV's calibration sample wrote.

    Parameters
    ----------
    path : Path
    name : str
        What to call the camera of a file that holds a single one.

    Raises
    ------
    CalibrationError
        No FileStorage, or without a camera.
    """
    storage = open_storage(path)
    try:
        listed = storage.getNode("cameras")
        if listed.empty() or not listed.isString():
            size = [read_number(storage, f"image_{side}", path) for side in ("width", "height")]
            camera = camera_from(
                read_matrix(storage, "camera_matrix", path),
                read_matrix(storage, "distortion_coefficients", path),
                (round(size[0]), round(size[1])),
                where=str(path),
            )
            return CameraSet({name: camera})
        names = [check_name(each, what=f"{path}: camera") for each in listed.string().split()]
        cameras, transforms = {}, {}
        for each in names:
            size_px = read_matrix(storage, f"{each}_image_size", path).ravel()
            cameras[each] = camera_from(
                read_matrix(storage, f"{each}_camera_matrix", path),
                read_matrix(storage, f"{each}_distortion_coefficients", path),
                (int(size_px[0]), int(size_px[-1])),
                where=f"{path}: {each}",
            )
        for each in names[1:]:
            if not storage.getNode(f"R_{names[0]}_{each}").empty():
                transforms[each] = transform_from(
                    read_matrix(storage, f"R_{names[0]}_{each}", path),
                    read_matrix(storage, f"t_{names[0]}_{each}", path),
                    where=f"{path}: {each}",
                )
        depth = [
            None if storage.getNode(key).empty() else read_number(storage, key, path)
            for key in ("depth_scale", "depth_shift_mm")
        ]
        return CameraSet(cameras, transforms, *depth)
    finally:
        storage.release()


def open_storage(path: Path) -> cv2.FileStorage:
    """Open a FileStorage for reading, or say what is wrong with it."""
    if not path.is_file():
        raise CalibrationError(f"{path}: no such file")
    try:
        storage = cv2.FileStorage(str(path), cv2.FileStorage_READ)
    except (cv2.error, SystemError) as error:
        raise CalibrationError(f"{path}: no file of OpenCV's FileStorage") from error
    if not storage.isOpened():
        raise CalibrationError(f"{path}: no file of OpenCV's FileStorage")
    return storage


def camera_from(
    matrix: NDArray[np.float64],
    distortion: NDArray[np.float64],
    size_px: tuple[int, int],
    *,
    where: str,
) -> CameraModel:
    """Make a camera of OpenCV's matrix (3, 3) and 0, 4, 5 or 8 distortion coefficients."""
    values = distortion.ravel()
    if matrix.shape != (3, 3) or not np.isfinite(matrix).all() or not np.isfinite(values).all():
        raise CalibrationError(f"{where}: expected a finite 3x3 camera matrix")
    if len(values) > 8 and not values[8:].any():  # OpenCV pads rational models with zeros
        values = values[:8]
    if len(values) not in _KNOWN_LENGTHS:
        raise CalibrationError(
            f"{where}: {len(values)} distortion coefficients: expected 4, 5 or 8",
            remedy="thin prism and tilted models are not supported: calibrate with a rational one",
        )
    if len(values) == 4:
        values = np.append(values, 0.0)
    if abs(matrix[0, 1]) > 1e-9 or not np.allclose(matrix[2], [0, 0, 1]):
        raise CalibrationError(f"{where}: the camera matrix has skew or is none")
    fx_px, fy_px, cx_px, cy_px = matrix[[0, 1, 0, 1], [0, 1, 2, 2]].tolist()
    try:
        return CameraModel(*size_px, fx_px, fy_px, cx_px, cy_px, tuple(values.tolist()))
    except ValueError as error:
        raise CalibrationError(f"{where}: {error}") from error


def transform_from(
    rotation: NDArray[np.float64], translation_m: NDArray[np.float64], *, where: str
) -> RigidTransform:
    """Make a transform of a rotation (3, 3) and a translation of three values, metres."""
    try:
        return RigidTransform(rotation, translation_m.ravel())
    except ValueError as error:
        raise CalibrationError(f"{where}: {error}") from error


def read_matrix(storage: cv2.FileStorage, key: str, path: Path) -> NDArray[np.float64]:
    """Return a copy of the matrix `key` of a file, or say that it has none."""
    node = storage.getNode(key)
    value = None if node.empty() or not node.isMap() else node.mat()
    if value is None or not value.size:
        raise CalibrationError(f"{path}: no matrix {key!r}")
    return np.array(value, np.float64)


def read_number(storage: cv2.FileStorage, key: str, path: Path) -> float:
    """Return the number `key` of a file, or say that it has none."""
    node = storage.getNode(key)
    if node.empty() or not (node.isReal() or node.isInt()):
        raise CalibrationError(f"{path}: no number {key!r}")
    return float(node.real())
