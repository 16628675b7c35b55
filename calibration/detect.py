"""Find the board's corners in color, infrared or thermal images.

Small images are doubled before the search. ``cv2.resize`` maps x to 2x + 0.5, so positions go
back by (x + 0.5) / 2 - 0.5; halving alone would shift every corner by a quarter pixel.
"""

from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from .board import BoardSpec

_LOW_PERCENT, _HIGH_PERCENT = 1.0, 99.0
_SMALL_WIDTH_PX = 1000
"""Images narrower than this are doubled."""
_SECTOR_FLAGS = cv2.CALIB_CB_NORMALIZE_IMAGE | cv2.CALIB_CB_ACCURACY
_CLASSIC_FLAGS = cv2.CALIB_CB_ADAPTIVE_THRESH | cv2.CALIB_CB_NORMALIZE_IMAGE
_SMOOTHING_SIGMA_PX = 1.5
_REFINE_SNR = 12.0
"""Above this contrast-to-noise ratio the sub-pixel search beats the detector's own positions."""
_WINDOW_SHARE = 0.35
"""Half window of the sub-pixel search as a share of the shortest corner distance."""
_MAX_WINDOW_PX = 11
_CRITERIA = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 60, 1e-4)


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """Corners found in one image.

    Attributes
    ----------
    corners_px : (N, 2) float64
        In the image's own pixel grid, row by row, first corner arbitrary (see `order`).
    snr : float
        Difference of black and white squares over the noise of one pixel.
    method : str
        Which step of the cascade found them: "sector", "sector-smooth", "classic" or
        "classic-smooth"; with "+subpixel" where the sub-pixel search refined them.
    """

    corners_px: NDArray[np.float64]
    snr: float
    method: str


def stretch(image: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Map an image (H, W) of any range linearly to 0…255 between its 1st and 99th percentile."""
    values = image.astype(np.float32)
    low, high = np.percentile(values, [_LOW_PERCENT, _HIGH_PERCENT])
    scaled = (values - low) * (255.0 / max(high - low, 1e-6))
    stretched: NDArray[np.uint8] = np.clip(np.rint(scaled), 0, 255).astype(np.uint8)
    return stretched


def find_board(image: NDArray[np.generic], board: BoardSpec) -> Detection | None:
    """Find all inner corners of the board, or return None.

    Parameters
    ----------
    image : (H, W) any real type, or (H, W, 3) BGR
        Averages of several frames of a static board may be given as float32.
    board : BoardSpec

    Notes
    -----
    The sector-based detector on the linear stretch finds the most at low contrast; the classic
    one and a smoothed image catch what it misses. Histogram equalisation is avoided: it doubles
    the error of the positions.
    """
    values = _luminance(image)
    factor = 2 if values.shape[1] < _SMALL_WIDTH_PX else 1
    grey = stretch(values)
    if factor == 2:
        doubled = cv2.resize(grey, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
        grey = cast(NDArray[np.uint8], doubled)
    smooth = cv2.GaussianBlur(grey, (0, 0), _SMOOTHING_SIGMA_PX)
    pattern = (board.columns, board.rows)
    for method, flags, searched in (
        ("sector", _SECTOR_FLAGS, grey),
        ("classic", _CLASSIC_FLAGS, grey),
        ("sector-smooth", _SECTOR_FLAGS, smooth),
        ("classic-smooth", _CLASSIC_FLAGS, smooth),
    ):
        search = cv2.findChessboardCornersSB if "sector" in method else cv2.findChessboardCorners
        found, corners = search(searched, pattern, flags=flags)
        if not found:
            continue
        corners_px = (corners.reshape(-1, 2).astype(np.float64) + 0.5) / factor - 0.5
        snr = _contrast_to_noise(values, corners_px, board)
        if snr >= _REFINE_SNR or "classic" in method:
            corners_px = _refine(grey, corners_px, board, factor)
            method += "+subpixel"
        return Detection(corners_px, snr, method)
    return None


def _luminance(image: NDArray[np.generic]) -> NDArray[np.float32]:
    values = image.astype(np.float32)
    if values.ndim == 3:
        return cast(NDArray[np.float32], cv2.cvtColor(values, cv2.COLOR_BGR2GRAY))
    return values


def _refine(
    grey: NDArray[np.uint8], corners_px: NDArray[np.float64], board: BoardSpec, factor: int
) -> NDArray[np.float64]:
    """Search the saddle point around each corner, in a window that follows the square size."""
    enlarged = (corners_px + 0.5) * factor - 0.5
    grid = enlarged.reshape(board.rows, board.columns, 2)
    shortest_px = min(
        float(np.linalg.norm(np.diff(grid, axis=axis), axis=-1).min()) for axis in (0, 1)
    )
    half_px = int(np.clip(shortest_px * _WINDOW_SHARE, 2, _MAX_WINDOW_PX * factor))
    start = np.ascontiguousarray(enlarged[:, None], np.float32)
    refined = cv2.cornerSubPix(grey, start, (half_px, half_px), (-1, -1), _CRITERIA)
    moved_px = np.linalg.norm(refined[:, 0] - enlarged, axis=1)
    kept = np.where((moved_px <= half_px)[:, None], refined[:, 0], enlarged)
    refined_px: NDArray[np.float64] = (kept.astype(np.float64) + 0.5) / factor - 0.5
    return refined_px


def _contrast_to_noise(
    values: NDArray[np.float32], corners_px: NDArray[np.float64], board: BoardSpec
) -> float:
    """Estimate contrast of the squares over pixel noise from the square centres.

    Noise is the spread of 3 x 3 patches about their own plane-free mean, taken as the median
    over the squares so that an edge inside one patch does not count.
    """
    grid = corners_px.reshape(board.rows, board.columns, 2)
    centres = (grid[:-1, :-1] + grid[1:, :-1] + grid[:-1, 1:] + grid[1:, 1:]) / 4
    rows = np.rint(centres[..., 1]).astype(int).clip(1, values.shape[0] - 2)
    columns = np.rint(centres[..., 0]).astype(int).clip(1, values.shape[1] - 2)
    offsets = np.arange(-1, 2)
    patches = values[
        rows[..., None, None] + offsets[:, None], columns[..., None, None] + offsets[None, :]
    ]
    means = patches.mean(axis=(-2, -1))
    black = (np.add.outer(np.arange(board.rows - 1), np.arange(board.columns - 1)) % 2) == 0
    contrast = abs(float(np.median(means[black]) - np.median(means[~black])))
    noise = float(np.median(patches.std(axis=(-2, -1), ddof=1)))
    return contrast / max(noise, 1e-6)
