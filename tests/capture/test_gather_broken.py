"""Recordings come to the controller whole, however often the way there breaks."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from capture.cli import main
from capture.errors import ControlError
from capture.file_copy import GatherProgress
from capture.recording import open_recording

from .remote_session import DEADLINE_S, PIECE_BYTES, gather, quick, serving, session, small_pieces

__all__ = ["quick", "session", "small_pieces"]


def test_a_copy_cut_short_goes_on_where_it_ended(
    session: SimpleNamespace, small_pieces: None, quick: None
) -> None:
    n_bytes = session.remote.stat().st_size
    with serving(session.root) as daemon:

        def leave(progress: GatherProgress) -> None:
            if progress.n_bytes_done > n_bytes // 4:
                daemon.daemon._files.close()

        failed = gather(session, daemon, on_progress=leave)
    assert "is silent for" in failed.failures["kinect2"]
    assert "run the same command again" in failed.failures["kinect2"]
    assert not session.here.exists()
    part = session.path / "kinect2.mcap.part"
    n_there = part.stat().st_size
    assert n_bytes // 4 < n_there < n_bytes
    with serving(session.root) as daemon:
        file = gather(session, daemon).files[0]
    assert file.outcome == "resumed"
    assert file.n_bytes_copied == n_bytes - n_there
    assert session.here.read_bytes() == session.remote.read_bytes()
    assert not part.exists()


@pytest.mark.parametrize("damage", ["early", "late", "longer", "other"])
def test_only_what_verifies_of_an_earlier_copy_is_kept(
    damage: str, session: SimpleNamespace, small_pieces: None
) -> None:
    content = bytearray(session.remote.read_bytes())
    early, late = PIECE_BYTES // 2, len(content) - PIECE_BYTES // 2
    if damage in ("early", "late"):
        content[early if damage == "early" else late] ^= 1
    elif damage == "longer":
        content += b"more"
    else:
        content = bytearray(random.Random(1).randbytes(len(content)))
    (session.path / "kinect2.mcap.part").write_bytes(content)
    with serving(session.root) as daemon:
        file = gather(session, daemon).files[0]
    assert session.here.read_bytes() == session.remote.read_bytes()
    kept = file.n_bytes - file.n_bytes_copied
    if damage == "late":
        assert file.n_bytes - 2 * PIECE_BYTES <= kept <= late
    else:
        assert kept == (file.n_bytes if damage == "longer" else 0)


def test_damaged_pieces_and_lost_answers_are_asked_for_again(
    session: SimpleNamespace, small_pieces: None, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from capture import file_server

    honest = file_server.FileServer._answer
    n_asked = 0

    def lossy(self: file_server.FileServer) -> None:
        nonlocal n_asked
        n_asked += 1
        if n_asked % 17 == 9:
            self._socket.recv_multipart()
        else:
            honest(self)

    digest = file_server.digest_piece
    n_digests = 0

    def unreliable(data: bytes) -> str:
        nonlocal n_digests
        n_digests += 1
        return "0" if n_digests in (3, 4, 11) else digest(data)

    monkeypatch.setattr(file_server.FileServer, "_answer", lossy)
    monkeypatch.setattr(file_server, "digest_piece", unreliable)
    with serving(session.root) as daemon:
        gathering = gather(session, daemon)
        assert gathering.failures == {}
        assert session.here.read_bytes() == session.remote.read_bytes()
        session.here.unlink()
        monkeypatch.setattr(file_server, "digest_piece", lambda _: "0")
        assert "came damaged" in gather(session, daemon).failures["kinect2"]


def test_a_file_that_changes_meanwhile_is_noticed(
    session: SimpleNamespace, small_pieces: None
) -> None:
    def change(progress: GatherProgress) -> None:
        if progress.n_bytes_done > progress.n_bytes // 2:
            with session.remote.open("r+b") as handle:
                handle.seek(5000)
                handle.write(os.urandom(8))

    with serving(session.root) as daemon:
        failures = gather(session, daemon, on_progress=change).failures
        assert "changed at kinect2" in failures["kinect2"]
    assert [p.name for p in session.path.iterdir()] == ["session.json"]


def test_a_daemon_killed_in_the_middle_and_started_again(
    session: SimpleNamespace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The real commands: SIGKILL while pieces are under way, then both once more."""
    content = session.remote.read_bytes()
    session.remote.write_bytes(content + os.urandom(48 << 20))  # after the end mark: ignored
    bind = _free_address()
    rig = tmp_path / "rig.toml"
    rig.write_text(
        'schema_version = 1\nname = "rig"\n[[sensor]]\nname = "kinect2"\n'
        f'kind = "test-pattern"\naddress = "{bind}"\n'
    )
    command = [sys.executable, "-P", "-m", "capture.cli", "daemon", "--rig", str(rig)]
    command += ["--sensor", "kinect2", "--bind", bind, "--output", str(session.root)]
    ask = ["gather", str(session.path), "--rig", str(rig), "--quiet", "--json"]
    part = session.path / "kinect2.mcap.part"
    with subprocess.Popen(command, stdout=subprocess.PIPE) as daemon:
        assert daemon.stdout is not None
        daemon.stdout.readline()
        with subprocess.Popen([*command[:4], *ask], stdout=subprocess.PIPE) as gatherer:
            deadline_s = time.monotonic() + DEADLINE_S
            while not part.exists() or part.stat().st_size < 4 << 20:
                assert time.monotonic() < deadline_s
                time.sleep(0.001)
            gatherer.send_signal(signal.SIGSTOP)  # so that it cannot be done before the kill
            daemon.kill()
            daemon.wait(DEADLINE_S)
            gatherer.kill()
    n_there = part.stat().st_size
    assert not session.here.exists()
    with subprocess.Popen(command, stdout=subprocess.PIPE) as daemon:
        assert daemon.stdout is not None
        daemon.stdout.readline()
        try:
            assert main(ask) == 0
            file = json.loads(capsys.readouterr().out)["files"][0]
        finally:
            daemon.terminate()
            daemon.wait(DEADLINE_S)
    assert session.here.read_bytes() == session.remote.read_bytes()
    if n_there < file["n_bytes"]:
        assert file["outcome"] == "resumed"
        assert file["n_bytes_copied"] <= file["n_bytes"] - n_there + (1 << 20)
    assert open_recording(session.here).streams["color"].n_dropped == 0


def _free_address() -> str:
    """Find a port with three free ones above it."""
    for _ in range(100):
        with socket.socket() as first:
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            try:
                for step in (1, 2, 3):
                    with socket.socket() as other:
                        other.bind(("127.0.0.1", port + step))
            except (OSError, OverflowError):
                continue
            return f"tcp://127.0.0.1:{port}"
    raise ControlError("no free ports")
