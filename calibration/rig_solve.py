"""From the corners of all cameras to the cameras of the rig: start values, refinement, outliers."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capture.camera import CameraModel
from capture.transform import RigidTransform

from .adjustment import Adjustment, adjust
from .adjustment_problem import DISTORTION, LensModel, Problem, State
from .board import BoardSpec
from .errors import CalibrationError
from .intrinsics import SingleCamera, calibrate_camera, outlying, require_views, rms
from .mounting import distances_m, require_same_mounting
from .order import agree_in_view
from .pose import board_pose

REFERENCE = "color"
MIN_SHARED_VIEWS = 4
"""Views in which a camera and the reference both see the board."""
_MAX_ROUNDS = 4
_CORNER_SIGMAS = 6.0
_CORNER_FLOOR_PX = 0.2
"""Below this a corner is worth no word, however little noise the others have."""


@dataclass(frozen=True, slots=True)
class OutlyingCorner:
    """A corner that fits much worse than its camera's noise allows; it was given little weight.

    Attributes
    ----------
    camera : str
    view : int
    row, column : int
        On the board, from 0.
    distance_px : float
        From where the solution has it.
    """

    camera: str
    view: int
    row: int
    column: int
    distance_px: float


@dataclass(frozen=True, slots=True, eq=False)
class RigSolution:
    """Cameras, transforms and what is left over.

    Attributes
    ----------
    adjustment : Adjustment
        Refined state, noise and standard deviations.
    problem : Problem
        The corners that were used, ordered alike in all cameras.
    residuals_px : mapping of camera name to mapping of view number to (N, 2) float64
        Projected minus found corners of the used views.
    rejected : mapping of camera name to mapping of view number to str
        What was left out and why.
    """

    adjustment: Adjustment
    problem: Problem
    residuals_px: Mapping[str, Mapping[int, NDArray[np.float64]]]
    rejected: Mapping[str, Mapping[int, str]]

    @property
    def state(self) -> State:
        """Cameras and poses."""
        return self.adjustment.state

    @property
    def outlying_corners(self) -> tuple[OutlyingCorner, ...]:
        """Single corners that the views which were kept got wrong, worst first."""
        found = []
        for name, views in self.residuals_px.items():
            limit_px = max(_CORNER_SIGMAS * self.adjustment.sigma_px[name], _CORNER_FLOOR_PX)
            for view, residuals in views.items():
                distances_px = np.linalg.norm(residuals, axis=1)
                for corner in np.flatnonzero(distances_px > limit_px).tolist():
                    row, column = divmod(corner, self.problem.board.columns)
                    distance_px = float(distances_px[corner])
                    found.append(OutlyingCorner(name, view, row, column, distance_px))
        return tuple(sorted(found, key=lambda corner: -corner.distance_px))

    def T_reference_camera(self, name: str) -> RigidTransform:  # noqa: N802 - the field's notation
        """Return the transform from camera `name` to the reference camera."""
        return self.state.T_camera_reference[name].inverse()

    def rms_px(self, name: str) -> float:
        """Root mean square corner distance of one camera over its used views."""
        return rms(np.concatenate(list(self.residuals_px[name].values())))


def solve_rig(
    views_px: Sequence[Mapping[str, NDArray[np.float64]]],
    *,
    sizes_px: Mapping[str, tuple[int, int]],
    board: BoardSpec,
    reference: str = REFERENCE,
    models: Mapping[str, LensModel] | None = None,
    fixed: Mapping[str, AbstractSet[str]] | None = None,
    board_warp: bool = False,
) -> RigSolution:
    """Calibrate all cameras of the rig together.

    Parameters
    ----------
    views_px : sequence of mapping of camera name to (N, 2) float64
        Corners as found; a camera that did not see the board in a view is absent from it.
    sizes_px : mapping of camera name to (width, height)
        The cameras to calibrate: one, a pair or all of a rig.
    board : BoardSpec
    reference : str
        The camera in whose frame everything is told.
    models, fixed, board_warp
        As in `Problem`; fixed distortion is none, a fixed focal length or centre keeps the value
        that the camera on its own gave.

    Raises
    ------
    CalibrationError
        Too few views for a camera or shared with the reference, or views that leave the unknowns
        undetermined.
    """
    names = (reference, *sorted(set(sizes_px) - {reference}))
    assumed: dict[str, Any] = {
        "models": models or {},
        "fixed": fixed or {},
        "board_warp": board_warp,
    }
    ordered = {
        number: agree_in_view({name: view[name] for name in names if name in view}, board)
        for number, view in enumerate(views_px)
    }
    singles = {
        name: calibrate_camera(name, _of_camera(ordered, name), size_px=sizes_px[name], board=board)
        for name in names
    }
    rejected = {name: dict(singles[name].rejected) for name in names}
    for _ in range(_MAX_ROUNDS):
        problem = Problem(names, _without(ordered, rejected), board, **assumed)
        for name in names:
            require_views(name, len(_of_camera(problem.views, name)), rejected[name])
        adjustment = adjust(problem, _start(problem, singles))
        residuals_px = adjustment.state.residuals_px(problem)
        outliers = {
            name: outlying({view: rms(found) for view, found in residuals.items()})
            for name, residuals in residuals_px.items()
        }
        if not any(outliers.values()):
            break
        for name, views in outliers.items():
            rejected[name].update(views)
    return RigSolution(adjustment, problem, residuals_px, rejected)


def _of_camera(
    views: Mapping[int, Mapping[str, NDArray[np.float64]]], name: str
) -> dict[int, NDArray[np.float64]]:
    return {number: view[name] for number, view in views.items() if name in view}


def _without(
    views: Mapping[int, Mapping[str, NDArray[np.float64]]],
    rejected: Mapping[str, Mapping[int, str]],
) -> dict[int, dict[str, NDArray[np.float64]]]:
    kept = {
        number: {name: px for name, px in view.items() if number not in rejected[name]}
        for number, view in views.items()
    }
    return {number: view for number, view in kept.items() if view}


def _start(problem: Problem, singles: Mapping[str, SingleCamera]) -> State:
    """Chain the single cameras' board poses into start values for all unknowns."""
    cameras = {
        name: _free_of_fixed(singles[name].camera, problem, name) for name in problem.cameras
    }
    poses = {
        name: {
            view: board_pose(cameras[name], corners[name], problem.board)
            for view, corners in problem.views.items()
            if name in corners
        }
        for name in problem.cameras
    }
    reference = problem.cameras[0]
    T_camera_reference = {reference: RigidTransform.identity()}
    for name in problem.cameras[1:]:
        shared = sorted(set(poses[name]) & set(poses[reference]))
        if len(shared) < MIN_SHARED_VIEWS:
            raise CalibrationError(
                f"{name} and {reference} see the board together in {len(shared)} views: "
                f"expected at least {MIN_SHARED_VIEWS}",
                remedy="hold the board where all cameras see it, still for a second per view",
            )
        require_same_mounting(
            name,
            cameras[name],
            {view: problem.views[view][name] for view in shared},
            poses[reference],
            problem.board,
        )
        candidates = [poses[name][view] @ poses[reference][view].inverse() for view in shared]
        T_camera_reference[name] = _most_central(candidates)
    T_reference_board = {}
    for view, corners in problem.views.items():
        name = next(camera for camera in problem.cameras if camera in corners)
        T_reference_board[view] = T_camera_reference[name].inverse() @ poses[name][view]
    return State(cameras, T_camera_reference, T_reference_board)


def _free_of_fixed(camera: CameraModel, problem: Problem, name: str) -> CameraModel:
    fixed = problem.fixed.get(name, frozenset())
    kept = (
        0.0 if key in fixed else value
        for key, value in zip(DISTORTION["plumb_bob"], camera.distortion, strict=True)
    )
    return replace(camera, distortion=tuple(kept))


def _most_central(candidates: Sequence[RigidTransform]) -> RigidTransform:
    """Return the transform nearest to all others: one bad view cannot spoil the start."""
    return candidates[int(np.median(distances_m(candidates), axis=1).argmin())]
