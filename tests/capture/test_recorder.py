import errno
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import pytest

import capture.disk_space
import capture.recorder
from capture.clock import ClockProbe, HostClock
from capture.errors import CaptureError, ConfigError, ControlError, SensorError
from capture.frame import DeviceEvent, Frame
from capture.mcap_index import read_index
from capture.recorder import Recorder
from capture.recording import open_recording
from capture.sensor import SensorConfig, SensorInfo
from capture.sensors.test_pattern import open_test_pattern
from capture.terminal import OnProgress

DEADLINE_S = 30.0
RUN_NS = 400_000_000


def until(recorder: Recorder, state: str) -> None:
    deadline_s = time.monotonic() + DEADLINE_S
    while (status := recorder.status()).state != state:
        assert time.monotonic() < deadline_s, status
        time.sleep(0.01)


def pattern(**options: object) -> SensorConfig:
    base = {"rate_hz": 100.0, "width_px": 32, "height_px": 24}
    return SensorConfig("cam", "test-pattern", {**base, **options})


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Recorder]]:
    made: list[Recorder] = []

    def build(config: SensorConfig, **options: object) -> Recorder:
        made.append(Recorder(config, tmp_path, **options))  # type: ignore[arg-type]  # as given
        return made[-1]

    yield build
    for recorder in made:
        recorder.finish()


def record(recorder: Recorder, clock: HostClock) -> tuple[int, int]:
    recorder.arm("s1", "u-1")
    until(recorder, "armed")
    start_ns = clock.monotonic_ns() + 100_000_000
    recorder.start(start_ns)
    recorder.log_probe(ClockProbe(1, 2, 3, 4))
    recorder.stop(start_ns + RUN_NS)
    until(recorder, "stopped")
    recorder.log_probe(ClockProbe(5, 6, 7, 8))
    return start_ns, start_ns + RUN_NS


def test_exactly_the_frames_of_the_window_are_recorded(
    make: Callable[..., Recorder], tmp_path: Path
) -> None:
    clock = HostClock(offset_ns=5_000_000_000, skew_ppm=30.0)
    recorder = make(pattern(streams=["color", "depth"]), clock=clock)
    start_ns, stop_ns = record(recorder, clock)
    status = recorder.status()
    recorder.finish()
    assert recorder.status().state == "idle"
    recording = open_recording(tmp_path / "s1" / "cam.mcap")
    assert recording.complete
    assert recording.probes == (ClockProbe(1, 2, 3, 4), ClockProbe(5, 6, 7, 8))
    for name, stream in recording.streams.items():
        counts = status.streams[name]
        assert counts.n_frames == len(stream) > 0
        assert stream.n_dropped == counts.n_dropped_sensor
        host_ns = stream.device_clocks[0].apply(stream.device_time_ns)
        assert host_ns[0] >= start_ns - 2_000_000
        assert host_ns[-1] < stop_ns + 2_000_000
        if not counts.n_dropped_sensor:  # a busy machine may make the pattern skip
            assert abs(len(stream) - RUN_NS * 100 / 1e9) <= 1


def test_a_session_after_a_session(make: Callable[..., Recorder], tmp_path: Path) -> None:
    recorder = make(pattern())
    record(recorder, HostClock())
    recorder.finish()
    recorder.arm("s2", "u-2")
    until(recorder, "armed")
    recorder.finish()
    assert open_recording(tmp_path / "s2" / "cam.mcap").session_uuid == "u-2"


def test_giving_up_before_the_start_leaves_nothing(
    make: Callable[..., Recorder], tmp_path: Path
) -> None:
    recorder = make(pattern())
    recorder.arm("s1", "u-1")
    until(recorder, "armed")
    recorder.abort()
    assert list(tmp_path.iterdir()) == []


def test_ending_while_the_sensor_opens_closes_the_file(
    make: Callable[..., Recorder], tmp_path: Path
) -> None:
    opening, go_on = threading.Event(), threading.Event()

    def opener(config: SensorConfig, report: OnProgress) -> object:
        opening.set()
        assert go_on.wait(DEADLINE_S)
        return open_test_pattern(config, on_progress=report)

    recorder = make(pattern(), opener=opener)
    recorder.arm("s1", "u-1")
    assert opening.wait(DEADLINE_S)
    ending = threading.Thread(target=recorder.finish)
    ending.start()
    go_on.set()
    ending.join(DEADLINE_S)
    assert open_recording(tmp_path / "s1" / "cam.mcap").complete


