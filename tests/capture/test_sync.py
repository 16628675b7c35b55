import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capture.sync import match_nearest

TIMES = st.lists(st.integers(0, 1000), max_size=60).map(lambda t: np.array(sorted(t), np.int64))


@given(reference=TIMES, other=TIMES, max_gap=st.integers(0, 50))
def test_matches_agree_with_the_definition(
    reference: np.ndarray, other: np.ndarray, max_gap: int
) -> None:
    index = match_nearest(reference, other, max_gap_ns=max_gap, reuse=True)
    for time, match in zip(reference, index, strict=True):
        gap = np.abs(other - time)
        if len(other) == 0 or gap.min() > max_gap:
            assert match == -1
        else:
            assert gap[match] == gap.min()


@given(reference=TIMES, other=TIMES, max_gap=st.integers(0, 50))
def test_each_other_frame_serves_once_and_the_nearest_reference(
    reference: np.ndarray, other: np.ndarray, max_gap: int
) -> None:
    shared = match_nearest(reference, other, max_gap_ns=max_gap, reuse=True)
    index = match_nearest(reference, other, max_gap_ns=max_gap)
    used = index[index >= 0]
    assert len(set(used.tolist())) == len(used)
    assert set(used.tolist()) == set(shared[shared >= 0].tolist())
    for position, match in enumerate(index):
        if match >= 0:
            rivals = np.abs(reference[shared == match] - other[match])
            assert abs(reference[position] - other[match]) == rivals.min()


def test_a_slow_stream_meets_every_third_frame_of_a_fast_one() -> None:
    color = np.arange(30, dtype=np.int64) * 33_333_333
    thermal = np.arange(10, dtype=np.int64) * 100_000_000 + 4_000_000
    index = match_nearest(color, thermal, max_gap_ns=16_000_000)
    assert (index >= 0).sum() == 10
    assert (np.diff(index[index >= 0]) == 1).all()


def test_a_constant_lag_beyond_the_gap_matches_nothing() -> None:
    times = np.arange(5, dtype=np.int64) * 100
    assert (match_nearest(times, times + 40, max_gap_ns=39) == -1).all()
    assert (match_nearest(times, times + 40, max_gap_ns=40) == np.arange(5)).all()


def test_empty_sides() -> None:
    nothing = np.zeros(0, np.int64)
    assert match_nearest(nothing, np.array([1]), max_gap_ns=1).shape == (0,)
    assert match_nearest(np.array([1]), nothing, max_gap_ns=1).tolist() == [-1]


def test_times_that_go_back_are_refused() -> None:
    with pytest.raises(ValueError, match="other_ns"):
        match_nearest(np.array([1]), np.array([2, 1]), max_gap_ns=1)
