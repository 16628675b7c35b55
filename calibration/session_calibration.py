"""The whole way from a board session to a rig calibration."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capture.session import Session
from capture.terminal import OnProgress

from .adjustment_problem import State
from .board import BoardSpec
from .coverage import coverage_warnings, covered_share
from .crop_window import compute_crop_window, paper_window_px
from .cross_validation import CrossValidation, cross_validate
from .depth_shift import DepthShift, estimate_depth_shift
from .errors import CalibrationError
from .intrinsics import MIN_VIEWS
from .rig import CAMERAS, RigCalibration
from .rig_solve import REFERENCE, RigSolution, solve_rig
from .views import BoardView, collect_views

_REMEDIES = {
    "color": "light the board evenly and hold it inside the color image",
    "infrared": "print the board with a laser printer: ink is invisible in infrared",
    "thermal": "warm the board with a lamp first, so that black and white squares differ",
}


@dataclass(frozen=True, slots=True, eq=False)
class SessionCalibration:
    """A rig calibration and everything its report is made of.

    Attributes
    ----------
    rig : RigCalibration
    views : tuple of BoardView
        All still views; the numbers used elsewhere index this.
    solution : RigSolution
    depth_shift : DepthShift
    validation : CrossValidation or None
        None with too few views to leave any out.
    """

    rig: RigCalibration
    views: tuple[BoardView, ...]
    solution: RigSolution
    depth_shift: DepthShift
    validation: CrossValidation | None


def calibrate_session(
    session: Session,
    *,
    board: BoardSpec,
    z_min_m: float | None = None,
    on_progress: OnProgress = lambda done, total: None,
) -> SessionCalibration:
    """Calibrate the rig from a session in which the board was held still in many places.

    Parameters
    ----------
    session : Session
    board : BoardSpec
    z_min_m : float, optional
        Nearest depth the crop window must hold for; by default the nearest that lets the
        paper's window fit.
    on_progress : callable
        Told (views done, views in all).

    Raises
    ------
    CalibrationError
        A stream is missing, a camera saw the board too rarely, or the views leave something
        undetermined.
    """
    views = collect_views(session, board, on_progress=on_progress)
    usable = [view if view.problem is None else None for view in views]
    _require_seen(session, usable)
    sizes_px = {
        name: (session.streams[name].spec.width_px, session.streams[name].spec.height_px)
        for name in CAMERAS
    }
    corners = [
        {name: found.corners_px for name, found in view.detections.items()} if view else {}
        for view in usable
    ]
    solution = solve_rig(corners, sizes_px=sizes_px, board=board)
    state = solution.state
    depth_mm = {number: view.depth_mm for number, view in enumerate(usable) if view}
    shift = _depth_shift(state, depth_mm, board)
    validation = cross_validate(
        solution, lambda partial: _depth_shift(partial, depth_mm, board).shift_mm
    )
    if validation is not None:
        shift = replace(shift, std_error_mm=max(shift.std_error_mm, validation.std_error))
    T_color_infrared = solution.T_reference_camera("infrared")
    window = compute_crop_window(
        state.cameras["color"], state.cameras["infrared"], T_color_infrared, z_min_m=z_min_m
    )
    rig = RigCalibration(
        cameras=state.cameras,
        T_color_infrared=T_color_infrared,
        T_color_thermal=solution.T_reference_camera("thermal"),
        depth_shift_mm=shift.shift_mm,
        crop_window=window,
        quality=_quality(solution, shift, validation, views)
        | {
            "paper_window_fits": (window.width_px, window.height_px)
            == paper_window_px(state.cameras["color"])
        },
        provenance={
            "session": session.id,
            "session_uuid": session.manifest.uuid,
            "recorded": session.manifest.created,
            "board": str(board),
            "n_views": len(views),
            "software_version": version("mavfer"),
        },
    )
    return SessionCalibration(rig, tuple(views), solution, shift, validation)


def _depth_shift(
    state: State, depth_mm: Mapping[int, NDArray[np.float32]], board: BoardSpec
) -> DepthShift:
    T_infrared_board = {
        number: state.T_camera_reference["infrared"] @ pose
        for number, pose in state.T_reference_board.items()
    }
    infrared = state.cameras["infrared"]
    return estimate_depth_shift(depth_mm, T_infrared_board, infrared=infrared, board=board)


def _require_seen(session: Session, views: Sequence[BoardView | None]) -> None:
    seen = {name: sum(name in view.detections for view in views if view) for name in CAMERAS}
    poorest = min(CAMERAS, key=lambda name: seen[name])
    if seen[poorest] >= MIN_VIEWS:
        return
    counts = ", ".join(f"{name} {seen[name]}" for name in CAMERAS)
    raise CalibrationError(
        f"{session.path}: of {len(views)} still views the board was found in: {counts}; "
        f"expected at least {MIN_VIEWS} for each camera",
        remedy=f"{_REMEDIES[poorest]}; check --board",
    )


def _quality(
    solution: RigSolution,
    shift: DepthShift,
    validation: CrossValidation | None,
    views: Sequence[BoardView],
) -> dict[str, Any]:
    adjustment = solution.adjustment
    covered = {
        name: covered_share(
            (view[name] for view in solution.problem.views.values() if name in view),
            solution.state.cameras[name],
        )
        for name in solution.problem.cameras
    }
    cameras = {
        name: {
            "rms_px": round(solution.rms_px(name), 4),
            "covered_share": round(covered[name], 3),
            "corner_noise_px": round(adjustment.sigma_px[name], 4),
            "n_views": len(solution.residuals_px[name]),
            "std": {key: float(f"{value:.3g}") for key, value in adjustment.std[name].items()},
        }
        for name in solution.problem.cameras
    }
    held_out_px = {} if validation is None else validation.held_out_px
    rejected = {
        f"{name} view {number}": reason
        for name, reasons in (*solution.rejected.items(), ("depth", shift.rejected))
        for number, reason in reasons.items()
    }
    rejected |= {f"view {i}": view.problem for i, view in enumerate(views) if view.problem}
    return {
        "cameras": cameras,
        "baseline_mm": {
            name: round(
                1000 * float(np.linalg.norm(solution.T_reference_camera(name).translation_m)), 3
            )
            for name in solution.problem.cameras[1:]
        },
        "held_out_rms_px": {
            f"{name}_to_{REFERENCE}": _pooled(held_out_px.get(name, {}))
            for name in solution.problem.cameras[1:]
        },
        "depth_shift_std_error_mm": round(shift.std_error_mm, 4),
        "depth_shift_n_views": len(shift.view_shift_mm),
        "rejected": rejected,
        "warnings": list(coverage_warnings(covered, solution.state.cameras)),
    }


def _pooled(errors_px: Mapping[int, float]) -> float | None:
    if not errors_px:
        return None
    return round(float(np.sqrt(np.square(list(errors_px.values())).mean())), 4)
