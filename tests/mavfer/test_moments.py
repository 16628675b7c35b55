"""Moments: what is closest in time belongs together, what is too far is left out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mavfer.errors import DatasetError
from mavfer.moments import match_moments

MS = 1_000_000


def test_frames_are_matched_to_the_color_frame_not_to_the_grid() -> None:
    color = np.array([10, 260, 510, 990]) * MS
    depth = np.array([0, 35, 240, 285, 500, 700, 1020]) * MS
    moments = match_moments(
        "color", {"color": color, "depth": depth},
        start_ns=0, rate_hz=4.0, tolerance_ns=26 * MS,
    )  # fmt: skip
    assert moments.frame["color"].tolist() == [0, 1, 2, -1, 3]
    assert moments.frame["depth"].tolist() == [0, 2, 4, -1, -1]
    assert moments.time_ns.tolist() == [10 * MS, 260 * MS, 510 * MS, 750 * MS, 990 * MS]


def test_time_counts_from_the_start() -> None:
    color = 5_000_000_000 + np.arange(8) * 250 * MS
    moments = match_moments(
        "color", {"color": color}, start_ns=5_000_000_000, rate_hz=4.0, tolerance_ns=0
    )
    assert moments.time_ns.tolist() == (np.arange(8) * 250 * MS).tolist()
    assert (moments.frame["color"] == np.arange(8)).all()


@given(
    gaps_ms=st.lists(st.integers(1, 400), min_size=1, max_size=60),
    start_ms=st.integers(-500, 500),
    rate_hz=st.sampled_from([1.0, 4.0, 7.5, 30.0]),
)
def test_times_increase_and_no_frame_is_used_twice(
    gaps_ms: list[int], start_ms: int, rate_hz: float
) -> None:
    color = np.cumsum(gaps_ms) * MS
    start_ns = start_ms * MS
    if color[-1] < start_ns:
        return
    moments = match_moments(
        "color", {"color": color}, start_ns=start_ns, rate_hz=rate_hz, tolerance_ns=0
    )
    assert (np.diff(moments.time_ns) > 0).all()
    used = moments.frame["color"][moments.frame["color"] >= 0]
    assert len(set(used.tolist())) == len(used)
    grid = np.arange(len(moments)) * 1e9 / rate_hz
    assert (np.abs(moments.time_ns - grid) <= 0.5e9 / rate_hz + 1).all()


def test_nothing_after_the_start_is_refused() -> None:
    empty = np.array([], np.int64)
    with pytest.raises(DatasetError, match="no frame after"):
        match_moments("color", {"color": empty}, start_ns=0, rate_hz=4.0, tolerance_ns=0)
    with pytest.raises(DatasetError, match="no frame after"):
        match_moments("color", {"color": np.array([1])}, start_ns=9, rate_hz=4.0, tolerance_ns=0)


def test_absurd_durations_are_refused() -> None:
    with pytest.raises(DatasetError, match="check the capture times"):
        match_moments(
            "color", {"color": np.array([2**62])}, start_ns=0, rate_hz=4.0, tolerance_ns=0
        )
