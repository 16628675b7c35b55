"""Recordings come to the controller whole or not at all, however often the way there breaks."""

import hashlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capture.cli import main
from capture.config import RigConfig, SensorEntry
from capture.daemon import Daemon
from capture.errors import ControlError, MavferError
from capture.file_copy import GatherProgress
from capture.file_server import SessionFiles
from capture.gather import Gathering, gather_session
from capture.keys import Keys, create_keys
from capture.manifest import read_manifest
from capture.recording import open_recording
from capture.recover import recover_recording
from capture.sensor import SensorConfig
from capture.session import SessionFolder, create_session
from capture.structure import encode

WriteRecording = Callable[..., Path]
DEADLINE_S = 60.0
PIECE_BYTES = 16 << 10


@contextmanager
def serving(root: Path, *, keys: Keys | None = None) -> Iterator[SimpleNamespace]:
    """A daemon in a thread of this process, over real sockets."""
    ready = threading.Event()
    state = SimpleNamespace()

    def serve() -> None:
        sensor = SensorConfig("kinect2", "test-pattern", {})
        state.daemon = Daemon(sensor, root, "tcp://127.0.0.1:*", keys=keys)
        state.address = state.daemon.endpoint.address
        ready.set()
        state.daemon.serve()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        assert ready.wait(DEADLINE_S)
        yield state
    finally:
        state.daemon.stop()
        thread.join(DEADLINE_S)
        assert not thread.is_alive()


def rig_at(address: str) -> RigConfig:
    return RigConfig("rig", (SensorEntry("kinect2", "test-pattern", address),))


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("file_copy", "file_client"):
        monkeypatch.setattr(f"capture.{module}.MAX_PIECE_BYTES", PIECE_BYTES)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("capture.file_client.SILENT_S", 1.5)
    monkeypatch.setattr("capture.file_client._RESEND_S", 0.3)
    monkeypatch.setattr("capture.gather._DESCRIBE_S", 1.5)


@pytest.fixture
def session(tmp_path: Path, write_recording: WriteRecording) -> SimpleNamespace:
    """A session whose only recording lies with a daemon: the folders here and there."""
    folder = create_session(
        tmp_path / "here", subject="S01", rig=encode(rig_at("tcp://127.0.0.1:5570"))
    )
    folder.update(status="complete")
    there = tmp_path / "there" / folder.id
    there.mkdir(parents=True)
    remote = write_recording(there / "kinect2.mcap", uuid=folder.manifest.uuid)
    return SimpleNamespace(
        path=folder.path, root=tmp_path / "there", remote=remote, here=folder.path / "kinect2.mcap"
    )


def gather(session: SimpleNamespace, daemon: SimpleNamespace, **options: object) -> Gathering:
    return gather_session(session.path, rig=rig_at(daemon.address), **options)  # type: ignore[arg-type]


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


@pytest.fixture
def files(tmp_path: Path) -> SessionFiles:
    """A root with one recording and every way out of it."""
    root, secret = tmp_path / "root", tmp_path / "secret"
    (root / "s1" / "cam_3.mcap").mkdir(parents=True)
    secret.mkdir()
    (secret / "cam.mcap").write_text("secret")
    (root / "s1" / "cam.mcap").write_text("mine")
    (root / "s1" / "other.mcap").write_text("other")
    (root / "s1" / "cam_2.mcap").symlink_to(secret / "cam.mcap")
    (root / "linked").symlink_to(secret)
    os.mkfifo(root / "s1" / "cam_4.mcap")
    (root / "cam.mcap").write_text("no session")
    return SessionFiles(root, "cam")


def test_a_daemon_lists_its_own_files_only(files: SessionFiles) -> None:
    assert [(f.name, f.n_bytes, f.in_progress) for f in files.list("s1")] == [
        ("cam.mcap", 4, False)
    ]
    assert files.list("none") == ()
    assert files.list("linked") == ()


@pytest.mark.parametrize(
    ("session_id", "name"),
    [
        *[("s1", name) for name in ("cam_2.mcap", "cam_3.mcap", "cam_4.mcap", "other.mcap")],
        *[("s1", name) for name in ("../cam.mcap", "", ".mcap", "cam", "cam_²", "cam_.mcap")],
        *[(name, "cam.mcap") for name in ("linked", "..", ".", "", "s1/..", "/", "none", "s1\0")],
    ],
)
def test_nothing_else_of_the_disk_can_be_read(
    session_id: str, name: str, files: SessionFiles
) -> None:
    with pytest.raises(MavferError), files.open(session_id, name):
        pass


def test_no_name_leads_out(files: SessionFiles) -> None:
    pieces = st.sampled_from(["..", "/", "s1", "cam", ".mcap", "_2", "linked", "secret", "\0", "."])
    names = st.lists(pieces, max_size=5).map("".join) | st.text(max_size=20)

    @given(names, names)
    def check(session_id: str, name: str) -> None:
        try:
            with files.open(session_id, name) as handle:
                assert handle.read() == b"mine"
        except MavferError:
            pass

    check()


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
