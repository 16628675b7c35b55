"""The agreement table on raters whose numbers are known."""

import math

import numpy as np
import pytest

from annotation.agreement_report import describe_agreement
from annotation.trace import Trace

S = 1_000_000_000
A = [
    [-4, -3, -1, 0, 2, 4, 6, 7, 5, 3],
    [-6, -6, -5, -3, -1, 1, 3, 4, 4, 2],
    [1, 0, 2, 1, 4, 5, 9, 8, 8, 5],
]
B = [[5, 6, 7, 7, 6, 5], [2, 2, 3, 4, 4, 3], [9, 8, 9, 10, 9, 8]]


def traces(session, rows, names="abc"):
    return [
        Trace(
            session,
            name,
            "valence",
            np.arange(len(row), dtype=np.int64) * S,
            np.array(row, dtype=float),
        )
        for name, row in zip(names, rows, strict=True)
    ]


def test_one_session_equals_the_reference_packages():
    (report,) = describe_agreement(traces("S01", A), rate_hz=1.0)
    # pairs: audmetric 1.4.2; alpha: pingouin 0.7.0
    assert report.n_pairs == 3
    assert [pair.n_moments for pair in report.pairs] == [10, 10, 10]
    assert report.mean_cc == pytest.approx(0.9553842169697265)
    assert report.mean_ccc == pytest.approx(0.6607955997491591)
    assert report.percent_positive == pytest.approx((60 + 50 + 90) / 3)
    (team,) = report.teams
    assert team.alpha == pytest.approx(0.9810848400556327)
    assert team.alpha_zero_mean == pytest.approx(team.alpha)  # one sequence: shifts change nothing


def test_sessions_are_pooled_within_a_team():
    (report,) = describe_agreement([*traces("S01", A), *traces("S02", B)], rate_hz=1.0)
    (team,) = report.teams
    assert (team.raters, team.n_sessions, team.n_moments) == (("a", "b", "c"), 2, 16)
    assert team.alpha == pytest.approx(0.9837371018393899)  # pingouin 0.7.0
    assert team.alpha_zero_mean == pytest.approx(0.9770883777239711)  # pingouin 0.7.0


def test_short_sessions_agree_across_but_not_within():
    # two raters who only differ by noise inside sessions, and agree which session is higher
    low, high = [[-5, -4, -5, -4], [-4, -5, -4, -5]], [[4, 5, 4, 5], [5, 4, 5, 4]]
    (report,) = describe_agreement(
        [*traces("S01", low, "ab"), *traces("S02", high, "ab")], rate_hz=1.0
    )
    assert report.mean_cc == pytest.approx(-1.0)
    # 2 cov / (var + var): within ±4.5 levels, noise of ±.5 in opposite directions
    assert report.pooled_ccc == pytest.approx((4.5**2 - 0.25) / (4.5**2 + 0.25))
    assert report.pooled_cc == pytest.approx(report.pooled_ccc)


def test_other_people_are_another_team():
    reports = describe_agreement([*traces("S01", A), *traces("S02", B, "def")], rate_hz=1.0)
    assert [team.raters for team in reports[0].teams] == [("a", "b", "c"), ("d", "e", "f")]


def test_raters_who_never_move_are_counted_not_averaged_away():
    (report,) = describe_agreement(traces("S01", [A[0], [3] * 10, A[2]]), rate_hz=1.0)
    assert report.n_undefined_cc == 2
    assert report.mean_cc == pytest.approx(0.9461069192812683)
    assert not math.isnan(report.mean_ccc)


def test_a_single_rater_has_no_agreement():
    (report,) = describe_agreement(traces("S01", A[:1], "a"), rate_hz=1.0)
    assert report.n_pairs == 0
    assert math.isnan(report.mean_ccc)
    assert math.isnan(report.teams[0].alpha)
