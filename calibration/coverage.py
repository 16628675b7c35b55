"""What the board's places leave unknown: parts of an image that no corner reached.

A distortion polynomial fits the corners it was given and runs away beyond them, where the
reprojection error cannot see it. The crop window, whose edges come from the edges of the infrared
image, is then too good to be true.
"""

from collections.abc import Iterable, Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from capture.camera import CameraModel

LEAST_COVERED_SHARE = 0.4
"""Boards held out to the corners that color and infrared share cover 55 to 70 % of each."""
_OUTER = ("color", "infrared")
"""Cameras whose edges the registration of depth relies on."""


def covered_share(corners_px: Iterable[NDArray[np.float64]], camera: CameraModel) -> float:
    """Return the share of the image inside the convex hull of all corners (N, 2) found in it."""
    everything = np.concatenate(list(corners_px)).astype(np.float32)
    area_px = cv2.contourArea(cv2.convexHull(everything))
    return area_px / (camera.width_px * camera.height_px)


def rayless_share(camera: CameraModel) -> float:
    """Return the share of the pixels that no ray reaches: 0 for a distortion that fits."""
    return float(np.isnan(camera.rays()[..., 0]).mean())


def coverage_warnings(
    covered: Mapping[str, float], cameras: Mapping[str, CameraModel]
) -> tuple[str, ...]:
    """Say in sentences what must not be trusted; empty when the board was shown well.

    Parameters
    ----------
    covered : mapping of camera name to float
        From `covered_share`.
    cameras : mapping of camera name to CameraModel
    """
    warnings = [
        f"the board covered {100 * covered[name]:.0f} % of the {name} image: outside, and for the "
        "crop window, distortion is a guess; hold it out to the corners of color and infrared too"
        for name in _OUTER
        if covered[name] < LEAST_COVERED_SHARE
    ]
    for name in _OUTER:
        lost = rayless_share(cameras[name])
        if lost > 0:
            warnings.append(
                f"the distortion of {name} has no inverse for {100 * lost:.2g} % of its pixels: "
                "the crop window leaves them out, those beside them are off by many pixels"
            )
    return tuple(warnings)
