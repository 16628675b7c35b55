"""Raters who judged the same sessions, pooled over these: where Cronbach's α has a meaning."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np

from .agreement import cronbach_alpha, percent_positive, zero_mean
from .bootstrap import Interval, bootstrap_interval
from .pairs import PairAgreement, pair_mean, pair_sums
from .pooling import (
    SessionRatings,
    added_mean,
    alpha_from_sums,
    alpha_sums,
    by_subject,
    mean_from_sums,
    positive_sums,
)
from .reliability import IccForm, icc


@dataclass(frozen=True, slots=True)
class TeamAgreement:
    """Raters who judged the same sessions, pooled over those sessions.

    Attributes
    ----------
    name : str
        The team's name where the ratings know it, else the raters.
    percent_positive, percent_positive_zero_mean : float
        Of all ratings; as given, and after centring each rater in each session.
    mean_cc, mean_ccc : float
        Within sessions, over pairs, weighted by moments.
    alpha, alpha_zero_mean : float
        Cronbach's α of the ratings as given, and after centring each rater in each session.
    icc : dict of form to float
        Intraclass correlations of the ratings as given.
    intervals : mapping of name to Interval or None
        Over subjects; None where there are too few. Empty if not asked for.
    """

    raters: tuple[str, ...]
    name: str
    n_sessions: int
    n_moments: int
    percent_positive: float
    percent_positive_zero_mean: float
    mean_cc: float
    mean_ccc: float
    alpha: float
    alpha_zero_mean: float
    icc: dict[IccForm, float]
    intervals: dict[str, Interval | None] = field(default_factory=dict)


def split_teams(sessions: Sequence[SessionRatings]) -> list[list[SessionRatings]]:
    """Group sessions by who rated them."""
    ordered = sorted(sessions, key=lambda each: each.raters)
    return [list(group) for _, group in groupby(ordered, key=lambda each: each.raters)]


def describe_team(
    sessions: Sequence[SessionRatings],
    by_session: Mapping[str, Sequence[PairAgreement]],
    team_of: Mapping[str, str],
    n_resamples: int,
    seed: int,
) -> TeamAgreement:
    """Describe one group of sessions; pairs come by session, names of teams by rater."""
    raters = sessions[0].raters
    names = {team_of.get(rater, "") for rater in raters}
    pairs = [pair for each in sessions for pair in by_session[each.session]]
    complete = [each.complete for each in sessions]
    centred = [zero_mean(values) for values in complete]
    pooled = np.concatenate(complete, axis=1)
    sums = {
        "alpha": (np.stack([alpha_sums(v) for v in complete]), alpha_from_sums(len(raters))),
        "alpha_zero_mean": (
            np.stack([alpha_sums(v) for v in centred]),
            alpha_from_sums(len(raters)),
        ),
        "mean_cc": (
            np.stack([pair_sums(by_session[each.session], "cc") for each in sessions]),
            mean_from_sums,
        ),
    }
    positive = np.stack([positive_sums(zero_mean(each.values)) for each in sessions])
    return TeamAgreement(
        raters,
        name=next(iter(names)) if len(names) == 1 and "" not in names else ", ".join(raters),
        n_sessions=len(sessions),
        n_moments=pooled.shape[1],
        percent_positive=percent_positive(np.concatenate([e.values.ravel() for e in sessions])),
        percent_positive_zero_mean=added_mean(positive),
        mean_cc=pair_mean(pairs, "cc"),
        mean_ccc=pair_mean(pairs, "ccc"),
        alpha=cronbach_alpha(pooled),
        alpha_zero_mean=cronbach_alpha(np.concatenate(centred, axis=1)),
        icc=icc(pooled),
        intervals={
            name: bootstrap_interval(
                by_subject(table, [each.session for each in sessions]),
                statistic,
                n_resamples=n_resamples,
                seed=seed,
            )
            for name, (table, statistic) in sums.items()
        }
        if n_resamples
        else {},
    )


def undefined_teams(teams: Sequence[TeamAgreement]) -> list[str]:
    """Say in words for which teams α could not be computed, and why."""
    found = []
    for team in teams:
        if np.isfinite(team.alpha) and np.isfinite(team.alpha_zero_mean):
            continue
        if len(team.raters) < 2:
            why = f"{team.n_sessions} sessions have no second rater"
        elif team.n_moments < 2:
            why = "no two moments that all of them rated"
        else:
            why = "their sum does not vary"
        found.append(f"alpha of {team.name}: {why}")
    return found
