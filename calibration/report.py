"""The report of a calibration: ``report.json`` with every number and ``overlay.png`` to look at."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from capture.files import atomic_output, write_text_atomic
from capture.session import Session

from .gates import Gate
from .intrinsics import rms
from .overlay import draw_overlay
from .rig import CAMERAS
from .session_calibration import SessionCalibration
from .views import mean_depth, mean_image

REPORT_NAME = "report.json"
_SHOWN_CORNERS = 5
OVERLAY_NAME = "overlay.png"


def write_report(
    folder: Path, result: SessionCalibration, session: Session, *, overwrite: bool = False
) -> None:
    """Write ``report.json`` and ``overlay.png`` into `folder`, which is created."""
    text = json.dumps(report_document(result), indent=2, allow_nan=False)
    write_text_atomic(folder / REPORT_NAME, text + "\n", overwrite=overwrite)
    number = most_telling_view(result)
    frames = result.views[number].frames
    images = {name: mean_image(session.streams[name], frames[name]) for name in CAMERAS}
    depth_mm = mean_depth(session.streams["depth"], frames["depth"])
    with atomic_output(folder / OVERLAY_NAME, overwrite=overwrite) as partial:
        draw_overlay(partial, result, number, images, depth_mm)


def report_document(result: SessionCalibration) -> dict[str, Any]:
    """Return all numbers of a calibration as JSON values."""
    rig, shift = result.rig, result.depth_shift
    window = rig.crop_window
    cameras = {}
    for name in CAMERAS:
        camera = rig.cameras[name]
        cameras[name] = {
            "width_px": camera.width_px,
            "height_px": camera.height_px,
            "fx_px": camera.fx_px,
            "fy_px": camera.fy_px,
            "cx_px": camera.cx_px,
            "cy_px": camera.cy_px,
            "distortion": list(camera.distortion),
            "n_views_found": sum(name in view.detections for view in result.views),
            "max_error_px": _rounded(_max_error_px(result, name)),
            **rig.quality["cameras"][name],
        }
    transforms = {
        f"T_color_{name}": {
            "translation_mm": (1000 * transform.translation_m).round(4).tolist(),
            "angle_deg": round(transform.angle_deg, 4),
            "baseline_mm": rig.quality["baseline_mm"][name],
        }
        for name, transform in (
            ("infrared", rig.T_color_infrared),
            ("thermal", rig.T_color_thermal),
        )
    }
    return {
        "format": "mavfer-calibration-report",
        "schema_version": 1,
        "provenance": dict(rig.provenance),
        "cameras": cameras,
        "transforms": transforms,
        "held_out_rms_px": rig.quality["held_out_rms_px"],
        "depth_shift": {
            "shift_mm": round(shift.shift_mm, 4),
            "std_error_mm": round(shift.std_error_mm, 4),
            "n_views": len(shift.view_shift_mm),
            "n_pixels": shift.n_pixels,
            "scale": rig.depth_scale,
            "trends": rig.quality["depth_trends"],
        },
        "crop_window": {
            "x_px": window.x_px,
            "y_px": window.y_px,
            "width_px": window.width_px,
            "height_px": window.height_px,
            "z_min_m": window.z_min_m,
            "paper_window_fits": rig.quality["paper_window_fits"],
        },
        "rejected": rig.quality["rejected"],
        "outlying_corners": [asdict(corner) for corner in result.solution.outlying_corners],
        "warnings": rig.quality["warnings"],
        "advice": list(result.advice),
        "verdict": rig.quality["verdict"],
        "gates": [asdict(gate) for gate in result.gates],
        "views": [_view_document(result, number) for number in range(len(result.views))],
    }


def summary_lines(result: SessionCalibration) -> list[str]:
    """Return the calibration's main figures as lines for a terminal."""
    document = report_document(result)
    lines = []
    for name, camera in document["cameras"].items():
        lines.append(
            f"{name:9s} {camera['n_views']:3d} of {len(result.views)} views  "
            f"reprojection {camera['rms_px']:.3f} px rms, {camera['max_error_px']:.2f} px max  "
            f"f {camera['fx_px']:.1f} {camera['fy_px']:.1f}  "
            f"c {camera['cx_px']:.1f} {camera['cy_px']:.1f} px  "
            f"board over {100 * camera['covered_share']:.0f} %"
        )
    for name, transform in document["transforms"].items():
        x, y, z = transform["translation_mm"]
        source = name.removeprefix("T_color_")
        held_out_px = document["held_out_rms_px"][f"{source}_to_color"]
        error = "too few views to hold any out" if held_out_px is None else f"{held_out_px:.3f} px"
        lines.append(
            f"{source} to color  {x:.2f} {y:.2f} {z:.2f} mm, {transform['angle_deg']:.2f}°  "
            f"held-out error {error}"
        )
    shift, window = document["depth_shift"], document["crop_window"]
    lines.append(
        f"depth shift {shift['shift_mm']:.2f} ± {shift['std_error_mm']:.2f} mm "
        f"over {shift['n_views']} views"
    )
    fits = "" if window["paper_window_fits"] else "  (the paper's 1408x792 does not fit)"
    lines.append(
        f"crop window {window['width_px']}x{window['height_px']} "
        f"at {window['x_px']},{window['y_px']} for z >= {window['z_min_m']} m{fits}"
    )
    lines += [f"left out: {what}: {why}" for what, why in document["rejected"].items()]
    lines += _corner_lines(result)
    lines += [f"warning: {what}" for what in document["warnings"]]
    lines += [f"advice: {what}" for what in document["advice"]]
    lines += [_gate_text(gate) for gate in result.gates if gate.verdict != "good"]
    lines.append(f"verdict: {document['verdict']}")
    return lines


