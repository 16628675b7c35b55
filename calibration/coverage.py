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
OUTER = ("color", "infrared")
"""Cameras whose edges the registration of depth relies on."""
N_CELLS = 10
_THIRDS = (slice(0, 3), slice(3, 7), slice(7, 10))
_VERTICAL, _HORIZONTAL = ("upper", "middle", "lower"), ("left", "middle", "right")
TILTED_DEG, TILTED_SHARE = 15.0, 0.5


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
        for name in OUTER
        if covered[name] < LEAST_COVERED_SHARE
    ]
    for name in OUTER:
        lost = rayless_share(cameras[name])
        if lost > 0:
            warnings.append(
                f"the distortion of {name} has no inverse for {100 * lost:.2g} % of its pixels: "
                "the crop window leaves them out, those beside them are off by many pixels"
            )
    return tuple(warnings)


def cell_counts(
    corners_px: Iterable[NDArray[np.float64]], size_px: tuple[int, int]
) -> NDArray[np.int64]:
    """Count the corners (N, 2) of all views in each of 10 x 10 cells of an image, (10, 10)."""
    everything = np.concatenate([np.empty((0, 2)), *corners_px])
    cells = np.clip((everything + 0.5) / np.array(size_px) * N_CELLS, 0, N_CELLS - 1).astype(
        np.int64
    )
    counts = np.zeros((N_CELLS, N_CELLS), np.int64)
    np.add.at(counts, (cells[:, 1], cells[:, 0]), 1)
    return counts


def empty_places(counts: NDArray[np.int64]) -> list[str]:
    """Name the thirds of an image, "upper left" to "lower right", in which no corner was."""
    return [
        f"{vertical} {horizontal}".replace("middle middle", "middle")
        for rows, vertical in zip(_THIRDS, _VERTICAL, strict=True)
        for columns, horizontal in zip(_THIRDS, _HORIZONTAL, strict=True)
        if not counts[rows, columns].any()
    ]


def advise(
    counts: Mapping[str, NDArray[np.int64]], tilts_deg: NDArray[np.float64]
) -> tuple[str, ...]:
    """Say where to hold the board next; empty when it was everywhere.

    Parameters
    ----------
    counts : mapping of camera name to (10, 10) int64
        From `cell_counts`.
    tilts_deg : (V,) float64
        Angle between the board's normal and the reference camera's axis, per view.
    """
    advice = []
    for name in OUTER:
        empty = empty_places(counts[name])
        if empty:
            advice.append(f"no board in the {', '.join(empty)} of {name}: hold it there")
    if (tilts_deg > TILTED_DEG).mean() < TILTED_SHARE:
        advice.append(
            f"{100 * (tilts_deg > TILTED_DEG).mean():.0f} % of the views are tilted by more than "
            f"{TILTED_DEG:.0f}°, expected {100 * TILTED_SHARE:.0f} %: tilt the board more, "
            "otherwise focal length and distance cannot be told apart"
        )
    return tuple(advice)
