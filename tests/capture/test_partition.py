"""Networks that fail, and a second controller: real processes, a link that can be cut."""

import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from capture.client import DaemonClient
from capture.clock import HostClock
from capture.config import load_rig_config
from capture.errors import ControlError
from capture.gather import gather_session
from capture.messages import Abort, Arm, Finish, Start, Stop
from capture.record_session import record_session
from capture.recording import open_recording
from capture.session import open_session

from .test_clock_gate import RIG, SlowLink, _free_ports

CUT_S = 30.0


class CutLink(SlowLink):
    """Forwards at once; while it is cut it swallows what comes, then ends the connections."""

    def __init__(self, address: str, ports: list[int]) -> None:
        self.cut = threading.Event()
        super().__init__(address, ports, mean_delay_s=0.0)

    def _forward(self, source: Any, target: Any) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if self.cut.is_set():
                    while self.cut.is_set():
                        time.sleep(0.05)
                    break
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.close()


@pytest.fixture
def far(tmp_path: Path) -> Iterator[tuple[Path, CutLink, int]]:
    """A rig file whose daemon is a process of its own behind a link; the link; its port."""
    local, far = tmp_path / "local.toml", tmp_path / "far"
    port = _free_ports(4)
    local.write_text(RIG.format(address=f"127.0.0.1:{port}"), encoding="utf-8")
    command = [sys.executable, "-P", "-m", "capture.cli", "daemon", "--rig", str(local)]
    command += ["--sensor", "cam", "--bind", f"tcp://127.0.0.1:{port}", "--output", str(far)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as daemon:
        assert daemon.stdout is not None
        daemon.stdout.readline()
        link = CutLink("127.0.0.2", [port, port + 1, port + 2, port + 3])
        rig = tmp_path / "far.toml"
        rig.write_text(RIG.format(address=f"127.0.0.2:{port}"), encoding="utf-8")
        yield rig, link, port
        link.close()
        daemon.terminate()


def test_a_network_that_fails_for_thirty_seconds_costs_nothing(
    far: tuple[Path, CutLink, int], tmp_path: Path
) -> None:
    rig_path, link, _ = far
    rig = load_rig_config(rig_path)
    remarks: queue.SimpleQueue[str] = queue.SimpleQueue()
    stop = threading.Event()

    def disturb() -> None:
        time.sleep(2.0)
        link.cut.set()
        time.sleep(1.0)
        remarks.put("while it was cut")
        time.sleep(CUT_S - 1.0)
        link.cut.clear()
        time.sleep(6.0)
        stop.set()

    disturbing = threading.Thread(target=disturb)

    def begin(progress: Any) -> None:
        if progress.phase == "recording" and disturbing.ident is None:
            disturbing.start()

    root = tmp_path / "sessions"
    path, manifest = record_session(
        rig, root, subject="S01", remarks=remarks, stop=stop, on_progress=begin
    )
    assert manifest.status == "complete", manifest.error
    assert any("cam: silent for 3" in warning for warning in manifest.warnings)
    gathered = gather_session(path, rig=rig)
    assert not gathered.failures
    session = open_session(path)
    stream = session.streams["color"]
    assert stream.n_dropped == 0
    assert manifest.stop_time_ns is not None
    span_s = (manifest.stop_time_ns - session.start_time_ns) * 1e-9
    assert span_s > CUT_S + 5
    assert len(stream) == pytest.approx(span_s * stream.spec.nominal_rate_hz, abs=3)
    (marker,) = [event for event in session.events if event.kind == "marker"]
    assert marker.data == {"label": "while it was cut"}
    (mark,) = manifest.marks
    assert abs(marker.capture_time_ns - mark.time_ns) < 1_000_000
    # Probes are missing for half a minute; the clock is known all the same, by both sides.
    assert stream.uncertainty_ns.max() < 5_000_000


def test_a_second_controller_is_refused_and_ends_nothing(
    far: tuple[Path, CutLink, int], tmp_path: Path
) -> None:
    rig_path, _, port = far
    with DaemonClient("cam", f"tcp://127.0.0.1:{port}") as client:
        client.request(Arm("s1", "u-1"))
        while client.poll().state != "armed":
            time.sleep(0.02)
        client.request(Start(HostClock().monotonic_ns() + 200_000_000))
        with pytest.raises(ControlError) as caught:
            record_session(load_rig_config(rig_path), tmp_path / "b", subject="S02", duration_s=1)
        assert "cam is recording, expected idle" in str(caught.value)
        assert not list((tmp_path / "b").glob("*/*"))
        with DaemonClient("cam", f"tcp://127.0.0.1:{port}") as other:
            for command in (Stop(1), Finish(), Abort()):
                with pytest.raises(ControlError, match="recording for another session, s1"):
                    other.request(command)
        while client.poll().streams["color"].n_frames < 5:
            time.sleep(0.02)
        assert client.poll().state == "recording"
        client.request(Stop(HostClock().monotonic_ns()))
        while client.poll().state != "stopped":
            time.sleep(0.02)
        client.request(Finish())
    assert len(open_recording(tmp_path / "far" / "s1" / "cam.mcap").streams["color"]) >= 5
