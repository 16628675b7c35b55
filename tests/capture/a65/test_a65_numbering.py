import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capture.errors import SensorError
from capture.sensors.a65_acquisition import decimation
from capture.sensors.a65_numbering import FrameIds, FreezeWatch, decimated


@given(
    first=st.integers(1, 65535),
    steps=st.lists(st.integers(1, 20000), max_size=60),
)
def test_16_bit_ids_skip_zero_and_are_unwrapped(first, steps):
    numbers = [first, *(first + total for total in np.cumsum(steps, dtype=int).tolist())]
    on_the_wire = [(number - 1) % 65535 + 1 for number in numbers]
    assert 0 not in on_the_wire
    ids = FrameIds()
    assert [ids.unwrap(frame_id) for frame_id in on_the_wire] == numbers


def test_64_bit_ids_go_on_beyond_16_bit():
    ids = FrameIds()
    assert [ids.unwrap(i) for i in (65534, 65535, 65536, 65539, 1 << 40)] == [
        65534,
        65535,
        65536,
        65539,
        1 << 40,
    ]


def test_a_camera_that_counts_from_zero_has_a_period_one_longer():
    ids = FrameIds()
    assert [ids.unwrap(i) for i in (0, 1, 20000, 40000, 60000, 65535, 0, 1)] == [
        0,
        1,
        20000,
        40000,
        60000,
        65535,
        65536,
        65537,
    ]


def test_a_late_frame_has_a_smaller_number_and_disturbs_nothing():
    ids = FrameIds()
    assert [ids.unwrap(i) for i in (65534, 1, 65535, 2)] == [65534, 65536, 65535, 65537]


def test_only_wanted_frames_that_are_lost_leave_a_gap():
    everything = range(30, 60)
    kept = [seq for n in everything if (seq := decimated(n, 3)) is not None]
    assert kept == list(range(10, 20))
    unwanted_lost = [n for n in everything if n % 3]
    assert all(decimated(n, 3) is None for n in unwanted_lost)
    one_lost = [seq for n in everything if n != 45 and (seq := decimated(n, 3)) is not None]
    assert np.diff(one_lost).tolist().count(2) == 1


@pytest.mark.parametrize(
    ("device_hz", "wanted_hz", "every"),
    [(30.0, 10, 3), (29.97, 10, 3), (8.7, 9, 1), (30.2, 30, 1), (25, 12.5, 2), (100.0, 10, 10)],
)
def test_rates_that_a_whole_number_divides(device_hz, wanted_hz, every):
    assert decimation(device_hz, wanted_hz) == every


@pytest.mark.parametrize(("device_hz", "wanted_hz"), [(9.0, 10), (25.0, 10), (30.0, 60)])
def test_other_rates_are_refused_with_those_there_are(device_hz, wanted_hz):
    with pytest.raises(SensorError, match=f"set rate_hz to one of {device_hz:g}, "):
        decimation(device_hz, wanted_hz)


def test_a_freeze_is_the_run_of_repeated_images():
    rng = np.random.default_rng(3)
    moving = rng.integers(0, 16384, (12, 4, 6)).astype(np.uint16)
    moving[5] = moving[6] = moving[4]
    watch, ended = FreezeWatch(), []
    for number, image in enumerate(moving):
        freeze = watch.see(number, number * 10, image.copy())
        if freeze is not None:
            ended.append((number, freeze))
    (at, freeze), *more = ended
    assert not more
    assert at == 7
    assert (freeze.first, freeze.last) == (5, 6)
    assert (freeze.first_device_ns, freeze.last_device_ns) == (50, 60)
    assert watch.current is None
