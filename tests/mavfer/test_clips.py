"""Clips cover every frame of a video exactly as often as the stride says."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mavfer.clips import clip_starts
from mavfer.errors import DatasetError


@given(n_frames=st.integers(0, 500), length=st.integers(1, 40), data=st.data())
def test_windows_cover_all_frames_and_stay_inside(n_frames: int, length: int, data) -> None:
    stride = data.draw(st.integers(1, length))
    starts = clip_starts(n_frames, length, stride_frames=stride)
    if n_frames < length:
        assert starts == ()
        return
    assert starts[0] == 0
    assert starts[-1] == n_frames - length
    covered = {f for start in starts for f in range(start, start + length)}
    assert covered == set(range(n_frames))
    assert set(np.diff(starts[:-1])) <= {stride}


def test_last_window_is_shifted_back() -> None:
    assert clip_starts(40, 16, stride_frames=16) == (0, 16, 24)
    assert clip_starts(32, 16, stride_frames=8) == (0, 8, 16)


def test_gaps_between_clips_are_refused() -> None:
    with pytest.raises(DatasetError, match="skips frames"):
        clip_starts(40, 16, stride_frames=17)
    with pytest.raises(DatasetError, match="at least 1 frame"):
        clip_starts(40, 0, stride_frames=1)
