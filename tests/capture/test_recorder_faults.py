"""A recorder whose sensor does not open, falls silent, errs or does not end."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

import capture.recorder
from capture.clock import HostClock
from capture.errors import CaptureError, SensorError
from capture.frame import DeviceEvent, Frame
from capture.recorder import Recorder
from capture.recording import open_recording
from capture.sensor import SensorConfig, SensorInfo
from capture.sensors.test_pattern import open_test_pattern
from capture.terminal import OnProgress

from .recorders import DEADLINE_S, IMAGE, make, pattern, record, until

__all__ = ["make"]


class OddSensor:
    """Delivers what it is given, then waits or raises."""

    def __init__(self, items: list[Frame | DeviceEvent], error: Exception | None = None) -> None:
        with open_test_pattern(pattern()) as sensor:
            self._info = sensor.info
        self._items = items
        self._error = error
        self._ended = threading.Event()

    @property
    def info(self) -> SensorInfo:
        return self._info

    def frames(self) -> Iterator[Frame | DeviceEvent]:
        yield from self._items
        if self._error is not None:
            raise self._error
        self._ended.wait()

    def stop(self) -> None:
        self._ended.set()

    def close(self) -> None:
        self._ended.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def opener(sensor: OddSensor) -> Callable[[SensorConfig, OnProgress], OddSensor]:
    return lambda config, report: sensor


def test_a_sensor_that_cannot_open_is_a_failure_with_a_remedy(
    make: Callable[..., Recorder], tmp_path: Path
) -> None:
    recorder = make(pattern(fail_open=True))
    recorder.arm("s1", "u-1")
    until(recorder, "failed")
    assert recorder.status().remedy == "set fail_open = false"
    assert list(tmp_path.iterdir()) == []


def test_a_lost_sensor_keeps_what_was_recorded(
    make: Callable[..., Recorder], tmp_path: Path
) -> None:
    recorder = make(pattern(fail_after_s=0.8))
    recorder.arm("s1", "u-1")
    until(recorder, "armed")
    recorder.start(HostClock().monotonic_ns() + 50_000_000)
    until(recorder, "failed")
    assert "unplugged" in str(recorder.status().error)
    recorder.finish()
    recording = open_recording(tmp_path / "s1" / "cam.mcap")
    assert recording.complete
    assert len(recording.streams["color"]) > 0


def test_a_silent_stream_is_a_failure(
    make: Callable[..., Recorder], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capture.recorder, "FIRST_FRAME_TIMEOUT_NS", 200_000_000)
    recorder = make(pattern(), opener=opener(OddSensor([])))
    recorder.arm("s1", "u-1")
    until(recorder, "failed")
    assert "no frame of color" in str(recorder.status().error)


def test_a_stream_that_stalls_does_not_hold_up_the_stop(
    make: Callable[..., Recorder], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capture.recorder, "DRAIN_TIMEOUT_NS", 200_000_000)
    recorder = make(pattern(stall_after_s=0.3))
    record(recorder, HostClock())


@pytest.mark.parametrize(
    ("error", "message"),
    [(SensorError("gone"), "gone"), (ZeroDivisionError("odd"), "ZeroDivisionError: odd")],
)
def test_whatever_a_sensor_raises_is_reported(
    error: Exception, message: str, make: Callable[..., Recorder]
) -> None:
    recorder = make(pattern(), opener=opener(OddSensor([], error)))
    recorder.arm("s1", "u-1")
    until(recorder, "failed")
    assert recorder.status().error == message


def test_frames_of_the_wrong_size_end_the_recording(make: Callable[..., Recorder]) -> None:
    now_ns = time.monotonic_ns()
    late = now_ns + 10**12  # captured long after the start
    frames = [
        Frame("color", 0, now_ns, now_ns, IMAGE),
        Frame("color", 1, late, late, IMAGE[:5]),
    ]
    sensor = OddSensor([])
    gate = threading.Event()

    def deliver() -> Iterator[Frame | DeviceEvent]:
        yield frames[0]
        gate.wait(DEADLINE_S)
        yield frames[1]
        sensor._ended.wait()

    sensor.frames = deliver  # type: ignore[method-assign]  # a sensor that waits for the test
    recorder = make(pattern(), opener=opener(sensor))
    recorder.arm("s1", "u-1")
    until(recorder, "armed")
    recorder.start(HostClock().monotonic_ns() + 10**9)
    gate.set()
    until(recorder, "failed")
    assert "expected (24, 32, 3)" in str(recorder.status().error)


def test_a_sensor_that_does_not_close_is_an_error(
    make: Callable[..., Recorder], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capture.recorder, "_JOIN_TIMEOUT_S", 0.05)
    sensor = OddSensor([])
    monkeypatch.setattr(sensor, "stop", lambda: None)
    recorder = make(pattern(), opener=opener(sensor))
    recorder.arm("s1", "u-1")
    deadline_s = time.monotonic() + DEADLINE_S
    while not recorder.status().streams:
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
    with pytest.raises(CaptureError, match="does not end"):
        recorder.finish()
    sensor.close()