def test_giving_up_late_keeps_what_was_finished(
    make: Callable[..., Recorder], tmp_path: Path
) -> None:
    recorder = make(pattern())
    recorder.arm("s1", "u-1")
    until(recorder, "armed")
    recorder.finish()
    recorder.abort()
    assert open_recording(tmp_path / "s1" / "cam.mcap").complete


@pytest.mark.parametrize("away_ns", [-(2**63), 2 * 86_400 * 10**9, 2**63 - 1])
def test_times_that_cannot_be_meant_are_refused(
    away_ns: int, make: Callable[..., Recorder]
) -> None:
    recorder = make(pattern())
    recorder.arm("s1", "u-1")
    until(recorder, "armed")
    now_ns = HostClock().monotonic_ns()
    with pytest.raises(ControlError, match=r"within a day|has passed"):
        recorder.start(now_ns + away_ns)
    recorder.start(now_ns + 10**9)
    with pytest.raises(ControlError, match="within a day"):
        recorder.stop(now_ns + away_ns)
    with pytest.raises(ControlError, match="within a day"):
        recorder.mark("marker", "x", now_ns + away_ns)
    assert recorder.status().state == "recording"


def test_giving_up_after_the_start_keeps_the_frames(
    make: Callable[..., Recorder], tmp_path: Path
) -> None:
    recorder = make(pattern())
    record(recorder, HostClock())
    recorder.abort()
    assert len(open_recording(tmp_path / "s1" / "cam.mcap").streams["color"]) > 0


def test_an_existing_recording_is_not_touched(
    make: Callable[..., Recorder], tmp_path: Path
) -> None:
    taken = tmp_path / "s1" / "cam.mcap"
    taken.parent.mkdir()
    taken.write_bytes(b"precious")
    recorder = make(pattern())
    recorder.arm("s1", "u-1")
    until(recorder, "failed")
    assert "exists already" in str(recorder.status().error)
    recorder.abort()
    assert taken.read_bytes() == b"precious"


@pytest.mark.parametrize("session_id", ["../x", "/tmp/x", ""])
def test_a_session_id_cannot_leave_the_root(session_id: str, make: Callable[..., Recorder]) -> None:
    with pytest.raises(ConfigError, match="session id"):
        make(pattern()).arm(session_id, "u")


def test_requests_out_of_order_are_refused(make: Callable[..., Recorder]) -> None:
    recorder = make(pattern())
    with pytest.raises(ControlError, match="is idle, expected armed"):
        recorder.start(0)
    recorder.arm("s1", "u-1")
    with pytest.raises(ControlError, match="expected idle"):
        recorder.arm("s2", "u-2")
    until(recorder, "armed")
    with pytest.raises(ControlError, match="passed already"):
        recorder.start(0)
    with pytest.raises(ControlError, match="expected recording"):
        recorder.stop(0)


def test_a_sensor_that_cannot_open_is_a_failure_with_a_remedy(
    make: Callable[..., Recorder], tmp_path: Path
) -> None:
    recorder = make(pattern(fail_open=True))
    recorder.arm("s1", "u-1")
    until(recorder, "failed")
    assert recorder.status().remedy == "set fail_open = false"
    assert list(tmp_path.iterdir()) == []


def test_opening_reports_progress(make: Callable[..., Recorder]) -> None:
    recorder = make(pattern(open_s=0.5))
    recorder.arm("s1", "u-1")
    deadline_s = time.monotonic() + DEADLINE_S
    while recorder.status().progress_done < 2:
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
    assert recorder.status().progress_total == 5
    until(recorder, "armed")


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


def test_a_full_disk_is_a_failure(
    make: Callable[..., Recorder], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capture.disk_space, "MIN_FREE_BYTES", 1 << 60)
    recorder = make(pattern())
    recorder.arm("s1", "u-1")
    until(recorder, "failed")
    assert "free some space" in str(recorder.status().remedy)


