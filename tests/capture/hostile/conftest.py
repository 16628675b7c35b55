"""A real daemon over real sockets, and a peer that sends whatever it likes."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
import zmq

from capture.daemon import Daemon
from capture.keys import Keys
from capture.messages import Body, Description, Poll, Refusal, State, Status
from capture.sensor import SensorConfig
from capture.wire import Message, pack, unpack

DEADLINE_S = 30.0
SENSOR = SensorConfig("cam", "test-pattern", {"rate_hz": 50.0, "width_px": 32, "height_px": 24})


class Peer:
    """Somebody who found the control socket."""

    def __init__(self, address: str, keys: Keys | None = None) -> None:
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.DEALER)
        self.socket.linger = 0
        self.socket.ipv6 = "[" in address
        if keys is not None:
            keys.secure_client(self.socket)
        self.socket.connect(address)
        self._number = 0

    def send(self, parts: Sequence[bytes]) -> None:
        self.socket.send_multipart(list(parts))

    def answer(self, timeout_s: float = DEADLINE_S) -> Message:
        assert self.socket.poll(round(timeout_s * 1000)), "no answer"
        return unpack(self.socket.recv_multipart())

    def ask(self, body: Body) -> Status | Refusal | Description:
        """Ask, and wait for the answer to just this."""
        self._number += 1
        self.send(pack(Message(body, self._number)))
        while (message := self.answer()).number != self._number:
            assert isinstance(message.body, Refusal), message  # of some garbage before
        assert isinstance(message.body, Status | Refusal | Description)
        return message.body

    def status(self) -> Status:
        answer = self.ask(Poll())
        assert isinstance(answer, Status)
        return answer

    def until(self, state: State) -> Status:
        deadline_s = time.monotonic() + DEADLINE_S
        while (status := self.status()).state != state:
            assert time.monotonic() < deadline_s, status
            time.sleep(0.005)
        return status

    def close(self) -> None:
        self.context.destroy(linger=0)

    def __enter__(self) -> "Peer":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


@contextmanager
def serving(output: Path, keys: Keys | None = None, host: str = "127.0.0.1") -> Iterator[str]:
    """A daemon in a thread, which must end as it should."""
    daemon = Daemon(SENSOR, output, f"tcp://{host}:*", keys=keys)
    fell: list[BaseException] = []

    def serve() -> None:
        try:
            daemon.serve()
        except BaseException as error:  # noqa: BLE001  # reported below
            fell.append(error)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield daemon.endpoint.address
    finally:
        daemon.stop()
        thread.join(DEADLINE_S)
        assert not thread.is_alive()
        assert not fell, f"the daemon fell: {fell[0]!r}"


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("around") / "output"


@pytest.fixture(scope="module")
def address(output: Path) -> Iterator[str]:
    with serving(output) as address:
        yield address


@pytest.fixture
def peer(address: str) -> Iterator[Peer]:
    with Peer(address) as peer:
        yield peer


@pytest.fixture
def make_peer() -> type[Peer]:
    return Peer


@pytest.fixture
def serve() -> object:
    return serving
