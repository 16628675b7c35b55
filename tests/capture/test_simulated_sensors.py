import itertools
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest

from capture.errors import ConfigError, SensorError
from capture.frame import DeviceEvent, Frame
from capture.registry import open_sensor
from capture.sensor import Sensor, SensorConfig
from capture.simulation.device import TRUTH_EVENT
from capture.simulation.playback import prepare_loop

SCENE: Mapping[str, Any] = {"scale": 0.15, "subject_seed": 4, "period_s": 1.0}
TICK_NS = 125_000


def opened(kind: str, **options: Any) -> Sensor:
    return open_sensor(SensorConfig("it", kind, {**SCENE, **options}))


def collect(sensor: Sensor, n: int) -> list[Frame | DeviceEvent]:
    with sensor:
        return list(itertools.islice(sensor.frames(), n))


def frames_of(items: list[Frame | DeviceEvent], stream: str) -> list[Frame]:
    return [item for item in items if isinstance(item, Frame) and item.stream == stream]


def test_the_kinect_delivers_what_it_announces() -> None:
    sensor = opened("simulated-kinect2")
    specs = {spec.name: spec for spec in sensor.info.streams}
    assert set(specs) == {"color", "depth", "infrared"}
    items = collect(sensor, 80)
    for name, spec in specs.items():
        frames = frames_of(items, name)
        assert frames[0].image.shape == spec.shape
        assert frames[0].image.dtype == spec.dtype
        assert [frame.seq for frame in frames] == list(range(len(frames)))
        device_ns = np.array([frame.device_time_ns for frame in frames])
        assert np.all(device_ns % TICK_NS == 0)
        np.testing.assert_allclose(np.diff(device_ns), 1e9 / 30, atol=TICK_NS)
        host_ns = np.array([frame.host_time_ns for frame in frames])
        assert np.all(np.diff(host_ns) > 0)


def test_frames_come_in_order_of_arrival_and_truth_precedes_color() -> None:
    items = collect(opened("simulated-kinect2"), 40)
    host_ns = [item.host_time_ns for item in items]
    assert host_ns == sorted(host_ns)
    for item, after in itertools.pairwise(items):
        if isinstance(item, DeviceEvent):
            assert item.kind == TRUTH_EVENT
            assert isinstance(after, Frame)
            assert (after.stream, after.device_time_ns) == ("color", item.device_time_ns)
    assert any(isinstance(item, DeviceEvent) for item in items)


def test_streams_of_one_instant_show_one_moment() -> None:
    items = collect(opened("simulated-kinect2", jitter_ms=0.0), 60)
    loop = prepare_loop(SCENE)
    shown = {moment: loop.image("depth", moment) for moment in range(loop.n_moments)}
    by_seq = {frame.seq: frame for frame in frames_of(items, "infrared")}
    for depth in frames_of(items, "depth"):
        moment = next(m for m, image in shown.items() if np.array_equal(image, depth.image))
        if depth.seq in by_seq:
            infrared = loop.image("infrared", moment)
            np.testing.assert_array_equal(by_seq[depth.seq].image, infrared)


def test_two_sensors_see_the_same_world_time() -> None:
    loop = prepare_loop(SCENE)
    thermal = frames_of(collect(opened("simulated-a65", jitter_ms=0.0), 5), "thermal")
    for frame in thermal:
        matches = [
            moment
            for moment in range(loop.n_moments)
            if np.array_equal(loop.image("thermal", moment), frame.image)
        ]
        # taken a few milliseconds before it arrived, more when the machine is busy
        ages = [(loop.moment_at(frame.host_time_ns) - m) % loop.n_moments for m in matches]
        assert min(ages) <= 8


def test_device_clocks_run_at_their_own_rate() -> None:
    thermal = frames_of(collect(opened("simulated-a65", clock_skew_ppm=500.0), 6), "thermal")
    device_ns = np.array([frame.device_time_ns for frame in thermal])
    # the camera counts its own 100 ms
    np.testing.assert_allclose(np.diff(device_ns), 100_000_000, atol=2)
    assert device_ns[0] > 340 * 10**9


def test_dropped_frames_leave_gaps_in_the_numbers() -> None:
    items = collect(opened("simulated-kinect2", drop_rate=0.4), 60)
    seq = [frame.seq for frame in frames_of(items, "depth")]
    assert seq == sorted(set(seq))
    assert seq[-1] > len(seq) - 1
    again = [
        frame.seq
        for frame in frames_of(collect(opened("simulated-kinect2", drop_rate=0.4), 60), "depth")
    ]
    n = min(len(seq), len(again))
    assert seq[:n] == again[:n]


def test_color_runs_at_15_hz_in_dim_light() -> None:
    sensor = opened("simulated-kinect2", light="dim")
    rates = {spec.name: spec.nominal_rate_hz for spec in sensor.info.streams}
    assert rates == {"color": 15.0, "depth": 30.0, "infrared": 30.0}
    color = frames_of(collect(sensor, 40), "color")
    device_ns = np.diff([frame.device_time_ns for frame in color])
    np.testing.assert_allclose(device_ns, 1e9 / 15, atol=TICK_NS)
    assert color[0].exposure_us is not None
    assert color[0].exposure_us > 50_000


def test_the_image_freezes_while_the_shutter_calibrates() -> None:
    items = collect(opened("simulated-a65", nuc_at_s=0.2, nuc_s=0.5, nuc_every_s=60.0), 9)
    kinds = [item.kind if isinstance(item, DeviceEvent) else "frame" for item in items]
    assert kinds.count("nuc") == 1
    begin = kinds.index("nuc")
    event = items[begin]
    assert isinstance(event, DeviceEvent)
    assert event.data == {"duration_s": 0.5}
    frames = frames_of(items, "thermal")
    frozen = frames[begin : begin + 4]
    for frame in frozen[1:]:
        np.testing.assert_array_equal(frame.image, frozen[0].image)
    assert not np.array_equal(frames[0].image, frozen[0].image)


def test_an_unplugged_device_is_one_clear_error() -> None:
    sensor = opened("simulated-kinect2", unplug_at_s=0.2)
    received: list[Frame | DeviceEvent] = []
    with sensor, pytest.raises(SensorError, match="does not answer"):
        received.extend(sensor.frames())
    assert received


def test_stop_ends_the_frames_from_another_thread() -> None:
    sensor = opened("simulated-a65", start_delay_s=30.0)
    ended = threading.Event()

    def read() -> None:
        assert list(sensor.frames()) == []
        ended.set()

    thread = threading.Thread(target=read)
    thread.start()
    deadline = time.monotonic() + 20
    while not ended.is_set() and time.monotonic() < deadline:
        sensor.stop()
        ended.wait(0.02)
    thread.join(20)
    assert ended.is_set()
    sensor.close()
    sensor.close()


def test_a_closed_sensor_cannot_be_read() -> None:
    sensor = opened("simulated-a65")
    sensor.close()

    def first(frames: Iterator[Frame | DeviceEvent]) -> None:
        next(frames)

    with pytest.raises(SensorError, match="closed"):
        first(sensor.frames())


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("simulated-kinect2", {"drop_rate": 1.0}),
        ("simulated-kinect2", {"jitter_ms": -1.0}),
        ("simulated-kinect2", {"nuc_at_s": 3.0}),
        ("simulated-kinect2", {"unplug_at_s": -3.0}),
        ("simulated-a65", {"nuc_s": 0.0}),
        ("simulated-a65", {"clock_skew_ppm": 1e6}),
    ],
)
def test_options_that_cannot_be_meant_are_refused(kind: str, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        opened(kind, **options)
