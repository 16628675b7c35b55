"""Still moments: found where nothing moved, averaged, and free of frozen frames."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calibration.motion import StillInterval, block_roots, moved, still_intervals
from calibration.views import find_still, frames_within, mean_depth, mean_image, spread_out
from capture.recorded_stream import RecordedEvent
from capture.session import open_session


@pytest.fixture(scope="module")
def session(board_session):
    return open_session(board_session)


def test_each_pose_of_the_board_is_one_interval(session, board_scene):
    intervals = find_still(session.streams["infrared"])
    assert len(intervals) == board_scene.n_views
    for number, interval in enumerate(intervals):
        assert board_scene.view_of(interval.first) == number
        assert board_scene.view_of(interval.last) == number
        assert interval.last - interval.first + 1 == board_scene.moments_per_view - 2


def test_noise_is_no_motion_but_a_pixel_of_shift_is(session):
    stream = session.streams["infrared"]
    image = stream.read(0).image
    assert not moved(block_roots(image), block_roots(stream.read(1).image))
    assert moved(block_roots(image), block_roots(np.roll(image, 1, axis=1)))


@given(st.lists(st.booleans(), max_size=60), st.integers(1, 6))
def test_intervals_are_disjoint_and_never_cross_motion(flags, min_frames):
    moving = np.array(flags, np.bool_)
    intervals = still_intervals(moving, min_frames=min_frames)
    for interval in intervals:
        assert 0 <= interval.first <= interval.last < len(moving)
        assert not moving[interval.first + 1 : interval.last + 1].any()
    for before, after in pairwise(intervals):
        assert before.last < after.first


def test_intervals_lose_their_ends_when_long_enough():
    moving = np.array([False] * 8 + [True] + [False] * 2)
    assert still_intervals(moving) == [StillInterval(1, 6), StillInterval(8, 10)]


def test_frames_of_a_correction_are_left_out(session):
    stream = session.streams["thermal"]
    times_ns = stream.capture_time_ns
    event = RecordedEvent("thermal", "nuc", int(times_ns[5]), {})
    kept = frames_within(stream, int(times_ns[0]), int(times_ns[-1]), skip=[event])
    gone = set(range(len(stream))) - set(kept.tolist())
    assert min(gone) == 5
    assert times_ns[max(gone)] - times_ns[5] <= 1_000_000_000


@given(st.integers(0, 50), st.integers(1, 12))
def test_spread_keeps_the_ends(n, limit):
    picked = spread_out(np.arange(n), limit)
    assert len(picked) == min(n, limit)
    assert list(picked) == sorted(set(picked))
    if n and limit > 1:
        assert (picked[0], picked[-1]) == (0, n - 1)


def test_averages_have_less_noise(session):
    stream = session.streams["infrared"]
    one, four = mean_image(stream, [1]), mean_image(stream, [1, 2, 3, 4])
    reference = mean_image(stream, [2, 3, 4])
    assert np.abs(four - reference).mean() < np.abs(one - reference).mean()


def test_depth_that_is_mostly_invalid_stays_invalid(session):
    stream = session.streams["depth"]
    images = np.stack([stream.read(i).image for i in (1, 2, 3, 4)])
    mean_mm = mean_depth(stream, [1, 2, 3, 4])
    n_valid = (images > 0).sum(axis=0)
    assert (mean_mm[n_valid < 2] == 0).all()
    assert (mean_mm[n_valid == 4] > 300).all()
    sometimes = (n_valid == 3) & (
        images.max(axis=0) - images.min(axis=0, where=images > 0, initial=9999) < 50
    )
    assert (mean_mm[sometimes] > 300).all()
    assert not mean_depth(stream, []).any()
