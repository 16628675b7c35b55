"""From several traces to one: the paper's order, and honesty at the edges."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation.errors import AnnotationError
from annotation.fusion import FusionOptions, common_grid, fuse
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
