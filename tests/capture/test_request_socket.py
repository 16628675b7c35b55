"""Requests never wait to be sent: not for who is not there, nor for who does not let us in."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import zmq

from capture.errors import ConfigError, ControlError
from capture.keys import Keys, create_keys
from capture.request_socket import RequestSocket

Server = zmq.Socket[bytes]
N_MORE_THAN_ZEROMQ_KEEPS = 1500
ANSWER_MS = 10_000

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def context() -> Iterator[zmq.Context[Server]]:
    made: zmq.Context[Server] = zmq.Context()
    yield made
    made.destroy(linger=0)


@pytest.fixture
def address() -> str:
    """Where nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"tcp://127.0.0.1:{free.getsockname()[1]}"


@contextmanager
def listening(address: str, keys: Keys | None = None) -> Iterator[Server]:
    context: zmq.Context[Server] = zmq.Context()
    gate = None if keys is None else keys.start_gate(context)
    server = context.socket(zmq.ROUTER)
    if keys is not None:
        keys.secure_server(server)
    server.bind(address)
    try:
        yield server
    finally:
        server.close(linger=0)
        if gate is not None:
            gate.stop()
        context.destroy(linger=0)


def check_answered(line: RequestSocket, server: Server) -> None:
    line.send([b"last"])
    while True:  # some of what waited may come first
        assert server.poll(ANSWER_MS), "the request did not come"
        peer, text, *_ = server.recv_multipart()
        if text == b"last":
            break
    server.send_multipart([peer, b"answer"])
    assert line.poll(ANSWER_MS)
    assert line.receive() == [b"answer"]


def test_who_is_away_for_hours_is_reached_when_back(
    context: zmq.Context[Server], address: str
) -> None:
    line = RequestSocket(context, address)
    for _ in range(N_MORE_THAN_ZEROMQ_KEEPS):
        line.send([b"early", b"part"])
    with listening(address) as server:
        check_answered(line, server)
    line.close()
    line.close()


def test_who_did_not_let_us_in_is_reached_once_the_keys_are_known(
    context: zmq.Context[Server], address: str, tmp_path: Path
) -> None:
    create_keys(tmp_path / "ours")
    create_keys(tmp_path / "others")
    ours, others = Keys.load(tmp_path / "ours", "daemon"), Keys.load(tmp_path / "others", "daemon")
    line = RequestSocket(context, address, Keys.load(tmp_path / "ours", "controller"))
    with listening(address, Keys(ours.public, ours.secret, others.peer)) as stranger:
        ends_s = time.monotonic() + 1.5
        while time.monotonic() < ends_s:
            line.send([b"first", b"part"])
            assert not line.poll(20)
        assert not stranger.poll(0)
    with listening(address, ours) as server:
        check_answered(line, server)
    line.close()


@pytest.mark.parametrize("address", ["127.0.0.1:5555", "tcp://127.0.0.1", "tcp://no such host:1"])
def test_what_is_no_address_is_refused(context: zmq.Context[Server], address: str) -> None:
    with pytest.raises((ConfigError, ControlError)):
        RequestSocket(context, address)
