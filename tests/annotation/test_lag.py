"""Who is later than whom."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation.errors import AnnotationError
from annotation.fusion import fuse
from annotation.fusion_options import FusionOptions
from annotation.lag import estimate_lags, lagged_cc
from annotation.trace import Trace

S = 1_000_000_000


def content(seconds):
    return np.sin(2 * np.pi * seconds / 4) + 0.3 * np.sin(2 * np.pi * seconds / 1.7)


def said(rater, lag_s, *, session="S01", gain=6.0, duration_s=30.0):
    seconds = np.arange(0, duration_s, 0.1)
    value = gain * content(np.maximum(seconds - lag_s, 0.0))
    return Trace(session, rater, "valence", np.round(seconds * S).astype(np.int64), value)


def test_a_delay_of_thirteen_samples_is_found():
    shown = content(np.arange(200) / 25)
    rated = np.concatenate([np.full(13, shown[0]), shown[:-13]])
    found = lagged_cc(rated, shown, 30)
    assert int(np.nanargmax(found)) - 30 == 13  # .52 s at 25 Hz
    assert int(np.nanargmax(lagged_cc(shown, rated, 30))) - 30 == -13


def test_lags_are_relative_and_fit_together():
    traces = [said("A", 0.4), said("B", 1.0), said("C", 1.9)]
    lags = estimate_lags(traces).lag_s
    assert sum(lags.values()) == pytest.approx(0.0, abs=1e-9)
    assert lags["B"] - lags["A"] == pytest.approx(0.6, abs=0.05)
    assert lags["C"] - lags["A"] == pytest.approx(1.5, abs=0.05)


def test_taking_the_lags_out_brings_the_raters_together():
    traces = [said("A", 0.4), said("B", 1.0), said("C", 1.9)]
    options = FusionOptions(rate_hz=10.0, rater_lag_s=estimate_lags(traces).lag_s)
    together = fuse(traces, options)["S01"]
    apart = fuse(traces, FusionOptions(rate_hz=10.0))["S01"]
    assert together.valence_sd is not None
    assert apart.valence_sd is not None
    inside = slice(30, 250)
    assert np.nanmax(together.valence_sd[inside]) < 0.1 * np.nanmax(apart.valence_sd[inside])


def test_a_lag_taken_out_can_be_put_back():
    trace = said("A", 0.0)
    lag_s = 1.234567891
    labels = fuse([trace], FusionOptions(rate_hz=None, lag_s=0.0, rater_lag_s={"A": lag_s}))["S01"]
    again = np.interp(trace.time_ns, labels.time_ns + round(lag_s * S), labels.valence)
    covered = (trace.time_ns >= lag_s * S) & (trace.time_ns <= labels.time_ns[-1] + lag_s * S)
    assert again[covered] == pytest.approx(trace.value[covered] / 10, abs=0.01)


def test_raters_who_never_move_have_no_lag():
    still = Trace("S01", "Z", "valence", np.array([0, 30 * S]), np.array([1.0, 1.0]))
    lags = estimate_lags([said("A", 0.0), said("B", 0.5), still])
    assert lags.undetermined == ("Z",)
    assert lags.lag_s["Z"] == 0.0
    assert lags.lag_s["B"] - lags.lag_s["A"] == pytest.approx(0.5, abs=0.05)
    alone = estimate_lags([said("A", 0.0)])
    assert (alone.lag_s, alone.undetermined) == ({"A": 0.0}, ("A",))


@given(st.integers(-20, 20), st.floats(0.1, 5.0), st.floats(-3, 3))
def test_gain_and_bias_do_not_matter(shift, gain, bias):
    seconds = np.arange(0, 20, 0.1)
    late = gain * content(seconds - shift / 10) + bias
    assert int(np.nanargmax(lagged_cc(late, content(seconds), 25))) - 25 == shift


def test_impossible_limits_are_refused():
    with pytest.raises(AnnotationError, match="max_lag_s is 0"):
        estimate_lags([said("A", 0.0)], max_lag_s=0.0)
    with pytest.raises(AnnotationError, match="max_lag_s is inf"):
        estimate_lags([said("A", 0.0)], max_lag_s=float("inf"))
