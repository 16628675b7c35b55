"""No session starts by a clock that is not known: the rule, and a daemon behind a slow link."""

import random
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

import capture.running_session
from capture.clock import ClockMap
from capture.clock_gate import clock_complaint
from capture.config import load_rig_config
from capture.errors import ControlError
from capture.manifest import read_manifest
from capture.record_session import record_session

RIG = """
schema_version = 1
name = "far"

[[sensor]]
name = "cam"
kind = "test-pattern"
address = "tcp://{address}"
options = {{ width_px = 32, height_px = 24 }}
"""


@pytest.mark.parametrize(
    ("uncertainty_ns", "skew_ppm", "n_bursts", "complaint"),
    [
        (50_000.0, 20.0, 3, None),
        (1_000_000.0, -200.0, 9, None),
        (1_000_001.0, 0.0, 9, "known to ±1.00 ms, expected ±1 ms"),
        (50_000.0, 250.0, 9, "runs +250 ppm off"),
        (50_000.0, 0.0, 2, "answered 2 bursts of probes, expected 3"),
        (float("nan"), 0.0, 0, "answered 0 bursts"),
    ],
)
def test_a_clock_is_good_known_badly_or_unknown(uncertainty_ns, skew_ppm, n_bursts, complaint):
    said = clock_complaint(ClockMap(0, 0, skew_ppm, uncertainty_ns), n_bursts)
    if complaint is None:
        assert said is None
    else:
        assert said is not None
        assert complaint in said


class SlowLink:
    """Forwards connections to the same port of 127.0.0.1, every piece a random while later."""

    def __init__(self, address: str, ports: list[int], *, mean_delay_s: float) -> None:
        self._mean_delay_s = mean_delay_s
        self._random = random.Random(3)
        self._sockets: list[socket.socket] = []
        for port in ports:
            listener = socket.create_server((address, port))
            self._sockets.append(listener)
            threading.Thread(target=self._accept, args=(listener, port), daemon=True).start()

    def close(self) -> None:
        for open_socket in self._sockets:
            with suppress(OSError):
                open_socket.shutdown(socket.SHUT_RDWR)
            open_socket.close()

    def _accept(self, listener: socket.socket, port: int) -> None:
        with suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.create_connection(("127.0.0.1", port))
                self._sockets += [near, far]
                for source, target in ((near, far), (far, near)):
                    thread = threading.Thread(
                        target=self._forward, args=(source, target), daemon=True
                    )
                    thread.start()

    def _forward(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                time.sleep(self._mean_delay_s * (0.75 + 0.5 * self._random.random()))
                target.sendall(data)


@pytest.fixture
def far_rig(tmp_path: Path) -> Iterator[Path]:
    """A rig file whose daemon, a process of its own, is reached through 6 ms each way."""
    local = tmp_path / "local.toml"
    local.write_text(RIG.format(address="127.0.0.1:1"), encoding="utf-8")
    port = _free_ports(3)
    command = [sys.executable, "-P", "-m", "capture.cli", "daemon", "--rig", str(local)]
    command += ["--sensor", "cam", "--bind", f"tcp://127.0.0.1:{port}"]
    command += ["--output", str(tmp_path / "sessions")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as daemon:
        assert daemon.stdout is not None
        assert "listens at" in daemon.stdout.readline()
        link = SlowLink("127.0.0.2", [port, port + 1, port + 2], mean_delay_s=0.006)
        rig = tmp_path / "far.toml"
        rig.write_text(RIG.format(address=f"127.0.0.2:{port}"), encoding="utf-8")
        yield rig
        link.close()
        daemon.terminate()


def _free_ports(count: int) -> int:
    """Return the first of some ports in a row that nobody uses."""
    while True:
        first = random.randrange(20000, 30000)  # no secret
        with suppress(OSError):
            for port in range(first, first + count):
                socket.create_server(("127.0.0.1", port)).close()
            return first


def test_a_clock_known_badly_is_refused_and_nothing_is_left(far_rig, tmp_path, monkeypatch):
    monkeypatch.setattr(capture.running_session, "_PROBES_TIMEOUT_S", 4.0)
    root = tmp_path / "sessions"
    with pytest.raises(ControlError) as caught:
        record_session(load_rig_config(far_rig), root, subject="S01", duration_s=1)
    text = str(caught.value)
    assert "1 of 1 sensors not synchronised, nothing was recorded" in text
    assert "cam: its clock is known to ±" in text
    assert "--allow-poor-sync" in text
    assert not list(root.glob("*/*"))


def test_it_is_let_pass_when_asked_for_and_the_manifest_says_so(far_rig, tmp_path, monkeypatch):
    monkeypatch.setattr(capture.running_session, "_PROBES_TIMEOUT_S", 4.0)
    path, manifest = record_session(
        load_rig_config(far_rig),
        tmp_path / "sessions",
        subject="S01",
        duration_s=1,
        allow_poor_sync=True,
    )
    assert manifest.status == "complete"
    (warning,) = read_manifest(path).warnings
    assert warning.startswith("cam: its clock is known to ±")
    clock = manifest.recordings["cam"].clock
    assert clock is not None
    assert clock.uncertainty_ns is not None
    assert clock.uncertainty_ns > 1_000_000
