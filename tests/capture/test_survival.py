"""Twenty-one kills at random moments: nothing older than a second is ever lost.

Real commands record test patterns; a daemon, the controller or both are killed with SIGKILL. Frame
times are this machine's monotonic clock, so they can be held against the moment of the kill.
"""

import os
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from capture.close_session import close_session
from capture.errors import RecordingError
from capture.manifest import read_manifest
from capture.recording import open_recording
from capture.recover import recover_session
from capture.session import open_session

from .processes import daemons_of, is_gone

N_KILLS = 21
AT_ONCE = 5
DEADLINE_S = 60.0
Victim = Literal["daemon", "controller", "both"]
RIG = """
schema_version = 1
name = "victims"

[[sensor]]
name = "cam"
kind = "test-pattern"
options = { streams = ["color", "depth"], width_px = 48, height_px = 32 }

[[sensor]]
name = "heat"
kind = "test-pattern"
options = { streams = ["thermal"], rate_hz = 10.0, width_px = 48, height_px = 32 }
"""


@dataclass(frozen=True)
class Casualty:
    """One kill: who, when, and how long before it the last readable frame was taken."""

    victim: Victim
    folder: Path
    loss_s: dict[str, float]


def _recording(root: Path) -> Path | None:
    """Return the session once every stream has frames in the file."""
    for folder in root.glob("*_S01"):
        try:
            files = [folder / f"{name}.mcap" for name in ("cam", "heat")]
            streams = [s for f in files for s in open_recording(f).streams.values()]
            if read_manifest(folder).start_time_ns and all(len(stream) for stream in streams):
                return folder
        except (OSError, RecordingError):
            pass
    return None


def _wait_for(what: object) -> object:
    deadline_s = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline_s:
        try:
            if callable(what) and (found := what()):
                return found
        except OSError:
            pass
        time.sleep(0.02)
    pytest.fail("nothing happened in time")


def _kill_once(number: int, root: Path) -> Casualty:
    rng = random.Random(number)
    victim: Victim = ("daemon", "controller", "both")[number % 3]
    root.mkdir()
    rig = root / "rig.toml"
    rig.write_text(RIG, encoding="utf-8")
    command = [sys.executable, "-P", "-m", "capture.cli", "record", "--rig", str(rig), "--quiet"]
    command += ["--subject", "S01", "--duration", "300", "--output", str(root)]
    devnull = subprocess.DEVNULL
    with subprocess.Popen(command, stdin=devnull, stdout=devnull, stderr=devnull) as process:
        folder = _wait_for(lambda: _recording(root))
        assert isinstance(folder, Path)
        pids = daemons_of(process.pid)
        time.sleep(rng.uniform(0.0, 1.5))
        killed = rng.sample(sorted(pids), 1) if victim != "controller" else []
        if victim == "both":
            killed = sorted(pids)
        at_ns = time.monotonic_ns()
        for name in killed:
            os.kill(pids[name], signal.SIGKILL)
        if victim != "daemon":
            process.kill()
        process.wait(DEADLINE_S)
        if victim == "daemon":
            assert process.returncode == 1
    if victim == "controller":  # the daemons go on
        losses = _losses(folder, at_ns)
        assert close_session(folder).stopped == ("cam", "heat")
    for pid in pids.values():
        _wait_for(lambda pid=pid: is_gone(pid))
    return Casualty(victim, folder, losses if victim == "controller" else _losses(folder, at_ns))


def _losses(folder: Path, at_ns: int) -> dict[str, float]:
    losses = {}
    for name in ("cam", "heat"):
        for stream_name, stream in open_recording(folder / f"{name}.mcap").streams.items():
            assert len(stream)
            for index in (0, len(stream) // 2, len(stream) - 1):
                frame = stream.read(index)
                if stream_name != "color":  # JPEG does not keep a single pixel
                    assert int(frame.image[0, 0]) == frame.seq % 65536
            losses[stream_name] = (at_ns - int(stream.host_time_ns[-1])) * 1e-9
    return losses


def test_nothing_older_than_a_second_is_lost_and_every_session_can_be_closed(
    tmp_path: Path,
) -> None:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        casualties = list(pool.map(lambda n: _kill_once(n, tmp_path / str(n)), range(N_KILLS)))
    worst = max(casualties, key=lambda casualty: max(casualty.loss_s.values()))
    print(f"worst loss {max(worst.loss_s.values()):.2f} s, {worst.victim} killed")
    assert max(worst.loss_s.values()) < 1.0, worst
    for casualty in casualties:
        _close(casualty)


def _close(casualty: Casualty) -> None:
    folder = casualty.folder
    before = {n: len(s) for n, s in open_session(folder).streams.items()}
    manifest, _ = recover_session(folder)
    session = open_session(folder)
    assert all(recording.complete for recording in session.recordings.values())
    assert {n: len(s) for n, s in session.streams.items()} == before
    assert manifest.status == ("interrupted" if casualty.victim == "controller" else "failed")
    assert manifest.error
    told = {n: c.n_frames for r in manifest.recordings.values() for n, c in r.streams.items()}
    assert told == before
