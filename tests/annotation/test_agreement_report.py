"""The agreement table on raters whose numbers are known."""

import math

import numpy as np
import pytest

from annotation.agreement_report import describe_agreement
from annotation.pooling import by_subject
from annotation.reliability import krippendorff_alpha
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


def test_everything_is_in_the_report_of_one_session():
    (report,) = describe_agreement(traces("S01", A), rate_hz=1.0)
    # audmetric 1.4.2, krippendorff 0.9.0, pingouin 0.7.0
    assert report.mean_mse == pytest.approx(13.866666666666667)
    assert report.mean_sagr == pytest.approx((0.8 + 0.6 + 0.5) / 3)
    assert report.percent_zero == pytest.approx(100 * 2 / 30)
    assert report.krippendorff == pytest.approx(0.5963867514218804)
    assert report.krippendorff_zero_mean == pytest.approx(0.9471455373894399)
    assert report.krippendorff_ordinal == pytest.approx(0.6484553391537946)
    (team,) = report.teams
    assert team.icc["ICC(A,1)"] == pytest.approx(0.6532691239118357)
    (session,) = report.sessions
    assert session.alpha == pytest.approx(0.9810848400556327)
    assert session.mean_ccc == report.mean_ccc
    assert report.undefined == ()
    assert report.intervals == {}


def test_krippendorff_pools_whoever_rated():
    # two sessions by different people: as one table of four raters with gaps
    reports = describe_agreement([*traces("S01", A), *traces("S02", B, "cde")], rate_hz=1.0)
    table = np.full((5, 16), np.nan)
    table[0:3, :10], table[2:5, 10:] = A, B
    assert reports[0].krippendorff == pytest.approx(krippendorff_alpha(table))
    assert reports[0].krippendorff_ordinal == pytest.approx(
        krippendorff_alpha(table, level="ordinal")
    )


def test_intervals_hold_the_value_and_one_session_has_none():
    many = [
        trace
        for k in range(8)
        for trace in traces(f"S{k:02d}", np.roll(np.array(A) + k % 3, k, axis=1).tolist())
    ]
    (report,) = describe_agreement(many, rate_hz=1.0, n_resamples=200)
    for name, value in (("mean_cc", report.mean_cc), ("mean_rmse", report.mean_rmse)):
        interval = report.intervals[name]
        assert interval is not None
        assert interval.low - 1e-9 <= value <= interval.high + 1e-9
        assert (interval.n_sequences, interval.n_resamples) == (8, 200)
    (team,) = report.teams
    alpha = team.intervals["alpha_zero_mean"]
    assert alpha is not None
    assert alpha.low - 1e-9 <= team.alpha_zero_mean <= alpha.high + 1e-9
    (report,) = describe_agreement(traces("S01", A), rate_hz=1.0, n_resamples=200)
    assert set(report.intervals.values()) == {None}


def test_what_is_undefined_is_named():
    still = [*traces("S01", [A[0], [3] * 10, A[2]]), *traces("S02", [[2] * 6, [2] * 6], "ab")]
    (report,) = describe_agreement(still, rate_hz=1.0)
    assert report.undefined == (
        "CC of a and b on S01: b never moved",
        "CC of b and c on S01: b never moved",
        "CC and CCC of a and b on S02: a and b never moved",
        "alpha of a, b: their sum does not vary",
    )
    assert (report.n_undefined_cc, report.n_undefined_ccc) == (3, 1)
    apart = [traces("S01", A[:1], "a")[0], later(traces("S01", A[:1], "b")[0])]
    (report,) = describe_agreement(apart, rate_hz=1.0)
    assert report.undefined == (
        "CC and CCC of a and b on S01: 0 common moments",
        "alpha of a, b: no two moments that all of them rated",
    )


def later(trace):
    return Trace(trace.session, trace.rater, trace.dimension, trace.time_ns + 60 * S, trace.value)


def test_a_rater_who_never_moves_is_constant_between_samples_too():
    # irregular times, compared on a grid: interpolation must not turn 3.3 into noise
    time_ns = np.array([0, 331, 777, 1210, 1999]) * 1_000_000
    pair = [
        Trace("S01", "a", "valence", time_ns, np.full(5, 3.3)),
        Trace("S01", "b", "valence", time_ns + 77, np.array([1.0, 2.0, 1.0, 4.0, 0.0])),
    ]
    (report,) = describe_agreement(pair, rate_hz=30.0)
    assert report.n_undefined_cc == 1


def test_long_gaps_are_not_compared():
    gappy = [traces("S01", A[:1], "a")[0], traces("S01", A[1:2], "b")[0]]
    kept = np.array([0, 1, 2, 8, 9])
    gappy[1] = Trace("S01", "b", "valence", gappy[1].time_ns[kept], gappy[1].value[kept])
    (report,) = describe_agreement(gappy, rate_hz=1.0, max_gap_s=3.0)
    assert report.pairs[0].n_moments == 5


def test_teams_have_the_name_that_all_of_them_have():
    names = {"a": "north", "b": "north", "c": "north", "d": "south"}
    (report,) = describe_agreement(
        [*traces("S01", A), *traces("S02", B, "bcd")], rate_hz=1.0, teams=names
    )
    assert [team.name for team in report.teams] == ["north", "b, c, d"]


def test_sessions_of_one_subject_are_drawn_together():
    names = [f"20260301-10{k:02d}00_S{k % 4:02d}" for k in range(8)]
    many = [
        trace
        for k, name in enumerate(names)
        for trace in traces(name, np.roll(np.array(A) + k % 3, k, axis=1).tolist())
    ]
    (report,) = describe_agreement(many, rate_hz=1.0, n_resamples=100)
    assert report.intervals["mean_cc"] is not None
    assert report.intervals["mean_cc"].n_sequences == 4
    table = np.arange(6.0).reshape(3, 2)
    dated = ["20260301-101500_S01", "20260302-101500_S01_2", "V01_clip01"]
    assert by_subject(table, dated).tolist() == [[2.0, 4.0], [4.0, 5.0]]
