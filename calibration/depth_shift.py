"""How far the measured depth lies from where the corners say the board is.

True depth = measured + shift, as iai_kinect2 has it. The board's plane comes from the corners of
all cameras; each view gives one difference, the median over the board's pixels. Differences
within a view share the error of its pose, so views, not pixels, are the sample: near boards with
their many pixels do not dominate.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from capture.camera import CameraModel
from capture.transform import RigidTransform

from .board import BoardSpec
from .depth_linearity import LinearDepth, PlaneSamples, Trend, find_trends, fit_linear
from .errors import CalibrationError

MIN_VIEWS = 3
LARGEST_SHIFT_MM = 40.0
"""Users of this sensor report -32 to +30 mm; beyond, something else is wrong."""
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
    trends : tuple of Trend
        What the differences depend on, where the data can tell.
    linear : LinearDepth or None
        The straight line through the views; None with too few.
    samples : mapping of view number to PlaneSamples
        Of the views that were kept.
    """

    shift_mm: float
    std_error_mm: float
    view_shift_mm: Mapping[int, float]
    rejected: Mapping[int, str]
    n_pixels: int
    trends: tuple[Trend, ...] = ()
    linear: LinearDepth | None = None
    samples: Mapping[int, PlaneSamples] = field(default_factory=dict)


def estimate_depth_shift(
    depth_mm: Mapping[int, NDArray[np.float32]],
    T_infrared_board: Mapping[int, RigidTransform],
    *,
    infrared: CameraModel,
    board: BoardSpec,
    amplitude: Mapping[int, NDArray[np.float32]] | None = None,
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
    amplitude : mapping of view number to (H, W) float32, optional
        Infrared images, to see whether dark squares measure differently.

    Raises
    ------
    CalibrationError
        Fewer than three views show the board in depth, or the shift is out of all reason.
    """
    rays = infrared.rays()
    shifts_mm: dict[int, float] = {}
    rejected: dict[int, str] = {}
    samples: dict[int, PlaneSamples] = {}
    for view, pose in T_infrared_board.items():
        if view not in depth_mm:
            continue
        seen = plane_samples(
            depth_mm[view], pose, rays, infrared, board, None if not amplitude else amplitude[view]
        )
        if len(seen.difference_mm) < _MIN_PIXELS:
            rejected[view] = f"{len(seen.difference_mm)} valid depth pixels on the board"
            continue
        shifts_mm[view] = float(np.median(seen.difference_mm))
        samples[view] = seen
    for view in _outliers(shifts_mm):
        rejected[view] = f"depth differs from the board's plane by {shifts_mm.pop(view):.1f} mm"
    if len(shifts_mm) < MIN_VIEWS:
        raise CalibrationError(
            f"{len(shifts_mm)} views show the board in depth: expected at least {MIN_VIEWS}",
            remedy="hold the board between 0.5 and 1.5 m from the depth camera",
        )
    values = np.array(list(shifts_mm.values()))
    if abs(values.mean()) > LARGEST_SHIFT_MM:
        raise CalibrationError(
            f"depth shift {values.mean():.1f} mm: a Kinect v2 has one within "
            f"{LARGEST_SHIFT_MM:.0f} mm",
            remedy="check the board's square size (--board) and that depth belongs to infrared",
        )
    used = [samples[view] for view in shifts_mm]
    return DepthShift(
        shift_mm=float(values.mean()),
        std_error_mm=float(values.std(ddof=1) / np.sqrt(len(values))),
        view_shift_mm=shifts_mm,
        rejected=rejected,
        n_pixels=sum(len(view.difference_mm) for view in used),
        trends=find_trends(used),
        linear=fit_linear(used),
        samples={view: samples[view] for view in shifts_mm},
    )


def plane_samples(
    depth_mm: NDArray[np.float32],
    T_infrared_board: RigidTransform,
    rays: NDArray[np.float64],
    infrared: CameraModel,
    board: BoardSpec,
    amplitude: NDArray[np.float32] | None = None,
) -> PlaneSamples:
    """Compare plane and measured depth at the valid pixels inside the corners."""
    normal = T_infrared_board.rotation[:, 2]
    offset_mm = 1000 * float(normal @ T_infrared_board.translation_m)
    corners_px = infrared.project(T_infrared_board.apply(board.points_m))
    inside = np.zeros(depth_mm.shape, np.uint8)
    hull = cv2.convexHull(corners_px.astype(np.float32))
    cv2.fillConvexPoly(inside, np.rint(hull).astype(np.int32), 1)
    used = (inside > 0) & (depth_mm > 0)
    plane_mm = offset_mm / (rays[used] @ normal[:2] + normal[2])
    measured_mm = depth_mm[used].astype(np.float64)
    on_board = np.abs(plane_mm - measured_mm) < _MAX_SHIFT_MM
    return PlaneSamples(
        difference_mm=(plane_mm - measured_mm)[on_board],
        measured_mm=measured_mm[on_board],
        radius=np.linalg.norm(rays[used], axis=1)[on_board],
        amplitude=None if amplitude is None else amplitude[used][on_board].astype(np.float64),
    )


def _outliers(shifts_mm: Mapping[int, float]) -> list[int]:
    if len(shifts_mm) < MIN_VIEWS:
        return []
    values = np.array(list(shifts_mm.values()))
    centre = float(np.median(values))
    sigma = max(1.4826 * float(np.median(np.abs(values - centre))), 0.1)
    return [view for view, v in shifts_mm.items() if abs(v - centre) > _OUTLIER_SIGMAS * sigma]
