"""The part of the color image that depth can fill, from geometry alone.

The infrared field of view slides over the color image with distance (parallax), so a centred
or copied window is wrong: 1408 x 792, the paper's, fits its rig only off-centre.
"""

from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from capture.camera import CameraModel
from capture.transform import RigidTransform

from .errors import CalibrationError
from .rig import CropWindow

PAPER_WINDOW_PX = (1408, 792)
"""Width and height of the paper's crop, in its 1920 x 1080 color image."""
_PAPER_COLOR_WIDTH_PX = 1920
_ASPECT = 16 / 9
_NEAREST_CM, _FARTHEST_CM = 50, 150
"""Range of nearest depths tried for the paper's window; the Kinect v2 measures from 0.5 m."""
_FALLBACK_Z_MIN_M = 0.6


def paper_window_px(color: CameraModel) -> tuple[int, int]:
    """Return the paper's (width, height) for the size of `color`, in even pixels."""
    factor = color.width_px / _PAPER_COLOR_WIDTH_PX
    width_px, height_px = (2 * round(side * factor / 2) for side in PAPER_WINDOW_PX)
    return width_px, height_px


def compute_crop_window(
    color: CameraModel,
    infrared: CameraModel,
    T_color_infrared: RigidTransform,
    *,
    z_min_m: float | None = None,
) -> CropWindow:
    """Place the paper's window where depth exists for all z from some nearest depth on.

    Parameters
    ----------
    color : CameraModel
        Its undistorted image is the grid the window is given in.
    infrared : CameraModel
    T_color_infrared : RigidTransform
    z_min_m : float, metres, optional
        Nearest depth, in the infrared frame, the window must hold for: gives the paper's window
        or, where that does not fit, the largest 16:9 one. By default the paper's window at the
        smallest such depth, in whole centimetres from 0.5 m; where it fits at none up to 1.5 m,
        the largest window for 0.6 m.

    Raises
    ------
    CalibrationError
        The infrared camera covers no part of the color image for all those depths.

    Notes
    -----
    Along one infrared ray the color pixel moves monotonically with 1/z, so `z_min_m` and
    infinity bound every depth between them. Where the distortion has no inverse there is no ray
    and so no registered depth: the field ends at the last pixels, from the middle, that have one.
    """
    field = _Field.of(infrared)
    if z_min_m is not None:
        return _largest_window(color, field, T_color_infrared, z_min_m)
    for centimetres in range(_NEAREST_CM, _FARTHEST_CM + 1):
        try:
            window = _largest_window(color, field, T_color_infrared, centimetres / 100)
        except CalibrationError:
            continue
        if (window.width_px, window.height_px) == paper_window_px(color):
            return window
    return _largest_window(color, field, T_color_infrared, _FALLBACK_Z_MIN_M)


def _largest_window(
    color: CameraModel, field: "_Field", T_color_infrared: RigidTransform, z_min_m: float
) -> CropWindow:
    width_px, height_px = paper_window_px(color)
    top, bottom = _shared_span_px(color, field, T_color_infrared, z_min_m, along="y")
    height_px = min(height_px, bottom - top + 1)
    y_px = top + (bottom - top + 1 - height_px) // 2
    left, right = _shared_span_px(
        color, field, T_color_infrared, z_min_m, along="x", beside=(y_px, y_px + height_px)
    )
    if (width_px, height_px) != paper_window_px(color) or width_px > right - left + 1:
        width_px = min(width_px, right - left + 1, int(height_px * _ASPECT)) // 2 * 2
        height_px = int(width_px / _ASPECT) // 2 * 2
    if min(width_px, height_px) < 2:
        raise CalibrationError(
            f"depth covers no window of the color image for all z >= {z_min_m} m",
            remedy="raise the nearest depth or check the transform between the cameras",
        )
    return CropWindow(
        x_px=left + (right - left + 1 - width_px) // 2,
        y_px=top + (bottom - top + 1 - height_px) // 2,
        width_px=width_px,
        height_px=height_px,
        z_min_m=z_min_m,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Field:
    """Rays (x, y, 1) through the edges of a camera's field, (N, 3) each.

    Attributes
    ----------
    left, right, top, bottom : (N, 3) float64
        Of every row or column whose middle pixel has a ray.
    """

    left: NDArray[np.float64]
    right: NDArray[np.float64]
    top: NDArray[np.float64]
    bottom: NDArray[np.float64]

    @classmethod
    def of(cls, camera: CameraModel) -> Self:
        """Find the outermost pixels that have rays."""
        rays = np.dstack([camera.rays(), np.ones((camera.height_px, camera.width_px))])
        upright = rays.transpose(1, 0, 2)
        return cls(
            left=_first_rays(rays),
            right=_first_rays(rays[:, ::-1]),
            top=_first_rays(upright),
            bottom=_first_rays(upright[:, ::-1]),
        )


def _first_rays(rays: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return of each row of (H, W, 3) the first ray of those that reach the middle unbroken."""
    middle = rays.shape[1] // 2
    lost = np.isnan(rays[:, : middle + 1, 0])
    unbroken = middle - np.argmax(lost[:, ::-1], axis=1) + 1
    first = np.where(lost.any(axis=1), unbroken, 0)
    rows = np.flatnonzero(~lost[:, middle])
    edge: NDArray[np.float64] = rays[rows, first[rows]]
    return edge


def _shared_span_px(
    color: CameraModel,
    field: _Field,
    T_color_infrared: RigidTransform,
    z_min_m: float,
    *,
    along: Literal["x", "y"],
    beside: tuple[int, int] | None = None,
) -> tuple[int, int]:
    """Return the first and last color column (or row) inside the field's edges at any depth.

    Only the parts of the edges that lie `beside` the window count: half-open range of the other
    coordinate, the whole color image by default.
    """
    ideal = color.without_distortion()
    axis = 0 if along == "x" else 1
    limits_px = (color.width_px, color.height_px)
    first, stop = beside or (0, limits_px[1 - axis])
    bounds = [0.0, limits_px[axis] - 1.0]
    edges = (field.left, field.right) if along == "x" else (field.top, field.bottom)
    for which, rays in enumerate(edges):
        for inverse_z in (1 / z_min_m, 0.0):
            pixels = ideal.project(
                rays @ T_color_infrared.rotation.T + inverse_z * T_color_infrared.translation_m
            )
            counted = (pixels[:, 1 - axis] >= first) & (pixels[:, 1 - axis] < stop)
            if counted.any():
                edge = pixels[counted, axis]
                bounds[which] = (
                    max(bounds[0], edge.max()) if which == 0 else min(bounds[1], edge.min())
                )
    return int(np.ceil(bounds[0])), int(np.floor(bounds[1]))
