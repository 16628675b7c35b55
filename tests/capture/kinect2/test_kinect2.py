"""The Kinect sensor on a stand-in that has pylibfreenect2's interface and the device's habits."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capture.clock import HostClock
from capture.errors import SensorError
from capture.frame import Frame
from capture.recorder import Recorder
from capture.recording import open_recording
from capture.sensor import SensorConfig
from capture.sensor_contract import broken_rules
from capture.sensors.kinect2 import open_kinect2
from capture.sensors.kinect2_images import TICK_NS, Counter32, count_image

from . import stand_in

DEADLINE_S = 30.0


@pytest.fixture(autouse=True)
def device(monkeypatch: pytest.MonkeyPatch) -> Iterator[stand_in.Plan]:
    monkeypatch.setitem(sys.modules, "pylibfreenect2", stand_in)
    stand_in.plan, stand_in.opened[:] = stand_in.Plan(), []
    stand_in.plan.rate_hz = 15.0  # full-size frames on a busy machine
    yield stand_in.plan
    for opened in stand_in.opened:
        assert opened.calls[-2:] == ["stop", "close"]
        assert opened.calls.count("close") == 1


def config(**options: Any) -> SensorConfig:
    return SensorConfig("k", "kinect2", options)


def take(sensor: Any, n_frames: int) -> list[Frame]:
    frames = []
    for item in sensor.frames():
        frames.append(item)
        if len(frames) >= n_frames:
            sensor.stop()
    return frames


def test_the_contract_of_sensors_is_kept() -> None:
    options = {"first_frame_s": 9.0, "silence_s": 4.0}
    assert broken_rules(config(**options), opener=open_kinect2, n_frames=6) == []


def test_images_are_upright_copies_and_say_what_the_device_says() -> None:
    with open_kinect2(config()) as sensor:
        frames = take(sensor, 12)
        info = sensor.info
    assert (info.serial, info.firmware) == ("012345678901", "4.3.3911.0")
    assert info.parameters["pipeline"] == "cpu"
    assert info.parameters["factory_infrared"]["k2"] == -0.27
    assert info.parameters["factory_color"]["mx_x3y0"] == 0.0004
    by_stream = {frame.stream: frame for frame in frames}
    assert set(by_stream) == {"color", "depth", "infrared"}
    color, depth = by_stream["color"], by_stream["depth"]
    assert color.image.shape == (1080, 1920, 3)
    assert color.image[5, 1900].tolist() == [40, 0, 200]  # the stripe is on the right again
    assert color.image[5, 5].tolist() == [40, 0, 0]
    assert (color.exposure_us, color.gain) == (12_500.0, 1.5)
    assert depth.exposure_us is None
    assert not depth.image[:10].any()
    assert not depth.image[10, -3:].any()  # NaN, infinite and negative are no depth
    assert (depth.image[20, 0], depth.image[20, -1]) == (4500, 500)
    assert by_stream["infrared"].image[20, 0] == 45_000


def test_what_the_bus_lost_is_a_gap_and_half_the_rate_in_the_dark_is_none(
    device: stand_in.Plan,
) -> None:
    device.skip, device.dark = frozenset(range(8, 11)), True
    with open_kinect2(config()) as sensor:
        frames = take(sensor, 40)
    depth = np.array([f.seq for f in frames if f.stream == "depth"])
    color = [f for f in frames if f.stream == "color"]
    assert depth[0] <= 8
    assert np.diff(depth).max() == 4
    assert set(np.diff([f.seq for f in color])) == {1}
    steps_ns = np.diff([f.device_time_ns for f in color])
    assert set((steps_ns // TICK_NS).tolist()) <= {1066, 1067}


def test_counters_that_wrap_go_on_and_a_restart_goes_back(device: stand_in.Plan) -> None:
    device.first_sequence, device.first_ticks = 2**32 - 6, 2**32 - 3000
    with open_kinect2(config()) as sensor:
        frames = [f for f in take(sensor, 40) if f.stream == "depth"]
    assert frames[-1].seq > 2**32
    assert set(np.diff([f.seq for f in frames])) == {1}
    assert (np.diff([f.device_time_ns for f in frames]) > 0).all()
    assert frames[-1].device_time_ns > 2**32 * TICK_NS


@given(start=st.integers(0, 2**32 - 1), steps=st.lists(st.integers(0, 2**31 - 1), max_size=30))
def test_a_counter_of_32_bits_is_unwrapped(start: int, steps: list[int]) -> None:
    counter, value = Counter32(), start
    assert counter.unwrap(start) == start
    for step in steps:
        value += step
        assert counter.unwrap(value % 2**32) == value
    assert counter.unwrap((value - 1) % 2**32) in (value - 1, (value - 1) % 2**32)


def test_a_device_that_restarts_is_recorded_in_two_segments(
    device: stand_in.Plan, tmp_path: Path
) -> None:
    device.restart_after_s = 1.5
    recorder = Recorder(config(), tmp_path, opener=lambda c, _: open_kinect2(c))
    recorder.arm("s1", "u-1")
    wait(recorder, "armed")
    start_ns = HostClock().monotonic_ns() + 50_000_000
    recorder.start(start_ns)
    recorder.stop(start_ns + 2_500_000_000)
    wait(recorder, "stopped")
    recorder.finish()
    recording = open_recording(tmp_path / "s1" / "k.mcap")
    assert recording.complete
    for stream in recording.streams.values():
        assert set(stream.segment) == {0, 1}
        assert (np.diff(stream.capture_time_ns) > 0).all()
    assert {e.stream for e in recording.events if e.kind == "device-reset"} == set(
        recording.streams
    )
    assert recording.info.parameters["factory_infrared"]["fx"] == 366.1


def wait(recorder: Recorder, state: str) -> None:
    deadline_s = time.monotonic() + DEADLINE_S
    while (status := recorder.status()).state != state:
        assert time.monotonic() < deadline_s, status
        time.sleep(0.02)


def test_a_device_that_is_unplugged_is_an_error_soon(device: stand_in.Plan) -> None:
    device.unplug_after_s = 0.5
    with (
        open_kinect2(config(silence_s=0.6)) as sensor,
        pytest.raises(SensorError, match="unplugged or hangs"),
    ):
        take(sensor, 10_000)


def test_a_device_that_delivers_no_depth_is_refused(device: stand_in.Plan) -> None:
    device.silent = frozenset({4})
    with pytest.raises(SensorError, match=r"no depth within 0\.5 s"):
        open_kinect2(config(first_frame_s=0.5))


@pytest.mark.parametrize(
    ("serials", "options", "complaint"),
    [
        ((), {}, "no Kinect v2 found"),
        ((b"1", b"2"), {}, "several Kinects: 1, 2"),
        ((b"1", b"2"), {"serial": "3"}, "no Kinect 3"),
        ((b"1",), {"pipeline": "cuda"}, "cuda: not built in"),
    ],
)
def test_what_cannot_be_opened_is_said(
    device: stand_in.Plan, serials: tuple[bytes, ...], options: dict[str, Any], complaint: str
) -> None:
    device.serials = serials
    with pytest.raises(SensorError, match=complaint):
        open_kinect2(config(**options))


def test_without_the_library_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pylibfreenect2", None)
    with pytest.raises(SensorError) as caught:
        open_kinect2(config())
    assert "sensor-kinect2.md" in str(caught.value)


def test_depth_beyond_the_range_of_the_file_is_kept_at_its_end() -> None:
    values = np.array([[70_000.0, 0.4, 0.6, -0.0]], np.float32)
    assert count_image(values).tolist() == [[0, 1, 0, 65535]]
