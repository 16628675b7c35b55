"""Agreement of all raters over all sessions: per session, per team and pooled (Table III).

Raters who judged the same sessions form a team. Cronbach's α has no meaning across columns that
are different people, so it is pooled within a team; zero-mean normalisation centres every rater
in every session before pooling, which is the only place where it changes α.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, groupby

import numpy as np
from numpy.typing import NDArray

from .agreement import cc, ccc, cronbach_alpha, percent_positive, rmse, zero_mean
from .fusion import common_grid, rating_matrix
from .trace import DIMENSIONS, Dimension, Trace


@dataclass(frozen=True, slots=True)
class PairAgreement:
    """Two raters on one session."""

    session: str
    first: str
    second: str
    n_moments: int
    rmse: float
    cc: float
    ccc: float


@dataclass(frozen=True, slots=True)
class TeamAgreement:
    """Raters who judged the same sessions, pooled over those sessions.

    Attributes
    ----------
    alpha, alpha_zero_mean : float
        Cronbach's α of the ratings as given, and after centring each rater in each session.
    """

    raters: tuple[str, ...]
    n_sessions: int
    n_moments: int
    alpha: float
    alpha_zero_mean: float


@dataclass(frozen=True, slots=True)
class DimensionAgreement:
    """All raters on one dimension.

    Attributes
    ----------
    percent_positive, percent_positive_zero_mean : float
        Of all ratings; as given, and after centring each rater in each session.
    mean_rmse, mean_cc, mean_ccc : float
        Within sessions: over the pairs for which they are defined, weighted by moments. Short
        sessions, in which little changes, come out low here even where raters agree.
    pooled_cc, pooled_ccc : float
        Across sessions: of each pair of raters over everything both rated, averaged over pairs
        with the same weights.
    n_undefined_cc : int
        Pairs whose correlation is undefined, as one of the two never moved.
    """

    dimension: Dimension
    percent_positive: float
    percent_positive_zero_mean: float
    mean_rmse: float
    mean_cc: float
    mean_ccc: float
    pooled_cc: float
    pooled_ccc: float
    n_pairs: int
    n_undefined_cc: int
    teams: tuple[TeamAgreement, ...]
    pairs: tuple[PairAgreement, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _SessionRatings:
    """Ratings of one session: raters × moments, NaN where nothing was said."""

    session: str
    raters: tuple[str, ...]
    values: NDArray[np.float64]


def describe_agreement(
    traces: Sequence[Trace], *, rate_hz: float = 10.0
) -> tuple[DimensionAgreement, ...]:
    """Compare the raters at common moments, `rate_hz` a second.

    Dimensions that nobody rated are left out.
    """
    found = []
    for dimension in DIMENSIONS:
        members = [trace for trace in traces if trace.dimension == dimension]
        if members:
            found.append(_describe_dimension(dimension, members, rate_hz))
    return tuple(found)


def _describe_dimension(
    dimension: Dimension, traces: Sequence[Trace], rate_hz: float
) -> DimensionAgreement:
    sessions = [
        _sample(name, sorted(members, key=lambda trace: trace.rater), rate_hz)
        for name, members in groupby(
            sorted(traces, key=lambda trace: trace.session), key=lambda trace: trace.session
        )
    ]
    pairs = tuple(pair for each in sessions for pair in _compare_pairs(each))
    pooled = _compare_pooled(sessions)
    given = np.concatenate([each.values.ravel() for each in sessions])
    centred = np.concatenate([zero_mean(each.values).ravel() for each in sessions])
    return DimensionAgreement(
        dimension,
        percent_positive=percent_positive(given),
        percent_positive_zero_mean=percent_positive(centred),
        mean_rmse=_weighted_mean([(pair.rmse, pair.n_moments) for pair in pairs]),
        mean_cc=_weighted_mean([(pair.cc, pair.n_moments) for pair in pairs]),
        mean_ccc=_weighted_mean([(pair.ccc, pair.n_moments) for pair in pairs]),
        pooled_cc=_weighted_mean([(pair.cc, pair.n_moments) for pair in pooled]),
        pooled_ccc=_weighted_mean([(pair.ccc, pair.n_moments) for pair in pooled]),
        n_pairs=len(pairs),
        n_undefined_cc=sum(bool(np.isnan(pair.cc)) for pair in pairs),
        teams=_pool_teams(sessions),
        pairs=pairs,
    )


def _sample(session: str, traces: Sequence[Trace], rate_hz: float) -> _SessionRatings:
    moments = common_grid(traces, rate_hz)
    raters = tuple(trace.rater for trace in traces)
    return _SessionRatings(session, raters, rating_matrix(traces, moments))


def _compare_pairs(ratings: _SessionRatings) -> list[PairAgreement]:
    return [
        _compare(
            ratings.session,
            (ratings.raters[i], ratings.raters[j]),
            (ratings.values[i], ratings.values[j]),
        )
        for i, j in combinations(range(len(ratings.raters)), 2)
    ]


def _compare_pooled(sessions: Sequence[_SessionRatings]) -> list[PairAgreement]:
    """Compare each pair of raters once, over all sessions that both judged."""
    both: dict[tuple[str, str], list[tuple[NDArray[np.float64], NDArray[np.float64]]]] = {}
    for each in sessions:
        for i, j in combinations(range(len(each.raters)), 2):
            names = (each.raters[i], each.raters[j])
            both.setdefault(names, []).append((each.values[i], each.values[j]))
    return [
        _compare(
            "",
            names,
            (np.concatenate([x for x, _ in parts]), np.concatenate([y for _, y in parts])),
        )
        for names, parts in both.items()
    ]


def _compare(
    session: str, names: tuple[str, str], values: tuple[NDArray[np.float64], NDArray[np.float64]]
) -> PairAgreement:
    x, y = values
    n_moments = int(np.sum(np.isfinite(x) & np.isfinite(y)))
    return PairAgreement(session, *names, n_moments, rmse(x, y), cc(x, y), ccc(x, y))


def _pool_teams(sessions: Sequence[_SessionRatings]) -> tuple[TeamAgreement, ...]:
    by_team = groupby(sorted(sessions, key=lambda each: each.raters), key=lambda each: each.raters)
    teams = []
    for raters, members in by_team:
        complete = [each.values[:, np.all(np.isfinite(each.values), axis=0)] for each in members]
        pooled = np.concatenate(complete, axis=1)
        centred = np.concatenate([zero_mean(values) for values in complete], axis=1)
        teams.append(
            TeamAgreement(
                raters,
                n_sessions=len(complete),
                n_moments=pooled.shape[1],
                alpha=cronbach_alpha(pooled),
                alpha_zero_mean=cronbach_alpha(centred),
            )
        )
    return tuple(teams)


def _weighted_mean(values: Sequence[tuple[float, int]]) -> float:
    defined = [(value, weight) for value, weight in values if not np.isnan(value) and weight]
    if not defined:
        return float("nan")
    return float(np.average([v for v, _ in defined], weights=[w for _, w in defined]))
