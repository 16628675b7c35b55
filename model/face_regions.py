"""Where mouth, eyes and nose are in a crop, and how much of an attention map falls on each."""

from collections.abc import Mapping
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from mavfer.store import ClipStore

Region = Literal["mouth", "eyes", "nose", "rim"]
REGIONS: tuple[Region, ...] = ("mouth", "eyes", "nose", "rim")
"""The rim is everything outside the outline of jaw and brows: hair, forehead, background."""
_LANDMARKS = 68
_PARTS: Mapping[str, tuple[slice, ...]] = {
    "mouth": (slice(48, 60),),
    "eyes": (slice(36, 42), slice(42, 48)),
    "nose": (slice(27, 36),),
}
"""In the order of iBUG 300-W."""
_OUTLINE = slice(0, 27)
_SUBPIXEL_BITS = 8


def can_tell_regions(store: ClipStore) -> bool:
    """Whether a store's landmarks show mouth and nose; those of five points do not."""
    return store.landmarks == _LANDMARKS


def landmarks_in_map(
    store: ClipStore, video_id: str, rows: NDArray[np.int64], *, size_px: int
) -> NDArray[np.float64]:
    """Landmarks of some rows in the pixels of a map that covers the crop.

    Parameters
    ----------
    rows : (N,) int64
    size_px : int
        Side of the map.

    Returns
    -------
    (N, 68, 2) float64
        x, y; NaN where no face was found.
    """
    points = store.landmarks_px(video_id)[rows].astype(np.float64)
    to_crop = store.T_crop_color(video_id)[rows].astype(np.float64)
    in_crop = np.einsum("nij,npj->npi", to_crop[:, :, :2], points) + to_crop[:, None, :, 2]
    in_map: NDArray[np.float64] = (in_crop + 0.5) * (size_px / store.crop_px) - 0.5
    return in_map


def region_masks(landmarks: NDArray[np.float64], *, size_px: int) -> NDArray[np.bool_]:
    """Pixels of each of `REGIONS`: the hull of its landmarks and what its outline touches.

    Parameters
    ----------
    landmarks : (N, 68, 2) float64
        x, y in pixels, centres at whole numbers; NaN where unknown.
    size_px : int

    Returns
    -------
    (N, 4, size, size) bool
        All false where the landmarks are unknown.
    """
    masks = np.zeros((len(landmarks), len(REGIONS), size_px, size_px), np.bool_)
    for mask, points in zip(masks, landmarks, strict=True):
        if not np.isfinite(points).all():
            continue
        for number, region in enumerate(REGIONS):
            if region == "rim":
                mask[number] = ~_hull(points[_OUTLINE], size_px)
                continue
            for part in _PARTS[region]:
                mask[number] |= _hull(points[part], size_px)
    return masks


def region_density(
    attention: NDArray[np.floating], masks: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Mean attention in each region relative to that of the whole map.

    Parameters
    ----------
    attention : (N, h, w) float
    masks : (N, 4, h, w) bool

    Returns
    -------
    (N, 4) float64
        1 = as much as with uniform attention; NaN where the region has no pixel.
    """
    area = masks.sum((2, 3))
    inside = np.einsum("nhw,nrhw->nr", attention.astype(np.float64), masks)
    whole = attention.mean((1, 2), dtype=np.float64)[:, None]
    known = (area > 0) & (whole > 0)
    density = np.full(area.shape, np.nan)
    np.divide(inside, area * whole, out=density, where=known)
    return density


def _hull(points: NDArray[np.float64], size_px: int) -> NDArray[np.bool_]:
    mask = np.zeros((size_px, size_px), np.uint8)
    fixed = np.round(points * (1 << _SUBPIXEL_BITS)).astype(np.int32)
    cv2.fillConvexPoly(mask, cv2.convexHull(fixed), (1,), shift=_SUBPIXEL_BITS)
    return mask.astype(np.bool_)
