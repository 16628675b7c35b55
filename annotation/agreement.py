"""How far two traces, or a network and the gold, say the same: the only home of these metrics.

All of them use population moments (division by n), as in Lin's definition of the concordance
correlation coefficient (CCC, Biometrics 1989). The variant with n - 1 differs by about 1/n and is
there for comparison (`ddof`); mixtures of the two, which are in circulation, give 1 - 1/n for
identical traces.

A missing rating is NaN. A pair of which either is missing does not count; a pair never turns into
a zero. What is undefined is NaN: the caller reports it instead of averaging it away.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import AnnotationError

_CANCELLED = 1e-15
"""Share of the raters' variance below which the variance of their sum is rounding."""

Metric = Callable[[ArrayLike, ArrayLike], float]


def rmse(x: ArrayLike, y: ArrayLike) -> float:
    """Root of the mean squared difference.

    Parameters
    ----------
    x, y : (N,) float
        Values of the same moments; NaN where missing.

    Returns
    -------
    float
        In the unit of the values; NaN without a single pair.
    """
    first, second = _pairs(x, y)
    if not len(first):
        return float("nan")
    scale = _magnitude(first, second)
    return float(scale * np.sqrt(np.mean((first / scale - second / scale) ** 2)))


def mse(x: ArrayLike, y: ArrayLike) -> float:
    """Mean squared difference; see `rmse`, whose square it is."""
    return rmse(x, y) ** 2


def cc(x: ArrayLike, y: ArrayLike) -> float:
    """Pearson's correlation coefficient.

    Parameters
    ----------
    x, y : (N,) float
        Values of the same moments; NaN where missing.

    Returns
    -------
    float
        In [-1, 1]; NaN with fewer than two pairs or if either side is constant.
    """
    first, second = _pairs(x, y)
    if len(first) < 2 or _constant(first) or _constant(second):
        return float("nan")
    a, b = _centred_to_unit(first), _centred_to_unit(second)
    value = np.sum(a * b) / np.sqrt(np.sum(a * a) * np.sum(b * b))
    return float(np.clip(value, -1.0, 1.0))


def ccc(x: ArrayLike, y: ArrayLike, *, ddof: int = 0) -> float:
    """Concordance correlation coefficient: 2 cov / (var_x + var_y + (mean_x - mean_y)²).

    Parameters
    ----------
    x, y : (N,) float
        Values of the same moments; NaN where missing.
    ddof : int
        What is subtracted from n in *all three* moments: 0 for Lin's definition, 1 for sample
        moments as in torchmetrics.

    Returns
    -------
    float
        In [-1, 1], symmetric, never larger in magnitude than `cc`. 0 if exactly one side is
        constant or both are with different values; NaN with fewer than two pairs or if both are
        the same constant, of which nothing can be said.

    References
    ----------
    L. I-K. Lin, "A concordance correlation coefficient to evaluate reproducibility",
    Biometrics 45, 1989.
    """
    first, second = _pairs(x, y)
    if len(first) < 2:
        return float("nan")
    if _constant(first) or _constant(second):
        same = _constant(first) and _constant(second) and first[0] == second[0]
        return float("nan") if same else 0.0
    scale = _magnitude(first, second)
    first, second = first / scale, second / scale
    mean_difference = np.mean(first) - np.mean(second)
    a, b = first - np.mean(first), second - np.mean(second)
    n = _degrees(len(first), ddof)
    denominator = (np.sum(a * a) + np.sum(b * b)) / n + mean_difference**2
    if denominator == 0.0:  # variation below what float64 resolves next to the magnitude
        return float("nan")
    return float(np.clip(2.0 * np.sum(a * b) / n / denominator, -1.0, 1.0))


def sagr(x: ArrayLike, y: ArrayLike) -> float:
    """Sign agreement: share of moments at which both are positive, negative or zero.

    Parameters
    ----------
    x, y : (N,) float
        Values of the same moments; NaN where missing.

    Returns
    -------
    float
        In [0, 1]; NaN without a single pair.

    References
    ----------
    M. Nicolaou, H. Gunes, M. Pantic, "Continuous prediction of spontaneous affect from multiple
    cues and modalities in valence-arousal space", IEEE TAC 2011.
    """
    first, second = _pairs(x, y)
    return float(np.mean(np.sign(first) == np.sign(second))) if len(first) else float("nan")


def pairwise(ratings: ArrayLike, metric: Metric) -> NDArray[np.float64]:
    """Apply `metric` to every pair of raters.

    Parameters
    ----------
    ratings : (K, N) float
        One row a rater; NaN where missing.
    metric : callable
        `rmse`, `cc` or `ccc`.

    Returns
    -------
    (K, K) float64
        Symmetric; the diagonal is `metric` of a rater with itself.
    """
    rows = _matrix(ratings)
    table = np.empty((len(rows), len(rows)))
    for i, first in enumerate(rows):
        for j in range(i, len(rows)):
            table[i, j] = table[j, i] = metric(first, rows[j])
    return table


