import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import zmq

import capture.daemon
from capture.client import DaemonClient
from capture.clock import HostClock
from capture.codec import decode_jpeg
from capture.daemon import Daemon
from capture.errors import ConfigError, ControlError, MavferError
from capture.keys import Keys, create_keys
from capture.messages import (
    Abort,
    Arm,
    Finish,
    Preview,
    ProbeReply,
    Shutdown,
    Start,
    Status,
    Stop,
)
from capture.probing import Prober
from capture.recording import open_recording
from capture.sensor import SensorConfig
from capture.wire import Message, pack, unpack

DEADLINE_S = 30.0
SENSOR = SensorConfig("cam", "test-pattern", {"rate_hz": 60.0, "width_px": 64, "height_px": 48})


@contextmanager
def running(
    output: Path, *, keys: Keys | None = None, clock: HostClock | None = None
) -> Iterator[str]:
    """A daemon in a thread of this process, over real sockets."""
    ready = threading.Event()
    address: list[str] = []
    daemons: list[Daemon] = []

    def serve() -> None:
        daemons.append(Daemon(SENSOR, output, "tcp://127.0.0.1:*", keys=keys, clock=clock))
        address.append(daemons[0].endpoint.address)
        ready.set()
        daemons[0].serve()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        assert ready.wait(DEADLINE_S)
        yield address[0]
    finally:
        daemons[0].stop()
        thread.join(DEADLINE_S)
        assert not thread.is_alive()


def until(client: DaemonClient, state: str) -> Status:
    deadline_s = time.monotonic() + DEADLINE_S
    while (status := client.poll(timeout_s=DEADLINE_S)).state != state:
        assert time.monotonic() < deadline_s, status
        time.sleep(0.01)
    return status


def test_a_whole_session_over_sockets(tmp_path: Path) -> None:
    clock = HostClock(offset_ns=3_600_000_000_000, skew_ppm=-15.0)
    with running(tmp_path, clock=clock) as address, DaemonClient("cam", address) as client:
        about = client.describe(timeout_s=DEADLINE_S)
        assert (about.name, about.kind) == ("cam", "test-pattern")
        client.request(Arm("s1", "u-1"))
        prober = Prober({"cam": (client.sibling(about.probe_port), None)})
        prober.start()
        until(client, "armed")
        start_ns = clock.monotonic_ns() + 200_000_000
        client.request(Start(start_ns))
        client.request(Stop(start_ns + 300_000_000))
        until(client, "stopped")
        prober.close()
        client.request(Finish(), timeout_s=DEADLINE_S)
        seen = prober.probes("cam")
        now_ns = time.monotonic_ns()
        assert abs(prober.clock("cam").apply_one(clock.at(now_ns)) - now_ns) < 50_000_000
    recording = open_recording(tmp_path / "s1" / "cam.mcap")
    assert recording.complete
    assert set(recording.probes) <= set(seen)
    assert len(recording.probes) >= 32  # a burst after arming and one after the stop
    stream = recording.streams["color"]
    assert len(stream) > 0
    # The controller's clock is this process's: the recorded offset of an hour is gone.
    assert abs(int(stream.capture_time_ns[0]) - clock.invert(start_ns)) < 100_000_000


def test_refusals_carry_the_remedy(tmp_path: Path) -> None:
    with running(tmp_path) as address, DaemonClient("cam", address) as client:
        with pytest.raises(ControlError, match="expected armed"):
            client.request(Start(0))
        with pytest.raises(ControlError, match="session id"):
            client.request(Arm("../../tmp/x", "u"))
        with pytest.raises(ControlError, match="is no request"):
            client.request(ProbeReply(0, 0, 0))
        assert client.poll().state == "idle"


def test_garbage_on_the_sockets_changes_nothing(tmp_path: Path) -> None:
    with running(tmp_path) as address, DaemonClient("cam", address) as client:
        probes = client.sibling(client.describe().probe_port)
        with zmq.Context() as context, context.socket(zmq.DEALER) as socket:
            socket.linger = 0
            socket.connect(address)
            socket.connect(probes)
            for _ in range(20):
                socket.send_multipart([b"\x00\xff", b"junk"])
                socket.send(b"")
                socket.send_multipart([*pack(Message(Abort())), b"more"])
        assert client.poll(timeout_s=DEADLINE_S).state == "idle"


