"""Bundle adjustment: all cameras and board poses of a rig refined together.

Unknowns: four intrinsics and five or eight distortion values per camera, the pose of every
camera but the first, the board's pose in every view and, if asked for, its bulge. Residuals are
corner distances over each camera's own noise, with Huber weights; distortion has a weak prior.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .adjustment_layout import Layout
from .adjustment_problem import Problem, State
from .errors import CalibrationError

_MIN_SIGMA_PX = 0.01
_ROUNDS, _STEPS = 4, 25
_START_DAMPING, _MAX_DAMPING = 1e-4, 1e10
_ENOUGH = 1e-9
"""Relative decrease of the cost below which a round ends."""


@dataclass(frozen=True, slots=True, eq=False)
class Adjustment:
    """The refined state and how sure it is.

    Attributes
    ----------
    state : State
    sigma_px : mapping of str to float
        Robust noise of one corner coordinate, per camera.
    parameters : tuple of (camera name, parameter name)
        Of `covariance`, P of them; the board's bulge belongs to camera "".
    joint_covariance : (Q, Q) float64
        Of everything that was sought, as `Layout` orders it; 0 for what was held fixed.
    """

    state: State
    sigma_px: Mapping[str, float]
    parameters: tuple[tuple[str, str], ...]
    joint_covariance: NDArray[np.float64]

    @property
    def covariance(self) -> NDArray[np.float64]:
        """Of the first P: the cameras' intrinsics and poses (``T_camera_reference``) and the bulge.

        The boards' poses are marginalised out.
        """
        n_shared = len(self.parameters)
        return self.joint_covariance[:n_shared, :n_shared]

    @property
    def std(self) -> dict[str, dict[str, float]]:
        """Standard deviations by camera and parameter."""
        deviations = np.sqrt(np.diag(self.covariance))
        named: dict[str, dict[str, float]] = {}
        for (camera, parameter), value in zip(self.parameters, deviations, strict=True):
            named.setdefault(camera, {})[parameter] = float(value)
        return named


def adjust(problem: Problem, start: State) -> Adjustment:
    """Refine `start` until the corners fit as well as they can.

    Raises
    ------
    CalibrationError
        The views do not determine the unknowns.
    """
    layout = Layout(problem)
    vector = layout.pack(start)
    sigma_px: dict[str, float] = {}
    for _ in range(_ROUNDS):
        residuals = layout.unpack(vector, start).residuals_px(problem)
        sigma_px = {name: _robust_sigma(list(views.values())) for name, views in residuals.items()}
        vector = descend(layout, vector, sigma_px)
    covariance = _covariance(layout, vector, sigma_px)
    return Adjustment(layout.unpack(vector, start), sigma_px, layout.names(), covariance)


def forecast(problem: Problem, state: State, sigma_px: Mapping[str, float]) -> Adjustment:
    """Say how sure `adjust` would be, were `state` the truth and corners that noisy.

    Raises
    ------
    CalibrationError
        The views do not determine the unknowns.
    """
    found = state.residuals_px(problem)
    exact = replace(
        problem,
        views={
            view: {name: corners[name] + found[name][view] for name in corners}
            for view, corners in problem.views.items()
        },
    )
    layout = Layout(exact)
    covariance = _covariance(layout, layout.pack(state), sigma_px)
    return Adjustment(state, sigma_px, layout.names(), covariance)


def _covariance(
    layout: Layout, vector: NDArray[np.float64], sigma_px: Mapping[str, float]
) -> NDArray[np.float64]:
    _, normal, _ = layout.linearise(vector, sigma_px)
    free = np.flatnonzero(layout.free)
    try:
        inverse = np.linalg.inv(normal[np.ix_(free, free)])
    except np.linalg.LinAlgError as error:
        raise _undetermined() from error
    if not np.isfinite(vector).all() or not (np.diag(inverse) > 0).all():
        raise _undetermined()
    covariance = np.zeros((layout.size, layout.size))
    covariance[np.ix_(free, free)] = inverse
    return covariance


def _undetermined() -> CalibrationError:
    return CalibrationError(
        "the views of the board do not determine the cameras",
        remedy="record more views: other tilts, distances and corners of the images",
    )


def _robust_sigma(residuals: Sequence[NDArray[np.float64]]) -> float:
    spread = 1.4826 * float(np.median(np.abs(np.concatenate(residuals))))
    return max(spread, _MIN_SIGMA_PX)


def descend(
    layout: Layout, vector: NDArray[np.float64], sigma_px: Mapping[str, float]
) -> NDArray[np.float64]:
    """Levenberg-Marquardt with the damping scaled by the diagonal."""
    damping = _START_DAMPING
    free = np.flatnonzero(layout.free)
    cost, normal, gradient = layout.linearise(vector, sigma_px)
    for _ in range(_STEPS):
        part = normal[np.ix_(free, free)]
        trial = vector.copy()
        try:
            trial[free] -= np.linalg.solve(part + damping * np.diag(np.diag(part)), gradient[free])
        except np.linalg.LinAlgError as error:
            raise _undetermined() from error
        trial_cost, trial_normal, trial_gradient = layout.linearise(trial, sigma_px)
        if trial_cost < cost:
            converged = cost - trial_cost < _ENOUGH * cost
            vector, cost, normal, gradient = trial, trial_cost, trial_normal, trial_gradient
            damping /= 10
            if converged:
                break
        else:
            damping *= 10
            if damping > _MAX_DAMPING:
                break
    return vector
