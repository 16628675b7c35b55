"""Carry depth and thermal into the undistorted color image, and single points back.

The undistorted color image is the rig's common pixel grid: same size and matrix as the color
camera, no distortion. Every image function takes a `window` of that grid, so a face can be
registered without the rest; a window may reach beyond the image.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import TypeVar, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from capture.camera import CameraModel
from capture.transform import RigidTransform

from .errors import CalibrationError
from .mesh_raster import draw_depth_mesh, to_millimetres
from .rig import RigCalibration
from .thermal_sampling import front_surface, sample_visible

_BORDER_POINTS = 9
_FAR_M = 1e4
_MARGIN_PX = 3
_FIELD_MARGIN = 1.1
"""Squared radii up to this factor beyond the image's corners are still projected."""

_Value = TypeVar("_Value", np.uint16, np.float32)

Window = tuple[int, int, int, int]
"""x, y, width, height in pixels of the undistorted color image."""


def undistort_color(image: NDArray[np.uint8], rig: RigCalibration) -> NDArray[np.uint8]:
    """Return the color image (H, W[, 3]) without lens distortion, black where nothing was seen.

    Raises
    ------
    CalibrationError
        The image has another size than the calibrated color camera.
    """
    rig.require_size("color", image)
    color = rig.cameras["color"]
    if not color.distortion:
        return image.copy()
    coarse, fine = _undistortion_maps(color)
    return cast(NDArray[np.uint8], cv2.remap(image, coarse, fine, cv2.INTER_LINEAR))


def undistort_color_px(points_px: NDArray[np.float64], rig: RigCalibration) -> NDArray[np.float64]:
    """Map pixels (N, 2) of the color camera's own image to the undistorted color image."""
    color = rig.cameras["color"]
    rays = color.unproject(np.asarray(points_px, np.float64))
    ideal_px: NDArray[np.float64] = rays * [color.fx_px, color.fy_px] + [color.cx_px, color.cy_px]
    return ideal_px


def register_depth(
    depth_mm: NDArray[np.uint16],
    rig: RigCalibration,
    *,
    window: Window | None = None,
    out: NDArray[np.uint16] | None = None,
    scratch: NDArray[np.float32] | None = None,
    n_threads: int = 1,
) -> NDArray[np.uint16]:
    """Draw a depth image into the undistorted color image, occlusions resolved by a z-buffer.

    Parameters
    ----------
    depth_mm : (H, W) uint16
        As measured, before the depth shift; 0 = invalid.
    rig : RigCalibration
    window : tuple of int, optional
        x, y, width, height in color pixels to compute; the whole image by default.
    out : (height, width) uint16, optional
        The caller's buffer for the result, C-contiguous; a new one by default.
    scratch : (height, width) float32, optional
        The caller's buffer for the z-buffer: with both nothing large is allocated.
    n_threads : int
        Bands of rows drawn at the same time; the result does not depend on it.

    Returns
    -------
    (height, width) uint16
        Distance along the color camera's z axis, mm; 0 = no surface seen by both cameras.

    Raises
    ------
    CalibrationError
        The image has another size than the calibrated infrared camera, a buffer another size or
        type than the result, or an empty window.
    """
    shape = _window_matrix(window, rig.undistorted_color)[1][::-1]
    registered_mm = _buffer(out, shape, np.uint16)
    inverse_depth = _buffer(scratch, shape, np.float32)

    def finish(rows: slice) -> None:
        to_millimetres(inverse_depth[rows], registered_mm[rows])

    _draw(depth_mm, rig, window, inverse_depth, n_threads, finish)
    return registered_mm


def register_depth_float(
    depth_mm: NDArray[np.uint16],
    rig: RigCalibration,
    *,
    window: Window | None = None,
    out: NDArray[np.float32] | None = None,
    n_threads: int = 1,
) -> NDArray[np.float32]:
    """Do what `register_depth` does without rounding: (height, width) float32, mm, 0 invalid."""
    shape = _window_matrix(window, rig.undistorted_color)[1][::-1]
    registered_mm = _buffer(out, shape, np.float32)

    def finish(rows: slice) -> None:
        part = registered_mm[rows]
        part[part == 0] = np.inf
        np.reciprocal(part, out=part)

    _draw(depth_mm, rig, window, registered_mm, n_threads, finish)
    return registered_mm


