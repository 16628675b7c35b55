"""Alignment: the similarity that brings a face's anchors to fixed places of the crop.

Similarities are (2, 3) matrices ``[[a, -b, tx], [b, a, ty]]`` acting on pixels as
``T @ [x, y, 1]``, named ``T_dst_src``.
"""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from .landmarks import ANCHOR_TEMPLATE, ANCHORS, LandmarkCount

EYE_DISTANCE = 0.46
"""Distance of the outer eye corners as a share of the crop's side: brows to chin fit."""
EYE_LINE = 0.29
"""Height of the outer eye corners, measured from the top, as a share of the crop's side."""
MOTION_SMOOTHING_S = 0.04
SCALE_SMOOTHING_S = 0.3
"""Standard deviations of the Gaussians over time: place and roll, and size of the face.

Place and roll follow the head, so only the jitter between frames of a video is taken out; at
4 Hz that Gaussian is nothing. The size of a face on a chair changes slowly, its estimate does
not: it breathes with every turn of the head and every blink.
"""
_KERNEL_REACH = 3.0
REACH_S = _KERNEL_REACH * max(MOTION_SMOOTHING_S, SCALE_SMOOTHING_S)
"""Faces further away in time than this have no part in a smoothed alignment."""


def crop_template(count: LandmarkCount, crop_px: int) -> NDArray[np.float64]:
    """Places of the anchors in the crop, (K, 2) pixels."""
    centre = (np.array([0.5, EYE_LINE]) * crop_px) - 0.5
    return ANCHOR_TEMPLATE[count] * (EYE_DISTANCE * crop_px) + centre


def fit_similarity(source: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fit rotation, uniform scale and shift in the least-squares sense (Umeyama, 1991).

    In the plane the closed form needs no singular values: with centred points as complex
    numbers s and t, scale·rotation is ``sum(conj(s)·t) / sum(|s|²)``. It never mirrors.

    Parameters
    ----------
    source, target : (K, 2) float64, K >= 2, not all equal

    Returns
    -------
    (2, 3) float64
        Maps `source` to `target`.
    """
    source_mean, target_mean = source.mean(axis=0), target.mean(axis=0)
    s = (source - source_mean) @ np.array([1, 1j])
    t = (target - target_mean) @ np.array([1, 1j])
    turn = complex(np.vdot(s, t) / np.vdot(s, s).real)
    linear = np.array([[turn.real, -turn.imag], [turn.imag, turn.real]])
    return np.column_stack([linear, target_mean - linear @ source_mean])


def align(
    landmarks_px: NDArray[np.float64], count: LandmarkCount, *, crop_px: int
) -> NDArray[np.float64]:
    """Return ``T_crop_color`` (2, 3) of one face from its landmarks (count, 2)."""
    return fit_similarity(landmarks_px[list(ANCHORS[count])], crop_template(count, crop_px))


def invert_similarity(T_dst_src: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``T_src_dst`` (2, 3)."""
    inverse = np.linalg.inv(T_dst_src[:, :2])
    return np.column_stack([inverse, -inverse @ T_dst_src[:, 2]])


def apply_similarity(
    T_dst_src: NDArray[np.float64], points: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Map points (..., 2) through a similarity (2, 3)."""
    return points @ T_dst_src[:, :2].T + T_dst_src[:, 2]


def smooth_alignment(
    T_crop_color: NDArray[np.float64],
    time_ns: NDArray[np.int64],
    *,
    crop_px: int,
    fill_gaps_s: float = 0.0,
) -> NDArray[np.float64]:
    """Smooth alignments over time and fill short gaps.

    The crop's centre in the image and the roll are smoothed with `MOTION_SMOOTHING_S`, the size
    with `SCALE_SMOOTHING_S`; missed frames count for nothing in the averages. The kernels reach
    as far into the future as into the past, so nothing lags.

    Parameters
    ----------
    T_crop_color : (N, 2, 3) float64
        NaN where no face was found.
    time_ns : (N,) int64, increasing
    crop_px : int
    fill_gaps_s : float
        Missed frames between two faces at most this far apart are interpolated linearly; longer
        gaps and the ends stay NaN.

    Returns
    -------
    (N, 2, 3) float64
    """
    smoothed = np.full_like(T_crop_color, np.nan)
    found = np.flatnonzero(np.isfinite(T_crop_color[:, 0, 0]))
    if not len(found):
        return smoothed
    time_s = time_ns / 1e9
    middle = np.full(2, (crop_px - 1) / 2)
    centre = np.array([apply_similarity(invert_similarity(T), middle) for T in T_crop_color[found]])
    roll = np.unwrap(np.arctan2(T_crop_color[found, 1, 0], T_crop_color[found, 0, 0]))
    log_scale = np.log(np.hypot(T_crop_color[found, 0, 0], T_crop_color[found, 1, 0]))
    known_s = time_s[found]
    motion = _smooth(np.column_stack([centre, roll]), known_s, sigma_s=MOTION_SMOOTHING_S)
    size = _smooth(log_scale[:, None], known_s, sigma_s=SCALE_SMOOTHING_S)
    values = np.column_stack([motion, size])
    for row in _shown(time_s, found, fill_gaps_s):
        x, y, angle, log_size = (np.interp(time_s[row], known_s, column) for column in values.T)
        linear = np.exp(log_size) * np.array(
            [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
        )
        smoothed[row] = np.column_stack([linear, middle - linear @ [x, y]])
    return smoothed


def _smooth(
    values: NDArray[np.float64], time_s: NDArray[np.float64], *, sigma_s: float
) -> NDArray[np.float64]:
    """Average (N, K) values over time with a Gaussian; steady motion is left as it is.

    A local line is fitted rather than a mean: a head in motion, or the end of a video, would
    otherwise be pulled towards where it was.
    """
    first = np.searchsorted(time_s, time_s - _KERNEL_REACH * sigma_s)
    last = np.searchsorted(time_s, time_s + _KERNEL_REACH * sigma_s, side="right")
    smoothed = values.copy()
    for row, (lo, hi) in enumerate(zip(first, last, strict=True)):
        if hi - lo < 3:
            continue
        away_s = time_s[lo:hi] - time_s[row]
        weight = np.exp(-0.5 * (away_s / sigma_s) ** 2)
        s0, s1, s2 = weight.sum(), weight @ away_s, weight @ away_s**2
        spread = s0 * s2 - s1 * s1
        smoothed[row] = (weight * (s2 - s1 * away_s) / spread) @ values[lo:hi]
    return smoothed


def _shown(time_s: NDArray[np.float64], found: NDArray[np.intp], fill_gaps_s: float) -> list[int]:
    """Rows with a face, and rows between two of them that are close enough in time."""
    rows = [int(found[0])]
    for before, after in pairwise(found):
        near = time_s[after] - time_s[before] <= fill_gaps_s
        rows.extend(range(before + 1, after + 1) if near else [int(after)])
    return rows
