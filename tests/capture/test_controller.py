"""Real processes, real sockets on loopback, real signals."""

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import capture.daemon_handle
import capture.spawn
from capture.config import load_rig_config
from capture.controller import Controller
from capture.errors import ConfigError, ControlError
from capture.keys import Keys, create_keys
from capture.manifest import read_manifest
from capture.record_session import record_session
from capture.session import open_session
from capture.session_plan import SessionPlan
from capture.snapshot import Snapshot

from .processes import (
    DEADLINE_S,
    record_arguments,
    recording_process,
    recording_session,
    wait_for,
)

MakeRig = Callable[..., Path]
KINECT2 = {"streams": ["color", "depth"], "width_px": 64, "height_px": 48}
A65 = {"streams": ["thermal"], "rate_hz": 10.0, "width_px": 64, "height_px": 48}


def test_a_session_of_two_daemons(rig_toml: MakeRig, tmp_path: Path) -> None:
    rig = rig_toml(
        kinect2={**KINECT2, "device_skew_ppm": 40.0, "jitter_ms": 2.0, "drop_every": 20},
        a65={**A65, "device_offset_s": -300.0, "open_s": 0.5},
    )
    seen: list[Snapshot] = []
    path, manifest = record_session(
        load_rig_config(rig),
        tmp_path / "root",
        subject="S01",
        kind="board",
        duration_s=2.0,
        on_progress=seen.append,
    )
    assert manifest.status == "complete"
    assert manifest == read_manifest(path)
    assert {p.phase for p in seen} == {"starting", "arming", "recording", "stopping", "saving"}
    assert any(s.progress_total == 5 for p in seen for s in p.statuses.values())

    session = open_session(path)
    assert set(session.streams) == {"color", "depth", "thermal"}
    start_ns, stop_ns = session.start_time_ns, manifest.stop_time_ns
    assert stop_ns is not None
    assert stop_ns - start_ns >= 2_000_000_000
    for name, recording in session.recordings.items():
        summary = manifest.recordings[name]
        assert recording.complete
        assert (summary.status, summary.present, summary.error) == ("complete", True, None)
        assert summary.clock is not None
        assert summary.clock.n_probes == len(recording.probes) > 0
        assert abs(summary.clock.offset_ns) < 20_000_000  # all clocks are this machine's
        for stream_name, stream in recording.streams.items():
            counts = summary.streams[stream_name]
            assert counts.n_frames == len(stream) > 0
            assert counts.n_dropped_sensor + counts.n_dropped_recorder == stream.n_dropped
            slack_ns = 50_000_000
            assert stream.capture_time_ns[0] >= start_ns - slack_ns
            assert stream.capture_time_ns[-1] <= stop_ns + slack_ns
    first = session.streams["depth"].read(0)
    assert first.image[0, 0] == first.seq
    expected = stop_ns - start_ns
    color = session.streams["color"]
    covered = int(color.capture_time_ns[-1] - color.capture_time_ns[0])
    assert covered > expected - 500_000_000
    assert (np.diff(color.capture_time_ns) > 0).all()


def test_when_the_session_really_started_and_stopped_is_told(
    rig_toml: MakeRig, tmp_path: Path
) -> None:
    path, manifest = record_session(
        load_rig_config(rig_toml(kinect2=KINECT2, a65=A65)),
        tmp_path / "root",
        subject="S01",
        duration_s=2.0,
    )
    streams = open_session(path).streams.values()
    assert manifest.start_achieved_ns == max(int(s.capture_time_ns[0]) for s in streams)
    assert manifest.stop_achieved_ns == min(int(s.capture_time_ns[-1]) for s in streams)
    assert manifest.start_requested_ns is not None
    assert manifest.stop_requested_ns is not None
    slowest_ns = max(1e9 / s.spec.nominal_rate_hz for s in streams) * 1.5
    assert abs(manifest.start_achieved_ns - manifest.start_requested_ns) < slowest_ns
    assert abs(manifest.stop_achieved_ns - manifest.stop_requested_ns) < slowest_ns


