"""Tables of the report on ratings: Table III, agreement in full, by rater and by session."""

import math
from collections.abc import Sequence

import numpy as np

from capture.report_page import Page

from .agreement_report import DimensionAgreement
from .bootstrap import Interval
from .pairs import pair_mean
from .paper import ACCEPTABLE_ALPHA, GOOD_ALPHA, TABLE_3
from .sources import Ratings
from .teams import TeamAgreement

_MAX_LISTED = 12
_MAX_TEAMS = 12


def table_3(page: Page, agreements: Sequence[DimensionAgreement]) -> None:
    """Add the paper's table with its numbers beside, and what it says in words."""
    page.section(
        "Do the raters agree?",
        "Table III of the MAVFER paper, with its numbers beside: all values after every rater was "
        "centred in every session. In brackets the middle 95 % over resampled subjects.",
    )
    rows: list[list[object]] = []
    for each in agreements:
        paper = TABLE_3[each.dimension]
        several = len(each.teams) > 1
        rows.append(
            [
                each.dimension,
                _ranged(each.percent_positive_zero_mean, each, "percent_positive_zero_mean", 1),
                f"{paper.percent_positive:.1f}",
                _ranged(each.mean_cc, each, "mean_cc", 3),
                f"{paper.correlation:.3f}",
                "by team" if several else _alpha(each.teams[0]),
                f"{paper.alpha:.2f}",
            ]
        )
        if several:
            rows += [_team_row(team) for team in each.teams[:_MAX_TEAMS]]
    page.table(["", "% positive", "paper", "mean CC", "paper", "Cronbach's α", "paper"], rows)
    for each in agreements:
        page.paragraph(_verdict(each))
    undefined = [f"{each.dimension}: {what}" for each in agreements for what in each.undefined]
    if undefined:
        page.paragraph(
            f"Undefined and left out of the means: {listed(undefined)}.",
            note=True,
        )


def _team_row(team: TeamAgreement) -> list[object]:
    return [
        f"— {team.name}, {team.n_sessions} sessions",
        _number(team.percent_positive_zero_mean, 1),
        "",
        _number(team.mean_cc, 3),
        "",
        _alpha(team),
        "",
    ]


def _alpha(team: TeamAgreement) -> str:
    return _number(team.alpha_zero_mean, 2) + _range(team.intervals.get("alpha_zero_mean"), 2)


def _verdict(agreement: DimensionAgreement) -> str:
    known = [t.alpha_zero_mean for t in agreement.teams if math.isfinite(t.alpha_zero_mean)]
    if not known:
        return f"{agreement.dimension.capitalize()}: there is no α, as no two raters can be pooled."
    lowest = min(known)
    word = (
        "good"
        if lowest > GOOD_ALPHA
        else "acceptable"
        if lowest > ACCEPTABLE_ALPHA
        else "below what is acceptable"
    )
    which = "α" if len(known) == 1 else f"the lowest α of {len(known)} groups of raters"
    return (
        f"{agreement.dimension.capitalize()}: {which} is {lowest:.2f}, {word} by the paper's "
        f"thresholds (over {ACCEPTABLE_ALPHA} acceptable, over {GOOD_ALPHA} good)."
    )