def _corner_lines(result: SessionCalibration) -> list[str]:
    corners = result.solution.outlying_corners
    lines = [
        f"little weight: {corner.camera} view {corner.view}, corner in row {corner.row} column "
        f"{corner.column}: {corner.distance_px:.2f} px off"
        for corner in corners[:_SHOWN_CORNERS]
    ]
    if len(corners) > _SHOWN_CORNERS:
        lines.append(f"little weight: {len(corners) - _SHOWN_CORNERS} more corners, see the report")
    return lines


def _gate_text(gate: Gate) -> str:
    value = "unknown" if gate.value is None else f"{gate.value:.3g} {gate.unit}".strip()
    return f"{gate.verdict}: {gate.name} is {value}, good is {gate.limit} {gate.unit}".strip()


def most_telling_view(result: SessionCalibration) -> int:
    """Return the view seen by all cameras whose board covers most of the thermal image."""
    shared = [n for n, view in result.solution.problem.views.items() if len(view) == len(CAMERAS)]
    candidates = shared or list(result.solution.problem.views)

    def spread_px(number: int) -> float:
        corners = result.solution.problem.views[number]
        return float(np.ptp(next(iter(corners.values())), axis=0).prod())

    return max(candidates, key=spread_px)


def _view_document(result: SessionCalibration, number: int) -> dict[str, Any]:
    view = result.views[number]
    held_out = {} if result.validation is None else result.validation.held_out_px
    cameras = {}
    for name, found in view.detections.items():
        residuals = result.solution.residuals_px[name].get(number)
        reason = view.problem or result.solution.rejected[name].get(number)
        cameras[name] = {
            "method": found.method,
            "snr": round(found.snr, 2),
            "n_frames": len(view.frames[name]),
            "rms_px": None if residuals is None else _rounded(rms(residuals)),
            "rejected": reason,
        }
    return {
        "number": number,
        "start_ns": view.start_ns,
        "stop_ns": view.stop_ns,
        "cameras": cameras,
        "held_out_px": {
            f"{name}_to_color": _rounded(errors[number])
            for name, errors in held_out.items()
            if number in errors
        },
        "depth_shift_mm": _rounded(result.depth_shift.view_shift_mm.get(number)),
    }


def _max_error_px(result: SessionCalibration, name: str) -> float:
    residuals = result.solution.residuals_px[name].values()
    return float(max(np.linalg.norm(values, axis=1).max() for values in residuals))


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