def test_a_sensor_that_is_not_ready_prevents_the_start_and_leaves_nothing(
    rig_toml: MakeRig, tmp_path: Path
) -> None:
    rig = rig_toml(
        good=KINECT2, bad={**A65, "fail_open": True}, worse={"streams": ["infrared"], "rate": 5.0}
    )
    root = tmp_path / "root"
    with pytest.raises(ControlError) as caught:
        record_session(load_rig_config(rig), root, subject="S01", duration_s=1.0)
    text = str(caught.value)
    assert "2 of 3 sensors not ready" in text
    assert "bad: the test pattern is set to fail (set fail_open = false)" in text
    assert "did you mean 'rate_hz'" in text
    assert list(root.iterdir()) == []


@pytest.mark.parametrize("duration_s", [0.0, -1.0, float("nan"), float("inf"), 1e20])
def test_durations_that_cannot_be_meant_are_refused(
    duration_s: float, rig_toml: MakeRig, tmp_path: Path
) -> None:
    rig, root = load_rig_config(rig_toml(good=KINECT2)), tmp_path / "root"
    with pytest.raises(ControlError, match="expected more than 0"):
        record_session(rig, root, subject="S01", duration_s=duration_s)
    assert not root.exists()


def test_two_sensors_with_one_stream_are_refused(rig_toml: MakeRig, tmp_path: Path) -> None:
    rig = rig_toml(one=A65, other=A65)
    with pytest.raises(ControlError, match="stream 'thermal' is also one of one"):
        record_session(load_rig_config(rig), tmp_path / "root", subject="S01", duration_s=1.0)
    assert list((tmp_path / "root").iterdir()) == []


def test_a_daemon_that_is_not_there_prevents_the_start(rig_toml: MakeRig, tmp_path: Path) -> None:
    rig = rig_toml(here=KINECT2, elsewhere={**A65, "address": "tcp://127.0.0.1:9"})
    with pytest.raises(ControlError, match=r"elsewhere at tcp://127\.0\.0\.1:9 did not answer"):
        record_session(load_rig_config(rig), tmp_path / "root", subject="S01", duration_s=1.0)
    assert not (tmp_path / "root").exists()


@pytest.mark.parametrize("subject", ["../x", "a/b", ""])
def test_hostile_subjects_are_refused_before_anything_starts(
    subject: str, rig_toml: MakeRig, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="subject"):
        record_session(load_rig_config(rig_toml(a=A65)), tmp_path / "root", subject=subject)
    assert not (tmp_path / "root").exists()


