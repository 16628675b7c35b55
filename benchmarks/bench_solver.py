"""The joint adjustment beside scipy.optimize.least_squares on the same problem, same Jacobian.

Forty views of the default rig, corners projected with 0.1 px of noise, one in fifty off by 3 px.
Both minimise the same Huber cost from the same start. scipy gets the analytic Jacobian as a
sparse matrix (trust region, steps by lsmr as it comes and solved to the end). A dense Jacobian
with exact steps, a singular value decomposition each, is not tried: it takes many minutes.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.sparse import coo_array

from calibration.adjustment import adjust, descend
from calibration.adjustment_layout import HUBER_SIGMAS, Layout
from calibration.adjustment_problem import Problem, State
from calibration.board import BoardSpec
from capture.simulation.board_poses import draw_poses
from capture.simulation.rig import kinect2_rig

from .figure import emit

_N_VIEWS, _NOISE_PX, _OUTLIER_SHARE, _OUTLIER_PX = 40, 0.1, 0.02, 3.0
_NAMES = ("color", "infrared", "thermal")
_TIGHT = {"atol": 1e-12, "btol": 1e-12, "maxiter": 2000}


def main() -> None:
    """Time both, and say how far apart they end."""
    problem, start = _problem()
    layout = Layout(problem)
    vector = layout.pack(start)
    sigma_px = dict.fromkeys(_NAMES, _NOISE_PX)
    ours, ours_s = _timed(lambda: descend(layout, vector, sigma_px))
    cost = layout.linearise(ours, sigma_px)[0]
    for name, options in (
        ("sparse, lsmr", {"tr_solver": "lsmr"}),
        ("sparse, lsmr to 1e-12", {"tr_solver": "lsmr", "tr_options": _TIGHT}),
    ):
        found, theirs_s = _timed(lambda options=options: _scipy(layout, vector, sigma_px, options))
        peer = f"scipy least_squares, {name}"
        emit("solver", "seconds", ours_s, unit="s", peer=theirs_s, peer_name=peer)
        their_cost = layout.linearise(found, sigma_px)[0]
        emit("solver", "cost", cost, unit="", peer=their_cost, peer_name=peer)
        deviations = np.sqrt(np.diag(adjust(problem, start).joint_covariance))
        apart = np.abs(found - ours)[: layout.n_shared - 2] / deviations[: layout.n_shared - 2]
        emit("solver", "largest_difference_sigmas", float(apart.max()), unit="σ", peer_name=peer)


def _problem() -> tuple[Problem, State]:
    rig, board, rng = kinect2_rig(), BoardSpec(), np.random.default_rng(0)
    views: dict[int, dict[str, NDArray[np.float64]]] = {}
    poses = {}
    for number, pose in enumerate(draw_poses(rig, n_views=_N_VIEWS, seed=0)):
        views[number], poses[number] = {}, rig.T_color_infrared @ pose
        for name in _NAMES:
            camera = rig.camera(name)
            in_camera = rig.T_camera_infrared(name) @ pose
            corners = camera.project(in_camera.apply(board.points_m))
            if (corners > 2).all() and (corners < [camera.width_px, camera.height_px]).all():
                noise = rng.normal(0, _NOISE_PX, corners.shape)
                noise[rng.random(len(corners)) < _OUTLIER_SHARE] *= _OUTLIER_PX / _NOISE_PX
                views[number][name] = corners + noise
    T_infrared_color = rig.T_color_infrared.inverse()
    state = State(
        {name: rig.camera(name).scaled(1.0) for name in _NAMES},
        {name: rig.T_camera_infrared(name) @ T_infrared_color for name in _NAMES},
        poses,
    )
    problem = Problem(_NAMES, views, board)
    layout = Layout(problem)
    away = layout.pack(state) * (1 + 0.01 * rng.standard_normal(layout.size))
    return problem, layout.unpack(away, state)


def _scipy(
    layout: Layout,
    vector: NDArray[np.float64],
    sigma_px: dict[str, float],
    options: Mapping[str, Any],
) -> NDArray[np.float64]:
    free = np.flatnonzero(layout.free)

    def whole(part: NDArray[np.float64]) -> NDArray[np.float64]:
        filled = vector.copy()
        filled[free] = part
        return filled

    def residuals(part: NDArray[np.float64]) -> NDArray[np.float64]:
        return layout.rows(whole(part), sigma_px)[0]

    def jacobian(part: NDArray[np.float64]) -> Any:
        values, rows, columns = layout.rows(whole(part), sigma_px)[1]
        shape = (rows.max() + 1, layout.size)
        return coo_array((values, (rows, columns)), shape).tocsr()[:, free]

    found = least_squares(
        residuals,
        vector[free],
        jac=jacobian,
        loss="huber",
        f_scale=HUBER_SIGMAS,
        x_scale="jac",
        xtol=1e-12,
        ftol=1e-12,
        gtol=1e-12,
        max_nfev=300,
        **options,
    )
    return whole(found.x)


def _timed(
    solve: Callable[[], NDArray[np.float64]],
) -> tuple[NDArray[np.float64], float]:
    started = time.perf_counter()
    found = solve()
    return found, time.perf_counter() - started


if __name__ == "__main__":
    main()
