"""A controller is killed; another goes on with its session, or closes it. Real processes."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from capture.client import DaemonClient
from capture.close_session import close_session
from capture.config import RigConfig, load_rig_config
from capture.controller import Controller
from capture.course import SessionMark
from capture.errors import CaptureError, ControlError, RecordingError
from capture.gather import gather_session
from capture.manifest import RecordingSummary, read_manifest
from capture.record_session import resume_session
from capture.recording import open_recording
from capture.recover import recover_session
from capture.resumed_session import reopen_session, rig_of
from capture.session import SessionFolder, create_session, open_session
from capture.session_plan import SessionPlan
from capture.structure import encode

from .processes import DEADLINE_S, daemons_of, is_gone, recording_session, wait_for

PROTOCOL = """
schema_version = 1
name = "short"

[[stage]]
name = "calm"
duration_s = 3

[[stage]]
name = "talk"
"""
CAM = {"streams": ["color"], "width_px": 48, "height_px": 32}
HEAT = {"streams": ["thermal"], "rate_hz": 10.0, "width_px": 48, "height_px": 32}
StartCli = Callable[..., "subprocess.Popen[str]"]


class Scene:
    """A session that is recorded by commands of its own."""

    def __init__(self, start_cli: StartCli, rig: Path, tmp_path: Path) -> None:
        (tmp_path / "protocol.toml").write_text(PROTOCOL, encoding="utf-8")
        self._start, self._rig, self._tmp = start_cli, rig, tmp_path
        self.daemons: dict[str, int] = {}

    def record(self, *options: object) -> Path:
        root = self._tmp / "root"
        command = ["record", "--rig", self._rig, "--subject", "S01", "--output", root, *options]
        self.controller = self._start(*command)
        folder = recording_session(root, "cam.mcap", 10)
        self.daemons = wait_for(lambda: daemons_of(self.controller.pid))
        return folder

    @property
    def protocol(self) -> tuple[object, object]:
        return "--protocol", self._tmp / "protocol.toml"

    def kill_controller(self) -> None:
        self.controller.kill()
        self.controller.wait(DEADLINE_S)

    def kill(self, name: str) -> None:
        os.kill(self.daemons[name], signal.SIGKILL)

    def end(self) -> None:
        for pid in self.daemons.values():
            if not is_gone(pid) and "capture.cli" in Path(f"/proc/{pid}/cmdline").read_text():
                os.kill(pid, signal.SIGKILL)


@pytest.fixture
def scene(start_cli: StartCli, rig_toml: Callable[..., Path], tmp_path: Path) -> Iterator[Scene]:
    scene = Scene(start_cli, rig_toml(cam=CAM, heat=HEAT), tmp_path)
    yield scene
    scene.end()


def resume(folder: Path, start_cli: StartCli, *options: object) -> tuple[int, Any]:
    again = start_cli("record", "--resume", folder, "--json", *options)
    output, errors = again.communicate(timeout=DEADLINE_S)
    return again.returncode, json.loads(output) if output else errors


def test_what_is_recorded_still_is_taken_over_without_a_gap(scene: Scene) -> None:
    folder = scene.record(*scene.protocol)
    running = "is in use: its controller runs"
    with pytest.raises(ControlError, match=running):
        close_session(folder)
    with pytest.raises(ControlError, match=running):
        resume_session(folder)
    for use in (recover_session, gather_session):
        with pytest.raises(ControlError, match=running):
            use(folder)
    scene.kill_controller()
    alone_ns = time.monotonic_ns()
    before = read_manifest(folder)
    began_ns = before.start_time_ns
    assert began_ns is not None
    given_up = threading.Event()
    given_up.set()
    with pytest.raises(KeyboardInterrupt):
        resume_session(folder, stop=given_up)
    assert read_manifest(folder) == before
    with Controller(rig_of(folder), folder.parent) as controller:
        controller.connect()
        alone_s = (time.monotonic_ns() - alone_ns) * 1e-9
        controller.resume(folder)
        assert controller.snapshot.phase == "recording"
        controller.mark("by the second controller")
        wait_for(lambda: controller.poll().stage.name == "talk")
        path, manifest = controller.stop()
        assert (path, manifest.status, manifest.error) == (folder, "complete", None)
        controller.arm(SessionPlan("S02", duration_s=0.5))  # and so it goes on
        controller.start()
        wait_for(lambda: controller.poll() and controller.due)
        assert controller.stop()[1].status == "complete"
    wait_for(lambda: all(map(is_gone, scene.daemons.values())))

    assert (manifest.uuid, manifest.start_time_ns) == (before.uuid, began_ns)
    stages = {mark.label: mark.time_ns - began_ns for mark in manifest.marks}
    assert stages.pop("by the second controller") > 0
    assert stages == {"calm": 0, "talk": 3_000_000_000}
    assert manifest.stop_time_ns is not None
    span_s = (manifest.stop_time_ns - began_ns) * 1e-9
    assert span_s >= 3.0
    assert "cam: recorded on without a controller" in manifest.warnings
    session = open_session(folder)
    assert set(session.recordings) == {"cam", "heat"}
    assert not [event for event in session.events if event.kind == "recorder-drop"]
    for name, rate_hz in (("color", 30), ("thermal", 10)):
        stream = session.streams[name]
        # A machine that is late makes the pattern skip some; the recorder keeps all that come.
        assert abs(len(stream) + stream.n_dropped - span_s * rate_hz) <= 2
        since_s = (stream.capture_time_ns - alone_ns) * 1e-9
        assert ((since_s > 0) & (since_s < alone_s)).sum() > alone_s * rate_hz / 4
    told = [event.data["label"] for event in session.events if event.kind == "stage"]
    assert told == ["calm", "calm", "talk", "talk"]  # in both recordings


def test_what_died_too_goes_on_in_new_files_and_the_stage_begins_anew(
    scene: Scene, start_cli: StartCli
) -> None:
    folder = scene.record(*scene.protocol)
    wait_for(lambda: len(open_session(folder).streams["thermal"]) > 2)
    scene.kill_controller()
    for name in scene.daemons:
        scene.kill(name)
    wait_for(lambda: all(map(is_gone, scene.daemons.values())))

    stage = read_manifest(folder).marks[-1].label
    (folder / "heat_2.mcap").write_bytes(b"in the way")
    before = (folder / "session.json").read_bytes()
    status, errors = resume(folder, start_cli)
    assert status == 1
    assert "1 of 2 sensors not ready" in errors
    assert "heat_2.mcap exists already" in errors
    assert (folder / "session.json").read_bytes() == before
    assert {path.name for path in folder.glob("*_2.mcap")} == {"heat_2.mcap"}
    (folder / "heat_2.mcap").unlink()

    # Tests that run under nohup ignore it, and children would inherit that.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    again = start_cli("record", "--resume", folder, "--json")
    wait_for(lambda: len(open_recording(folder / "heat_2.mcap").streams["thermal"]) > 2)
    again.send_signal(signal.SIGHUP)  # the terminal was closed: an end like Ctrl-C
    told = json.loads(again.communicate(timeout=DEADLINE_S)[0])
    assert (again.returncode, told["status"]) == (1, "failed")
    assert "cam: its recording ended with the controller" in told["error"]
    parts = {name: part["status"] for name, part in told["recordings"].items()}
    assert parts == {"cam": "failed", "heat": "failed", "cam_2": "complete", "heat_2": "complete"}
    stages = [mark for mark in told["marks"] if mark["label"] == stage]
    assert len(stages) == 2
    session = open_session(folder)
    color = session.streams["color"]
    assert len(color.part_starts) == 2
    assert (np.diff(color.capture_time_ns) > 0).all()
    assert abs(color.capture_time_ns[color.part_starts[1]] - stages[1]["time_ns"]) < 100_000_000
    manifest, _ = recover_session(folder)
    digested = {name for name, part in manifest.recordings.items() if part.digest}
    assert digested == set(session.recordings)


def test_a_session_whose_controller_died_is_closed_once(scene: Scene, start_cli: StartCli) -> None:
    folder = scene.record("--duration", 300)
    scene.kill_controller()
    scene.kill("heat")
    n_before = len(open_session(folder).streams["color"])
    wait_for(lambda: len(open_session(folder).streams["color"]) > n_before)  # it goes on
    close = start_cli("close", folder, "--json")
    told = json.loads(close.communicate(timeout=DEADLINE_S)[0])
    assert (close.returncode, told["stopped"]) == (0, ["cam"])
    assert (told["status"], told["error"]) == (
        "failed",
        "the controller ended before the session did",
    )
    wait_for(lambda: all(map(is_gone, scene.daemons.values())))
    session = open_session(folder)
    assert all(recording.complete for recording in session.recordings.values())
    parts = {name: part.status for name, part in session.manifest.recordings.items()}
    assert parts == {"cam": "interrupted", "heat": "failed"}
    told_frames = session.manifest.recordings["cam"].streams["color"].n_frames
    assert told_frames == len(session.streams["color"]) > n_before
    assert close_session(folder).manifest == session.manifest
    with pytest.raises(ControlError, match="is closed: failed"):
        resume_session(folder)


@pytest.fixture
def far(
    start_cli: StartCli, rig_toml: Callable[..., Path], tmp_path: Path
) -> tuple["subprocess.Popen[str]", Path]:
    """A daemon started by hand, and the rig file that says where it is."""
    daemon = start_cli(
        *("daemon", "--rig", rig_toml(cam=CAM), "--sensor", "cam", "--output", tmp_path / "far"),
        *("--clock-offset-ms", 5_000_000),
    )
    assert daemon.stdout is not None
    address = daemon.stdout.readline().split()[-1]
    return daemon, rig_toml(cam={**CAM, "address": address})


def test_a_daemon_elsewhere_is_stopped_taken_over_or_told_to_be_gone(
    far: tuple[Any, Path], start_cli: StartCli, tmp_path: Path
) -> None:
    daemon, rig_path = far
    for how in ("close", "resume"):
        root = tmp_path / how
        options = ("--rig", rig_path, "--subject", "S01", "--output", root, "--quiet")
        controller = start_cli("record", *options)
        file = wait_for(lambda: next((tmp_path / "far").glob("*/cam.mcap")))
        folder = root / file.parent.name
        wait_for(lambda: _remote_frames(rig_path) > 10)
        controller.kill()
        controller.wait(DEADLINE_S)
        if how == "close":
            closing = close_session(folder)
            assert closing.stopped == ("cam",)
            manifest = closing.manifest
            assert manifest.status == manifest.recordings["cam"].status == "interrupted"
        else:
            _, manifest = resume_session(folder, duration_s=1.0)
            assert manifest.planned_duration_s is not None
            assert (manifest.status, manifest.error) == ("complete", None)
        n_told = manifest.recordings["cam"].streams["color"].n_frames
        assert not gather_session(folder).failures
        session = open_session(folder)
        assert not [event for event in session.events if event.kind == "recorder-drop"]
        stream = session.streams["color"]
        assert len(stream) == n_told > 10
        start_ns = manifest.start_time_ns
        assert start_ns is not None
        assert abs(int(stream.capture_time_ns[0]) - start_ns) < 300_000_000
        file.parent.rename(tmp_path / f"kept-{how}")

    controller = start_cli("record", "--rig", rig_path, "--subject", "S01", "--output", tmp_path)
    wait_for(lambda: _remote_frames(rig_path) > 1)
    controller.kill()
    daemon.kill()
    (folder,) = (path.parent for path in tmp_path.glob("*_S01/session.json"))
    close = start_cli("close", folder)
    output, _ = close.communicate(timeout=DEADLINE_S)
    assert close.returncode == 1
    assert "cam: NOT reached: cam at tcp://127.0.0.1:" in output
    manifest = read_manifest(folder)
    assert manifest.status == "interrupted"
    assert "cam: did not answer when the session was closed" in manifest.warnings


def _remote_frames(rig_path: Path) -> int:
    (entry,) = load_rig_config(rig_path).sensor
    with DaemonClient("cam", entry.address) as client:
        status = client.poll()
    return status.streams["color"].n_frames if status.state == "recording" else 0


def _session(root: Path, **changes: Any) -> Path:
    folder = create_session(root, subject="S01", rig=encode(RigConfig.simulated()))
    SessionFolder(folder.path, folder.manifest).update(**changes)
    return folder.path


def test_sessions_that_cannot_be_resumed(tmp_path: Path) -> None:
    from capture.clock import HostIdentity

    here = HostIdentity.read()
    begun = {"host": here, "start_time_ns": 1, "start_requested_ns": 1}
    for changes, complaint in (
        ({}, "never began to record"),
        ({**begun, "host": replace(here, boot_id="another")}, "before its last start"),
        ({**begun, "stop_requested_ns": 5}, "was told to stop already"),
        ({**begun, "status": "complete"}, "is closed: complete"),
    ):
        path = _session(tmp_path, **changes)
        before = (path / "session.json").read_bytes()
        with pytest.raises(ControlError, match=complaint):
            reopen_session(path, rig_of(path))
        assert (path / "session.json").read_bytes() == before
    for changes, complaint in (
        ({"planned_duration_s": -1.0}, "duration of -1 s"),
        ({"protocol": {"name": "p"}}, "protocol: stage is missing"),
        ({"marks": (SessionMark("stage", "calm", 1),)}, "has no stage 'calm', which was marked"),
    ):
        path = _session(tmp_path, **begun, **changes)
        with pytest.raises(CaptureError, match=complaint):
            reopen_session(path, rig_of(path))
    path = _session(tmp_path, **begun)
    other = RigConfig.simulated(subject_seed=9)
    with pytest.raises(ControlError, match="the rig 'simulated' as it was then"):
        reopen_session(path, other)
    with pytest.raises(RecordingError, match="rig: name is missing"):
        rig_of(_session(tmp_path, rig={}))


@pytest.mark.parametrize(
    "control", ["tcp://192.0.2.1:5570", "tcp://127.0.0.1:99999", "ipc:///tmp/x", "no address", ""]
)
def test_an_address_that_somebody_wrote_into_a_manifest_leads_nowhere(
    tmp_path: Path, rig_toml: Callable[..., Path], control: str
) -> None:
    rig = load_rig_config(rig_toml(cam=CAM))
    part = RecordingSummary("cam.mcap", "local", control=control)
    folder = create_session(tmp_path, subject="S01", rig=encode(rig))
    folder.update(recordings={"cam": part})
    with Controller(rig, tmp_path) as controller:
        controller.connect()
        (handle,) = controller._daemons
        assert not handle.take_over(folder.manifest.uuid, control)
        assert controller.poll().failures == {}
    assert close_session(folder.path).manifest.status == "failed"


def test_a_session_planned_to_end_by_now_is_not_resumed(
    tmp_path: Path, rig_toml: Callable[..., Path]
) -> None:
    from capture.clock import HostIdentity

    rig = load_rig_config(rig_toml(cam=CAM))
    now_ns = time.monotonic_ns()
    folder = create_session(tmp_path, subject="S01", rig=encode(rig)).path
    path = _update(folder, start_time_ns=now_ns - 10**10, planned_duration_s=5.0)
    _update(path, host=HostIdentity.read())
    with pytest.raises(ControlError, match="planned to end before it could go on"):
        resume_session(path)


def _update(path: Path, **changes: Any) -> Path:
    SessionFolder(path, read_manifest(path)).update(**changes)
    return path


def test_a_session_that_never_began_is_closed_as_failed(tmp_path: Path) -> None:
    manifest = close_session(_session(tmp_path)).manifest
    assert (manifest.status, manifest.recordings) == ("failed", {})


def test_options_that_the_session_has_settled(start_cli: StartCli, tmp_path: Path) -> None:
    status, errors = resume(_session(tmp_path), start_cli, "--protocol", "paper")
    assert status == 1
    assert "--protocol is settled by the session" in errors


def test_help_names_both_ways_out() -> None:
    for command in ("record", "close"):
        run = subprocess.run(
            [sys.executable, "-P", "-m", "capture.cli", command, "--help"],
            capture_output=True,
            text=True,
            check=True,
        )
        assert "--resume" in run.stdout
