"""How far the measured depth lies from where the corners say the board is.

True depth = measured + shift, as iai_kinect2 has it. The board's plane comes from the corners of
all cameras; each view gives one difference, the median over the board's pixels. Differences
within a view share the error of its pose, so views, not pixels, are the sample.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from capture.camera import CameraModel
from capture.transform import RigidTransform

from .board import BoardSpec
from .errors import CalibrationError

MIN_VIEWS = 3
_MIN_PIXELS = 50
_MAX_SHIFT_MM = 80.0
"""Differences beyond this are not the board: a hole, a mixed pixel or something in front."""
_OUTLIER_SIGMAS = 4.0


@dataclass(frozen=True, slots=True, eq=False)
class DepthShift:
    """The shift and how sure it is.

    Attributes
    ----------
    shift_mm : float
        Mean over the views that were kept.
    std_error_mm : float
        Of that mean, from the spread of the views.
    view_shift_mm : mapping of view number to float
    rejected : mapping of view number to str
    n_pixels : int
    """

    shift_mm: float
    std_error_mm: float
    view_shift_mm: Mapping[int, float]
    rejected: Mapping[int, str]
    n_pixels: int


def estimate_depth_shift(
    depth_mm: Mapping[int, NDArray[np.float32]],
    T_infrared_board: Mapping[int, RigidTransform],
    *,
    infrared: CameraModel,
    board: BoardSpec,
) -> DepthShift:
    """Compare depth images with the board's plane.

    Parameters
    ----------
    depth_mm : mapping of view number to (H, W) float32
        As measured, 0 = invalid.
    T_infrared_board : mapping of view number to RigidTransform
        Views without a depth image are ignored.
    infrared : CameraModel
    board : BoardSpec

    Raises
    ------
    CalibrationError
        Fewer than three views show the board in depth.
    """
    rays = infrared.rays()
    shifts_mm: dict[int, float] = {}
    rejected: dict[int, str] = {}
    n_pixels: dict[int, int] = {}
    for view, pose in T_infrared_board.items():
        if view not in depth_mm:
            continue
        differences = plane_differences_mm(depth_mm[view], pose, rays, infrared, board)
        if len(differences) < _MIN_PIXELS:
            rejected[view] = f"{len(differences)} valid depth pixels on the board"
            continue
        shifts_mm[view] = float(np.median(differences))
        n_pixels[view] = len(differences)
    for view in _outliers(shifts_mm):
        rejected[view] = f"depth differs from the board's plane by {shifts_mm.pop(view):.1f} mm"
    if len(shifts_mm) < MIN_VIEWS:
        raise CalibrationError(
            f"{len(shifts_mm)} views show the board in depth: expected at least {MIN_VIEWS}",
            remedy="hold the board between 0.5 and 1.5 m from the depth camera",
        )
    values = np.array(list(shifts_mm.values()))
    return DepthShift(
        shift_mm=float(values.mean()),
        std_error_mm=float(values.std(ddof=1) / np.sqrt(len(values))),
        view_shift_mm=shifts_mm,
        rejected=rejected,
        n_pixels=sum(n_pixels[view] for view in shifts_mm),
    )


def plane_differences_mm(
    depth_mm: NDArray[np.float32],
    T_infrared_board: RigidTransform,
    rays: NDArray[np.float64],
    infrared: CameraModel,
    board: BoardSpec,
) -> NDArray[np.float64]:
    """Return plane minus measured depth (P,), mm, of the valid pixels inside the corners."""
    normal = T_infrared_board.rotation[:, 2]
    offset_mm = 1000 * float(normal @ T_infrared_board.translation_m)
    corners_px = infrared.project(T_infrared_board.apply(board.points_m))
    inside = np.zeros(depth_mm.shape, np.uint8)
    hull = cv2.convexHull(corners_px.astype(np.float32))
    cv2.fillConvexPoly(inside, np.rint(hull).astype(np.int32), 1)
    used = (inside > 0) & (depth_mm > 0)
    plane_mm = offset_mm / (rays[used] @ normal[:2] + normal[2])
    differences: NDArray[np.float64] = plane_mm - depth_mm[used]
    return differences[np.abs(differences) < _MAX_SHIFT_MM]


def _outliers(shifts_mm: Mapping[int, float]) -> list[int]:
    if len(shifts_mm) < MIN_VIEWS:
        return []
    values = np.array(list(shifts_mm.values()))
    centre = float(np.median(values))
    sigma = max(1.4826 * float(np.median(np.abs(values - centre))), 0.1)
    return [view for view, v in shifts_mm.items() if abs(v - centre) > _OUTLIER_SIGMAS * sigma]
