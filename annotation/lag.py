"""How much later than the others each rater reacts, from the ratings alone.

Raters are 1 to 6 s late (Mariooryad and Busso, "Correcting time-continuous emotional labels by
modeling the reaction lag of evaluators", IEEE TAC 2015). Traces can tell who is later than whom;
what all of them share cannot be known without looking at the video, so that the lags found here
have mean zero and `FusionOptions.lag_s` comes on top.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, groupby

import numpy as np
from numpy.typing import NDArray

from .agreement import cc
from .errors import AnnotationError
from .fusion import common_grid, rating_matrix
from .trace import Trace

DEFAULT_MAX_LAG_S = 3.0
DEFAULT_RATE_HZ = 10.0
_MAX_SHIFTS = 10_000
_MIN_OVERLAP_S = 2.0


@dataclass(frozen=True, slots=True)
class RaterLags:
    """Lags of raters relative to each other.

    Attributes
    ----------
    lag_s : dict of rater to float
        Mean zero among raters who are connected by sessions they share.
    undetermined : tuple of str
        Raters whose traces resemble nobody's at any shift; their lag is 0.
    """

    lag_s: dict[str, float]
    undetermined: tuple[str, ...]


def estimate_lags(
    traces: Sequence[Trace],
    *,
    max_lag_s: float = DEFAULT_MAX_LAG_S,
    rate_hz: float = DEFAULT_RATE_HZ,
) -> RaterLags:
    """Find the shifts at which raters correlate best, over all they both rated.

    Parameters
    ----------
    traces : sequence of Trace
    max_lag_s : float
        Largest lag of one rater behind another that is tried.
    rate_hz : float
        Resolution of the lags.

    Returns
    -------
    RaterLags
        Least squares over all pairs, so that the lags of three raters fit together.
    """
    if not (math.isfinite(max_lag_s) and 0 < max_lag_s * rate_hz <= _MAX_SHIFTS):
        raise AnnotationError(
            f"max_lag_s is {max_lag_s:g}, expected a number above 0, at most "
            f"{_MAX_SHIFTS / rate_hz:g}"
        )
    max_shift = max(1, round(max_lag_s * rate_hz))
    raters = sorted({trace.rater for trace in traces})
    scores = _scores(traces, max_shift, rate_hz)
    rows, differences = [], []
    for (first, second), score in scores.items():
        if not np.any(score > 0):
            continue
        row = np.zeros(len(raters))
        row[raters.index(first)], row[raters.index(second)] = 1.0, -1.0
        rows.append(row)
        differences.append((int(np.argmax(score)) - max_shift) / rate_hz)
    if not rows:
        return RaterLags(dict.fromkeys(raters, 0.0), tuple(raters))
    table = np.stack(rows)
    lags, *_ = np.linalg.lstsq(table, np.array(differences), rcond=None)
    alone = tuple(
        name for name, used in zip(raters, np.any(table, axis=0), strict=True) if not used
    )
    return RaterLags(
        {name: round(float(lag), 9) for name, lag in zip(raters, lags, strict=True)}, alone
    )


def lagged_cc(
    late: NDArray[np.float64], early: NDArray[np.float64], max_shift: int, *, min_overlap: int = 2
) -> NDArray[np.float64]:
    """Correlate `late`, moved back by every shift, with `early`.

    Parameters
    ----------
    late, early : (N,) float64
        Samples of the same times; NaN where missing.
    max_shift : int
        Samples.
    min_overlap : int
        Pairs below which nothing is said.

    Returns
    -------
    (2 · max_shift + 1,) float64
        CC for shifts from -max_shift to max_shift; NaN where undefined.
    """
    n = len(late)
    found = np.full(2 * max_shift + 1, np.nan)
    for k, shift in enumerate(range(-max_shift, max_shift + 1)):
        x, y = late[max(shift, 0) : n + min(shift, 0)], early[max(-shift, 0) : n - max(shift, 0)]
        if np.sum(np.isfinite(x) & np.isfinite(y)) >= min_overlap:
            found[k] = cc(x, y)
    return found


def _scores(
    traces: Sequence[Trace], max_shift: int, rate_hz: float
) -> dict[tuple[str, str], NDArray[np.float64]]:
    """CC of each pair at every shift, added over sessions and dimensions, weighted by moments."""
    scores: dict[tuple[str, str], NDArray[np.float64]] = {}
    ordered = sorted(traces, key=lambda trace: (trace.session, trace.dimension, trace.rater))
    overlap = max(2, round(_MIN_OVERLAP_S * rate_hz))
    for _, group in groupby(ordered, key=lambda trace: (trace.session, trace.dimension)):
        members = list(group)
        ratings = rating_matrix(members, common_grid(members, rate_hz))
        for i, j in combinations(range(len(members)), 2):
            found = lagged_cc(ratings[i], ratings[j], max_shift, min_overlap=overlap)
            pair = (members[i].rater, members[j].rater)
            weighted = np.where(np.isfinite(found), found, 0.0) * ratings.shape[1]
            scores[pair] = scores.get(pair, np.zeros(len(found))) + weighted
    return scores
