"""Connections that are no messages: raw bytes, half handshakes, giant messages, wrong keys."""

import re
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import zmq

from capture.client import DaemonClient
from capture.errors import ControlError
from capture.keys import Keys, create_keys
from capture.messages import (
    Arm,
    Describe,
    Description,
    Finish,
    ListFiles,
    Mark,
    ProbeRequest,
    Start,
    Status,
    Stop,
)
from capture.recording import open_recording
from capture.wire import Message, pack

DEADLINE_S = 30.0
MEGABYTE = 1 << 20
RIG = """\
schema_version = 1
name = "test"
[[sensor]]
name = "cam"
kind = "test-pattern"
[sensor.options]
rate_hz = 100.0
width_px = 32
height_px = 24
"""


def ports_of(address: str, about: Description) -> list[str]:
    """Return the ports of all sockets that a daemon has, whichever these are today."""
    others = [field.name for field in fields(Description) if field.name.endswith("_port")]
    assert len(others) == 3
    return [address.rpartition(":")[2], *(str(getattr(about, name)) for name in others)]


def target(address: str) -> tuple[str, int]:
    host, _, port = address.removeprefix("tcp://").rpartition(":")
    return host.strip("[]"), int(port)


@pytest.fixture
def daemon_process(tmp_path: Path) -> Iterator[tuple[int, str, Path]]:
    """The daemon as the command runs it: process id, address, output."""
    rig, output = tmp_path / "rig.toml", tmp_path / "output"
    rig.write_text(RIG)
    command = [sys.executable, "-m", "capture.cli", "daemon", "--rig", str(rig)]
    with subprocess.Popen(
        [*command, "--sensor", "cam", "--output", str(output)], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            found = re.search(r"tcp://\S+", line)
            assert found, line
            yield process.pid, found[0], output
        finally:
            process.terminate()
            assert process.wait(DEADLINE_S) in (0, 143)


def resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096


def recorded(peer: Any, session: str) -> None:
    assert isinstance(peer.ask(Arm(session, "u-1")), Status)
    peer.until("armed")
    assert isinstance(peer.ask(Start(time.monotonic_ns() + 20_000_000, "u-1")), Status)


def finished(peer: Any, path: Path) -> None:
    assert isinstance(peer.ask(Stop(time.monotonic_ns() + 50_000_000, "u-1")), Status)
    peer.until("stopped")
    assert isinstance(peer.ask(Finish("u-1")), Status)
    recording = open_recording(path)
    assert recording.complete
    assert len(recording.streams["color"]) > 1
    # What a pattern skips when the whole machine is late is the sensor's; we dropped nothing.
    assert [event.kind for event in recording.events if event.kind != "marker"] == []


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="measures memory on Linux")
def test_memory_stays_bounded(daemon_process: tuple[int, str, Path], make_peer: Any) -> None:
    pid, address, output = daemon_process
    with make_peer(address) as peer:
        recorded(peer, "s1")
        before_bytes = resident_bytes(pid)
        with make_peer(address) as deaf:  # asks, and never fetches an answer
            deaf.socket.sndtimeo = 50
            large = pack(Message(Mark("marker", "x" * (MEGABYTE // 2), 0)))
            for _ in range(600):
                try:
                    deaf.send(large)
                except zmq.Again:
                    break
            with make_peer(address) as giant:
                giant.socket.sndtimeo = 50
                for _ in range(10):
                    try:
                        giant.send([b"poll", b"{}", bytes(20 * MEGABYTE)])
                    except zmq.Again:
                        break
            assert peer.status().state == "recording"
            assert resident_bytes(pid) - before_bytes < 150 * MEGABYTE
        finished(peer, output / "s1" / "cam.mcap")


GREETING = b"\xff\0\0\0\0\0\0\0\1\x7f\3\0NULL" + bytes(16) + b"\0" + bytes(31)
"""Of ZMTP 3.0, 64 bytes."""
RAW = [
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
    b"\xff" * 4096,
    bytes(4096),
    GREETING[:20],
    GREETING,
    GREETING + b"\4\x26\5READY" + bytes(33),
    GREETING + b"\2" + struct.pack(">Q", 1 << 62) + bytes(100),
    GREETING + b"\7" + bytes(1000),
    b"\1\0" * 2000,
]


def test_raw_bytes_and_slow_handshakes_change_nothing(
    make_peer: Any, serve: Any, tmp_path: Path
) -> None:
    with serve(tmp_path) as address, make_peer(address) as peer, ExitStack() as open_sockets:
        recorded(peer, "s1")
        about = peer.ask(Describe())
        assert isinstance(about, Description)
        host, port = target(address)
        for number in (port, about.probe_port, about.publish_port, about.files_port):
            for data in RAW:
                connection = open_sockets.enter_context(socket.create_connection((host, number), 5))
                connection.sendall(data)
            for _ in range(30):  # who connect and say nothing, or a byte
                connection = open_sockets.enter_context(socket.create_connection((host, number), 5))
                connection.sendall(b"\xff")
            assert peer.status().state == "recording"
        finished(peer, tmp_path / "s1" / "cam.mcap")


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    folder = tmp_path / "keys"
    create_keys(folder)
    return folder


@pytest.fixture
def strangers(keys: Path, tmp_path: Path) -> dict[str, Keys | None]:
    """Everybody but the controller."""
    create_keys(tmp_path / "others")
    ours = Keys.load(keys, "controller")
    daemon = Keys.load(keys, "daemon")
    others = Keys.load(tmp_path / "others", "controller")
    return {
        "without keys": None,
        "of another rig": others,
        "who knows the daemon's public key": Keys(others.public, others.secret, ours.peer),
        "with the controller's public key": Keys(ours.public, others.secret, ours.peer),
        "with another daemon's keys": Keys(daemon.public, daemon.secret, ours.peer),
    }


def test_only_the_controller_gets_in_by_any_socket(
    keys: Path, strangers: dict[str, Keys | None], make_peer: Any, serve: Any, tmp_path: Path
) -> None:
    """Control, probes and publications, on loopback too once there are keys."""
    controller, output = Keys.load(keys, "controller"), tmp_path / "output"
    with serve(output, Keys.load(keys, "daemon")) as address:
        base = address.rpartition(":")[0]
        with make_peer(address, controller) as peer, ExitStack() as stack:
            recorded(peer, "s1")
            about = peer.ask(Describe())
            assert isinstance(about, Description)
            published = f"{base}:{about.publish_port}"
            ears = {
                who: stack.enter_context(_Ear(published, own))
                for who, own in [*strangers.items(), ("the controller", controller)]
            }
            tongues = []
            for own in strangers.values():
                for port in ports_of(address, about):
                    tongue = stack.enter_context(make_peer(f"{base}:{port}", own))
                    tongue.socket.sndtimeo = 0
                    with suppress(zmq.Again):  # shown the door before everything was said
                        for body in (Finish(), ProbeRequest(5), ListFiles("s1")):
                            tongue.send(pack(Message(body)))
                    tongues.append(tongue)
            assert ears["the controller"].socket.poll(5000), "nothing is published"
            heard = {who for who, ear in ears.items() if ear.socket.poll(0)}
            assert heard == {"the controller"}
            assert not any(tongue.socket.poll(0) for tongue in tongues)
            assert peer.status().state == "recording"
            finished(peer, output / "s1" / "cam.mcap")


def test_who_is_not_let_in_is_told_so_however_often_it_asks(
    keys: Path, strangers: dict[str, Keys | None], serve: Any, tmp_path: Path
) -> None:
    """A refused socket never connects again, and to send on it would wait for ever."""
    with serve(tmp_path / "output", Keys.load(keys, "daemon")) as address:
        for own in strangers.values():
            with DaemonClient("cam", address, keys=own) as client:
                for _ in range(4):
                    with pytest.raises(ControlError, match=r"did not answer .*the keys"):
                        client.describe(timeout_s=0.2)
        with DaemonClient("cam", address, keys=Keys.load(keys, "controller")) as client:
            assert client.describe()


class _Ear:
    def __init__(self, address: str, keys: Keys | None) -> None:
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.SUB)
        self.socket.linger = 0
        self.socket.subscribe(b"")
        if keys is not None:
            keys.secure_client(self.socket)
        self.socket.connect(address)

    def __enter__(self) -> "_Ear":
        return self

    def __exit__(self, *error: object) -> None:
        self.context.destroy(linger=0)


def test_a_false_daemon_is_not_believed(
    keys: Path, strangers: dict[str, Keys | None], make_peer: Any, serve: Any, tmp_path: Path
) -> None:
    """Who listens in the daemon's place without its secret key gets no command."""
    others = Keys.load(tmp_path / "others", "daemon")
    ours = Keys.load(keys, "controller")
    false = Keys(others.public, others.secret, ours.public)
    for impostor in (None, false):
        with serve(tmp_path / "false", impostor) as address, make_peer(address, ours) as peer:
            peer.send(pack(Message(Arm("s1", "u-1"))))
            assert not peer.socket.poll(500)
    assert not (tmp_path / "false").exists()
