"""Recordings come to the controller once, and only those of the session."""

import hashlib
import socket
from pathlib import Path
from types import SimpleNamespace

import pytest

from capture.cli import main
from capture.config import RigConfig, SensorEntry
from capture.file_copy import GatherProgress
from capture.gather import gather_session
from capture.keys import Keys, create_keys
from capture.manifest import read_manifest
from capture.recover import recover_recording
from capture.session import SessionFolder, create_session
from capture.structure import encode

from .remote_session import (
    WriteRecording,
    gather,
    quick,
    rig_at,
    serving,
    session,
    small_pieces,
)

__all__ = ["quick", "session", "small_pieces"]


def test_recordings_come_here_once_and_the_manifest_says_so(
    session: SimpleNamespace, small_pieces: None
) -> None:
    seen: list[GatherProgress] = []
    with serving(session.root) as daemon:
        gathering = gather(session, daemon, on_progress=seen.append)
        assert gathering.failures == {}
        content = session.remote.read_bytes()
        assert session.here.read_bytes() == content
        file = gathering.files[0]
        assert (file.outcome, file.n_bytes_copied) == ("copied", len(content))
        summary = read_manifest(session.path).recordings["kinect2"]
        assert (summary.present, summary.status) == (True, "complete")
        assert summary.n_bytes == len(content)
        assert summary.digest == "blake2b:" + hashlib.blake2b(content).hexdigest()
        assert summary.streams["color"].n_frames == 300
        assert [p.n_bytes_done for p in seen] == sorted(p.n_bytes_done for p in seen)
        assert (seen[-1].n_bytes_done, seen[-1].eta_s) == (len(content), 0.0)
        again = gather(session, daemon)
        assert [f.outcome for f in again.files] == ["already there"]
    assert sorted(p.name for p in session.path.iterdir()) == ["kinect2.mcap", "session.json"]
    assert session.remote.read_bytes() == content  # the daemon keeps its copy


def test_all_parts_come(
    session: SimpleNamespace, write_recording: WriteRecording, small_pieces: None
) -> None:
    uuid = read_manifest(session.path).uuid
    write_recording(session.remote.with_name("kinect2_2.mcap"), uuid=uuid, n=20)
    write_recording(session.remote.with_name("kinect2_left.mcap"), uuid=uuid, n=20)
    with serving(session.root) as daemon:
        gathering = gather(session, daemon)
    assert [file.file for file in gathering.files] == ["kinect2.mcap", "kinect2_2.mcap"]
    recordings = read_manifest(session.path).recordings
    assert recordings["kinect2_2"].streams["depth"].n_frames == 20
    assert recordings["kinect2_2"].status == "complete"


def test_a_file_that_is_there_is_never_touched(
    session: SimpleNamespace, write_recording: WriteRecording
) -> None:
    uuid = read_manifest(session.path).uuid
    write_recording(session.here, uuid=uuid, n=10)
    before = session.here.read_bytes()
    with serving(session.root) as daemon:
        gathering = gather(session, daemon)
        assert "is another file than kinect2.mcap of kinect2" in gathering.failures["kinect2"]
        same_size = bytearray(session.remote.read_bytes())
        same_size[-1] ^= 1
        session.here.write_bytes(same_size)
        assert "is another file" in gather(session, daemon).failures["kinect2"]
        assert session.here.read_bytes() == same_size
    assert before != same_size


def test_what_was_recovered_here_is_known_again(session: SimpleNamespace) -> None:
    content = session.remote.read_bytes()
    session.remote.write_bytes(content[: len(content) // 2])
    with serving(session.root) as daemon:
        assert gather(session, daemon).files[0].outcome == "copied"
        summary = read_manifest(session.path).recordings["kinect2"]
        assert summary.status == "failed"
        assert summary.error
        recover_recording(session.here)
        recovered = session.here.read_bytes()
        assert gather(session, daemon).files[0].outcome == "recovered here"
    assert session.here.read_bytes() == recovered


def test_what_is_still_written_or_not_there_is_not_copied(
    session: SimpleNamespace, write_recording: WriteRecording
) -> None:
    uuid = read_manifest(session.path).uuid
    session.remote.unlink()
    with serving(session.root) as daemon:
        assert "has no recording of" in gather(session, daemon).failures["kinect2"]
        write_recording(session.remote, uuid=uuid, n=10, close=False)
        assert "is still recording" in gather(session, daemon).failures["kinect2"]
    assert not session.here.exists()


def test_a_session_of_the_same_name_is_not_taken_for_this_one(
    session: SimpleNamespace, write_recording: WriteRecording
) -> None:
    session.remote.unlink()
    write_recording(session.remote, uuid="another")
    with serving(session.root) as daemon:
        assert "belongs to another session" in gather(session, daemon).failures["kinect2"]
    assert not session.here.exists()


def test_another_daemon_and_none_at_all_are_told(session: SimpleNamespace, quick: None) -> None:
    with serving(session.root) as daemon:
        folder = SessionFolder(session.path, read_manifest(session.path))
        named = SensorEntry("a65", "test-pattern", daemon.address)
        folder.update(rig=encode(RigConfig("rig", (named,))))
        failures = gather_session(session.path).failures
        assert "is 'kinect2', expected 'a65'" in failures["a65"]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = f"tcp://127.0.0.1:{free.getsockname()[1]}"
        folder.update(rig=encode(rig_at(nobody)))
        assert "did not answer" in gather_session(session.path).failures["kinect2"]


def test_a_full_disk_is_told_before_the_copy(
    session: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=201 << 20))
    session.remote.write_bytes(session.remote.read_bytes() + bytes(2 << 20))
    with serving(session.root) as daemon:
        assert "free some space" in gather(session, daemon).failures["kinect2"]


def test_with_keys_only_the_known_controller_gets_files(
    session: SimpleNamespace, tmp_path: Path, quick: None
) -> None:
    for name in ("known", "unknown"):
        create_keys(tmp_path / name)
    daemon_keys = Keys.load(tmp_path / "known", "daemon")
    with serving(session.root, keys=daemon_keys) as daemon:
        for keys in (None, Keys.load(tmp_path / "unknown", "controller")):
            assert "kinect2" in gather(session, daemon, keys=keys).failures
            assert not session.here.exists()
        known = Keys.load(tmp_path / "known", "controller")
        assert gather(session, daemon, keys=known).failures == {}
    assert session.here.read_bytes() == session.remote.read_bytes()


def test_a_rig_all_on_this_machine_has_nothing_to_gather(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for rig in ({}, encode(rig_at("local"))):
        folder = create_session(tmp_path, subject="S01", rig=rig)
        assert main(["gather", str(folder.path)]) == 0
        assert "nothing to gather" in capsys.readouterr().out
