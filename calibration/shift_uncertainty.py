"""How far the depth shift inherits the uncertainty of the camera and of the boards' places.

A focal length that is off by a hundredth of a per cent moves the planes of all views the same
way: neither the scatter of the views nor solutions without some of them show it in full. The
joint covariance of the adjustment does.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from .adjustment import Adjustment
from .adjustment_layout import Layout
from .adjustment_problem import Problem, State
from .board import BoardSpec

_STEP_SIGMAS = 0.05
"""Parameters are moved by this share of their deviation to see where the planes go."""
_CAMERA = "infrared"


def plane_std_error_mm(adjustment: Adjustment, problem: Problem, views: Iterable[int]) -> float:
    """Return the standard deviation of the boards' mean distance along fixed pixels' rays, mm.

    Parameters
    ----------
    adjustment : Adjustment
    problem : Problem
        That was adjusted.
    views : iterable of int
        Whose depth was compared.
    """
    numbers = [view for view in views if view in adjustment.state.T_reference_board]
    state = adjustment.state
    pixels = {view: _corners_px(state, view, problem.board) for view in numbers}
    layout = Layout(problem)
    vector = layout.pack(state)
    gradient = np.zeros(layout.size)
    deviations = np.sqrt(np.diag(adjustment.joint_covariance))
    for index in layout.indices_of(_CAMERA, numbers):
        if deviations[index] == 0:
            continue
        step = np.zeros(layout.size)
        step[index] = _STEP_SIGMAS * deviations[index]
        ahead = _mean_depth_mm(layout.unpack(vector + step, state), pixels)
        behind = _mean_depth_mm(layout.unpack(vector - step, state), pixels)
        gradient[index] = (ahead - behind) / (2 * step[index])
    return float(np.sqrt(gradient @ adjustment.joint_covariance @ gradient))


def _corners_px(state: State, view: int, board: BoardSpec) -> NDArray[np.float64]:
    T_camera_board = state.T_camera_reference[_CAMERA] @ state.T_reference_board[view]
    return state.cameras[_CAMERA].project(T_camera_board.apply(board.points_m))


def _mean_depth_mm(state: State, pixels: dict[int, NDArray[np.float64]]) -> float:
    rays = state.cameras[_CAMERA].unproject(np.stack(list(pixels.values())))
    depths_mm = []
    for view, ray in zip(pixels, rays, strict=True):
        T_camera_board = state.T_camera_reference[_CAMERA] @ state.T_reference_board[view]
        normal = T_camera_board.rotation[:, 2]
        offset_mm = 1000 * float(normal @ T_camera_board.translation_m)
        depths_mm.append(offset_mm / (ray @ normal[:2] + normal[2]))
    return float(np.mean(depths_mm))
