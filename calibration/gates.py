"""Is the calibration good enough? Figures against limits, one verdict each.

Limits for Kinect v2 and A65 come from what users of such rigs reach and complain about; a figure
between "good" and "fail" is fair: usable, worth another session.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from .depth_shift import DepthShift
from .rig import RigCalibration
from .rig_solve import RigSolution
from .uncertainty import UncertaintyMap

Verdict = Literal["good", "fair", "fail"]
RMS_PX = {"color": (0.25, 0.5), "infrared": (0.2, 0.5), "thermal": (0.3, 0.8)}
_HELD_OUT_PX = (0.5, 1.5)
TRANSFER_PX = (0.5, 2.0)
"""Of the full-size color image."""
FULL_WIDTH_PX = {"color": 1920, "infrared": 512, "thermal": 640}
COLOR_WIDTH_PX = FULL_WIDTH_PX["color"]
BASELINE_GATE, BASELINE_MM, _BASELINE_OFF_MM = "infrared baseline", 52.0, (1.0, 3.0)
_TURN_DEG = (2.0, 4.0)
FOCAL_SHARE = {"color": 1065 / 1920, "infrared": 366 / 512}
_FOCAL_OFF = (0.015, 0.04)
_SHIFT_STD_MM = (1.0, 3.0)
"""With what cameras and poses contribute; the sensor itself scatters by 1.5 mm."""
VIEWS = (25, 8)


@dataclass(frozen=True, slots=True)
class Gate:
    """One figure and what it must be.

    Attributes
    ----------
    name : str
    value : float or None
        None where it could not be had.
    unit : str
    limit : str
        What is good, in words.
    verdict : {"good", "fair", "fail"}
    """

    name: str
    value: float | None
    unit: str
    limit: str
    verdict: Verdict


def judge(
    rig: RigCalibration,
    solution: RigSolution,
    shift: DepthShift,
    transfer: Mapping[str, UncertaintyMap],
    held_out_px: Mapping[str, float | None],
) -> tuple[Gate, ...]:
    """Compare a calibration with its limits.

    Parameters
    ----------
    rig, solution, shift
        The calibration.
    transfer : mapping of camera name to UncertaintyMap
        Into color, at a metre.
    held_out_px : mapping of camera name to float or None
        Transfer error of views that took no part.
    """
    gates = []
    size = rig.cameras["color"].width_px / COLOR_WIDTH_PX
    for name, limits in RMS_PX.items():
        gates.append(_below(f"{name} reprojection rms", solution.rms_px(name), "px", limits))
    for name, error_px in held_out_px.items():
        gates.append(_below(f"{name} to color, held-out views", error_px, "px", _HELD_OUT_PX))
    for name, known in transfer.items():
        value = known.median_px / size
        label = f"{name} to color, predicted at 1 m"
        gates.append(_below(label, value, "px of 1920", TRANSFER_PX))
    baseline_mm = 1000 * float(np.linalg.norm(rig.T_color_infrared.translation_m))
    gates.append(_near(BASELINE_GATE, baseline_mm, "mm", BASELINE_MM, _BASELINE_OFF_MM))
    turn_deg = rig.T_color_infrared.angle_deg
    gates.append(_below("infrared turned against color", turn_deg, "°", _TURN_DEG))
    for name, share in FOCAL_SHARE.items():
        camera = rig.cameras[name]
        nominal_px = share * camera.width_px
        off = (_FOCAL_OFF[0] * nominal_px, _FOCAL_OFF[1] * nominal_px)
        gates.append(_near(f"{name} focal length", camera.fx_px, "px", nominal_px, off))
    gates.append(_below("depth shift, standard error", shift.std_error_mm, "mm", _SHIFT_STD_MM))
    n_views = len(solution.problem.views)
    enough: Verdict = "good" if n_views >= VIEWS[0] else "fair" if n_views >= VIEWS[1] else "fail"
    gates.append(Gate("views used", n_views, "", f"at least {VIEWS[0]}", enough))
    return tuple(gates)


def worst(gates: tuple[Gate, ...]) -> Verdict:
    """Return the worst verdict."""
    verdicts = {gate.verdict for gate in gates}
    return "fail" if "fail" in verdicts else "fair" if "fair" in verdicts else "good"


def _below(name: str, value: float | None, unit: str, limits: tuple[float, float]) -> Gate:
    if value is None or not np.isfinite(value):
        return Gate(name, None, unit, f"at most {limits[0]:g}", "fair")
    return Gate(name, float(value), unit, f"at most {limits[0]:g}", _verdict(value, limits))


def _near(name: str, value: float, unit: str, nominal: float, off: tuple[float, float]) -> Gate:
    limit = f"{nominal:.4g} ± {off[0]:.2g}"
    return Gate(name, value, unit, limit, _verdict(abs(value - nominal), off))


def _verdict(value: float, limits: tuple[float, float]) -> Verdict:
    good, fail = limits
    return "good" if value <= good else "fail" if value > fail else "fair"
