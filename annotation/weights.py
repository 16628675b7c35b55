"""How much each rater counts: evaluator weights, in the variants that go by one name.

"EWE" (evaluator weighted estimator) stands for several definitions that give different weights;
each has a name of its own here, which is written beside the labels it made.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .agreement import cc, ccc, pairwise
from .errors import AnnotationError

Weighting = Literal["ewe", "ewe-leave-one-out", "ewe-pairwise-cc", "ewe-pairwise-ccc"]


@dataclass(frozen=True, slots=True, eq=False)
class RaterWeights:
    """Weights of the raters of one sequence.

    Attributes
    ----------
    agreement : (K,) float64
        Of each rater with the others; NaN where undefined, as for one who never moved.
    weight : (K,) float64
        Sum to 1; 0 for raters whose agreement is negative or undefined.
    fell_back : bool
        Nobody agrees with anybody, so all weigh the same.
    """

    agreement: NDArray[np.float64]
    weight: NDArray[np.float64]
    fell_back: bool


def rater_weights(ratings: ArrayLike, weighting: Weighting) -> RaterWeights:
    """Weigh raters by how far they agree with the others.

    Parameters
    ----------
    ratings : (K, N) float
        One row a rater, one sequence; NaN where missing.
    weighting : str
        What a rater's agreement is. ``ewe``: CC with the mean of all raters, the rater's own
        included (Grimm and Kroschel). ``ewe-leave-one-out``: CC with the mean of the others.
        ``ewe-pairwise-cc`` and ``ewe-pairwise-ccc``: mean CC or CCC with each other rater, the
        latter as in the AVEC 2018 gold standard and in MuSe. The first two use the moments that
        all rated.

    References
    ----------
    M. Grimm, K. Kroschel, "Evaluation of natural emotions using self assessment manikins",
    ASRU 2005.
    """
    rows = np.asarray(ratings, dtype=np.float64)
    agreement = _agreement(rows, weighting)
    positive = np.where(np.isfinite(agreement), np.maximum(agreement, 0.0), 0.0)
    total = float(np.sum(positive))
    fell_back = total <= 0.0 and len(rows) > 1
    weight = positive / total if total > 0 else np.full(len(rows), 1.0 / max(len(rows), 1))
    return RaterWeights(agreement, weight, fell_back)


def _agreement(rows: NDArray[np.float64], weighting: Weighting) -> NDArray[np.float64]:
    n_raters = len(rows)
    if n_raters < 2:
        return np.full(n_raters, np.nan)
    if weighting in ("ewe-pairwise-cc", "ewe-pairwise-ccc"):
        table = pairwise(rows, ccc if weighting == "ewe-pairwise-ccc" else cc)
        others = table[~np.eye(n_raters, dtype=np.bool_)].reshape(n_raters, n_raters - 1)
        return np.array([_mean_of_defined(row) for row in others])
    complete = rows[:, np.all(np.isfinite(rows), axis=0)]
    total = np.sum(complete, axis=0)
    if weighting == "ewe":
        return np.array([cc(row, total / n_raters) for row in complete])
    if weighting == "ewe-leave-one-out":
        return np.array([cc(row, (total - row) / (n_raters - 1)) for row in complete])
    raise AnnotationError(f"unknown weighting {weighting!r}")


def _mean_of_defined(values: NDArray[np.float64]) -> float:
    defined = values[np.isfinite(values)]
    return float(np.mean(defined)) if len(defined) else float("nan")