def test_stopped_before_the_start_leaves_nothing(rig_toml: MakeRig, tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(KeyboardInterrupt):
        record_session(
            load_rig_config(rig_toml(a65={**A65, "open_s": 1.0})),
            tmp_path / "root",
            subject="S01",
            stop=stop,
        )
    assert list((tmp_path / "root").iterdir()) == []


def test_a_killed_daemon_ends_the_session_honestly(
    rig_toml: MakeRig,
    tmp_path: Path,
    start_cli: Callable[..., "subprocess.Popen[str]"],
) -> None:
    root = tmp_path / "root"
    cli = start_cli(*record_arguments(rig_toml(kinect2=KINECT2, a65=A65), root, "--duration", 300))
    folder = recording_session(root, "a65.mcap")
    victim = wait_for(lambda: recording_process(cli.pid, "a65.mcap"))
    assert isinstance(victim, int)
    killed_ns = time.monotonic_ns()
    os.kill(victim, signal.SIGKILL)
    output, _ = cli.communicate(timeout=DEADLINE_S)
    assert cli.returncode == 1
    manifest = read_manifest(folder)
    assert json.loads(output)["status"] == manifest.status == "failed"
    assert "a65: its daemon died (signal 9)" in str(manifest.error)
    assert manifest.recordings["a65"].status == "failed"
    assert manifest.recordings["kinect2"].status == "complete"
    session = open_session(folder)
    assert session.recordings["kinect2"].complete
    assert not session.recordings["a65"].complete
    thermal = session.streams["thermal"]
    assert manifest.recordings["a65"].streams["thermal"].n_frames == len(thermal)
    for k in range(len(thermal)):
        assert thermal.read(k).image[0, 0] == thermal.seq[k]
    # The promise is a second; the rest is for machines busy with other tests.
    assert thermal.capture_time_ns[-1] > killed_ns - 3_000_000_000


@pytest.mark.parametrize(
    ("duration", "exit_status", "status"), [(300, 130, "interrupted"), (None, 0, "complete")]
)
def test_ctrl_c_ends_a_recording_properly(
    duration: int | None,
    exit_status: int,
    status: str,
    rig_toml: MakeRig,
    tmp_path: Path,
    start_cli: Callable[..., "subprocess.Popen[str]"],
) -> None:
    root = tmp_path / "root"
    limit = [] if duration is None else ["--duration", duration]
    cli = start_cli(*record_arguments(rig_toml(a65=A65), root, *limit))
    folder = recording_session(root, "a65.mcap", n_frames=3)
    cli.send_signal(signal.SIGINT)
    output, _ = cli.communicate(timeout=DEADLINE_S)
    assert cli.returncode == exit_status
    assert json.loads(output)["status"] == status
    session = open_session(folder)
    assert session.manifest.status == status
    assert session.recordings["a65"].complete


def test_a_daemon_that_hangs_is_noticed(
    rig_toml: MakeRig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capture.daemon_handle, "HEARTBEAT_TIMEOUT_S", 2.0)
    monkeypatch.setattr(capture.spawn, "_END_TIMEOUT_S", 1.0)
    frozen: list[int] = []

    def freeze(progress: Snapshot) -> None:
        if progress.phase == "recording" and progress.elapsed_s > 0.5 and not frozen:
            frozen.append(recording_process(os.getpid(), "a65.mcap"))
            os.kill(frozen[0], signal.SIGSTOP)

    path, manifest = record_session(
        load_rig_config(rig_toml(kinect2=KINECT2, a65=A65)),
        tmp_path / "root",
        subject="S01",
        duration_s=300.0,
        on_progress=freeze,
    )
    assert manifest.status == "failed"
    assert "a65: its daemon is silent" in str(manifest.error)
    assert open_session(path).recordings["kinect2"].complete
    assert not Path(f"/proc/{frozen[0]}").exists()


def test_a_sensor_lost_while_recording(rig_toml: MakeRig, tmp_path: Path) -> None:
    path, manifest = record_session(
        load_rig_config(rig_toml(kinect2=KINECT2, a65={**A65, "fail_after_s": 4.0})),
        tmp_path / "root",
        subject="S01",
        duration_s=300.0,
    )
    assert manifest.status == "failed"
    assert "unplugged" in str(manifest.error)
    assert "plug it in again" in str(manifest.recordings["a65"].error)
    session = open_session(path)
    assert all(recording.complete for recording in session.recordings.values())
    assert len(session.streams["thermal"]) > 0


def test_a_daemon_started_elsewhere_records_there(
    rig_toml: MakeRig,
    tmp_path: Path,
    start_cli: Callable[..., "subprocess.Popen[str]"],
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    daemon = start_cli(
        *("daemon", "--rig", rig_toml(kinect2=KINECT2, a65=A65), "--sensor", "a65"),
        *("--output", there, "--clock-offset-ms", -7_200_000, "--clock-skew-ppm", 80),
    )
    assert daemon.stdout is not None
    line = daemon.stdout.readline()
    assert line.startswith("a65 (test-pattern) listens at tcp://127.0.0.1:")
    address = line.split()[-1]
    rig = load_rig_config(rig_toml(kinect2=KINECT2, a65={**A65, "address": address}))
    path, manifest = record_session(rig, here, subject="S01", duration_s=1.5)
    assert manifest.status == "complete"
    remote = manifest.recordings["a65"]
    assert (remote.present, remote.address) == (False, address)
    assert remote.clock is not None
    assert remote.clock.offset_ns < -7_000e9
    assert remote.streams["thermal"].n_frames > 0
    first_ns, start_ns = remote.streams["thermal"].first_time_ns, manifest.start_time_ns
    assert first_ns is not None
    assert start_ns is not None
    assert abs(first_ns - start_ns) < 300_000_000

    partial = open_session(path)
    assert set(partial.recordings) == {"kinect2"}
    (there / path.name / "a65.mcap").rename(path / "a65.mcap")
    session = open_session(path)
    assert len(session.streams["thermal"]) == remote.streams["thermal"].n_frames
    lag_ns = session.streams["thermal"].capture_time_ns[0] - start_ns
    assert -50_000_000 < lag_ns < 300_000_000

    again, _ = record_session(rig, here, subject="S01", duration_s=0.5)
    assert again != path
    daemon.send_signal(signal.SIGTERM)
    assert daemon.wait(DEADLINE_S) == 0


def test_a_session_behind_keys(
    rig_toml: MakeRig,
    tmp_path: Path,
    start_cli: Callable[..., "subprocess.Popen[str]"],
) -> None:
    create_keys(tmp_path / "keys")
    root = tmp_path / "root"
    daemon = start_cli(
        *("daemon", "--rig", rig_toml(kinect2=KINECT2, a65=A65), "--sensor", "a65"),
        *("--output", root, "--keys", tmp_path / "keys"),
    )
    assert daemon.stdout is not None
    address = daemon.stdout.readline().split()[-1]
    rig = load_rig_config(rig_toml(kinect2=KINECT2, a65={**A65, "address": address}))
    with pytest.raises(ControlError, match="did not answer"):
        record_session(rig, root, subject="S01", duration_s=0.5)
    keys = Keys.load(tmp_path / "keys", "controller")
    path, manifest = record_session(rig, root, subject="S01", duration_s=0.5, keys=keys)
    assert manifest.status == "complete"
    # The daemon has the same root on this machine, so its file is where it belongs already.
    assert manifest.recordings["a65"].present
    assert set(open_session(path).streams) == {"color", "depth", "thermal"}


def test_the_wrong_daemon_at_an_address_is_refused(
    rig_toml: MakeRig,
    tmp_path: Path,
    start_cli: Callable[..., "subprocess.Popen[str]"],
) -> None:
    daemon = start_cli(
        *("daemon", "--rig", rig_toml(kinect2=KINECT2), "--sensor", "kinect2"),
        *("--output", tmp_path / "there"),
    )
    assert daemon.stdout is not None
    address = daemon.stdout.readline().split()[-1]
    rig = load_rig_config(rig_toml(a65={**A65, "address": address}))
    with pytest.raises(ControlError, match="expected 'a65'"):
        record_session(rig, tmp_path / "root", subject="S01", duration_s=1.0)


def test_the_controller_goes_on_with_a_second_part_and_into_the_next_session(
    rig_toml: MakeRig, tmp_path: Path
) -> None:
    rig = load_rig_config(rig_toml(kinect2=KINECT2, a65=A65))
    with Controller(rig, tmp_path / "root") as controller:
        with pytest.raises(ControlError, match="expected armed"):
            controller.start()
        controller.connect()
        controller.arm(SessionPlan("S01"))
        assert controller.snapshot.phase == "armed"
        controller.disarm()
        assert not list((tmp_path / "root").iterdir())

        controller.arm(SessionPlan("S01"))
        controller.start()
        wait_for(lambda: controller.poll() and controller.flowing)
        os.kill(recording_process(os.getpid(), "a65.mcap"), signal.SIGKILL)
        wait_for(lambda: "died" in controller.poll().failures.get("a65", ""))
        with pytest.raises(ControlError, match="kinect2 has not failed"):
            controller.reconnect("kinect2")
        controller.reconnect("a65")
        wait_for(lambda: controller.poll().statuses["a65"].state == "recording")
        wait_for(lambda: controller.poll().statuses["a65"].streams["thermal"].n_frames > 5)
        controller.mark("it is back")
        path, manifest = controller.stop()
        assert manifest.status == "failed"
        assert "a65: its daemon died (signal 9)" in str(manifest.error)
        told = {name: summary.status for name, summary in manifest.recordings.items()}
        assert told == {"kinect2": "complete", "a65": "failed", "a65_2": "complete"}
        assert any("a65: was lost, records again" in words for words in manifest.warnings)
        assert manifest.start_achieved_ns is not None
        assert manifest.stop_achieved_ns is not None
        assert manifest.start_achieved_ns < manifest.stop_achieved_ns
        session = open_session(path)
        assert set(session.recordings) == set(told)
        assert sum(event.kind == "marker" for event in session.events) == 2

        controller.arm(SessionPlan("S02", duration_s=1.0))
        controller.start()
        wait_for(lambda: controller.poll() and controller.due)
        path, manifest = controller.stop()
        assert (manifest.status, controller.snapshot.phase) == ("complete", "idle")
        assert set(open_session(path).streams) == {"color", "depth", "thermal"}