def agreement_table(page: Page, agreements: Sequence[DimensionAgreement]) -> None:
    """Add every measure of agreement."""
    page.section(
        "Agreement in full",
        "Within sessions: of each pair of raters in each session, averaged with the number of "
        "moments as weight. Across sessions: of each pair over everything both rated.",
    )
    measures: list[tuple[str, str, int]] = [
        ("% positive, as given", "percent_positive", 1),
        ("% zero, as given", "percent_zero", 1),
        ("MSE within sessions", "mean_mse", 2),
        ("RMSE within sessions", "mean_rmse", 2),
        ("CC within sessions", "mean_cc", 3),
        ("CCC within sessions", "mean_ccc", 3),
        ("sign agreement within sessions", "mean_sagr", 3),
        ("CC across sessions", "pooled_cc", 3),
        ("CCC across sessions", "pooled_ccc", 3),
        ("Krippendorff's α, interval", "krippendorff", 3),
        ("… after centring", "krippendorff_zero_mean", 3),
        ("Krippendorff's α, ordinal", "krippendorff_ordinal", 3),
    ]
    page.table(
        ["", *(each.dimension for each in agreements)],
        [
            [text, *(_ranged(getattr(each, name), each, name, digits) for each in agreements)]
            for text, name, digits in measures
        ]
        + [["pairs of raters in sessions", *(each.n_pairs for each in agreements)]]
        + [["… without a defined CC", *(each.n_undefined_cc for each in agreements)]],
    )
    rows: list[list[object]] = []
    for each in agreements:
        for team in each.teams[:_MAX_TEAMS]:
            rows.append(
                [
                    f"{each.dimension}, {team.name}",
                    team.n_sessions,
                    team.n_moments,
                    _number(team.alpha, 3) + _range(team.intervals.get("alpha"), 2),
                    _number(team.alpha_zero_mean, 3)
                    + _range(team.intervals.get("alpha_zero_mean"), 2),
                    *(_number(value, 3) for value in team.icc.values()),
                ]
            )
    forms = list(agreements[0].teams[0].icc)
    page.table(["raters", "sessions", "moments", "α", "α centred", *forms], rows)
    more = max(len(each.teams) for each in agreements) - _MAX_TEAMS
    if more > 0:
        page.paragraph(
            f"… and {more} more groups of raters (mavfer-annotate agreement --json). Many groups "
            "mean that raters were mixed anew for every session; Krippendorff's α covers them all."
        )


def raters_table(page: Page, agreements: Sequence[DimensionAgreement], ratings: Ratings) -> None:
    """Add what is peculiar to each rater: bias, spread, agreement with the others."""
    page.section(
        "Rater by rater",
        "Mean and standard deviation of what each said, on the raters' scale, and the mean CC with "
        "everybody who rated the same session. Who stands apart may have understood the task "
        "differently.",
    )
    rows: list[list[object]] = []
    for rater in ratings.raters:
        row: list[object] = [rater, ratings.teams.get(rater, "")]
        for each in agreements:
            said = [
                trace.value
                for trace in ratings.traces
                if (trace.rater, trace.dimension) == (rater, each.dimension)
            ]
            values = np.concatenate(said) if said else np.empty(0)
            theirs = [pair for pair in each.pairs if rater in (pair.first, pair.second)]
            row += [
                len(said),
                f"{np.mean(values):+.1f} ± {np.std(values):.1f}" if len(values) else "–",
                _number(pair_mean(theirs, "cc"), 2) if theirs else "–",
            ]
        rows.append(row)
    header = ["rater", "team" if ratings.teams else ""]
    for each in agreements:
        header += [f"{each.dimension}: sessions", "mean ± sd", "mean CC"]
    page.table(header, rows)


def sessions_table(page: Page, agreements: Sequence[DimensionAgreement]) -> None:
    """Add a row a session and dimension."""
    page.section("Session by session", "Means over the pairs of raters of each session.")
    rows: list[list[object]] = []
    for each in agreements:
        for session in each.sessions:
            rows.append(
                [
                    session.session,
                    each.dimension,
                    len(session.raters),
                    session.n_moments,
                    _number(session.percent_positive, 1),
                    _number(session.mean_rmse, 2),
                    _number(session.mean_cc, 3),
                    _number(session.mean_ccc, 3),
                    _number(session.alpha, 3),
                ]
            )
    rows.sort(key=lambda row: (str(row[0]), str(row[1])))
    header = ["session", "dimension", "raters", "moments", "% positive", "RMSE", "CC", "CCC", "α"]
    page.table(header, rows)


def _ranged(value: float, agreement: DimensionAgreement, name: str, digits: int) -> str:
    return _number(value, digits) + _range(agreement.intervals.get(name), digits)


def _number(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else "undefined"


def _range(interval: Interval | None, digits: int) -> str:
    if interval is None:
        return ""
    return f" [{interval.low:.{digits}f}, {interval.high:.{digits}f}]"


def listed(texts: Sequence[str]) -> str:
    """Join sentences, the first of them."""
    more = len(texts) - _MAX_LISTED
    return "; ".join(texts[:_MAX_LISTED]) + (f"; and {more} more" if more > 0 else "")
