"""Find the board's corners in color, infrared or thermal images.

Finding works on an 8-bit image of convenient size, placing on the linear image itself
(`saddle`). ``cv2.resize`` by f maps x to (x + 0.5) f - 0.5, so positions go back by
(x + 0.5) / f - 0.5; dividing alone would shift every corner of a doubled image by a quarter pixel.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from .board import BoardSpec
from .edge_curvature import edge_bias_px
from .saddle import fit_saddles

_LOW_PERCENT, _HIGH_PERCENT = 1.0, 99.0
_SMALL_WIDTH_PX, _LARGE_WIDTH_PX = 700, 1400
"""Images wider than the second are halved for the search, narrower ones than the first searched
as they are and then doubled: doubling finds small squares, but also doubles the noise's grain."""
_ACCURATE_WIDTH_PX = 700
"""Up to this width of the searched image the detector's slower, more accurate mode is used."""
_N_QUICK = 3
_LOCAL_SHARE = 1 / 20
"""Radius of the local normalisation as a share of the image's width."""
_LOCAL_FLOOR = 4.0
_LOCAL_SHRINK = 4
"""A blur so wide is taken at a quarter of the size: the same within 0.1 of 255, 80 times faster."""
_QUANTISATION = 12**-0.5
"""Noise of rounding to whole counts: the least any image has."""
_SMOOTHING_SIGMA_PX = 1.5
_CLASSIC_FLAGS = (
    cv2.CALIB_CB_ADAPTIVE_THRESH | cv2.CALIB_CB_NORMALIZE_IMAGE | cv2.CALIB_CB_FAST_CHECK
)
_MAX_BEND = 0.35
"""A corner this share of a square away from the flat board's perspective is a wrong detection."""
_STRAY = 0.2
"""A found corner this far, in squares, from where the others put it is looked for there instead."""
_MAX_STRAY_SHARE = 0.2


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """Corners found in one image.

    Attributes
    ----------
    corners_px : (N, 2) float64
        In the image's own pixel grid, row by row, first corner arbitrary (see `order`).
    std_px : (N,) float64
        Standard deviation of each coordinate; NaN where the detector's position was kept.
    snr : float
        Difference of black and white squares over the noise of one pixel.
    method : str
        Which step of the cascade found them.
    """

    corners_px: NDArray[np.float64]
    std_px: NDArray[np.float64]
    snr: float
    method: str


