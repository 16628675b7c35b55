"""What a rig calibration file is, in one mapping."""

from pathlib import Path
from typing import Any

from .rig import CAMERAS, FORMAT, SCHEMA_VERSION, load_rig_calibration


def describe_rig_calibration(path: Path) -> dict[str, Any]:
    """Summarise a rig calibration file as JSON values.

    Raises
    ------
    CalibrationError
        The file is missing or not a valid rig calibration.
    """
    rig = load_rig_calibration(path)
    window = rig.crop_window
    cameras = {}
    for name in CAMERAS:
        camera = rig.cameras[name]
        cameras[name] = {
            "size_px": [camera.width_px, camera.height_px],
            "focal_px": [round(camera.fx_px, 2), round(camera.fy_px, 2)],
            "centre_px": [round(camera.cx_px, 2), round(camera.cy_px, 2)],
            "model": camera.model,
            "rms_px": _at(rig.quality, "cameras", name, "rms_px"),
        }
    return {
        "kind": "rig-calibration",
        "format": FORMAT,
        "schema_version": SCHEMA_VERSION,
        "cameras": cameras,
        "T_color_infrared_mm": (1000 * rig.T_color_infrared.translation_m).round(2).tolist(),
        "T_color_thermal_mm": (1000 * rig.T_color_thermal.translation_m).round(2).tolist(),
        "depth_scale": round(rig.depth_scale, 6),
        "depth_shift_mm": round(rig.depth_shift_mm, 3),
        "crop_window": {
            "x_px": window.x_px,
            "y_px": window.y_px,
            "size_px": [window.width_px, window.height_px],
            "z_min_m": window.z_min_m,
        },
        "provenance": dict(rig.provenance),
    }


def _at(document: object, *keys: str) -> object:
    """Look up nested keys of a mapping read from a file, None where there is no such thing."""
    for key in keys:
        document = document.get(key) if isinstance(document, dict) else None
    return document