def test_status_and_preview_are_published(tmp_path: Path) -> None:
    with running(tmp_path) as address, DaemonClient("cam", address) as client:
        published = client.sibling(client.describe().publish_port)
        with zmq.Context() as context, context.socket(zmq.SUB) as socket:
            socket.linger = 0
            socket.subscribe(b"status/cam")
            socket.subscribe(b"preview/color")
            socket.connect(published)
            client.request(Arm("s1", "u-1"))
            seen: dict[type, Message] = {}
            deadline_s = time.monotonic() + DEADLINE_S
            while len(seen) < 2:
                assert time.monotonic() < deadline_s
                if socket.poll(100):
                    message = unpack(socket.recv_multipart())
                    seen[type(message.body)] = message
        preview = seen[Preview]
        assert isinstance(preview.body, Preview)
        assert preview.body.modality == "color"
        assert decode_jpeg(preview.payload).shape == (48, 64, 3)


def test_a_daemon_whose_controller_is_gone_closes_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capture.daemon, "ORPHAN_LIMIT_S", 0.5)
    path = tmp_path / "s1" / "cam.mcap"
    with running(tmp_path) as address:
        with DaemonClient("cam", address) as client:
            client.request(Arm("s1", "u-1"))
            until(client, "armed")
            client.request(Start(HostClock().monotonic_ns() + 50_000_000))
        deadline_s = time.monotonic() + DEADLINE_S
        while not open_recording(path).complete:
            assert time.monotonic() < deadline_s
            time.sleep(0.05)
    assert len(open_recording(path).streams["color"]) > 0


def test_a_daemon_whose_starter_is_gone_ends_when_nobody_asks_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capture.daemon, "CONTROLLER_TIMEOUT_S", 0.5)
    alone = threading.Event()
    daemon = Daemon(SENSOR, tmp_path, "tcp://127.0.0.1:*")
    thread = threading.Thread(target=lambda: daemon.serve(orphaned=alone.is_set))
    thread.start()
    with DaemonClient("cam", daemon.endpoint.address) as client:
        client.request(Arm("s1", "u-1"))
        until(client, "armed")
        client.request(Start(HostClock().monotonic_ns() + 50_000_000))
        alone.set()
        with DaemonClient("cam", daemon.endpoint.address) as stranger:
            for _ in range(30):  # looking on is no word from the session's controller
                stranger.poll()
                time.sleep(0.05)
        client.follow("u-1")
        assert client.poll().state == "recording"
        client.request(Stop(HostClock().monotonic_ns()))
        until(client, "stopped")
        client.request(Finish())
    thread.join(DEADLINE_S)
    assert not thread.is_alive()
    assert len(open_recording(tmp_path / "s1" / "cam.mcap").streams["color"]) > 50


def test_a_daemon_told_to_end_ends(tmp_path: Path) -> None:
    with running(tmp_path) as address, DaemonClient("cam", address) as client:
        client.request(Shutdown())
        deadline_s = time.monotonic() + DEADLINE_S
        with suppress(ControlError):
            while time.monotonic() < deadline_s:
                client.poll(timeout_s=0.2)
        assert time.monotonic() < deadline_s


def test_no_answer_is_an_error_in_time() -> None:
    with DaemonClient("cam", "tcp://127.0.0.1:9") as client:
        started_s = time.monotonic()
        with pytest.raises(ControlError, match="did not answer describe within"):
            client.describe(timeout_s=0.2)
        assert time.monotonic() - started_s < DEADLINE_S


@pytest.mark.parametrize(
    "bind", ["tcp://0.0.0.0:5570", "tcp://127.0.0.1:99999", "tcp://127.0.0.1:x", "ipc:///tmp/x"]
)
def test_addresses_that_cannot_be_served_are_refused(bind: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        Daemon(SENSOR, tmp_path, bind)


def test_a_port_in_use_is_one_clear_error(tmp_path: Path) -> None:
    with running(tmp_path) as address, pytest.raises(ConfigError, match="cannot listen"):
        Daemon(SENSOR, tmp_path, address)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    ours, others = tmp_path / "ours", tmp_path / "others"
    create_keys(ours)
    create_keys(others)
    return ours, others


def test_with_keys_only_the_known_controller_is_answered(
    tmp_path: Path, folders: tuple[Path, Path]
) -> None:
    ours, others = (Keys.load(folder, "controller") for folder in folders)
    stranger = Keys(others.public, others.secret, ours.peer)  # knows the server, is not known
    connect: Callable[..., DaemonClient] = DaemonClient
    with running(tmp_path, keys=Keys.load(folders[0], "daemon")) as address:
        with connect("cam", address, keys=ours) as client:
            about = client.describe(timeout_s=DEADLINE_S)
            prober = Prober({"cam": (client.sibling(about.probe_port), ours)})
            prober.start()
            deadline_s = time.monotonic() + DEADLINE_S
            while not prober.probes("cam"):
                assert time.monotonic() < deadline_s
                time.sleep(0.01)
            prober.close()
        for keys in (None, others, stranger):
            with connect("cam", address, keys=keys) as client, pytest.raises(MavferError):
                client.describe(timeout_s=0.5)