def stretch(image: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Map an image (H, W) of any range linearly to 0…255 between its 1st and 99th percentile."""
    values = image.astype(np.float32)
    low, high = np.percentile(values, [_LOW_PERCENT, _HIGH_PERCENT])
    scaled = (values - low) * (255.0 / max(high - low, 1e-6))
    stretched: NDArray[np.uint8] = np.clip(np.rint(scaled), 0, 255).astype(np.uint8)
    return stretched


def find_board(
    image: NDArray[np.generic], board: BoardSpec, *, thorough: bool = True
) -> Detection | None:
    """Find all inner corners of the board, or return None.

    Parameters
    ----------
    image : (H, W) any real type, or (H, W, 3) BGR
        Averages of several frames of a static board may be given as float32.
    board : BoardSpec
    thorough : bool
        Without it only the three quickest searches are tried; an image without a board then takes
        a tenth of the time.

    Notes
    -----
    The sector-based detector on the linear stretch finds nearly every board; its option to
    equalise the image is left off, which saturates boards brighter than the room. Local
    normalisation and the classic detector catch what it misses. Where the black squares are the
    bright ones (warmed ink in thermal) the negative is searched too.
    """
    values = _luminance(image)
    pattern = (board.columns, board.rows)
    n_searches = None if thorough else _N_QUICK
    for method, searched, factor in islice(_searched(stretch(values)), n_searches):
        if method.startswith("classic"):
            found, corners = cv2.findChessboardCorners(searched, pattern, flags=_CLASSIC_FLAGS)
        else:
            accurate = factor > 1 and searched.shape[1] <= _ACCURATE_WIDTH_PX
            flags = cv2.CALIB_CB_ACCURACY if accurate else 0
            found, corners = cv2.findChessboardCornersSB(searched, pattern, flags=flags)
        if not found:
            continue
        start_px = (corners.reshape(-1, 2).astype(np.float64) + 0.5) / factor - 0.5
        corners_px, std_px = place_corners(values, _call_back_strays(start_px, board), board)
        if _bend(corners_px, board) <= _MAX_BEND:
            snr = _contrast_to_noise(values, corners_px, board)
            return Detection(corners_px, std_px, snr, method)
    return None


def _searched(grey: NDArray[np.uint8]) -> Iterator[tuple[str, NDArray[np.uint8], float]]:
    """Yield the images to search and their scale, the likeliest and cheapest first."""
    width_px = grey.shape[1]
    if width_px < _SMALL_WIDTH_PX:
        yield "sector-native", grey, 1.0
    factor = 2.0 if width_px < _SMALL_WIDTH_PX else 0.5 if width_px > _LARGE_WIDTH_PX else 1.0
    if factor != 1.0:
        kind = cv2.INTER_CUBIC if factor > 1 else cv2.INTER_AREA
        grey = cast(
            NDArray[np.uint8], cv2.resize(grey, None, fx=factor, fy=factor, interpolation=kind)
        )
    yield "sector", grey, factor
    yield "sector-negative", 255 - grey, factor
    local = _normalise_locally(grey)
    yield "sector-local", local, factor
    smooth = cast(NDArray[np.uint8], cv2.GaussianBlur(grey, (0, 0), _SMOOTHING_SIGMA_PX))
    yield "sector-smooth", smooth, factor
    yield "classic-local", local, factor
    yield "classic-local-negative", 255 - local, factor
    yield "classic", grey, factor


def _call_back_strays(start_px: NDArray[np.float64], board: BoardSpec) -> NDArray[np.float64]:
    """Move corners (N, 2) that noise drew away to where the others, seen in perspective, put them.

    A fit reaches a third of a square; a detector's corner may be off by more than that in faint
    images, one or two of them on a board.
    """
    flat = board.points_m[:, :2] / board.square_m
    to_image, _ = cv2.findHomography(flat, start_px, cv2.LMEDS)
    if to_image is None:
        return start_px
    expected = cv2.perspectiveTransform(flat[:, None], to_image)[:, 0]
    to_board = np.linalg.inv(to_image)
    mapped = cv2.perspectiveTransform(start_px[:, None], to_board)[:, 0]
    stray = np.linalg.norm(mapped - flat, axis=1) > _STRAY
    if stray.mean() > _MAX_STRAY_SHARE:
        return start_px
    return np.where(stray[:, None], expected, start_px)


def _normalise_locally(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Take out local mean and contrast: squares look alike all over an unevenly lit board."""
    values = grey.astype(np.float32)
    sigma_px = values.shape[1] * _LOCAL_SHARE
    deviation = values - _blur_widely(values, sigma_px)
    spread = np.sqrt(_blur_widely(deviation * deviation, sigma_px)) + _LOCAL_FLOOR
    normalised: NDArray[np.uint8] = np.clip(127 + 70 * deviation / spread, 0, 255).astype(np.uint8)
    return normalised


def _blur_widely(values: NDArray[np.float32], sigma_px: float) -> NDArray[np.float32]:
    height_px, width_px = values.shape
    size_px = (-(-width_px // _LOCAL_SHRINK), -(-height_px // _LOCAL_SHRINK))
    small = cv2.resize(values, size_px, interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), sigma_px / _LOCAL_SHRINK)
    wide = cv2.resize(small, (width_px, height_px), interpolation=cv2.INTER_LINEAR)
    return cast(NDArray[np.float32], wide)


def _luminance(image: NDArray[np.generic]) -> NDArray[np.float32]:
    values = image.astype(np.float32)
    if values.ndim == 3:
        return cast(NDArray[np.float32], cv2.cvtColor(values, cv2.COLOR_BGR2GRAY))
    return values


def place_corners(
    values: NDArray[np.float32], start_px: NDArray[np.float64], board: BoardSpec
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fit each corner's neighbourhood in a grey image (H, W), given corners (N, 2) close by.

    Returns
    -------
    tuple of (N, 2) float64, (N,) float64
        Positions and standard deviations; where a fit failed the start and NaN.
    """
    grid = start_px.reshape(board.rows, board.columns, 2)
    along_px = np.asarray(np.gradient(grid, axis=1)).reshape(-1, 2)
    down_px = np.asarray(np.gradient(grid, axis=0)).reshape(-1, 2)
    fitted_px, std_px = np.empty_like(start_px), np.empty(len(start_px))
    fit_saddles(values, start_px, along_px, down_px, fitted_px, std_px)
    if np.isfinite(std_px).all():  # a corner that kept its start would bend its neighbours' edges
        fitted_px -= edge_bias_px(fitted_px, board)
    return fitted_px, std_px


def _bend(corners_px: NDArray[np.float64], board: BoardSpec) -> float:
    """Return the largest departure from a flat board's perspective, in squares.

    Lens distortion bends a board by a few hundredths of a square, a corner taken for another or
    drawn to the board's rim by a whole one.
    """
    flat = board.points_m[:, :2] / board.square_m
    to_board, _ = cv2.findHomography(corners_px, flat, 0)
    if to_board is None:
        return float("inf")
    mapped = cv2.perspectiveTransform(corners_px[:, None], to_board)[:, 0]
    return float(np.linalg.norm(mapped - flat, axis=1).max())


def _contrast_to_noise(
    values: NDArray[np.float32], corners_px: NDArray[np.float64], board: BoardSpec
) -> float:
    """Estimate contrast of the squares over pixel noise from 3 x 3 patches at square centres.

    The noise is the median spread of the patches, so that an edge inside one does not count.
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
    return contrast / max(noise, _QUANTISATION)
