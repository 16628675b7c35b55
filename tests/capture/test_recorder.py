"""A recorder from arming to the end: the frames of the window, states and what it tells."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from capture.clock import ClockProbe, HostClock
from capture.errors import ConfigError, ControlError
from capture.mcap_index import read_index
from capture.recorder import Recorder
from capture.recording import open_recording
from capture.sensor import SensorConfig
from capture.sensors.test_pattern import open_test_pattern
from capture.terminal import OnProgress

from .recorders import DEADLINE_S, RUN_NS, make, pattern, record, until

__all__ = ["make"]


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


def test_opening_reports_progress(make: Callable[..., Recorder]) -> None:
    recorder = make(pattern(open_s=0.5))
    recorder.arm("s1", "u-1")
    deadline_s = time.monotonic() + DEADLINE_S
    while recorder.status().progress_done < 2:
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
    assert recorder.status().progress_total == 5
    until(recorder, "armed")


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
