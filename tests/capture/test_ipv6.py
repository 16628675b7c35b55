"""A session over IPv6: control, probes, publications and files of a daemon at ``[::1]``."""

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq

from capture.client import DaemonClient
from capture.daemon import Daemon
from capture.file_client import FileClient
from capture.keys import Keys, create_keys
from capture.messages import Status
from capture.probing import Prober
from capture.sensor import SensorConfig
from capture.wire import unpack

DEADLINE_S = 30.0
SENSOR = SensorConfig("cam", "test-pattern", {"width_px": 32, "height_px": 24})


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


pytestmark = pytest.mark.skipif(not _has_ipv6(), reason="this machine has no IPv6 loopback")


@pytest.fixture(params=["without keys", "with keys"])
def keys(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Keys | None, Keys | None]:
    if request.param == "without keys":
        return None, None
    create_keys(tmp_path / "keys")
    return Keys.load(tmp_path / "keys", "daemon"), Keys.load(tmp_path / "keys", "controller")


@pytest.fixture
def address(tmp_path: Path, keys: tuple[Keys | None, Keys | None]) -> Iterator[str]:
    daemon = Daemon(SENSOR, tmp_path / "output", "tcp://[::1]:*", keys=keys[0])
    thread = threading.Thread(target=daemon.serve)
    thread.start()
    try:
        yield daemon.endpoint.address
    finally:
        daemon.stop()
        thread.join(DEADLINE_S)


def test_all_sockets_are_reached(address: str, keys: tuple[Keys | None, Keys | None]) -> None:
    assert address.startswith("tcp://[::1]:")
    own = keys[1]
    with DaemonClient("cam", address, keys=own) as client:
        about = client.describe(timeout_s=DEADLINE_S)
        prober = Prober({"cam": (client.sibling(about.probe_port), own)})
        prober.start()
        with zmq.Context() as context, context.socket(zmq.SUB) as ear:
            ear.linger, ear.ipv6 = 0, True
            ear.subscribe(b"")
            if own is not None:
                own.secure_client(ear)
            ear.connect(client.sibling(about.publish_port))
            assert ear.poll(DEADLINE_S * 1000)
            assert isinstance(unpack(ear.recv_multipart()).body, Status)
        with FileClient("cam", client.sibling(about.files_port), keys=own) as files:
            assert files.list("s1") == ()
        deadline_s = time.monotonic() + DEADLINE_S
        while not prober.probes("cam"):
            assert time.monotonic() < deadline_s
            time.sleep(0.01)
        prober.close()
