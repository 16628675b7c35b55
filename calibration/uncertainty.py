"""How far the calibration lets a pixel wander: its covariance carried into the images.

Deviations of single parameters say little, since they compensate each other. What a user sees is
where a point lands: in the camera's own image, or, taken across with its depth, in another's.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from capture.camera import CameraModel
from capture.transform import RigidTransform

from .adjustment import Adjustment
from .adjustment_layout import Layout
from .adjustment_problem import Problem, State

_STEP_SIGMAS = 0.05
"""Parameters are moved by this share of their deviation to see where pixels go."""


@dataclass(frozen=True, slots=True, eq=False)
class UncertaintyMap:
    """Standard deviations on a grid of pixels.

    Attributes
    ----------
    pixels : (R, C, 2) float64
        Where, in the image of the camera asked about.
    std_px : (R, C) float64
        Along the worst direction; NaN where no ray reaches the pixel.
    """

    pixels: NDArray[np.float64]
    std_px: NDArray[np.float64]

    @property
    def median_px(self) -> float:
        """Half of the image is better than this."""
        return float(np.nanmedian(self.std_px))

    @property
    def worst_px(self) -> float:
        """The worst pixel of the grid."""
        return float(np.nanmax(self.std_px))


def pixel_grid(camera: CameraModel, *, columns: int = 25, rows: int = 15) -> NDArray[np.float64]:
    """Return pixels (rows, columns, 2) from corner to corner of an image."""
    u = np.linspace(0, camera.width_px - 1, columns)
    v = np.linspace(0, camera.height_px - 1, rows)
    return np.stack(np.meshgrid(u, v), axis=-1)


def transfer_uncertainty(
    adjustment: Adjustment,
    problem: Problem,
    *,
    source: str,
    target: str,
    depth_m: float = 1.0,
    pixels: NDArray[np.float64] | None = None,
) -> UncertaintyMap:
    """Return how sure it is where a pixel of one camera, at a depth, lies in another.

    Parameters
    ----------
    adjustment : Adjustment
    problem : Problem
        That was adjusted.
    source, target : str
        Cameras.
    depth_m : float
        z in the source camera's frame.
    pixels : (R, C, 2) float64, optional
        Of the source image; a grid over all of it by default.

    Returns
    -------
    UncertaintyMap
        Deviations in pixels of the target image. Times depth over focal length they are metres
        on a surface that faces the camera.
    """
    grid = pixel_grid(adjustment.state.cameras[source]) if pixels is None else pixels

    def carry(state: State) -> NDArray[np.float64]:
        rays = state.cameras[source].unproject(grid)
        points_m = depth_m * np.concatenate([rays, np.ones((*rays.shape[:-1], 1))], axis=-1)
        in_reference = state.T_camera_reference[source].inverse().apply(points_m)
        return state.cameras[target].project(state.T_camera_reference[target].apply(in_reference))

    jacobian = _jacobian(adjustment, problem, carry)
    return UncertaintyMap(grid, _worst_std(jacobian, adjustment.covariance))


def projection_uncertainty(
    adjustment: Adjustment,
    problem: Problem,
    *,
    camera: str,
    depth_m: float | None = None,
    pixels: NDArray[np.float64] | None = None,
) -> UncertaintyMap:
    """Return how sure one camera's projection is, whatever turns with it taken out.

    A change of intrinsics that looks like a turned camera does no harm: the turn (and for near
    points the shift) that best undoes a change over the whole image is subtracted first. That is
    what two calibrations of one camera can be compared by (as mrcal does).

    Parameters
    ----------
    adjustment : Adjustment
    problem : Problem
        That was adjusted.
    camera : str
    depth_m : float, optional
        Distance of the points; infinity by default.
    pixels : (R, C, 2) float64, optional
        A grid over the image by default.
    """
    model = adjustment.state.cameras[camera]
    grid = pixel_grid(model) if pixels is None else pixels
    rays = model.unproject(grid)
    points = np.concatenate([rays, np.ones((*rays.shape[:-1], 1))], axis=-1)
    points *= 1.0 if depth_m is None else depth_m
    jacobian = _jacobian(adjustment, problem, lambda state: state.cameras[camera].project(points))
    motion = _motion_jacobian(model, points, with_shift=depth_m is not None)
    seen: NDArray[np.bool_] = np.isfinite(jacobian.sum(axis=-1) + motion.sum(axis=-1))
    undo, *_ = np.linalg.lstsq(motion[seen], jacobian[seen], rcond=None)
    return UncertaintyMap(grid, _worst_std(jacobian - motion @ undo, adjustment.covariance))


def _jacobian(
    adjustment: Adjustment, problem: Problem, carry: Callable[[State], NDArray[np.float64]]
) -> NDArray[np.float64]:
    """Differentiate pixels (R, C, 2) by every parameter of the covariance: (R, C, 2, P)."""
    layout = Layout(replace(problem, views={}))
    state = replace(adjustment.state, T_reference_board={})
    vector = layout.pack(state)
    deviations = np.sqrt(np.diag(adjustment.covariance))
    columns: list[NDArray[np.float64]] = []
    for index, deviation in enumerate(deviations):
        if deviation == 0:
            columns.append(np.zeros_like(carry(state)))
            continue
        step = np.zeros_like(vector)
        step[index] = _STEP_SIGMAS * deviation
        ahead = carry(layout.unpack(vector + step, state))
        behind = carry(layout.unpack(vector - step, state))
        columns.append((ahead - behind) / (2 * step[index]))
    return np.stack(columns, axis=-1)


def _motion_jacobian(
    model: CameraModel, points: NDArray[np.float64], *, with_shift: bool
) -> NDArray[np.float64]:
    """Differentiate pixels by a turn (and shift) of the camera: (R, C, 2, 3 or 6)."""
    step = 1e-6
    columns = []
    for index in range(6 if with_shift else 3):
        motion = np.zeros(6)
        motion[index] = step
        ahead = RigidTransform.from_rotvec(motion[:3], motion[3:]).apply(points)
        behind = RigidTransform.from_rotvec(-motion[:3], -motion[3:]).apply(points)
        columns.append((model.project(ahead) - model.project(behind)) / (2 * step))
    return np.stack(columns, axis=-1)


def _worst_std(
    jacobian: NDArray[np.float64], covariance: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the larger principal deviation (R, C) of each pixel's 2 x 2 covariance."""
    spread = jacobian @ covariance @ np.swapaxes(jacobian, -1, -2)
    lost: NDArray[np.bool_] = ~np.isfinite(spread.sum(axis=(-1, -2)))
    largest = np.linalg.eigvalsh(np.where(lost[..., None, None], 0.0, spread))[..., -1]
    std: NDArray[np.float64] = np.sqrt(np.maximum(largest, 0))
    std[lost] = np.nan
    return std
