"""The rig calibration: cameras, transforms, depth shift and crop window, and its YAML file.

The file's fields are described in ``docs/formats/rig-calibration.md``.
"""

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from capture.camera import CameraModel
from capture.errors import MavferError
from capture.files import write_text_atomic
from capture.transform import RigidTransform

from .errors import CalibrationError

FORMAT = "mavfer-rig-calibration"
SCHEMA_VERSION = 1
CAMERAS = ("color", "infrared", "thermal")
DISTORTION_LENGTH = {"none": 0, "plumb_bob": 5, "rational": 8}
_MAX_FILE_BYTES = 4_000_000
_LEAST_SCALE = 0.9
_OPTIONAL = ("depth_scale",)
"""Keys that files of the first version may lack."""


@dataclass(frozen=True, slots=True)
class CropWindow:
    """Rectangle of the undistorted color image in which depth exists for all z >= `z_min_m`.

    Attributes
    ----------
    x_px, y_px : int
        Top-left pixel.
    width_px, height_px : int
    z_min_m : float
        Nearest depth for which the infrared camera covers the whole rectangle.
    """

    x_px: int
    y_px: int
    width_px: int
    height_px: int
    z_min_m: float


@dataclass(frozen=True, slots=True, eq=False)
class RigCalibration:
    """Everything needed to find the same skin in color, depth and thermal.

    Attributes
    ----------
    cameras : mapping of str to CameraModel
        Keys "color", "infrared" (also the camera of the depth stream) and "thermal".
    T_color_infrared, T_color_thermal : RigidTransform
        Map points of the infrared and thermal frame to the color frame, metres.
    depth_shift_mm : float
        True depth = scale · measured depth + shift; the sign iai_kinect2 uses. 0 stays invalid.
    crop_window : CropWindow
    quality, provenance : mapping of str to JSON values
        How good it is and where it comes from; carried along, never interpreted.
    depth_scale : float
        1 unless a linear depth model was asked for.
    """

    cameras: Mapping[str, CameraModel]
    T_color_infrared: RigidTransform
    T_color_thermal: RigidTransform
    depth_shift_mm: float
    crop_window: CropWindow
    quality: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    depth_scale: float = 1.0

    def __post_init__(self) -> None:
        if sorted(self.cameras) != sorted(CAMERAS):
            raise CalibrationError(
                f"cameras {sorted(self.cameras)}: expected exactly {sorted(CAMERAS)}"
            )
        if not _LEAST_SCALE < self.depth_scale < 1 / _LEAST_SCALE:
            raise CalibrationError(f"depth_scale is {self.depth_scale}: expected about 1")
        color, window = self.cameras["color"], self.crop_window
        inside = (
            min(window.x_px, window.y_px) >= 0
            and min(window.width_px, window.height_px) > 0
            and window.x_px + window.width_px <= color.width_px
            and window.y_px + window.height_px <= color.height_px
        )
        if not inside:
            raise CalibrationError(
                f"crop window {window} leaves the {color.width_px}x{color.height_px} color image"
            )

    @property
    def undistorted_color(self) -> CameraModel:
        """The ideal camera of the undistorted color image, the rig's common pixel grid."""
        return self.cameras["color"].without_distortion()

    def true_depth_mm(self, measured_mm: float) -> float:
        """Return the depth that a valid measured one stands for."""
        return self.depth_scale * measured_mm + self.depth_shift_mm

    def require_size(self, camera: str, image: NDArray[Any]) -> None:
        """Raise `CalibrationError` when `image` (H, W, …) is not of this camera's size."""
        expected = self.cameras[camera]
        height_px, width_px = image.shape[:2]
        if (width_px, height_px) != (expected.width_px, expected.height_px):
            raise CalibrationError(
                f"{camera} image is {width_px}x{height_px}: "
                f"calibrated for {expected.width_px}x{expected.height_px}",
                remedy="use the calibration made with this rig and these image sizes",
            )


def save_rig_calibration(path: Path, rig: RigCalibration, *, overwrite: bool = False) -> None:
    """Write `rig` as YAML, whole or not at all."""
    document = {
        "format": FORMAT,
        "schema_version": SCHEMA_VERSION,
        "cameras": {name: _camera_document(rig.cameras[name]) for name in CAMERAS},
        "T_color_infrared": _transform_document(rig.T_color_infrared),
        "T_color_thermal": _transform_document(rig.T_color_thermal),
        "depth_scale": float(rig.depth_scale),
        "depth_shift_mm": float(rig.depth_shift_mm),
        "quality": dict(rig.quality),
        "provenance": dict(rig.provenance),
        # last, since it is required and ends with a brace: a file cut anywhere is refused, while
        # one cut within the free mappings above would be read with less in them
        "crop_window": asdict(rig.crop_window),
    }
    text = yaml.safe_dump(document, sort_keys=False, default_flow_style=None, width=100)
    write_text_atomic(path, text, overwrite=overwrite)


def load_rig_calibration(path: Path) -> RigCalibration:
    """Read a rig calibration, refusing anything that is not exactly one.

    Raises
    ------
    CalibrationError
        Missing or foreign file, unknown or missing key, wrong type or size, NaN, improper
        rotation, or a schema version this software does not know.
    """
    return _parse(_read_yaml(path), path)


