"""What the reprojection error hides: solve again without each fifth of the views.

How well the views left out are predicted says what a landmark will suffer; how much the results
move from solution to solution is their standard error (the delete-a-group jackknife), with the
uncertainty of cameras and poses in it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from .adjustment import adjust
from .adjustment_problem import State
from .intrinsics import MIN_VIEWS, rms
from .pose import board_pose
from .rig_solve import RigSolution

N_FOLDS = 5


@dataclass(frozen=True, slots=True, eq=False)
class CrossValidation:
    """Errors on views that took no part, and the spread of a result.

    Attributes
    ----------
    held_out_px : mapping of camera name to mapping of view number to float
        Distance, rms, of the reference camera's corners from where the camera alone puts them.
    std_error : float
        Jackknife standard error of the result asked about.
    """

    held_out_px: Mapping[str, Mapping[int, float]]
    std_error: float


def cross_validate(
    solution: RigSolution, result_of: Callable[[State], float]
) -> CrossValidation | None:
    """Solve the rig again without each of five groups of views.

    Parameters
    ----------
    solution : RigSolution
    result_of : callable
        Number computed from a solution of some of the views, e.g. the depth shift.

    Returns
    -------
    CrossValidation or None
        None where a fold would leave fewer than six views to a camera.
    """
    problem = solution.problem
    # views of the same cameras next to each other: every fold takes its share of each kind
    numbers = sorted(problem.views, key=lambda n: (sorted(problem.views[n]), n))
    held_out_px: dict[str, dict[int, float]] = {name: {} for name in problem.cameras[1:]}
    results = []
    for fold in range(N_FOLDS):
        held = set(numbers[fold::N_FOLDS])
        kept = replace(problem, views={n: v for n, v in problem.views.items() if n not in held})
        seen = (sum(name in view for view in kept.views.values()) for name in problem.cameras)
        if min(seen) < MIN_VIEWS:
            return None
        start = replace(
            solution.state,
            T_reference_board={n: solution.state.T_reference_board[n] for n in kept.views},
        )
        state = adjust(kept, start).state
        results.append(result_of(state))
        for name, errors in held_out_px.items():
            for number in held:
                if {name, problem.cameras[0]} <= set(problem.views[number]):
                    errors[number] = transfer_rms_px(solution, state, name, number)
    deviations = np.array(results) - np.mean(results)
    std_error = float(np.sqrt((N_FOLDS - 1) / N_FOLDS * np.square(deviations).sum()))
    return CrossValidation(held_out_px, std_error)


def transfer_rms_px(solution: RigSolution, state: State, source: str, view: int) -> float:
    """Return how far the reference's corners of a view lie from where `source` alone puts them.

    The board's pose is found from the source camera's corners and projected into the reference
    camera, both as `state` has them: the error a landmark sees when it is carried across.
    """
    problem = solution.problem
    corners, reference = problem.views[view], problem.cameras[0]
    pose = board_pose(state.cameras[source], corners[source], problem.board)
    T_reference_board = state.T_camera_reference[source].inverse() @ pose
    points_m = T_reference_board.apply(state.points_m(problem.board))
    return rms(state.cameras[reference].project(points_m) - corners[reference])
