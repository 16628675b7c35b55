"""A file system that is really full, under real daemons."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from capture.close_session import close_session
from capture.config import RigConfig, SensorEntry
from capture.errors import RecordingError
from capture.record_session import record_session
from capture.session import open_session
from capture.snapshot import Snapshot

CAM = {"streams": ["depth"], "width_px": 512, "height_px": 424}
HEAT = {"streams": ["thermal"], "rate_hz": 10.0, "width_px": 48, "height_px": 32}
RIG = RigConfig(
    "full",
    (
        SensorEntry("cam", "test-pattern", options=CAM, codec="raw"),
        SensorEntry("heat", "test-pattern", options=HEAT),
    ),
)


@pytest.fixture
def small_disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A file system of so many megabytes: a second of recording above what must stay free."""
    disk = tmp_path / "disk"
    disk.mkdir()
    size = f"size={request.param}m"
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", disk], check=False)
    if mounted.returncode:
        pytest.skip("NOT TESTED on a real file system: mounting one needs root")
    yield disk
    subprocess.run(["umount", disk], check=True)


@pytest.mark.parametrize("small_disk", [212], indirect=True)
def test_recording_ends_before_the_disk_is_full(small_disk: Path) -> None:
    path, manifest = record_session(RIG, small_disk / "s", subject="S01", duration_s=300.0)
    assert manifest.status == "failed"
    assert "expected 200 MB (free some space or record elsewhere)" in str(manifest.error)
    assert manifest.start_achieved_ns is not None
    session = open_session(path)
    assert all(recording.complete for recording in session.recordings.values())
    depth = session.streams["depth"]
    assert not [event for event in session.events if event.kind == "recorder-drop"]
    assert depth.read(len(depth) - 1).image.shape == (424, 512)


@pytest.mark.parametrize("small_disk", [260], indirect=True)
def test_a_disk_that_others_fill_at_once_costs_nothing_that_was_written(small_disk: Path) -> None:
    filler = small_disk / "filler"
    last: list[int] = []

    def fill(progress: Snapshot) -> None:
        if progress.phase == "recording" and progress.elapsed_s > 1.0 and not filler.exists():
            last.append(progress.statuses["cam"].streams["depth"].n_frames)
            with suppress(OSError), filler.open("wb", buffering=0) as handle:
                while True:
                    handle.write(bytes(1 << 16))

    with pytest.raises(RecordingError) as caught:
        record_session(RIG, small_disk / "s", subject="S01", duration_s=300.0, on_progress=fill)
    assert "No space left on device; the recordings are kept" in str(caught.value)
    assert "free some space, then: mavfer-capture close" in str(caught.value)
    filler.unlink()
    (path,) = (small_disk / "s").iterdir()
    # "failed" when the files could not be finished either and had to be made whole.
    assert close_session(path).manifest.status in ("failed", "interrupted")
    session = open_session(path)
    assert all(recording.complete for recording in session.recordings.values())
    # What was written since the last sync, half a second, may be lost with the disk.
    assert len(session.streams["depth"]) >= last[0] - 20 > 0


def test_a_manifest_that_cannot_be_written_ends_no_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The controller's disk is full, the daemons' are not."""
    import queue

    from capture.session import SessionFolder

    rig = RigConfig("one", (SensorEntry("heat", "test-pattern", options=HEAT),))
    update, seen = SessionFolder.update, set()
    remarks: queue.SimpleQueue[str] = queue.SimpleQueue()
    for remark in ("one", "two"):
        remarks.put(remark)

    def refuse_once(self: SessionFolder, **changes: Any) -> Any:
        if [mark.label for mark in changes.get("marks", ())] == ["one"]:
            self.manifest = update(self, **changes)
            raise OSError(28, os.strerror(28))
        return update(self, **changes)

    def look(progress: Snapshot) -> None:
        seen.update(progress.warnings)

    monkeypatch.setattr(SessionFolder, "update", refuse_once)
    path, manifest = record_session(
        rig, tmp_path, subject="S01", duration_s=1.5, remarks=remarks, on_progress=look
    )
    assert manifest.status == "complete"
    assert [mark.label for mark in open_session(path).manifest.marks] == ["one", "two"]