def _read_yaml(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise CalibrationError(f"{path}: no such file", remedy="run mavfer-calibrate to make one")
    if path.stat().st_size > _MAX_FILE_BYTES:
        raise CalibrationError(f"{path}: larger than {_MAX_FILE_BYTES} bytes, not a calibration")
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise CalibrationError(f"{path}: not valid YAML: {str(error).splitlines()[0]}") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise CalibrationError(
            f"{path}: not a rig calibration: key 'format' is not {FORMAT!r}",
            remedy="run mavfer-calibrate to make one",
        )
    if document.get("schema_version") != SCHEMA_VERSION:
        raise CalibrationError(
            f"{path}: schema version {document.get('schema_version')!r}: expected {SCHEMA_VERSION}",
            remedy="calibrate again with this software or use the one that wrote the file",
        )
    return document


def _parse(document: Mapping[str, Any], path: Path) -> RigCalibration:
    try:
        _require_keys(
            document,
            ("format", "schema_version", *(item.name for item in fields(RigCalibration))),
            "top level",
            optional=_OPTIONAL,
        )
        cameras = document["cameras"]
        _require_keys(cameras, CAMERAS, "cameras")
        window = document["crop_window"]
        names = [item.name for item in fields(CropWindow)]
        _require_keys(window, names, "crop_window")
        whole = {name: _whole(window[name], f"crop_window.{name}") for name in names[:4]}
        for name in ("quality", "provenance"):
            if not isinstance(document[name], dict):
                raise CalibrationError(f"{name} is {document[name]!r}: expected a mapping")
        return RigCalibration(
            cameras={name: _camera(cameras[name], f"cameras.{name}") for name in CAMERAS},
            T_color_infrared=_transform(document["T_color_infrared"], "T_color_infrared"),
            T_color_thermal=_transform(document["T_color_thermal"], "T_color_thermal"),
            depth_shift_mm=_number(document["depth_shift_mm"], "depth_shift_mm"),
            crop_window=CropWindow(
                **whole, z_min_m=_number(window["z_min_m"], "crop_window.z_min_m")
            ),
            depth_scale=_number(document.get("depth_scale", 1.0), "depth_scale"),
            quality=document["quality"],
            provenance=document["provenance"],
        )
    except (MavferError, ValueError) as error:
        message = error.message if isinstance(error, MavferError) else str(error)
        raise CalibrationError(
            f"{path}: {message}", remedy="correct the file or run mavfer-calibrate again"
        ) from error


def _camera_document(camera: CameraModel) -> dict[str, Any]:
    return {
        "width_px": int(camera.width_px),
        "height_px": int(camera.height_px),
        "fx_px": float(camera.fx_px),
        "fy_px": float(camera.fy_px),
        "cx_px": float(camera.cx_px),
        "cy_px": float(camera.cy_px),
        "model": camera.model,
        "distortion": [float(value) for value in camera.distortion],
    }


def _transform_document(transform: RigidTransform) -> dict[str, Any]:
    return {
        "rotation": transform.rotation.tolist(),
        "translation_m": transform.translation_m.tolist(),
    }


def _camera(document: object, where: str) -> CameraModel:
    names = [item.name for item in fields(CameraModel)]
    entry = _require_keys(document, [*names, "model"], where)
    model = entry["model"]
    if model not in DISTORTION_LENGTH:
        raise CalibrationError(f"{where}.model is {model!r}: expected {list(DISTORTION_LENGTH)}")
    distortion = _numbers(entry["distortion"], (DISTORTION_LENGTH[model],), f"{where}.distortion")
    return CameraModel(
        width_px=_whole(entry["width_px"], f"{where}.width_px"),
        height_px=_whole(entry["height_px"], f"{where}.height_px"),
        fx_px=_number(entry["fx_px"], f"{where}.fx_px"),
        fy_px=_number(entry["fy_px"], f"{where}.fy_px"),
        cx_px=_number(entry["cx_px"], f"{where}.cx_px"),
        cy_px=_number(entry["cy_px"], f"{where}.cy_px"),
        distortion=tuple(distortion.tolist()),
    )


def _transform(document: object, where: str) -> RigidTransform:
    entry = _require_keys(document, ("rotation", "translation_m"), where)
    rotation = _numbers(entry["rotation"], (3, 3), f"{where}.rotation")
    translation_m = _numbers(entry["translation_m"], (3,), f"{where}.translation_m")
    try:
        return RigidTransform(rotation, translation_m)
    except ValueError as error:
        raise CalibrationError(f"{where}: {error}") from error


def _require_keys(
    document: object, expected: Sequence[str], where: str, *, optional: Sequence[str] = ()
) -> Mapping[str, Any]:
    if not isinstance(document, dict):
        raise CalibrationError(f"{where} is {type(document).__name__}: expected a mapping")
    for name in document:
        if name not in expected:
            near = difflib.get_close_matches(str(name), expected, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise CalibrationError(f"{where}: unknown key {name!r}{hint}")
    missing = [name for name in expected if name not in document and name not in optional]
    if missing:
        raise CalibrationError(f"{where}: missing key {', '.join(map(repr, missing))}")
    return document


def _number(value: object, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise CalibrationError(f"{where} is {value!r}: expected a finite number")
    return float(value)


def _whole(value: object, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise CalibrationError(f"{where} is {value!r}: expected a whole number")
    return value


def _numbers(value: object, shape: tuple[int, ...], where: str) -> NDArray[np.float64]:
    if not isinstance(value, list) or len(value) != shape[0]:
        raise CalibrationError(f"{where}: expected {' x '.join(map(str, shape))} numbers")
    if len(shape) > 1:
        return np.array([_numbers(row, shape[1:], where) for row in value])
    return np.array([_number(item, where) for item in value], np.float64)
