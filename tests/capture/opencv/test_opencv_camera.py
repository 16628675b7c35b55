"""Cameras through OpenCV, with a stand-in for the device."""

import itertools
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import capture.sensors.opencv_camera
from capture.errors import ConfigError, SensorError
from capture.frame import DeviceEvent, Frame
from capture.registry import open_sensor
from capture.sensor import Sensor, SensorConfig
from capture.sensor_contract import broken_rules

N_TRIED = 8
"""Images read while opening."""

Plug = Callable[..., Any]


def opened(**options: Any) -> Sensor:
    return open_sensor(SensorConfig("webcam", "opencv", options))


def take(sensor: Sensor, n: int) -> list[Frame | DeviceEvent]:
    with sensor:
        return list(itertools.islice(sensor.frames(), n))


@pytest.mark.parametrize("has_driver_time", [True, False])
def test_it_keeps_the_contract_of_sensors(plug: Plug, has_driver_time: bool) -> None:
    camera = plug(has_driver_time=has_driver_time)
    options = {"device": 0, "width_px": 64, "height_px": 48, "rate_hz": 100.0, "fourcc": "MJPG"}
    assert broken_rules(SensorConfig("it", "opencv", options)) == []
    assert not camera.in_use


def test_it_is_what_the_camera_accepted(plug: Plug) -> None:
    plug()
    with opened(device="/dev/video0", width_px=128, height_px=96, fourcc="MJPG") as sensor:
        (spec,) = sensor.info.streams
        assert spec.shape == (96, 128, 3)
        assert spec.nominal_rate_hz == 100.0
        parameters = sensor.info.parameters
        assert parameters["fourcc"] == "MJPG"
        assert parameters["device_time"] == "driver"
        assert parameters["settings"] == {"exposure": 157.0}
        assert parameters["measured_rate_hz"] == pytest.approx(100.0, rel=0.01)


def test_frames_carry_the_drivers_time_and_their_arrival(plug: Plug) -> None:
    plug()
    frames = [item for item in take(opened(), 10) if isinstance(item, Frame)]
    assert [frame.seq for frame in frames] == list(range(10))
    np.testing.assert_allclose(np.diff([f.device_time_ns for f in frames]), 1e7, atol=2)
    for frame in frames:
        assert frame.host_time_ns - frame.device_time_ns >= 2_000_000
        assert frame.image[0, 0, 0] == frame.seq + N_TRIED + 1


def test_a_rate_the_driver_does_not_say_is_measured(plug: Plug) -> None:
    plug(says_rate=False)
    with opened() as sensor:
        assert sensor.info.streams[0].nominal_rate_hz == pytest.approx(100.0, rel=0.01)
        assert sensor.info.parameters["claimed_rate_hz"] == 0


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"width_px": 1280, "height_px": 720}, "delivers 128x96 px, asked for 1280x720"),
        ({"width_px": 128, "height_px": 96, "rate_hz": 60.0}, "delivers 25 Hz, asked for 60"),
        ({"fourcc": "H264"}, "delivers YUYV, asked for H264"),
        ({"device": 3}, "cannot be opened"),
        ({"backend": "dshow"}, "no backend 'dshow'"),
    ],
)
def test_what_the_camera_does_not_accept_is_refused(
    plug: Plug, options: dict[str, Any], match: str
) -> None:
    camera = plug()
    with pytest.raises(SensorError, match=match):
        opened(**options)
    assert not camera.in_use


def test_a_camera_in_use_or_without_images_is_refused(plug: Plug) -> None:
    camera = plug(unplug_after=3)
    with pytest.raises(SensorError, match="delivers no images"):
        opened()
    assert not camera.in_use
    camera.in_use = True
    with pytest.raises(SensorError, match="cannot be opened"):
        opened()


