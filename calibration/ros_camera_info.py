"""Single cameras as ROS's ``camera_calibration_parsers`` keeps them: one YAML file a camera."""

from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from capture.camera import CameraModel
from capture.files import write_text_atomic

from .errors import CalibrationError
from .opencv_file import camera_from

_MODELS = {"plumb_bob": 5, "rational_polynomial": 8}
_MAX_FILE_BYTES = 1_000_000


def write_camera_info(
    path: Path, name: str, camera: CameraModel, *, overwrite: bool = False
) -> None:
    """Write one camera; its rectification is the identity: rigs are no stereo heads."""
    projection = np.hstack([camera.matrix, np.zeros((3, 1))])
    model = "rational_polynomial" if camera.model == "rational" else "plumb_bob"
    document = {
        "image_width": camera.width_px,
        "image_height": camera.height_px,
        "camera_name": name,
        "camera_matrix": _rows(camera.matrix),
        "distortion_model": model,
        "distortion_coefficients": _rows(np.array([camera.distortion or (0.0,) * 5])),
        "rectification_matrix": _rows(np.eye(3)),
        "projection_matrix": _rows(projection),
    }
    text = yaml.safe_dump(document, sort_keys=False, default_flow_style=None, width=100)
    write_text_atomic(path, text, overwrite=overwrite)


def read_camera_info(path: Path) -> CameraModel:
    """Read one camera.

    Raises
    ------
    CalibrationError
        No such file, no camera info, or a distortion model other than plumb_bob and
        rational_polynomial.
    """
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise CalibrationError(f"{path}: larger than {_MAX_FILE_BYTES} bytes, no camera info")
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CalibrationError(f"{path} cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise CalibrationError(f"{path}: not valid YAML: {str(error).splitlines()[0]}") from error
    if not isinstance(document, dict) or "camera_matrix" not in document:
        raise CalibrationError(f"{path}: no ROS camera info: key 'camera_matrix' is missing")
    model = document.get("distortion_model")
    if model not in _MODELS:
        raise CalibrationError(
            f"{path}: distortion_model is {model!r}: expected {', '.join(_MODELS)}"
        )
    width_px, height_px = document.get("image_width"), document.get("image_height")
    if type(width_px) is not int or type(height_px) is not int:
        raise CalibrationError(
            f"{path}: image_width and image_height are {width_px!r} and {height_px!r}"
        )
    matrix = _values(document, "camera_matrix", path)
    distortion = _values(document, "distortion_coefficients", path)
    if matrix.size != 9:
        raise CalibrationError(f"{path}: camera_matrix has {matrix.size} values, expected 9")
    return camera_from(matrix.reshape(3, 3), distortion, (width_px, height_px), where=str(path))


def _rows(matrix: NDArray[np.float64]) -> dict[str, Any]:
    data = [float(value) for value in matrix.ravel()]
    return {"rows": matrix.shape[0], "cols": matrix.shape[1], "data": data}


def _values(document: dict[str, Any], key: str, path: Path) -> NDArray[np.float64]:
    entry = document.get(key)
    data = entry.get("data") if isinstance(entry, dict) else None
    if not isinstance(data, list) or not all(isinstance(value, int | float) for value in data):
        raise CalibrationError(f"{path}: {key} has no list of numbers 'data'")
    return np.array(data, np.float64)