def _draw(
    depth_mm: NDArray[np.uint16],
    rig: RigCalibration,
    window: Window | None,
    inverse_depth: NDArray[np.float32],
    n_threads: int,
    finish: Callable[[slice], None],
) -> None:
    """Draw bands of rows, each by one thread: no pixel is ever written by two."""
    rig.require_size("infrared", depth_mm)
    if n_threads < 1:
        raise CalibrationError(f"{n_threads} threads: expected at least 1")
    color = rig.undistorted_color
    matrix, (width_px, height_px) = _window_matrix(window, color)
    x_px, y_px = window[:2] if window is not None else (0, 0)
    columns = slice(None) if window is None else _infrared_part(depth_mm, rig, window)[1]
    rays = _rays(rig.cameras["infrared"])
    projection = matrix @ rig.T_color_infrared.rotation
    translation_mm = matrix @ rig.T_color_infrared.translation_m * 1000
    edges = np.linspace(0, height_px, min(n_threads, height_px) + 1).round().astype(int).tolist()

    def draw(first: int, stop: int) -> None:
        band = (x_px, y_px + first, width_px, stop - first)
        whole = window is None and stop - first == height_px
        # Rows are cut for each band, columns alike for all: compiled loops round by column.
        rows = slice(None) if whole else _infrared_part(depth_mm, rig, band)[0]
        inverse_depth[first:stop] = 0
        draw_depth_mesh(
            np.ascontiguousarray(depth_mm[rows, columns]),
            np.ascontiguousarray(rays[rows, columns]),
            projection,
            translation_mm,
            rig.depth_scale,
            rig.depth_shift_mm,
            first,
            stop,
            inverse_depth,
        )
        finish(slice(first, stop))

    if n_threads == 1:
        draw(0, height_px)
    else:
        list(_pool(n_threads).map(draw, edges[:-1], edges[1:]))


def _buffer(
    given: NDArray[_Value] | None, shape: tuple[int, int], kind: type[_Value]
) -> NDArray[_Value]:
    if given is None:
        return np.empty(shape, kind)
    if given.shape != shape or given.dtype != kind or not given.flags.c_contiguous:
        raise CalibrationError(
            f"a buffer of {given.dtype} {given.shape}, expected {np.dtype(kind)} {shape}, "
            "C-contiguous"
        )
    return given


