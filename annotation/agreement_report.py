"""Agreement of all raters over all sessions: per session, per team and pooled (Table III).

Raters who judged the same sessions form a team. Cronbach's α has no meaning across columns that
are different people, so it is pooled within a team; zero-mean normalisation centres every rater
in every session before pooling, which is the only place where it changes α. Krippendorff's α
needs no team: it takes whoever rated a moment.

Everything undefined is NaN, and is said in words in `undefined`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .agreement import cronbach_alpha, percent_positive, percent_zero, zero_mean
from .bootstrap import Interval, bootstrap_interval
from .pairs import (
    PairAgreement,
    compare_pairs,
    compare_pooled,
    pair_mean,
    pair_sums,
    undefined_pairs,
)
from .pooling import (
    SessionRatings,
    Sums,
    added_mean,
    by_subject,
    mean_from_sums,
    positive_sums,
    sample_sessions,
)
from .reliability import krippendorff_from_sums, krippendorff_pooled, krippendorff_sums
from .teams import TeamAgreement, describe_team, split_teams, undefined_teams
from .trace import DIMENSIONS, Dimension, Trace


@dataclass(frozen=True, slots=True)
class SessionAgreement:
    """All raters of one session; means over the pairs for which they are defined."""

    session: str
    raters: tuple[str, ...]
    n_moments: int
    percent_positive: float
    mean_rmse: float
    mean_cc: float
    mean_ccc: float
    alpha: float


@dataclass(frozen=True, slots=True)
class DimensionAgreement:
    """All raters on one dimension.

    Attributes
    ----------
    percent_positive, percent_zero, percent_positive_zero_mean : float
        Of all ratings; as given, and after centring each rater in each session.
    mean_mse, mean_rmse, mean_cc, mean_ccc, mean_sagr : float
        Within sessions: over the pairs for which they are defined, weighted by moments. Short
        sessions, in which little changes, come out low here even where raters agree.
    pooled_cc, pooled_ccc : float
        Across sessions: of each pair of raters over everything both rated, averaged over pairs
        with the same weights.
    krippendorff, krippendorff_zero_mean, krippendorff_ordinal : float
        Krippendorff's α over all moments, interval and ordinal.
    n_undefined_cc, n_undefined_ccc : int
        Pairs whose correlation is undefined, as one of the two never moved.
    intervals : mapping of name to Interval or None
        Over subjects; None where there are too few. Empty if not asked for.
    undefined : tuple of str
        Everything that could not be computed, and why.
    """

    dimension: Dimension
    percent_positive: float
    percent_zero: float
    percent_positive_zero_mean: float
    mean_mse: float
    mean_rmse: float
    mean_cc: float
    mean_ccc: float
    mean_sagr: float
    pooled_cc: float
    pooled_ccc: float
    krippendorff: float
    krippendorff_zero_mean: float
    krippendorff_ordinal: float
    n_pairs: int
    n_undefined_cc: int
    n_undefined_ccc: int
    teams: tuple[TeamAgreement, ...]
    sessions: tuple[SessionAgreement, ...]
    pairs: tuple[PairAgreement, ...]
    intervals: dict[str, Interval | None]
    undefined: tuple[str, ...]


def describe_agreement(
    traces: Sequence[Trace],
    *,
    rate_hz: float = 10.0,
    max_gap_s: float | None = None,
    teams: Mapping[str, str] | None = None,
    n_resamples: int = 0,
    seed: int = 0,
) -> tuple[DimensionAgreement, ...]:
    """Compare the raters at common moments, `rate_hz` a second.

    Parameters
    ----------
    traces : sequence of Trace
    rate_hz : float
    max_gap_s : float, optional
        Widest pause of a rater that is interpolated; default: any.
    teams : mapping of rater to name, optional
        For the names of teams only; who belongs together is seen from the sessions.
    n_resamples : int
        Bootstrap resamples of subjects with all their sessions; 0: no intervals.
    seed : int

    Returns
    -------
    tuple of DimensionAgreement
        Dimensions that nobody rated are left out.
    """
    found = []
    for dimension in DIMENSIONS:
        members = [trace for trace in traces if trace.dimension == dimension]
        if members:
            sessions = sample_sessions(members, rate_hz=rate_hz, max_gap_s=max_gap_s)
            found.append(_describe(dimension, sessions, teams or {}, n_resamples, seed))
    return tuple(found)


def _describe(
    dimension: Dimension,
    sessions: Sequence[SessionRatings],
    team_of: Mapping[str, str],
    n_resamples: int,
    seed: int,
) -> DimensionAgreement:
    by_session = {each.session: compare_pairs(each) for each in sessions}
    pairs = tuple(pair for group in by_session.values() for pair in group)
    pooled = compare_pooled(sessions)
    teams = tuple(
        describe_team(members, by_session, team_of, n_resamples, seed)
        for members in split_teams(sessions)
    )
    sums = _dimension_sums(sessions, by_session)
    names = [each.session for each in sessions]
    values = [each.values for each in sessions]
    given = np.concatenate([each.ravel() for each in values])
    return DimensionAgreement(
        dimension,
        percent_positive=percent_positive(given),
        percent_zero=percent_zero(given),
        percent_positive_zero_mean=added_mean(sums["percent_positive_zero_mean"]),
        mean_mse=pair_mean(pairs, "mse"),
        mean_rmse=pair_mean(pairs, "rmse"),
        mean_cc=pair_mean(pairs, "cc"),
        mean_ccc=pair_mean(pairs, "ccc"),
        mean_sagr=pair_mean(pairs, "sagr"),
        pooled_cc=pair_mean(pooled, "cc"),
        pooled_ccc=pair_mean(pooled, "ccc"),
        krippendorff=krippendorff_pooled(values),
        krippendorff_zero_mean=krippendorff_pooled([zero_mean(each) for each in values]),
        krippendorff_ordinal=krippendorff_pooled(values, level="ordinal"),
        n_pairs=len(pairs),
        n_undefined_cc=sum(bool(np.isnan(pair.cc)) for pair in pairs),
        n_undefined_ccc=sum(bool(np.isnan(pair.ccc)) for pair in pairs),
        teams=teams,
        sessions=tuple(_describe_session(each, by_session[each.session]) for each in sessions),
        pairs=pairs,
        intervals={
            name: bootstrap_interval(
                by_subject(table, names), _STATISTICS[name], n_resamples=n_resamples, seed=seed
            )
            for name, table in sums.items()
        }
        if n_resamples
        else {},
        undefined=(*undefined_pairs(pairs), *undefined_teams(teams)),
    )


_STATISTICS = {
    "mean_rmse": mean_from_sums,
    "mean_cc": mean_from_sums,
    "mean_ccc": mean_from_sums,
    "percent_positive_zero_mean": mean_from_sums,
    "krippendorff_zero_mean": krippendorff_from_sums,
}


def _dimension_sums(
    sessions: Sequence[SessionRatings], by_session: Mapping[str, Sequence[PairAgreement]]
) -> dict[str, Sums]:
    """For each statistic with an interval what every session adds to it, (S, F)."""
    centred = [zero_mean(each.values) for each in sessions]
    return {
        **{
            f"mean_{name}": np.stack(
                [pair_sums(by_session[each.session], name) for each in sessions]
            )
            for name in ("rmse", "cc", "ccc")
        },
        "percent_positive_zero_mean": np.stack([positive_sums(values) for values in centred]),
        "krippendorff_zero_mean": np.stack([krippendorff_sums(values) for values in centred]),
    }


def _describe_session(ratings: SessionRatings, pairs: Sequence[PairAgreement]) -> SessionAgreement:
    return SessionAgreement(
        ratings.session,
        ratings.raters,
        n_moments=ratings.complete.shape[1],
        percent_positive=percent_positive(ratings.values),
        mean_rmse=pair_mean(pairs, "rmse"),
        mean_cc=pair_mean(pairs, "cc"),
        mean_ccc=pair_mean(pairs, "ccc"),
        alpha=cronbach_alpha(ratings.values),
    )
