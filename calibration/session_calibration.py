"""The whole way from a board session to a rig calibration."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np

from capture.session import Session
from capture.terminal import OnProgress

from .board import BoardSpec
from .crop_window import compute_crop_window, paper_window_px
from .depth_shift import DepthShift, estimate_depth_shift
from .errors import CalibrationError
from .intrinsics import MIN_VIEWS, rms
from .rig import CAMERAS, RigCalibration
from .rig_solve import REFERENCE, RigSolution, board_pose, solve_rig
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
    """

    rig: RigCalibration
    views: tuple[BoardView, ...]
    solution: RigSolution
    depth_shift: DepthShift


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
    shift = estimate_depth_shift(
        {number: view.depth_mm for number, view in enumerate(usable) if view},
        {
            number: state.T_camera_reference["infrared"] @ pose
            for number, pose in state.T_reference_board.items()
        },
        infrared=state.cameras["infrared"],
        board=board,
    )
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
        quality=_quality(solution, shift, views)
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
    return SessionCalibration(rig, tuple(views), solution, shift)


def transfer_rms_px(solution: RigSolution, source: str, target: str) -> dict[int, float]:
    """Return, per view, how far `target`'s corners lie from where `source` alone puts them.

    The board's pose is found from the source camera's corners and projected into the target:
    the error a landmark sees when it is carried from one camera to the other.
    """
    state, board = solution.state, solution.problem.board
    T_target_source = state.T_camera_reference[target] @ state.T_camera_reference[source].inverse()
    errors = {}
    for number, view in solution.problem.views.items():
        if source in view and target in view:
            pose = board_pose(state.cameras[source], view[source], board)
            points_m = (T_target_source @ pose).apply(board.points_m)
            errors[number] = rms(state.cameras[target].project(points_m) - view[target])
    return errors


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
    solution: RigSolution, shift: DepthShift, views: Sequence[BoardView]
) -> dict[str, Any]:
    adjustment = solution.adjustment
    cameras = {
        name: {
            "rms_px": round(solution.rms_px(name), 4),
            "corner_noise_px": round(adjustment.sigma_px[name], 4),
            "n_views": len(solution.residuals_px[name]),
            "std": {key: float(f"{value:.3g}") for key, value in adjustment.std[name].items()},
        }
        for name in solution.problem.cameras
    }
    transfers = {
        f"{source}_to_{REFERENCE}_px": _pooled(transfer_rms_px(solution, source, REFERENCE))
        for source in solution.problem.cameras[1:]
    }
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
        "transfer_rms": transfers,
        "depth_shift_std_error_mm": round(shift.std_error_mm, 4),
        "depth_shift_n_views": len(shift.view_shift_mm),
        "rejected": rejected,
    }


def _pooled(errors_px: Mapping[int, float]) -> float | None:
    if not errors_px:
        return None
    return round(float(np.sqrt(np.square(list(errors_px.values())).mean())), 4)
