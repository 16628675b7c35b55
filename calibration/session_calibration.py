"""The whole way from a board session to a rig calibration."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from importlib.metadata import version

import numpy as np
from numpy.typing import NDArray

from capture.session import Session
from capture.terminal import OnProgress

from .adjustment_problem import LensModel, State
from .board import BoardSpec
from .coverage import advise, cell_counts
from .crop_window import compute_crop_window, paper_window_px
from .cross_validation import CrossValidation, cross_validate
from .depth_linearity import LinearDepth
from .depth_shift import DepthShift, estimate_depth_shift
from .errors import CalibrationError
from .gates import BASELINE_GATE, BASELINE_MM, Gate, judge, worst
from .intrinsics import MIN_VIEWS
from .quality import DepthModel, describe_quality, held_out_by_camera
from .rig import CAMERAS, RigCalibration
from .rig_solve import REFERENCE, RigSolution, solve_rig
from .shift_uncertainty import plane_std_error_mm
from .uncertainty import UncertaintyMap, transfer_uncertainty
from .views import BoardView, collect_views

_SATURATED_SHARE = 0.02
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
    transfer : mapping of camera name to UncertaintyMap
        Where its pixels, a metre away, land in color.
    gates : tuple of Gate
    advice : tuple of str
        Where the board should have been, too.
    """

    rig: RigCalibration
    views: tuple[BoardView, ...]
    solution: RigSolution
    depth_shift: DepthShift
    validation: CrossValidation | None
    transfer: Mapping[str, UncertaintyMap]
    gates: tuple[Gate, ...]
    advice: tuple[str, ...]


