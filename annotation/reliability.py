"""Reliability of several raters: the intraclass correlations and Krippendorff's α.

Both take ratings as raters × moments with NaN where missing. Intraclass correlations use the
moments that every rater rated (listwise); Krippendorff's α uses every value that has a partner.
What is undefined is NaN: the caller reports it.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import AnnotationError

IccForm = Literal["ICC(1,1)", "ICC(A,1)", "ICC(C,1)", "ICC(1,k)", "ICC(A,k)", "ICC(C,k)"]
ICC_FORMS: tuple[IccForm, ...] = (
    "ICC(1,1)",
    "ICC(A,1)",
    "ICC(C,1)",
    "ICC(1,k)",
    "ICC(A,k)",
    "ICC(C,k)",
)
Level = Literal["interval", "ordinal"]
_CANCELLED = 1e-14
"""Share of the largest mean square below which another is rounding."""


def icc(ratings: ArrayLike) -> dict[IccForm, float]:
    """Intraclass correlations in the notation of McGraw and Wong.

    Parameters
    ----------
    ratings : (K, N) float
        One row a rater, one column a moment. Moments that any rater misses are left out.

    Returns
    -------
    dict of form to float
        One-way (1), two-way with absolute agreement (A) and with consistency (C), of a single
        rating (1) and of the mean of K (k). ICC(C,k) is Cronbach's α. At most 1; NaN with fewer
        than two raters or moments, or if nothing varies from moment to moment.

    References
    ----------
    K. McGraw, S. Wong, "Forming inferences about some intraclass correlation coefficients",
    Psychological Methods 1, 1996.
    """
    rows = _matrix(ratings)
    rows = rows[:, np.all(np.isfinite(rows), axis=0)]
    k, n = rows.shape
    if k < 2 or n < 2:
        return dict.fromkeys(ICC_FORMS, float("nan"))
    rows = rows / (float(np.max(np.abs(rows))) or 1.0)
    rows = rows - np.mean(rows)
    of_moments, of_raters = np.mean(rows, axis=0), np.mean(rows, axis=1)
    residual = rows - of_moments[None, :] - of_raters[:, None]
    between = k * float(np.sum(of_moments**2)) / (n - 1)
    raters = n * float(np.sum(of_raters**2)) / (k - 1)
    error = float(np.sum(residual**2)) / ((k - 1) * (n - 1))
    within = float(np.sum((rows - of_moments[None, :]) ** 2)) / (n * (k - 1))
    largest = max(between, raters, error)
    if between <= _CANCELLED * largest:
        between = 0.0
    forms: dict[IccForm, tuple[float, float]] = {
        "ICC(1,1)": (between - within, between + (k - 1) * within),
        "ICC(A,1)": (between - error, between + (k - 1) * error + k / n * (raters - error)),
        "ICC(C,1)": (between - error, between + (k - 1) * error),
        "ICC(1,k)": (between - within, between),
        "ICC(A,k)": (between - error, between + (raters - error) / n),
        "ICC(C,k)": (between - error, between),
    }
    if between == 0.0:
        return dict.fromkeys(ICC_FORMS, float("nan"))
    return {
        form: numerator / denominator if denominator > 0 else float("nan")
        for form, (numerator, denominator) in forms.items()
    }


def krippendorff_alpha(ratings: ArrayLike, *, level: Level = "interval") -> float:
    """Krippendorff's α: 1 - observed disagreement / disagreement expected by chance.

    Parameters
    ----------
    ratings : (K, N) float
        One row a rater, one column a moment; NaN where missing. Moments with a single rating
        have no partner and do not count.
    level : {"interval", "ordinal"}
        Squared differences of the values, or of their ranks.

    Returns
    -------
    float
        At most 1; NaN without a single pair, or if every value is the same.

    References
    ----------
    K. Krippendorff, "Computing Krippendorff's alpha-reliability", 2011.
    """
    return krippendorff_pooled([_matrix(ratings)], level=level)


def krippendorff_pooled(
    tables: Sequence[NDArray[np.float64]], *, level: Level = "interval"
) -> float:
    """Krippendorff's α over all moments of several sequences, whoever rated them.

    Parameters
    ----------
    tables : sequence of (K, N) float64
        As in `krippendorff_alpha`; K and N may differ.
    level : {"interval", "ordinal"}
    """
    if level not in ("interval", "ordinal"):
        raise AnnotationError(f"level is {level!r}, expected interval or ordinal")
    paired = [table[:, np.sum(np.isfinite(table), axis=0) >= 2] for table in tables]
    values = np.concatenate([table[np.isfinite(table)] for table in paired])
    if not len(values):
        return float("nan")
    if level == "ordinal":
        known, count = np.unique(values, return_counts=True)
        middle = np.cumsum(count) - count / 2.0
        paired = [_replaced(table, known, middle) for table in paired]
        values = np.repeat(middle, count)
    largest = float(np.max(np.abs(values))) or 1.0
    mean = float(np.mean(values / largest))
    sums = [krippendorff_sums(table / largest - mean) for table in paired]
    return krippendorff_from_sums(np.sum(sums, axis=0))


def krippendorff_sums(ratings: ArrayLike) -> NDArray[np.float64]:
    """Reduce ratings to sums that add up over sequences and from which α (interval) follows.

    Returns
    -------
    (4,) float64
        Number of values with a partner, their sum, the sum of their squares, and the sum over
        moments of squared differences of all pairs, each divided by its number of values - 1.
    """
    rows = _matrix(ratings)
    known = np.isfinite(rows)
    count = np.sum(known, axis=0)
    rows, known, count = rows[:, count >= 2], known[:, count >= 2], count[count >= 2]
    values = np.where(known, rows, 0.0)
    total, squares = np.sum(values, axis=0), np.sum(values**2, axis=0)
    centred = np.where(known, rows - total / np.maximum(count, 1), 0.0)
    differences = 2.0 * count * np.sum(centred**2, axis=0) / np.maximum(count - 1, 1)
    return np.array([np.sum(count), np.sum(total), np.sum(squares), np.sum(differences)])


def krippendorff_from_sums(sums: NDArray[np.float64]) -> float:
    """α at the interval level from added `krippendorff_sums`."""
    n, total, squares, differences = (float(value) for value in sums)
    if n < 2:
        return float("nan")
    expected = 2.0 * (n * squares - total**2) / (n - 1)
    if expected <= _CANCELLED * 2.0 * n * squares / (n - 1):
        return float("nan")
    return 1.0 - differences / expected


def _replaced(
    table: NDArray[np.float64], known: NDArray[np.float64], middle: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Replace values by the middle of their place in the order of all values.

    The difference of two middles is Krippendorff's ordinal one: all values from one to the other,
    of the two ends half.
    """
    ranks = np.full(table.shape, np.nan)
    finite = np.isfinite(table)
    ranks[finite] = middle[np.searchsorted(known, table[finite])]
    return ranks


def _matrix(ratings: ArrayLike) -> NDArray[np.float64]:
    rows = np.asarray(ratings, dtype=np.float64)
    if rows.ndim != 2:
        raise AnnotationError(f"ratings must be raters × moments, got shape {rows.shape}")
    if np.any(np.isinf(rows)):
        raise AnnotationError("ratings must be finite, or NaN where missing; got infinity")
    return rows
