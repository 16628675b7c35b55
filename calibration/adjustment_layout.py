"""Where each unknown of a bundle adjustment lies, and the problem linearised there.

One view touches one board pose, so the normal equations are summed block by block and stay
small. The Jacobian is analytic (cv2.projectPoints, cv2.composeRT).
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from capture.transform import RigidTransform

from .adjustment_problem import DISTORTION, PINHOLE, POSE, WARP, Problem, State

DISTORTION_PRIOR = {
    **dict.fromkeys(("k1", "k2", "k4", "k5"), 0.5),
    **dict.fromkeys(("p1", "p2"), 0.01),
    **dict.fromkeys(("k3", "k6"), 0.1),
}
"""Standard deviations about zero before any board was seen. Real lenses of these cameras lie
within; where no board reached the image's edge, nothing else holds k3."""
_WARP_PRIOR = 0.003
"""Standard deviation of the board's bulge, metres: a sheet glued to glass or wood."""
HUBER_SIGMAS = 2.5


Triplets = tuple[NDArray[np.float64], NDArray[np.intp], NDArray[np.intp]]
"""Values, rows and columns of a sparse matrix."""


class Layout:
    """Packs a `State` into a vector and linearises the residuals there.

    Attributes
    ----------
    size : int
        Length of the vector.
    n_shared : int
        Its first part: cameras, their poses and the warp; the boards' poses follow.
    free : (P,) bool
        False for what the problem holds fixed.
    """

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._names = {
            name: (*PINHOLE, *DISTORTION[problem.model_of(name)]) for name in problem.cameras
        }
        start = 0
        self._intrinsics: dict[str, slice] = {}
        for name, names in self._names.items():
            self._intrinsics[name] = slice(start, start + len(names))
            start += len(names)
        self._pose: dict[str, slice] = {}
        for name in problem.cameras[1:]:
            self._pose[name] = slice(start, start + 6)
            start += 6
        self._warp = slice(start, start + 2)
        self.n_shared = start + 2
        start += 2
        self._board: dict[int, slice] = {}
        for view in problem.views:
            self._board[view] = slice(start, start + 6)
            start += 6
        self.size = start
        self.free = np.ones(self.size, np.bool_)
        self.free[self._warp] = problem.board_warp
        for name, names in self._names.items():
            fixed = problem.fixed.get(name, frozenset())
            self.free[self._intrinsics[name]] &= [key not in fixed for key in names]
        grid = problem.board.points_m[:, :2]
        half = np.ptp(grid, axis=0) / 2
        self._bulge = 1 - ((grid - grid.min(axis=0)) / half - 1) ** 2

    def pack(self, state: State) -> NDArray[np.float64]:
        """Return the vector (P,) of `state`."""
        vector = np.zeros(self.size)
        for name, where in self._intrinsics.items():
            camera = state.cameras[name]
            pinhole = (camera.fx_px, camera.fy_px, camera.cx_px, camera.cy_px)
            n_distortion = len(self._names[name]) - len(PINHOLE)
            distortion = (*camera.distortion, *(0.0,) * n_distortion)[:n_distortion]
            vector[where] = (*pinhole, *distortion)
        for name, where in self._pose.items():
            vector[where] = _to_vector(state.T_camera_reference[name])
        vector[self._warp] = state.board_warp_m
        for view, where in self._board.items():
            vector[where] = _to_vector(state.T_reference_board[view])
        return vector

    def unpack(self, vector: NDArray[np.float64], template: State) -> State:
        """Return the state of `vector`; image sizes come from `template`."""
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
        warp_x, warp_y = (float(value) for value in vector[self._warp])
        return State(
            cameras, {reference: RigidTransform.identity(), **poses}, boards, (warp_x, warp_y)
        )

    def names(self) -> tuple[tuple[str, str], ...]:
        """Return (camera, parameter) of each value of the shared part; the warp's camera is ""."""
        named = [(name, key) for name, keys in self._names.items() for key in keys]
        named += [(name, key) for name in self._pose for key in POSE]
        return (*named, *(("", key) for key in WARP))

    def indices_of(self, camera: str, views: Iterable[int]) -> list[int]:
        """Return where a camera's intrinsics and pose and the boards of some views lie."""
        slices = [self._intrinsics[camera], *(self._board[view] for view in views)]
        if camera in self._pose:
            slices.append(self._pose[camera])
        return [index for item in slices for index in range(item.start, item.stop)]

    def linearise(
        self, vector: NDArray[np.float64], sigma_px: Mapping[str, float]
    ) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
        """Return cost (Huber and priors), normal matrix and gradient at `vector`."""
        normal = np.zeros((self.size, self.size))
        gradient = np.zeros(self.size)
        cost = 0.0
        for index, prior in self._priors():
            cost += (vector[index] / prior) ** 2
            normal[index, index] += prior**-2
            gradient[index] += vector[index] / prior**2
        points_m = self._points_m(vector)
        for view, corners in self._problem.views.items():
            for name, corners_px in corners.items():
                residual, jacobian, where = self.observe(vector, view, name, corners_px, points_m)
                scaled = residual / sigma_px[name]
                length = np.abs(scaled)
                inside = length <= HUBER_SIGMAS
                weight = np.where(inside, 1.0, HUBER_SIGMAS / np.maximum(length, 1e-12))
                linear = HUBER_SIGMAS * (2 * length - HUBER_SIGMAS)
                cost += float(np.where(inside, scaled**2, linear).sum())
                weighted = jacobian * (weight / sigma_px[name] ** 2)[:, None]
                normal[np.ix_(where, where)] += jacobian.T @ weighted
                gradient[where] += weighted.T @ residual
        return cost, normal, gradient

    def rows(
        self, vector: NDArray[np.float64], sigma_px: Mapping[str, float]
    ) -> tuple[NDArray[np.float64], Triplets]:
        """Return what `linearise` sums up, for other solvers: scaled residuals, priors, Jacobian.

        Returns
        -------
        tuple of (M,) float64, Triplets
            Residuals over their noise, not yet robust, and their derivatives.
        """
        residuals, values, rows, columns = [], [], [], []
        n_rows = 0
        points_m = self._points_m(vector)
        for view, corners in self._problem.views.items():
            for name, corners_px in corners.items():
                residual, jacobian, where = self.observe(vector, view, name, corners_px, points_m)
                residuals.append(residual / sigma_px[name])
                values.append(jacobian.ravel() / sigma_px[name])
                rows.append(np.repeat(n_rows + np.arange(len(residual)), len(where)))
                columns.append(np.tile(where, len(residual)))
                n_rows += len(residual)
        for index, prior in self._priors():
            residuals.append(np.array([vector[index] / prior]))
            values.append(np.array([1 / prior]))
            rows.append(np.array([n_rows]))
            columns.append(np.array([index]))
            n_rows += 1
        triplets = (np.concatenate(values), np.concatenate(rows), np.concatenate(columns))
        return np.concatenate(residuals), triplets

    def _priors(self) -> list[tuple[int, float]]:
        priors = [
            (self._intrinsics[name].start + i, DISTORTION_PRIOR[key])
            for name, keys in self._names.items()
            for i, key in enumerate(keys)
            if key in DISTORTION_PRIOR
        ]
        return priors + [(index, _WARP_PRIOR) for index in range(*self._warp.indices(self.size))]

    def _points_m(self, vector: NDArray[np.float64]) -> NDArray[np.float64]:
        points_m = self._problem.board.points_m.copy()
        points_m[:, 2] += self._bulge @ vector[self._warp]
        return points_m

    def observe(
        self,
        vector: NDArray[np.float64],
        view: int,
        name: str,
        corners_px: NDArray[np.float64],
        points_m: NDArray[np.float64],
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
            points_m, rotation, translation, matrix, np.array(distortion)
        )
        by_rotation, by_translation = derivative[:, :3], derivative[:, 3:6]
        columns = [derivative[:, 6 : 10 + len(distortion)]]
        if chain is None:
            columns.append(derivative[:, :6])
        else:
            for first in (2, 4):  # composeRT's derivatives: by the board's pose, by the camera's
                dr_dr, dr_dt = chain[first : first + 2]
                dt_dr, dt_dt = chain[first + 4 : first + 6]
                columns.append(by_rotation @ dr_dr + by_translation @ dt_dr)
                columns.append(by_rotation @ dr_dt + by_translation @ dt_dt)
        if self._problem.board_warp:
            normal_of_board = np.asarray(cv2.Rodrigues(rotation)[0])[:, 2]
            by_height = (by_translation @ normal_of_board).reshape(-1, 2, 1)
            columns.append((by_height * self._bulge[:, None, :]).reshape(-1, 2))
            slices.append(self._warp)
        where = np.concatenate([np.arange(item.start, item.stop) for item in slices])
        return (pixels[:, 0] - corners_px).ravel(), np.hstack(columns), where


def _to_vector(transform: RigidTransform) -> NDArray[np.float64]:
    rotation, _ = cv2.Rodrigues(transform.rotation)
    return np.concatenate([np.ravel(rotation), transform.translation_m])


def _to_transform(vector: NDArray[np.float64]) -> RigidTransform:
    return RigidTransform.from_rotvec(vector[:3], vector[3:])
