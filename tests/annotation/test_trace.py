"""Interpolation in time: exact where something was said, silent where nothing was."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation.errors import AnnotationError
from annotation.trace import Trace, interpolate

MS = 1_000_000


@st.composite
def knots(draw):
    times = sorted(draw(st.sets(st.integers(0, 10**13), min_size=1, max_size=20)))
    values = draw(st.lists(st.floats(-10, 10), min_size=len(times), max_size=len(times)))
    return np.array(times, dtype=np.int64), np.array(values)


@given(knots())
def test_knots_are_hit_exactly(table):
    time_ns, value = table
    assert np.array_equal(interpolate(time_ns, time_ns, value), value)


@given(knots(), st.lists(st.integers(-(10**12), 10**13), max_size=20))
def test_nothing_is_invented_outside_and_nothing_overshoots_inside(table, wanted):
    time_ns, value = table
    at = np.array(wanted, dtype=np.int64)
    result = interpolate(at, time_ns, value)
    inside = (at >= time_ns[0]) & (at <= time_ns[-1])
    assert np.all(np.isnan(result[~inside]))
    assert np.all((result[inside] >= value.min() - 1e-9) & (result[inside] <= value.max() + 1e-9))


def test_interpolation_is_linear_in_time_not_in_rows():
    # pandas' interpolate("linear") would say 1.0 and 0.0; numpy.interp says .98 and -.01
    result = interpolate(
        np.array([0, 33, 67, 100, 133, 167]) * MS, np.array([33, 133]) * MS, np.array([2.0, -1.0])
    )
    expected = [np.nan, 2.0, 0.98, -0.01, -1.0, np.nan]
    assert result == pytest.approx(expected, nan_ok=True, abs=1e-12)


@given(st.floats(-10, 10), knots(), st.lists(st.integers(0, 10**13), max_size=20))
def test_a_constant_stays_constant_to_the_bit(constant, table, wanted):
    time_ns, _ = table
    result = interpolate(np.array(wanted, np.int64), time_ns, np.full(len(time_ns), constant))
    assert np.all(np.isnan(result) | (result == constant))


def test_missing_values_and_wide_gaps_stay_missing():
    time_ns = np.array([0, 100, 200, 900, 1000])
    value = np.array([0.0, 1.0, np.nan, 2.0, 3.0])
    at = np.array([50, 100, 150, 200, 500, 900, 950])
    result = interpolate(at, time_ns, value, max_gap_ns=200)
    assert result == pytest.approx([0.5, 1.0, np.nan, np.nan, np.nan, 2.0, 2.5], nan_ok=True)
    gap = interpolate(np.array([500]), np.array([0, 1000]), np.array([0.0, 1.0]), max_gap_ns=999)
    assert np.isnan(gap[0])


def test_no_knots_say_nothing():
    empty = np.array([], dtype=np.int64)
    assert np.all(np.isnan(interpolate(np.array([0, 1]), empty, np.array([]))))


@pytest.mark.parametrize(
    ("dimension", "time_ns", "value", "complaint"),
    [
        ("liking", [0], [1.0], "unknown dimension"),
        ("valence", [], [], "at least one"),
        ("valence", [0, 1], [1.0], "as many values as times"),
        ("valence", [1, 1], [1.0, 2.0], "strictly increase"),
        ("valence", [0], [float("nan")], "finite"),
    ],
)
def test_trace_refuses_what_cannot_be_meant(dimension, time_ns, value, complaint):
    with pytest.raises(AnnotationError, match=complaint):
        Trace("S01", "R1", dimension, np.array(time_ns, dtype=np.int64), np.array(value))
