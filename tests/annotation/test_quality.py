"""Every sign of careless rating, alone, and none of them in a careful trace."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation.errors import AnnotationError
from annotation.quality import (
    FLAG_KINDS,
    Flag,
    QualityRules,
    flag_order,
    flag_playback,
    flag_trace,
)
from annotation.trace import Trace

S = 1_000_000_000


def trace(times_s, values):
    time_ns = np.round(np.asarray(times_s, dtype=float) * S).astype(np.int64)
    return Trace("S01", "R1", "valence", time_ns, np.asarray(values, dtype=float))


def moving(first_s=0.0, last_s=60.0, rate_hz=10.0):
    times = np.arange(round(first_s * rate_hz), round(last_s * rate_hz) + 1) / rate_hz
    return times, np.round(8 * np.sin(times / 3))


def kinds(flags):
    return [flag.kind for flag in flags]


def test_a_careful_trace_has_no_flag():
    assert flag_trace(trace(*moving()), duration_ns=60 * S) == ()


def test_late_start_and_early_end():
    flags = flag_trace(trace(*moving(5.5, 50.0)), duration_ns=60 * S)
    assert kinds(flags) == ["late_start", "early_end"]
    assert (flags[0].start_ns, flags[0].end_ns, flags[0].measured) == (0, round(5.5 * S), 5.5)
    assert flags[1].measured == 10.0
    assert flag_trace(trace(*moving(5.0, 55.0)), duration_ns=60 * S) == ()  # RECOLA: later than 5 s
    assert kinds(flag_trace(trace(*moving(5.5, 50.0)))) == ["late_start"]


def test_gaps_over_twenty_seconds():
    times, values = moving(0, 90)
    kept = (times <= 30) | (times >= 51)
    (flag,) = flag_trace(trace(times[kept], values[kept]))
    assert (flag.kind, flag.start_ns, flag.end_ns) == ("gap", 30 * S, 51 * S)
    kept = (times <= 30) | (times >= 50)
    assert flag_trace(trace(times[kept], values[kept])) == ()


def test_a_slider_that_freezes_and_one_that_never_moved():
    times, values = moving(0, 200)
    values[(times >= 100) & (times <= 165)] = 3
    (flag,) = flag_trace(trace(times, values))
    assert flag.kind == "frozen"
    assert flag.measured == pytest.approx(65, abs=1.0)
    never = trace([0, 2, 4, 6], [0, 0, 0, 0])
    assert kinds(flag_trace(never)) == ["frozen"]
    assert flag_trace(trace([0, 2, 4], [0, 0, 0])) == ()  # too short to say


def test_nothing_is_said_about_the_slider_in_a_gap():
    assert kinds(flag_trace(trace([0, 1, 41, 42], [1, 2, 2, 3]))) == ["gap"]


def test_a_slip_of_the_mouse_is_fast_and_held_keys_are_not():
    times, values = moving()
    assert values[330] == -8
    values[331:333] = 11
    (flag,) = flag_trace(trace(times, values))
    assert flag.kind == "fast_slider"
    assert flag.measured == 38.0  # 19 points within half a second
    assert flag.start_ns < 33 * S + 1 <= flag.end_ns
    held_key = trace(np.arange(21) / 30.0, np.arange(-10, 11))  # 30 points a second
    assert flag_trace(held_key) == ()
    small = trace(times, values / 10)
    assert flag_trace(small) == ()
    assert kinds(flag_trace(small, scale=1.0)) == ["fast_slider"]


def test_playback_out_of_range():
    time_ns = np.array([0, 10, 20, 30]) * S
    assert flag_playback(time_ns, [1.0, 0.5, 0.75, 1.0]) == ()
    fast = flag_playback(time_ns, [1.0, 2.0, 1.5, 1.0])
    assert fast == (Flag("playback_rate", 10 * S, 30 * S, 2.0, 1.0),)
    slow = flag_playback(time_ns, [1.0, 1.0, 1.0, 0.25])
    assert slow == (Flag("playback_rate", 30 * S, 30 * S, 0.25, 0.5),)
    assert flag_playback(np.array([], dtype=np.int64), []) == ()


def test_samples_out_of_order_are_counted():
    assert flag_order([0, 1, 2]) == ()
    assert flag_order([]) == ()
    assert flag_order([0, 4, 4], strict=False) == ()
    (flag,) = flag_order([0, 5, 3, 4, 4])
    assert (flag.kind, flag.measured) == ("out_of_order", 2.0)


@given(st.lists(st.tuples(st.integers(1, 40_000), st.integers(-10, 10)), min_size=1, max_size=30))
def test_flags_lie_inside_the_session_and_exceed_their_limit(steps):
    time_s = np.cumsum([step for step, _ in steps]) / 1000
    rated = trace(time_s, [value for _, value in steps])
    for flag in flag_trace(rated, duration_ns=int(rated.time_ns[-1]) + 6 * S):
        assert flag.kind in FLAG_KINDS
        assert 0 <= flag.start_ns <= flag.end_ns <= rated.time_ns[-1] + 6 * S
        assert flag.measured >= flag.limit
        assert flag.text


def test_impossible_rules_are_refused():
    with pytest.raises(AnnotationError, match="max_gap_s is 0"):
        QualityRules(max_gap_s=0.0)
    with pytest.raises(AnnotationError, match="0 < min <= max"):
        QualityRules(min_playback_rate=2.0)
    with pytest.raises(AnnotationError, match="scale is 0"):
        flag_trace(trace([0], [0]), scale=0.0)
