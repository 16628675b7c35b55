"""Real commands in processes of their own, and what tests wait for."""

import time
from collections.abc import Callable
from pathlib import Path

from capture.errors import RecordingError
from capture.manifest import read_manifest
from capture.recording import open_recording

DEADLINE_S = 90.0


def wait_for(what: Callable[[], object]) -> object:
    """Poll until `what` gives something true; it may fail on what is not there yet."""
    deadline_s = time.monotonic() + DEADLINE_S
    while True:
        try:
            if found := what():
                return found
        except (OSError, RecordingError, StopIteration):
            pass
        assert time.monotonic() < deadline_s, "nothing happened in time"
        time.sleep(0.05)


def recording_process(parent: int, file_name: str) -> int:
    """Find the child of `parent` that has `file_name` open."""
    for child in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
        for link in Path(f"/proc/{child}/fd").iterdir():
            if link.exists() and link.resolve().name == file_name:
                return int(child)
    raise StopIteration


def record_arguments(rig: Path, root: Path, *more: object) -> list[object]:
    return ["record", "--rig", rig, "--subject", "S01", "--output", root, "--json", *more]


def recording_session(root: Path, file_name: str, n_frames: int = 15) -> Path:
    """Wait until a session has started and `file_name` in it holds some frames."""

    def look() -> Path | None:
        folder = next(root.iterdir())
        recording = open_recording(folder / file_name)
        started = read_manifest(folder).start_time_ns is not None
        enough = all(len(stream) >= n_frames for stream in recording.streams.values())
        return folder if started and enough else None

    folder = wait_for(look)
    assert isinstance(folder, Path)
    return folder


def daemons_of(controller: int) -> dict[str, int]:
    """Find the daemons of a controller by the recording each has open."""
    found = {}
    for child in Path(f"/proc/{controller}/task/{controller}/children").read_text().split():
        for link in Path(f"/proc/{child}/fd").iterdir():
            name = link.resolve().name
            if name.endswith(".mcap"):
                found[name.removesuffix(".mcap")] = int(child)
    return found


def is_gone(pid: int) -> bool:
    """Tell whether a process has ended."""
    return not Path(f"/proc/{pid}").exists()
