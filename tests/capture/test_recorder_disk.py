"""A recorder whose disk is full, fills up or is slow."""

import errno
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import capture.disk_space
import capture.recorder
from capture.clock import HostClock
from capture.frame import Frame
from capture.recorder import Recorder
from capture.recording import open_recording

from .recorders import DEADLINE_S, IMAGE, make, pattern, record, until

__all__ = ["make"]


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


def test_what_is_left_of_the_disk_is_known_before_anything_is_armed(
    make: Callable[..., Recorder], tmp_path: Path
) -> None:
    free = make(pattern()).status().disk_free_bytes
    assert free == pytest.approx(shutil.disk_usage(tmp_path).free, rel=0.2)
