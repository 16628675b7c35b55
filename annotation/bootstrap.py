"""Intervals by drawing whole sequences anew: neighbouring moments say nearly the same.

An interval that takes every frame for an independent observation is far too narrow; sequences
are what a study has several of. Everything published here is a function of sums over sequences,
so that a resample is a weighted sum and a thousand of them take milliseconds.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .errors import AnnotationError

N_RESAMPLES = 1000
LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Interval:
    """Percentiles of a statistic over resampled sequences.

    Attributes
    ----------
    low, high : float
    level : float
        Share of the resamples inside.
    n_sequences, n_resamples : int
    n_undefined : int
        Resamples for which the statistic is undefined; they are left out.
    """

    low: float
    high: float
    level: float
    n_sequences: int
    n_resamples: int
    n_undefined: int


def bootstrap_interval(
    sums: NDArray[np.float64],
    statistic: Callable[[NDArray[np.float64]], float],
    *,
    n_resamples: int = N_RESAMPLES,
    level: float = LEVEL,
    seed: int = 0,
) -> Interval | None:
    """Percentile interval of `statistic` over sequences drawn with replacement.

    Parameters
    ----------
    sums : (S, F) float
        What each of S sequences adds.
    statistic : callable
        From added sums (F,) to a number; NaN where undefined.
    n_resamples : int
    level : float
    seed : int
        The same numbers are drawn for the same seed and S.

    Returns
    -------
    Interval or None
        None for fewer than two sequences, or if no resample has a defined statistic.

    References
    ----------
    B. Efron, R. Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13.
    """
    if n_resamples < 1 or not 0 < level < 1:
        raise AnnotationError(
            f"{n_resamples} resamples at level {level:g}, expected at least 1 and a level in (0, 1)"
        )
    n_sequences = len(sums)
    if n_sequences < 2:
        return None
    rng = np.random.default_rng(seed)
    share = np.full(n_sequences, 1.0 / n_sequences)
    counts = rng.multinomial(n_sequences, share, size=n_resamples)
    drawn = np.array([statistic(row) for row in counts @ sums])
    defined = drawn[np.isfinite(drawn)]
    if not len(defined):
        return None
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return Interval(
        float(low), float(high), level, n_sequences, n_resamples, n_resamples - len(defined)
    )
