import itertools
import time

import numpy as np
import pytest

from capture.errors import ConfigError, SensorError
from capture.frame import Frame
from capture.registry import open_sensor
from capture.sensor import Sensor, SensorConfig


def pattern(**options: object) -> Sensor:
    return open_sensor(SensorConfig("pattern", "test-pattern", options))


def take(sensor: Sensor, n: int) -> list[Frame]:
    return [item for item in itertools.islice(sensor.frames(), n) if isinstance(item, Frame)]


def test_frames_are_what_the_streams_announce() -> None:
    with pattern(streams=["color", "thermal"], rate_hz=200.0, device_offset_s=5.0) as sensor:
        frames = take(sensor, 10)
        specs = {spec.name: spec for spec in sensor.info.streams}
    for name, spec in specs.items():
        own = [frame for frame in frames if frame.stream == name]
        assert [frame.seq for frame in own] == [0, 1, 2, 3, 4]
        assert (np.diff([frame.device_time_ns for frame in own]) > 0).all()
        for frame in own:
            assert frame.image.shape == spec.shape
            assert frame.image.dtype == spec.dtype
            assert frame.image[0, 0].flat[0] == frame.seq
            assert abs(frame.device_time_ns - frame.host_time_ns - 5e9) < 1e9


def test_dropped_frames_leave_gaps() -> None:
    with pattern(rate_hz=500.0, drop_every=4) as sensor:
        assert [frame.seq for frame in take(sensor, 6)] == [0, 1, 2, 4, 5, 6]


def test_stop_ends_the_frames() -> None:
    with pattern(rate_hz=500.0) as sensor:
        for frame in sensor.frames():
            if isinstance(frame, Frame) and frame.seq == 3:
                sensor.stop()
        assert frame.stream == "color"


def test_a_lost_device_is_an_error() -> None:
    with pattern(rate_hz=500.0, fail_after_s=0.01) as sensor, pytest.raises(SensorError):
        list(sensor.frames())


def test_a_closed_sensor_gives_nothing() -> None:
    sensor = pattern()
    sensor.close()
    sensor.close()
    with pytest.raises(SensorError, match="closed"):
        next(sensor.frames())


@pytest.mark.parametrize(
    "options",
    [{"streams": []}, {"streams": ["ir"]}, {"rate_hz": 0.0}, {"width_px": 0}, {"drop_every": 1}],
)
def test_senseless_options_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        pattern(**options)


def test_a_sensor_that_cannot_open_says_what_to_do() -> None:
    with pytest.raises(SensorError, match="fail_open"):
        pattern(fail_open=True)


@pytest.mark.parametrize(("pause_s", "lost"), [(0.3, False), (1.3, True)])
def test_a_host_that_is_late_loses_frames_only_when_the_buffers_are_full(
    pause_s: float, lost: bool
) -> None:
    with pattern(rate_hz=200.0) as sensor:
        frames = sensor.frames()
        first = next(frames)
        time.sleep(pause_s)
        second = next(frames)
    assert isinstance(first, Frame)
    assert isinstance(second, Frame)
    assert (first.seq, second.seq > 1) == (0, lost)