def cronbach_alpha(ratings: ArrayLike) -> float:
    """Cronbach's α of the raters: K/(K-1) · (1 - Σ var_k / var(Σ)).

    Parameters
    ----------
    ratings : (K, N) float
        One row a rater. Moments that any rater misses are left out (listwise).

    Returns
    -------
    float
        At most 1, can be negative; NaN with fewer than two raters or two moments, or if the
        raters' sum does not vary. Shifting a rater by a constant changes nothing, so zero-mean
        normalisation shows only where sequences are centred one by one and then pooled.
    """
    rows = _matrix(ratings)
    rows = rows[:, np.all(np.isfinite(rows), axis=0)]
    n_raters = len(rows)
    if n_raters < 2 or rows.shape[1] < 2 or all(_constant(row) for row in rows):
        return float("nan")
    rows = rows / _magnitude(rows)
    rows = rows - np.mean(rows, axis=1, keepdims=True)
    of_sum = float(np.var(np.sum(rows, axis=0)))
    of_raters = float(np.sum(np.var(rows, axis=1)))
    if of_sum <= _CANCELLED * of_raters:
        return float("nan")
    return n_raters / (n_raters - 1) * (1.0 - of_raters / of_sum)


def zero_mean(ratings: ArrayLike) -> NDArray[np.float64]:
    """Subtract from every rater the mean of what that rater said.

    Parameters
    ----------
    ratings : (K, N) float
        One row a rater, one sequence; NaN where missing.

    Returns
    -------
    (K, N) float64
        NaN stays NaN; a rater without a single value stays empty.
    """
    rows = _matrix(ratings)
    known = np.isfinite(rows)
    count = np.maximum(np.sum(known, axis=1, keepdims=True), 1)
    mean = np.sum(np.where(known, rows, 0.0), axis=1, keepdims=True) / count
    centred: NDArray[np.float64] = rows - mean
    # what is left of a value that is the mean is rounding, and would count as positive or not
    largest = np.max(np.abs(np.where(known, rows, 0.0)), axis=1, keepdims=True, initial=0.0)
    centred[np.abs(centred) <= _CANCELLED * rows.shape[1] * largest] = 0.0
    return centred


def percent_positive(values: ArrayLike) -> float:
    """Share of the values above zero, in percent; zero itself is not positive.

    Parameters
    ----------
    values : float, any shape
        NaN where missing.

    Returns
    -------
    float
        In [0, 100]; NaN if every value is missing.
    """
    flat = np.asarray(values, dtype=np.float64).ravel()
    known = flat[~np.isnan(flat)]
    return float(100.0 * np.mean(known > 0)) if len(known) else float("nan")


def percent_zero(values: ArrayLike) -> float:
    """Share of the values that are zero, in percent; see `percent_positive`."""
    flat = np.asarray(values, dtype=np.float64).ravel()
    known = flat[~np.isnan(flat)]
    return float(100.0 * np.mean(known == 0)) if len(known) else float("nan")


def _pairs(x: ArrayLike, y: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    first, second = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if first.ndim != 1 or first.shape != second.shape:
        raise AnnotationError(
            f"agreement needs two lists of equal length, got shapes {first.shape} and "
            f"{second.shape}"
        )
    if np.any(np.isinf(first)) or np.any(np.isinf(second)):
        raise AnnotationError("agreement of infinite values is not defined, expected numbers")
    known = ~(np.isnan(first) | np.isnan(second))
    return first[known], second[known]


def _matrix(ratings: ArrayLike) -> NDArray[np.float64]:
    rows = np.asarray(ratings, dtype=np.float64)
    if rows.ndim != 2:
        raise AnnotationError(f"ratings must be raters × moments, got shape {rows.shape}")
    if np.any(np.isinf(rows)):
        raise AnnotationError("ratings must be finite, or NaN where missing; got infinity")
    return rows


def _degrees(n: int, ddof: int) -> int:
    if ddof not in (0, 1):
        raise AnnotationError(f"ddof is {ddof}, expected 0 (population) or 1 (sample)")
    return n - ddof


def _constant(values: NDArray[np.float64]) -> bool:
    return bool(np.all(values == values[0]))


def _magnitude(*arrays: NDArray[np.float64]) -> float:
    """Largest absolute value, so that squares neither overflow nor vanish; 1 for all zeros."""
    largest = max(float(np.max(np.abs(array))) for array in arrays)
    return largest or 1.0


def _centred_to_unit(values: NDArray[np.float64]) -> NDArray[np.float64]:
    scaled = values / _magnitude(values)
    centred = scaled - np.mean(scaled)
    unit: NDArray[np.float64] = centred / _magnitude(centred)
    return unit