def calibrate_session(
    session: Session,
    *,
    board: BoardSpec,
    z_min_m: float | None = None,
    depth_model: DepthModel = "scalar",
    models: Mapping[str, LensModel] | None = None,
    fixed: Mapping[str, AbstractSet[str]] | None = None,
    board_warp: bool = False,
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
    depth_model : {"scalar", "linear"}
        Correct depth by the shift alone or by a scale, too.
    models, fixed, board_warp
        Lens models, parameters not estimated and the board's bulge, as in `Problem`.
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
    solution = solve_rig(
        corners,
        sizes_px=sizes_px,
        board=board,
        models=models,
        fixed=fixed,
        board_warp=board_warp,
    )
    state = solution.state
    used = {number: view for number, view in enumerate(usable) if view}
    shift = _depth_shift(state, used, board)
    validation = cross_validate(
        solution, lambda partial: _depth_shift(partial, used, board).shift_mm
    )
    shift = replace(shift, std_error_mm=_shift_std_error_mm(solution, shift, validation))
    line = _chosen_line(shift, depth_model)
    T_color_infrared = solution.T_reference_camera("infrared")
    window = compute_crop_window(
        state.cameras["color"], state.cameras["infrared"], T_color_infrared, z_min_m=z_min_m
    )
    rig = RigCalibration(
        cameras=state.cameras,
        T_color_infrared=T_color_infrared,
        T_color_thermal=solution.T_reference_camera("thermal"),
        depth_shift_mm=shift.shift_mm if line is None else line.shift_mm,
        depth_scale=1.0 if line is None else line.scale,
        crop_window=window,
        quality=describe_quality(solution, shift, validation, views, depth_model)
        | {
            "paper_window_fits": (window.width_px, window.height_px)
            == paper_window_px(state.cameras["color"])
        },
        provenance={
            "session": session.id,
            "session_uuid": session.manifest.uuid,
            "recorded": session.manifest.created,
            "devices": {
                name: recording.info.serial
                for recording in session.recordings.values()
                for name in recording.streams
            },
            "board": str(board),
            "n_views": len(views),
            "software_version": version("mavfer"),
        },
    )
    transfer = {
        name: transfer_uncertainty(
            solution.adjustment, solution.problem, source=name, target=REFERENCE
        )
        for name in solution.problem.cameras[1:]
    }
    gates = judge(rig, solution, shift, transfer, held_out_by_camera(validation, solution))
    quality = {
        **rig.quality,
        "verdict": worst(gates),
        "transfer_std_px_at_1_m": {
            f"{name}_to_{REFERENCE}": round(known.median_px, 4) for name, known in transfer.items()
        },
    }
    return SessionCalibration(
        rig=replace(rig, quality=quality),
        views=tuple(views),
        solution=solution,
        depth_shift=shift,
        validation=validation,
        transfer=transfer,
        gates=gates,
        advice=(*_advice(solution), *_square_advice(gates, board)),
    )


def _advice(solution: RigSolution) -> tuple[str, ...]:
    counts = {
        name: cell_counts(
            (view[name] for view in solution.problem.views.values() if name in view),
            (camera.width_px, camera.height_px),
        )
        for name, camera in solution.state.cameras.items()
    }
    return advise(counts, tilts_deg(solution.state))


def _square_advice(gates: Sequence[Gate], board: BoardSpec) -> tuple[str, ...]:
    """Say which squares would give the distance between color and infrared that a Kinect v2 has."""
    (gate,) = (gate for gate in gates if gate.name == BASELINE_GATE)
    if gate.verdict == "good" or gate.value is None:
        return ()
    square_mm = 1000 * board.square_m * BASELINE_MM / gate.value
    return (
        f"infrared and color are {gate.value:.1f} mm apart, in a Kinect v2 {BASELINE_MM:.0f} mm: "
        f"measure the squares (--board); if they are {square_mm:.1f} mm, that is why",
    )


def tilts_deg(state: State) -> NDArray[np.float64]:
    """Return the angle between each view's board and the reference camera's image plane."""
    facing = [abs(float(pose.rotation[2, 2])) for pose in state.T_reference_board.values()]
    tilts: NDArray[np.float64] = np.degrees(np.arccos(np.clip(facing, 0, 1)))
    return tilts


def _depth_shift(state: State, views: Mapping[int, BoardView], board: BoardSpec) -> DepthShift:
    T_infrared_board = {
        number: state.T_camera_reference["infrared"] @ pose
        for number, pose in state.T_reference_board.items()
    }
    infrared = state.cameras["infrared"]
    return estimate_depth_shift(
        {number: view.depth_mm for number, view in views.items()},
        T_infrared_board,
        infrared=infrared,
        board=board,
        amplitude={number: view.infrared for number, view in views.items()},
    )


def _shift_std_error_mm(
    solution: RigSolution, shift: DepthShift, validation: CrossValidation | None
) -> float:
    """Scatter of the views and what all of them share, or the jackknife's where that is larger."""
    shared_mm = plane_std_error_mm(solution.adjustment, solution.problem, shift.view_shift_mm)
    std_error_mm = float(np.hypot(shift.std_error_mm, shared_mm))
    return std_error_mm if validation is None else max(std_error_mm, validation.std_error)


def _chosen_line(shift: DepthShift, model: DepthModel) -> LinearDepth | None:
    if model == "scalar":
        return None
    if shift.linear is None:
        raise CalibrationError(
            "the board was shown at too few or too similar distances for a linear depth model",
            remedy="show it at six or more distances between 0.6 and 1.5 m, or leave the model out",
        )
    return shift.linear


def _require_seen(session: Session, views: Sequence[BoardView | None]) -> None:
    seen = {name: sum(name in view.detections for view in views if view) for name in CAMERAS}
    poorest = min(CAMERAS, key=lambda name: seen[name])
    if seen[poorest] >= MIN_VIEWS:
        return
    remedy = _REMEDIES[poorest]
    saturated = [view.saturated.get(poorest, 0.0) for view in views if view]
    if saturated and np.median(saturated) > _SATURATED_SHARE:
        remedy = (
            f"the {poorest} images are saturated, {100 * np.median(saturated):.0f} % of their "
            "pixels: hold the board farther away or take light off it"
        )
    counts = ", ".join(f"{name} {seen[name]}" for name in CAMERAS)
    raise CalibrationError(
        f"{session.path}: of {len(views)} still views the board was found in: {counts}; "
        f"expected at least {MIN_VIEWS} for each camera",
        remedy=f"{remedy}; check --board",
    )
