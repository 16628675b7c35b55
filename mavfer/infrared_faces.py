"""Faces in the dark: found in the infrared image, carried to color through depth.

The Kinect lights its infrared image itself, so a face that color loses in a dark room is still
there, in the same pixels as the depth.
"""

from typing import cast

import numpy as np
from numpy.typing import NDArray

from calibration.rig import RigCalibration

_WHITE_PERCENTILE = 99.5
_DEPTH_REACH_PX = 2
_FACE_DEPTH_M = (-0.08, 0.12)
"""Landmarks lie within this of the face's median depth; what is outside is background."""


def infrared_to_grey(infrared: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """Compress an infrared image (H, W) to 8 bit by the square root.

    Brightness falls with the square of the distance; the root brings a near nose and a far
    shoulder into one range.
    """
    white = max(float(np.percentile(infrared[::4, ::4], _WHITE_PERCENTILE)), 1.0)
    root = np.sqrt(np.minimum(infrared.astype(np.float32) / white, 1.0))
    return cast(NDArray[np.uint8], (root * 255 + 0.5).astype(np.uint8))


def carry_to_color(
    points_px: NDArray[np.float64], depth_mm: NDArray[np.uint16], rig: RigCalibration
) -> NDArray[np.float64] | None:
    """Carry landmarks of the infrared image to the undistorted color image.

    Parameters
    ----------
    points_px : (N, 2) float64
        Pixels of the infrared image.
    depth_mm : (H, W) uint16
        Depth image of the same moment, as measured; 0 = invalid.
    rig : RigCalibration

    Returns
    -------
    (N, 2) float64 or None
        None when the depth image has nothing where the face is. Points without depth, or with a
        depth that cannot belong to the face, take the median depth of the others.
    """
    depth_m = np.array([_depth_near(depth_mm, x, y) for x, y in points_px]) / 1000
    known = depth_m > 0
    if not known.any():
        return None
    face_m = float(np.median(depth_m[known]))
    nearest_m, farthest_m = face_m + _FACE_DEPTH_M[0], face_m + _FACE_DEPTH_M[1]
    z_m = np.where((depth_m > nearest_m) & (depth_m < farthest_m), depth_m, face_m)
    z_m = rig.depth_scale * z_m + rig.depth_shift_mm / 1000
    rays = rig.cameras["infrared"].unproject(points_px)
    points_m = np.concatenate([rays * z_m[:, None], z_m[:, None]], axis=1)
    return rig.undistorted_color.project(rig.T_color_infrared.apply(points_m))


def _depth_near(depth_mm: NDArray[np.uint16], x_px: float, y_px: float) -> float:
    """Median of the valid depths round a pixel, mm; 0 where there are none."""
    x, y, reach = round(x_px), round(y_px), _DEPTH_REACH_PX
    patch = depth_mm[max(y - reach, 0) : max(y + reach + 1, 0), max(x - reach, 0) : x + reach + 1]
    valid = patch[patch > 0]
    return float(np.median(valid)) if valid.size else 0.0