def test_a_disk_that_fills_up_ends_the_recording_before_it_is_full(
    make: Callable[..., Recorder], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is finished properly, and the operator was warned."""
    monkeypatch.setattr(capture.recorder, "_DISK_CHECK_NS", 20_000_000)
    monkeypatch.setattr(capture.recorder, "_DISK_WARNING_S", 1e12)
    free = [capture.disk_space.MIN_FREE_BYTES + 1]

    class Usage:
        @property
        def free(self) -> int:
            return free[0]

    monkeypatch.setattr(capture.disk_space.shutil, "disk_usage", lambda _: Usage())
    recorder = make(pattern())
    recorder.arm("s1", "u-1")
    until(recorder, "armed")
    recorder.start(HostClock().monotonic_ns() + 10_000_000)
    deadline_s = time.monotonic() + DEADLINE_S
    while not (status := recorder.status()).warnings:
        assert time.monotonic() < deadline_s
        time.sleep(0.02)
    assert status.warnings == ("the disk is full in 0 minutes",)
    assert status.disk_free_bytes == free[0]
    assert status.disk_left_s is not None
    free[0] = capture.disk_space.MIN_FREE_BYTES - 1
    until(recorder, "failed")
    assert "expected 200 MB" in str(recorder.status().error)
    recorder.finish()
    recording = open_recording(tmp_path / "s1" / "cam.mcap")
    assert recording.complete
    assert len(recording.streams["color"]) >= status.streams["color"].n_frames > 0


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_is_full_all_at_once_is_a_failure_with_a_remedy(
    code: int, make: Callable[..., Recorder], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others may fill it between two looks at what is left."""

    def refuse(_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(capture.recorder.RecordingWriter, "sync_when_due", refuse)
    recorder = make(pattern())
    recorder.arm("s1", "u-1")
    until(recorder, "failed")
    status = recorder.status()
    assert os.strerror(code) in str(status.error)
    assert status.remedy == "free some space or record elsewhere"


def test_the_status_says_which_file_and_how_well_it_keeps_up(
    make: Callable[..., Recorder],
) -> None:
    recorder = make(pattern())
    assert recorder.status().file is None
    recorder.arm("s1", "u-1", part=2)
    until(recorder, "armed")
    recorder.start(HostClock().monotonic_ns() + 10_000_000)
    deadline_s = time.monotonic() + DEADLINE_S
    while recorder.status().streams["color"].n_frames < 50:
        assert time.monotonic() < deadline_s
        time.sleep(0.02)
    status = recorder.status()
    assert (status.session_uuid, status.file) == ("u-1", "cam_2.mcap")
    assert status.streams["color"].rate_out_hz == pytest.approx(100, rel=0.3)
    assert 0 < status.queue_latency_ms < 5000
    assert set(status.cpu_share) == {"read", "encode", "write"}
    assert all(share >= 0 for share in status.cpu_share.values())
    assert status.warnings == ()


@pytest.mark.parametrize("codec", ["compressed", "raw"])
def test_the_codec_is_the_rigs_to_choose(
    codec: str, make: Callable[..., Recorder], tmp_path: Path
) -> None:
    config = replace(pattern(streams=["color", "depth"]), codec=codec, jpeg_quality=20)
    recorder = make(config)
    record(recorder, HostClock())
    recorder.finish()
    path = tmp_path / "s1" / "cam.mcap"
    index = read_index(path)
    (schema,) = [
        index.schemas[channel.schema_id].name
        for channel in index.channels.values()
        if channel.topic == "/depth"
    ]
    assert schema == ("foxglove.RawImage" if codec == "raw" else "foxglove.CompressedImage")
    depth = open_recording(path).streams["depth"]
    for k in range(len(depth)):
        assert depth.read(k).image[0, 0] == depth.seq[k]


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


IMAGE = np.zeros((24, 32, 3), np.uint8)


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


def test_a_slow_disk_costs_frames_that_are_counted(
    make: Callable[..., Recorder], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = capture.recorder.RecordingWriter.append

    def slow(writer: object, frame: Frame) -> int:
        time.sleep(0.05)
        return append(writer, frame)  # type: ignore[arg-type]  # it is the writer

    monkeypatch.setattr(capture.recorder.RecordingWriter, "append", slow)
    recorder = make(pattern(), queue_bytes=5 * IMAGE.nbytes)
    record(recorder, HostClock())
    counts = recorder.status().streams["color"]
    recorder.finish()
    recording = open_recording(tmp_path / "s1" / "cam.mcap")
    assert counts.n_dropped_recorder > 0
    assert counts.n_frames == len(recording.streams["color"])
    drops = [e.data["count"] for e in recording.events if e.kind == "recorder-drop"]
    assert sum(drops) == counts.n_dropped_recorder


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


def test_what_is_left_of_the_disk_is_known_before_anything_is_armed(
    make: Callable[..., Recorder], tmp_path: Path
) -> None:
    free = make(pattern()).status().disk_free_bytes
    assert free == pytest.approx(shutil.disk_usage(tmp_path).free, rel=0.2)
