"""A session whose recording lies with a daemon, to be gathered from there."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from capture.config import RigConfig, SensorEntry
from capture.daemon import Daemon
from capture.gather import Gathering, gather_session
from capture.keys import Keys
from capture.sensor import SensorConfig
from capture.session import create_session
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
