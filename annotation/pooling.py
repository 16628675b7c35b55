"""Ratings of sessions at common moments, and what of them adds up over sessions."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from .fusion import common_grid, rating_matrix
from .trace import Trace

Sums = NDArray[np.float64]
_DATED = re.compile(r"^\d{8}-\d{6}_(.+?)(?:_\d+)?$")


@dataclass(frozen=True, slots=True, eq=False)
class SessionRatings:
    """Ratings of one dimension of one session.

    Attributes
    ----------
    session : str
    raters : tuple of str
        K names, sorted.
    values : (K, N) float64
        NaN where nothing was said.
    """

    session: str
    raters: tuple[str, ...]
    values: NDArray[np.float64]

    @property
    def complete(self) -> NDArray[np.float64]:
        """Only the moments that every rater rated."""
        return self.values[:, np.all(np.isfinite(self.values), axis=0)]


def sample_sessions(
    traces: Sequence[Trace], *, rate_hz: float, max_gap_s: float | None = None
) -> list[SessionRatings]:
    """Sample traces of one dimension, session by session, `rate_hz` a second."""
    found = []
    ordered = sorted(traces, key=lambda trace: (trace.session, trace.rater))
    for session, group in groupby(ordered, key=lambda trace: trace.session):
        members = list(group)
        moments = common_grid(members, rate_hz)
        values = rating_matrix(members, moments, max_gap_s=max_gap_s)
        found.append(SessionRatings(session, tuple(trace.rater for trace in members), values))
    return found


def by_subject(table: Sums, sessions: Sequence[str]) -> Sums:
    """Add up the rows (S, F) of sessions of one subject: what is drawn together in a resample.

    A session's folder is named ``<date>-<time>_<subject>``, a second one of the same second
    ``…_2``; sessions of other names are subjects of their own.
    """
    names = [_DATED.sub(r"\1", session) for session in sessions]
    subjects = sorted(set(names))
    summed = np.zeros((len(subjects), table.shape[1]))
    np.add.at(summed, [subjects.index(name) for name in names], table)
    return summed


def alpha_sums(ratings: NDArray[np.float64]) -> Sums:
    """Reduce complete ratings (K, N) to (1 + K + K²,) numbers that give Cronbach's α of a pool."""
    n_moments = float(ratings.shape[1])
    crossed = ratings @ ratings.T
    return np.concatenate([[n_moments], np.sum(ratings, axis=1), crossed.ravel()])


def alpha_from_sums(n_raters: int) -> Callable[[Sums], float]:
    """Return the function from added `alpha_sums` to Cronbach's α; NaN where undefined."""

    def alpha(sums: Sums) -> float:
        n_moments = sums[0]
        if n_moments < 2 or n_raters < 2:
            return float("nan")
        mean = sums[1 : 1 + n_raters] / n_moments
        covariance = sums[1 + n_raters :].reshape(n_raters, n_raters) / n_moments
        covariance = covariance - np.outer(mean, mean)
        of_sum, of_raters = float(np.sum(covariance)), float(np.trace(covariance))
        if of_sum <= 1e-12 * max(of_raters, 1e-300):
            return float("nan")
        return n_raters / (n_raters - 1) * (1.0 - of_raters / of_sum)

    return alpha


def mean_sums(values: Sequence[float], weights: Sequence[float]) -> Sums:
    """Reduce to the two sums of a weighted mean; undefined values are left out."""
    defined = [(v, w) for v, w in zip(values, weights, strict=True) if np.isfinite(v) and w]
    return np.array([sum(v * w for v, w in defined), sum(w for _, w in defined)], dtype=np.float64)


def mean_from_sums(sums: Sums) -> float:
    """Weighted mean of added `mean_sums`; NaN without any."""
    return float(sums[0] / sums[1]) if sums[1] else float("nan")


def positive_sums(values: NDArray[np.float64]) -> Sums:
    """Reduce to the two sums of the percentage of positive values, for `mean_from_sums`."""
    known = values[np.isfinite(values)]
    return np.array([100.0 * np.sum(known > 0), len(known)])


def added_mean(table: Sums) -> float:
    """Mean over sessions of `mean_sums`, one row a session."""
    return mean_from_sums(np.sum(table, axis=0))