def test_an_unplugged_camera_is_one_clear_error(plug: Plug) -> None:
    camera = plug(unplug_after=N_TRIED + 5)
    frames: list[Frame | DeviceEvent] = []
    sensor = opened()
    with pytest.raises(SensorError, match=r"webcam: .*\(check cable"):
        frames.extend(sensor.frames())
    sensor.close()
    assert camera.n_released == 1


def test_a_driver_that_hangs_holds_up_nobody(plug: Plug, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture.sensors.opencv_camera, "_CLOSE_S", 0.1)
    camera = plug(hang_after=N_TRIED + 3)
    sensor = opened()
    came: list[Frame | DeviceEvent] = []
    reader = threading.Thread(target=lambda: came.extend(sensor.frames()))
    reader.start()
    time.sleep(0.3)
    sensor.stop()
    reader.join(5)
    assert not reader.is_alive()
    assert len(came) == 3
    sensor.close()
    assert camera.in_use  # the driver has it still
    camera.powered.set()
    deadline_s = time.monotonic() + 10
    while camera.in_use:
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
    assert camera.n_released == 1


def test_a_silent_camera_is_told(plug: Plug, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture.sensors.opencv_camera, "_SILENT_S", 0.3)
    camera = plug(hang_after=N_TRIED + 3)
    sensor = opened()
    frames = sensor.frames()
    list(itertools.islice(frames, 3))
    with pytest.raises(SensorError, match="no image for"):
        next(frames)
    camera.powered.set()
    sensor.close()


def test_a_slow_reader_loses_frames_whose_numbers_tell(plug: Plug) -> None:
    plug()
    with opened() as sensor:
        frames = sensor.frames()
        first = next(frames)
        time.sleep(0.4)
        rest = [item for item in itertools.islice(frames, 12) if isinstance(item, Frame)]
    assert isinstance(first, Frame)
    seq = [first.seq, *(frame.seq for frame in rest)]
    assert max(np.diff(seq)) > 10  # the eight that were kept, then a gap of those that were not
    assert all(frame.image[0, 0, 0] == frame.seq + N_TRIED + 1 for frame in rest)


def test_long_intervals_and_bad_images_are_events(plug: Plug) -> None:
    n = N_TRIED
    plug(miss=frozenset({n + 4, n + 5}), bad_jpeg=frozenset({n + 8}), time_back=frozenset({n + 10}))
    items = take(opened(), 14)
    told = [
        (item.kind, item.data.get("reason"))
        for item in items
        if isinstance(item, DeviceEvent) and item.kind == "drop"
    ]
    assert told == [("drop", "cannot be decoded"), ("drop", "its time does not increase")]
    gaps = [i.data["interval_ms"] for i in items if isinstance(i, DeviceEvent) and i.kind == "gap"]
    assert gaps == pytest.approx([30.0, 20.0, 20.0])  # two missed, one bad, one of the wrong time
    frames = [item for item in items if isinstance(item, Frame)]
    assert (np.diff([frame.device_time_ns for frame in frames]) > 0).all()


def test_images_of_another_size_are_never_frames(plug: Plug) -> None:
    plug(resize_after=N_TRIED + 2)
    items = take(opened(), 5)
    assert [type(item) for item in items[:3]] == [Frame, Frame, DeviceEvent]


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"width_px": 640}, "go together"),
        ({"width_px": 0, "height_px": 0}, "no size"),
        ({"rate_hz": 0.0}, "rate_hz"),
        ({"rate_hz": float("nan")}, "rate_hz"),
        ({"fourcc": "MJPEG"}, "four letters"),
        ({"device": -1}, "device"),
        ({"device": 1.5}, "device"),
        ({"device": True}, "device"),
        ({"loop": True}, "loop is for video files"),
        ({"file": "x.mp4", "device": 0}, "device is for cameras"),
        ({"backend": "v4l"}, "backend"),
        ({"devcie": 0}, "did you mean 'device'"),
    ],
)
def test_options_that_cannot_be_meant(options: dict[str, Any], match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        opened(**options)
