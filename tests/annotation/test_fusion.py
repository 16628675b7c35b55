"""From several traces to one: the paper's order, and honesty at the edges."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation.errors import AnnotationError
from annotation.fusion import common_grid, fuse, fuse_with_report
from annotation.fusion_options import EDGES, METHODS, FusionOptions
from annotation.labels import Labels
from annotation.trace import Trace

S = 1_000_000_000


def trace(rater, times_s, values, *, dimension="valence", session="S01"):
    time_ns = np.round(np.array(times_s, dtype=float) * S).astype(np.int64)
    return Trace(session, rater, dimension, time_ns, np.array(values, dtype=float))


def test_three_raters_are_interpolated_averaged_and_scaled():
    # ratings A of three raters at ten moments; their mean by hand
    ratings = {
        "A": [-4, -3, -1, 0, 2, 4, 6, 7, 5, 3],
        "B": [-6, -6, -5, -3, -1, 1, 3, 4, 4, 2],
        "C": [1, 0, 2, 1, 4, 5, 9, 8, 8, 5],
    }
    traces = [trace(name, np.arange(10), values) for name, values in ratings.items()]
    gold = fuse(traces, FusionOptions(rate_hz=2.0))["S01"]
    expected = np.array([-9, -9, -4, -2, 5, 10, 18, 19, 17, 10]) / 30
    assert gold.time_ns.tolist() == [k * S // 2 for k in range(19)]
    assert gold.valence[::2] == pytest.approx(expected)
    assert gold.valence[1::2] == pytest.approx((expected[1:] + expected[:-1]) / 2)
    assert np.all(np.isnan(gold.arousal))
    assert np.all(gold.n_raters == 3)


def test_missing_moments_are_bridged_in_time_before_averaging():
    traces = [trace("A", [0, 1, 4], [0, 2, 8]), trace("B", [0, 4], [4, 4])]
    gold = fuse(traces, FusionOptions(rate_hz=1.0))["S01"]
    assert gold.valence == pytest.approx(np.array([2, 3, 4, 5, 6]) / 10)


def test_the_mean_waits_for_every_rater_unless_told_otherwise():
    traces = [trace("A", [0, 4], [10, 10]), trace("B", [1, 3], [0, 0])]
    strict = fuse(traces, FusionOptions(rate_hz=1.0))["S01"]
    assert strict.time_ns.tolist() == [S, 2 * S, 3 * S]
    assert strict.valence.tolist() == [0.5, 0.5, 0.5]
    lenient = fuse(traces, FusionOptions(rate_hz=1.0, min_raters=1))["S01"]
    assert lenient.valence.tolist() == [1.0, 0.5, 0.5, 0.5, 1.0]
    assert lenient.n_raters.tolist() == [1, 2, 2, 2, 1]


def test_wide_pauses_stay_missing_inside_the_session():
    gold = fuse([trace("A", [0, 1, 5, 6], [1, 1, 1, 1])], FusionOptions(rate_hz=1, max_gap_s=2))
    labels = Labels(gold)
    at = np.array([0.5, 1, 1.5, 3, 5, 5.5]) * S
    values = labels.at("S01", "valence", at.astype(np.int64))
    assert values == pytest.approx([0.1, 0.1, np.nan, np.nan, 0.1, 0.1], nan_ok=True)
    assert gold["S01"].n_raters.tolist() == [1, 1, 0, 0, 0, 1, 1]


def test_lag_moves_labels_back_to_what_was_shown():
    times = np.arange(0, 10.01, 0.1)
    shown = np.sin(times)
    said = trace("A", times, 10 * np.sin(np.maximum(times - 2.0, 0.0)))
    gold = fuse([said], FusionOptions(rate_hz=10.0, lag_s=2.0))["S01"]
    assert gold.time_ns[0] == 0
    assert gold.time_ns[-1] == 8 * S
    assert gold.valence == pytest.approx(shown[:81], abs=1e-9)


def test_first_and_last_rated_moment_are_labelled_off_the_grid():
    first, last = 33_333_333, 3_783_333_331
    gold = Labels(fuse([trace("A", [first / S, last / S], [1, 2])], FusionOptions(rate_hz=4.0)))
    values = gold.at("S01", "valence", np.array([first, last]))
    assert values == pytest.approx([0.1, 0.2])


def test_dimensions_and_sessions_are_kept_apart():
    traces = [
        trace("A", [0, 1], [1, 1]),
        trace("A", [0, 1], [-1, -1], dimension="arousal"),
        trace("B", [0, 1], [-3, -3], dimension="arousal"),
        trace("B", [0, 1], [7, 7], session="S02"),
    ]
    gold = fuse(traces, FusionOptions(rate_hz=1.0))
    assert gold["S01"].valence.tolist() == [0.1, 0.1]
    assert gold["S01"].arousal.tolist() == [-0.2, -0.2]
    assert gold["S01"].n_raters.tolist() == [1, 1]
    assert gold["S02"].valence.tolist() == [0.7, 0.7]


@given(
    st.lists(st.lists(st.integers(-10, 10), min_size=4, max_size=4), min_size=1, max_size=5),
    st.randoms(use_true_random=False),
)
def test_fusion_does_not_depend_on_the_order_of_raters_and_stays_in_range(rows, random):
    traces = [trace(f"R{i}", [0, 0.3, 1.1, 2], row) for i, row in enumerate(rows)]
    shuffled = list(traces)
    random.shuffle(shuffled)
    options = FusionOptions(rate_hz=7.0)
    one, other = fuse(traces, options)["S01"], fuse(shuffled, options)["S01"]
    assert one.valence == pytest.approx(other.valence)
    assert np.all(np.abs(one.valence) <= 1.0)


BAD_OPTIONS: list[dict[str, float]] = [
    {"scale": -1.0},
    {"lag_s": -1.0},
    {"lag_s": 1e300},
    {"min_raters": 0},
    {"max_gap_s": 0.0},
    {"max_gap_s": 1e300},
]


def test_impossible_requests_are_refused():
    said = [trace("A", [0, 1], [1, 2]), trace("B", [2, 3], [1, 2])]
    with pytest.raises(AnnotationError, match="no moment was rated by all"):
        fuse(said, FusionOptions())
    with pytest.raises(AnnotationError, match="within the first 5 s"):
        fuse(said, FusionOptions(lag_s=5.0))
    with pytest.raises(AnnotationError, match="exceeds the scale of 1"):
        fuse(said, FusionOptions(scale=1.0))
    with pytest.raises(AnnotationError, match="rate_hz is 0"):
        fuse(said, FusionOptions(rate_hz=0.0))
    for bad in BAD_OPTIONS:
        with pytest.raises(AnnotationError, match=f"{next(iter(bad))} is"):
            FusionOptions(**bad)


def test_grid_is_anchored_at_the_session_start():
    grid = common_grid([trace("A", [0.31, 1.02], [0, 0])], 10.0)
    assert grid.tolist() == [k * S // 10 for k in range(4, 11)]


RATINGS = {
    "A1": [-4, -3, -1, 0, 2, 4, 6, 7, 5, 3],
    "A2": [-6, -6, -5, -3, -1, 1, 3, 4, 4, 2],
    "A3": [1, 0, 2, 1, 4, 5, 9, 8, 8, 5],
}
VECTORS = json.loads((Path(__file__).parent / "fusion_vectors.json").read_text())


def rated(ratings, **options):
    traces = [trace(name, np.arange(10), values) for name, values in ratings.items()]
    return fuse_with_report(traces, FusionOptions(rate_hz=1.0, **options))


@pytest.mark.parametrize("method", [name for name in METHODS if name != "mean"])
def test_weighted_estimators_equal_the_formulas(method):
    expected = VECTORS[method]
    fused = rated(RATINGS, method=method)
    (report,) = fused.reports
    assert report.raters == ("A1", "A2", "A3")
    assert report.weights == pytest.approx(expected["weights"], abs=1e-9)
    assert report.agreement == pytest.approx(expected["agreement"], abs=1e-9)
    tolerance = 1e-6 if method == "ges" else 1e-9  # published with six decimals
    assert 10 * fused.sessions["S01"].valence == pytest.approx(expected["gold"], abs=tolerance)
    assert not report.fell_back


def test_a_rater_who_contradicts_the_others_weighs_nothing():
    adversary = {**RATINGS, "A3": [-x for x in RATINGS["A1"]]}
    (report,) = rated(adversary, method="ewe").reports
    assert report.weights == pytest.approx([0.4929039234614975, 0.5070960765385025, 0.0])
    assert report.agreement == pytest.approx([0.9720128911785664, 1.0, -0.9720128911785664])


def test_raters_of_whom_nobody_agrees_all_weigh_the_same():
    still = {"A1": [1] * 10, "A2": [3] * 10}
    for method in METHODS:
        fused = rated(still, method=method)
        (report,) = fused.reports
        assert report.fell_back == (method != "mean")
        assert report.weights == (0.5, 0.5)
        assert fused.sessions["S01"].valence == pytest.approx([0.2] * 10)


def test_one_rater_is_the_gold_whatever_the_method():
    for method in METHODS:
        fused = rated({"A1": RATINGS["A1"]}, method=method)
        assert 10 * fused.sessions["S01"].valence == pytest.approx(RATINGS["A1"])
        assert not fused.reports[0].fell_back


def test_the_spread_of_the_raters_is_kept():
    labels = rated(RATINGS).sessions["S01"]
    expected = np.std(np.array(list(RATINGS.values())), axis=0, ddof=1) / 10
    assert labels.valence_sd == pytest.approx(expected)
    alone = rated({"A1": RATINGS["A1"]}).sessions["S01"]
    assert alone.valence_sd is not None
    assert np.all(np.isnan(alone.valence_sd))


@given(
    st.lists(st.lists(st.integers(-10, 10), min_size=6, max_size=6), min_size=1, max_size=5),
    st.sampled_from(METHODS),
    st.randoms(use_true_random=False),
)
def test_no_method_depends_on_the_order_of_raters_or_leaves_their_range(rows, method, random):
    traces = [trace(f"R{i}", [0, 0.3, 1.1, 2, 2.5, 3], row) for i, row in enumerate(rows)]
    shuffled = random.sample(traces, len(traces))
    options = FusionOptions(rate_hz=5.0, method=method)
    one, other = fuse(traces, options)["S01"], fuse(shuffled, options)["S01"]
    assert one.valence == pytest.approx(other.valence)
    assert np.all(np.abs(one.valence) <= 1.0)
    if method != "ges":
        low, high = np.min(rows) / 10, np.max(rows) / 10
        assert np.all((one.valence >= low - 1e-9) & (one.valence <= high + 1e-9))


def test_what_was_said_interpolated_held_and_missing_is_counted():
    traces = [trace("A", [0, 1, 4], [0, 2, 8]), trace("B", [1, 3], [4, 4])]
    (report,) = fuse_with_report(traces, FusionOptions(rate_hz=1.0, min_raters=1)).reports
    assert (report.n_rated, report.n_interpolated, report.n_held, report.n_missing) == (5, 3, 0, 2)
    assert report.longest_bridged_s == 3.0
    held = fuse_with_report(traces, FusionOptions(rate_hz=1.0, edges="hold"))
    (report,) = held.reports
    assert (report.n_rated, report.n_interpolated, report.n_held, report.n_missing) == (5, 3, 2, 0)
    assert held.sessions["S01"].valence == pytest.approx([0.2, 0.3, 0.4, 0.5, 0.6])
    gaps = FusionOptions(rate_hz=1.0, min_raters=1, max_gap_s=2.0)
    (report,) = fuse_with_report(traces, gaps).reports
    assert (report.n_rated, report.n_interpolated, report.n_missing) == (5, 1, 4)
    assert report.longest_bridged_s == 2.0


def test_frames_of_the_video_keep_their_times():
    frames = np.array([7, 40, 73, 107]) / 1000
    traces = [trace("A", frames, [1, 2, 3, 4]), trace("B", frames[[0, 3]], [2, 5])]
    labels = fuse(traces, FusionOptions(rate_hz=None))["S01"]
    assert labels.time_ns.tolist() == [7_000_000, 40_000_000, 73_000_000, 107_000_000]
    assert labels.valence == pytest.approx([0.15, (2 + 2.99) / 20, (3 + 3.98) / 20, 0.45])
    lagged = fuse(traces, FusionOptions(rate_hz=None, lag_s=0.05))["S01"]
    assert lagged.time_ns.tolist() == [7_000_000, 40_000_000]  # frames stay, ratings move


def test_unknown_methods_are_refused():
    assert EDGES == ("missing", "hold")
    with pytest.raises(AnnotationError, match="method is 'dba'"):
        FusionOptions(method="dba")  # type: ignore[arg-type]
    with pytest.raises(AnnotationError, match="edges is 'guess'"):
        FusionOptions(edges="guess")  # type: ignore[arg-type]
    with pytest.raises(AnnotationError, match="the lag of A is nan"):
        FusionOptions(rater_lag_s={"A": float("nan")})


def test_gaps_that_are_not_bridged_stay_open_between_frames_of_a_video():
    frames = np.arange(61) / 30
    seen = frames[(frames < 0.5) | (frames > 1.5)]
    both = [trace(name, seen, np.full(len(seen), 4.0)) for name in ("A", "B")]
    at = np.array([S // 4, S, 2 * S])
    bridged = Labels(fuse(both, FusionOptions(rate_hz=None)))
    assert bridged.at("S01", "valence", at) == pytest.approx([0.4, 0.4, 0.4])
    opened = Labels(fuse(both, FusionOptions(rate_hz=None, max_gap_s=0.5)))
    assert opened.at("S01", "valence", at) == pytest.approx([0.4, np.nan, 0.4], nan_ok=True)
    row = opened.sessions["S01"].n_raters
    assert (np.sum(row == 0), np.sum(row == 2)) == (1, len(seen))


def test_grids_out_of_all_reason_are_refused():
    with pytest.raises(AnnotationError, match="99999 s at 1000 Hz are more than 20000000 moments"):
        common_grid([trace("A", [0, 99_999], [0, 0])], 1000.0)