@lru_cache(maxsize=4)
def _pool(n_threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(n_threads, thread_name_prefix="mavfer-register")


def _infrared_part(
    depth_mm: NDArray[np.uint16], rig: RigCalibration, window: Window
) -> tuple[slice, slice]:
    """Return the rows and columns of the depth image that can land in the window.

    Its border is carried over at the nearest depth there is and at infinity: everything between
    lies inside, and a margin covers how lines bend in between.
    """
    whole = slice(None), slice(None)
    valid = depth_mm[depth_mm > 0]
    nearest_m = rig.true_depth_mm(int(valid.min())) / 1000 if valid.size else 0.0
    if nearest_m <= 0:
        return whole
    x_px, y_px, width_px, height_px = window
    x = x_px + np.linspace(-1, width_px, _BORDER_POINTS)
    y = y_px + np.linspace(-1, height_px, _BORDER_POINTS)
    border_px = np.concatenate(
        [np.stack([x, 0 * x + edge], axis=1) for edge in y[[0, -1]]]
        + [np.stack([0 * y + edge, y], axis=1) for edge in x[[0, -1]]]
    )
    # z differs between the cameras by the rotation, a few per cent: halving is on the safe side.
    found_px = np.concatenate(
        [
            color_to_infrared_px(border_px, np.full(len(border_px), z_m), rig)
            for z_m in (nearest_m / 2, _FAR_M)
        ]
    )
    if not np.isfinite(found_px).all():
        return whole
    first = np.maximum(np.floor(found_px.min(axis=0)).astype(int) - _MARGIN_PX, 0)
    stop = np.maximum(np.ceil(found_px.max(axis=0)).astype(int) + _MARGIN_PX + 1, 0)
    return slice(first[1], stop[1]), slice(first[0], stop[0])


def register_thermal(
    counts: NDArray[np.uint16],
    depth_in_color_mm: NDArray[np.uint16],
    rig: RigCalibration,
    *,
    window: Window | None = None,
) -> NDArray[np.uint16]:
    """Look up the thermal image at every surface point of the registered depth.

    Parameters
    ----------
    counts : (H, W) uint16
        Thermal image as recorded.
    depth_in_color_mm : (height, width) uint16
        What `register_depth` returned for the same `window`.
    rig : RigCalibration
    window : tuple of int, optional

    Returns
    -------
    (height, width) uint16
        Counts, interpolated bilinearly; 0 where there is no depth, where the point lies outside
        the thermal image or where a nearer surface of the window hides it from that camera.

    Raises
    ------
    CalibrationError
        Sizes of images, window and calibration contradict each other.
    """
    rig.require_size("thermal", counts)
    thermal = rig.cameras["thermal"]
    matrix, size_px = _window_matrix(window, rig.undistorted_color)
    if depth_in_color_mm.shape != size_px[::-1]:
        raise CalibrationError(
            f"registered depth is {depth_in_color_mm.shape[::-1]} (width, height): "
            f"the window asks for {size_px}"
        )
    T_thermal_color = rig.T_color_thermal.inverse()
    to_thermal = T_thermal_color.rotation @ np.linalg.inv(matrix)
    translation_mm = T_thermal_color.translation_m * 1000
    intrinsics = _intrinsics(thermal)
    depth = np.ascontiguousarray(depth_in_color_mm)
    front = front_surface(depth, to_thermal, translation_mm, intrinsics, *counts.shape)
    registered = np.zeros(depth.shape, np.uint16)
    sample_visible(
        np.ascontiguousarray(counts),
        depth,
        front,
        to_thermal,
        translation_mm,
        intrinsics,
        registered,
    )
    return registered


def color_to_thermal_px(
    points_px: NDArray[np.float64], depth_m: NDArray[np.float64], rig: RigCalibration
) -> NDArray[np.float64]:
    """Find where points of the undistorted color image appear in the thermal image.

    Parameters
    ----------
    points_px : (N, 2) float64
    depth_m : (N,) float64
        Distance along the color camera's z axis, metres.
    rig : RigCalibration

    Returns
    -------
    (N, 2) float64
        Pixels of the thermal image as recorded (distorted), maybe a little outside it; NaN where
        the depth is not positive or the point is far out of view.
    """
    return _from_color(points_px, depth_m, rig, rig.cameras["thermal"], rig.T_color_thermal)


def color_to_infrared_px(
    points_px: NDArray[np.float64], depth_m: NDArray[np.float64], rig: RigCalibration
) -> NDArray[np.float64]:
    """Find where points of the undistorted color image appear in infrared and depth.

    Same parameters and result as `color_to_thermal_px`.
    """
    return _from_color(points_px, depth_m, rig, rig.cameras["infrared"], rig.T_color_infrared)


def _from_color(
    points_px: NDArray[np.float64],
    depth_m: NDArray[np.float64],
    rig: RigCalibration,
    camera: CameraModel,
    T_color_camera: RigidTransform,
) -> NDArray[np.float64]:
    z_m = np.where(np.asarray(depth_m) > 0, depth_m, np.nan)[:, None]
    rays = rig.undistorted_color.unproject(np.asarray(points_px, np.float64))
    points_m = T_color_camera.inverse().apply(np.concatenate([rays * z_m, z_m], axis=1))
    seen = np.square(points_m[:, :2] / points_m[:, 2:]).sum(axis=1) <= _max_squared_radius(camera)
    return np.where(seen[:, None], camera.project(points_m), np.nan)


def _window_matrix(
    window: Window | None, color: CameraModel
) -> tuple[NDArray[np.float64], tuple[int, int]]:
    """Return K (3, 3) with its origin at the window, and the window's (width, height)."""
    x_px, y_px, width_px, height_px = window or (0, 0, color.width_px, color.height_px)
    if min(width_px, height_px) <= 0:
        raise CalibrationError(f"window {window} is empty: expected x, y, width > 0, height > 0")
    matrix = color.matrix
    matrix[:2, 2] -= [x_px, y_px]
    return matrix, (width_px, height_px)


def _intrinsics(camera: CameraModel) -> NDArray[np.float64]:
    """Return the (13,) array that `thermal_sampling.project_distorted` describes."""
    pinhole = (camera.fx_px, camera.fy_px, camera.cx_px, camera.cy_px)
    distortion = (*camera.distortion, *(0.0,) * 8)[:8]
    return np.array([*pinhole, *distortion, _max_squared_radius(camera)])


@lru_cache(maxsize=8)
def _max_squared_radius(camera: CameraModel) -> float:
    """Bound the rays that can be seen: far outside the image a lens polynomial folds back in."""
    right, bottom = camera.width_px - 1.0, camera.height_px - 1.0
    corners_px = np.array([[0, 0], [right, 0], [0, bottom], [right, bottom]])
    return _FIELD_MARGIN * float(np.square(camera.unproject(corners_px)).sum(axis=1).max())


@lru_cache(maxsize=4)
def _rays(camera: CameraModel) -> NDArray[np.float32]:
    """Rays (H, W, 2) of a camera, kept because inverting the distortion takes half a second."""
    return camera.rays().astype(np.float32)


@lru_cache(maxsize=4)
def _undistortion_maps(camera: CameraModel) -> tuple[NDArray[np.int16], NDArray[np.uint16]]:
    distortion = np.array(camera.distortion)
    size_px = (camera.width_px, camera.height_px)
    matrix = camera.matrix
    coarse, fine = cv2.initUndistortRectifyMap(
        matrix, distortion, None, matrix, size_px, cv2.CV_16SC2
    )
    return cast(NDArray[np.int16], coarse), cast(NDArray[np.uint16], fine)
