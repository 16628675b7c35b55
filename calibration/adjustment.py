"""Bundle adjustment: all cameras and board poses of a rig refined together.

Unknowns: four intrinsics and five distortion values per camera, the pose of every camera but
the first, the board's pose in every view. Residuals are corner distances over each camera's own
noise, with Huber weights; distortion has a weak prior. The Jacobian is analytic
(cv2.projectPoints, cv2.composeRT); one view touches one board pose, so the normal equations are
summed block by block and stay small.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from capture.camera import CameraModel
from capture.transform import RigidTransform

from .board import BoardSpec
from .errors import CalibrationError

INTRINSICS = ("fx_px", "fy_px", "cx_px", "cy_px", "k1", "k2", "p1", "p2", "k3")
POSE = ("rx_rad", "ry_rad", "rz_rad", "tx_m", "ty_m", "tz_m")
DISTORTION_PRIOR = (0.5, 0.5, 0.01, 0.01, 0.1)
"""Standard deviations of k1, k2, p1, p2, k3 about zero before any board was seen. Real lenses of
these cameras lie within; where no board reached the image's edge, nothing else holds k3."""
_HUBER_SIGMAS = 2.5
_MIN_SIGMA_PX = 0.01
_ROUNDS, _STEPS = 4, 25
_START_DAMPING, _MAX_DAMPING = 1e-4, 1e10
_ENOUGH = 1e-9
"""Relative decrease of the cost below which a round ends."""


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """What is known: found corners per view and camera.

    Attributes
    ----------
    cameras : tuple of str
        The first is the reference frame.
    views : mapping of view number to mapping of camera name to (N, 2) float64, pixels
    board : BoardSpec
    """

    cameras: tuple[str, ...]
    views: Mapping[int, Mapping[str, NDArray[np.float64]]]
    board: BoardSpec


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """What is sought.

    Attributes
    ----------
    cameras : mapping of str to CameraModel, plumb-bob
    T_camera_reference : mapping of str to RigidTransform
    T_reference_board : mapping of view number to RigidTransform
    """

    cameras: Mapping[str, CameraModel]
    T_camera_reference: Mapping[str, RigidTransform]
    T_reference_board: Mapping[int, RigidTransform]

    def residuals_px(self, problem: Problem) -> dict[str, dict[int, NDArray[np.float64]]]:
        """Projected minus found corners (N, 2), by camera and view."""
        points_m = problem.board.points_m
        return {
            name: {
                view: self.cameras[name].project(
                    (self.T_camera_reference[name] @ self.T_reference_board[view]).apply(points_m)
                )
                - corners[name]
                for view, corners in problem.views.items()
                if name in corners
            }
            for name in problem.cameras
        }


@dataclass(frozen=True, slots=True, eq=False)
class Adjustment:
    """The refined state and how sure it is.

    Attributes
    ----------
    state : State
    sigma_px : mapping of str to float
        Robust noise of one corner coordinate, per camera.
    std : mapping of str to mapping of str to float
        Standard deviation of each camera's `INTRINSICS` and, but for the reference, `POSE`
        (of ``T_camera_reference``), from the inverse normal matrix.
    """

    state: State
    sigma_px: Mapping[str, float]
    std: Mapping[str, Mapping[str, float]]


def adjust(problem: Problem, start: State) -> Adjustment:
    """Refine `start` until the corners fit as well as they can.

    Raises
    ------
    CalibrationError
        The views do not determine the unknowns.
    """
    layout = _Layout(problem)
    vector = layout.pack(start)
    sigma_px: dict[str, float] = {}
    for _ in range(_ROUNDS):
        residuals = layout.unpack(vector, start).residuals_px(problem)
        sigma_px = {name: _robust_sigma(list(views.values())) for name, views in residuals.items()}
        vector = _descend(layout, vector, sigma_px)
    _, normal, _ = layout.linearise(vector, sigma_px)
    try:
        covariance = np.linalg.inv(normal)
    except np.linalg.LinAlgError as error:
        raise _undetermined() from error
    variance = np.diag(covariance)
    if not np.isfinite(vector).all() or not (variance > 0).all():
        raise _undetermined()
    std = np.sqrt(variance)
    return Adjustment(layout.unpack(vector, start), sigma_px, layout.name_cameras(std))


def _undetermined() -> CalibrationError:
    return CalibrationError(
        "the views of the board do not determine the cameras",
        remedy="record more views: other tilts, distances and corners of the images",
    )


def _robust_sigma(residuals: Sequence[NDArray[np.float64]]) -> float:
    spread = 1.4826 * float(np.median(np.abs(np.concatenate(residuals))))
    return max(spread, _MIN_SIGMA_PX)


def _descend(
    layout: "_Layout", vector: NDArray[np.float64], sigma_px: Mapping[str, float]
) -> NDArray[np.float64]:
    """Levenberg-Marquardt with the damping scaled by the diagonal."""
    damping = _START_DAMPING
    cost, normal, gradient = layout.linearise(vector, sigma_px)
    for _ in range(_STEPS):
        damped = normal + damping * np.diag(np.diag(normal))
        try:
            trial = vector - np.linalg.solve(damped, gradient)
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


class _Layout:
    """Where each unknown lies in the parameter vector."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._points = problem.board.points_m
        n_intrinsics = len(INTRINSICS) * len(problem.cameras)
        self._intrinsics = {
            name: slice(len(INTRINSICS) * i, len(INTRINSICS) * (i + 1))
            for i, name in enumerate(problem.cameras)
        }
        self._pose = {
            name: slice(n_intrinsics + 6 * i, n_intrinsics + 6 * (i + 1))
            for i, name in enumerate(problem.cameras[1:])
        }
        first_view = n_intrinsics + 6 * len(self._pose)
        self._board = {
            view: slice(first_view + 6 * i, first_view + 6 * (i + 1))
            for i, view in enumerate(problem.views)
        }
        self._size = first_view + 6 * len(self._board)

    def pack(self, state: State) -> NDArray[np.float64]:
        vector = np.zeros(self._size)
        for name, where in self._intrinsics.items():
            camera = state.cameras[name]
            pinhole = (camera.fx_px, camera.fy_px, camera.cx_px, camera.cy_px)
            vector[where] = (*pinhole, *(camera.distortion or (0.0,) * 5))
        for name, where in self._pose.items():
            vector[where] = _to_vector(state.T_camera_reference[name])
        for view, where in self._board.items():
            vector[where] = _to_vector(state.T_reference_board[view])
        return vector

    def unpack(self, vector: NDArray[np.float64], template: State) -> State:
        cameras = {}
        for name, where in self._intrinsics.items():
            fx, fy, cx, cy, *distortion = (float(value) for value in vector[where])
            cameras[name] = replace(
                template.cameras[name],
                fx_px=fx,
                fy_px=fy,
                cx_px=cx,
                cy_px=cy,
                distortion=tuple(distortion),
            )
        reference = self._problem.cameras[0]
        poses = {name: _to_transform(vector[where]) for name, where in self._pose.items()}
        boards = {view: _to_transform(vector[where]) for view, where in self._board.items()}
        return State(cameras, {reference: RigidTransform.identity(), **poses}, boards)

    def name_cameras(self, values: NDArray[np.float64]) -> dict[str, dict[str, float]]:
        named = {}
        for name, where in self._intrinsics.items():
            named[name] = dict(zip(INTRINSICS, values[where].tolist(), strict=True))
            if name in self._pose:
                named[name] |= zip(POSE, values[self._pose[name]].tolist(), strict=True)
        return named

    def linearise(
        self, vector: NDArray[np.float64], sigma_px: Mapping[str, float]
    ) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
        """Return cost (Huber and prior), normal matrix and gradient at `vector`."""
        normal = np.zeros((self._size, self._size))
        gradient = np.zeros(self._size)
        cost = 0.0
        for unknowns in self._intrinsics.values():
            index = np.arange(unknowns.stop - len(DISTORTION_PRIOR), unknowns.stop)
            precision = 1 / np.square(DISTORTION_PRIOR)
            cost += float((precision * vector[index] ** 2).sum())
            normal[index, index] += precision
            gradient[index] += precision * vector[index]
        for view, corners in self._problem.views.items():
            for name, corners_px in corners.items():
                residual, jacobian, where = self._observe(vector, view, name, corners_px)
                scaled = residual / sigma_px[name]
                length = np.abs(scaled)
                inside = length <= _HUBER_SIGMAS
                weight = np.where(inside, 1.0, _HUBER_SIGMAS / np.maximum(length, 1e-12))
                linear = _HUBER_SIGMAS * (2 * length - _HUBER_SIGMAS)
                cost += float(np.where(inside, scaled**2, linear).sum())
                weighted = jacobian * (weight / sigma_px[name] ** 2)[:, None]
                normal[np.ix_(where, where)] += jacobian.T @ weighted
                gradient[where] += weighted.T @ residual
        return cost, normal, gradient

    def _observe(
        self, vector: NDArray[np.float64], view: int, name: str, corners_px: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.intp]]:
        """Residual (2N,), Jacobian (2N, P) and the positions (P,) of its unknowns."""
        board = vector[self._board[view]]
        fx, fy, cx, cy, *distortion = vector[self._intrinsics[name]]
        matrix = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
        rotation: NDArray[Any] = board[:3]
        translation: NDArray[Any] = board[3:]
        slices = [self._intrinsics[name], self._board[view]]
        chain = None
        if name in self._pose:
            pose = vector[self._pose[name]]
            chain = cv2.composeRT(rotation, translation, pose[:3], pose[3:])
            rotation, translation = chain[0], chain[1]
            slices.append(self._pose[name])
        pixels, derivative = cv2.projectPoints(
            self._points, rotation, translation, matrix, np.array(distortion)
        )
        by_rotation, by_translation = derivative[:, :3], derivative[:, 3:6]
        columns = [derivative[:, 6:15]]
        if chain is None:
            columns.append(derivative[:, :6])
        else:
            for first in (2, 4):  # composeRT's derivatives: by the board's pose, by the camera's
                dr_dr, dr_dt = chain[first : first + 2]
                dt_dr, dt_dt = chain[first + 4 : first + 6]
                columns.append(by_rotation @ dr_dr + by_translation @ dt_dr)
                columns.append(by_rotation @ dr_dt + by_translation @ dt_dt)
        where = np.concatenate([np.arange(item.start, item.stop) for item in slices])
        return (pixels[:, 0] - corners_px).ravel(), np.hstack(columns), where


def _to_vector(transform: RigidTransform) -> NDArray[np.float64]:
    rotation, _ = cv2.Rodrigues(transform.rotation)
    return np.concatenate([np.ravel(rotation), transform.translation_m])


def _to_transform(vector: NDArray[np.float64]) -> RigidTransform:
    return RigidTransform.from_rotvec(vector[:3], vector[3:])
