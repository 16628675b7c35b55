"""Recording at the paper's full rate with both daemons, their sensors and viewers on one machine.

Color 1920x1080 at 30 Hz, depth and infrared 512x424 at 30 Hz, thermal 640x512 at 10 Hz, simulated:
each daemon, a process of its own, plays its sensor, encodes and writes. A viewer takes all previews
for 15 s, leaves for 15 s, and so on: figures with it stand beside those without. Beside it what the
disk takes when a program does nothing but write and fsync.

Seconds: MAVFER_BENCH_CAPTURE_S, 300 by default. Once a second each daemon reports the 99th
percentile of its latencies of 5 s; told are the 99th percentile of these reports and the worst.
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import zmq

from capture.config import load_rig_config
from capture.manifest import Manifest
from capture.messages import Preview
from capture.record_session import record_session
from capture.snapshot import Snapshot
from capture.wire import unpack

from .figure import emit

_DURATION_S = float(os.environ.get("MAVFER_BENCH_CAPTURE_S", "300"))
_PLAIN_BYTES = 512 << 20
_CHUNK_BYTES = 1 << 20
_VIEWER_TURN_S = 15.0
_SETTLE_S = 6.0
_RIG = """
schema_version = 1
name = "bench"
{sensors}
"""
_SENSOR = """
[[sensor]]
name = "{name}"
kind = "simulated-{name}"
address = "tcp://127.0.0.1:{port}"
"""


class _Viewer:
    """Takes every preview, as a console does, while it is there."""

    def __init__(self, ports: list[int]) -> None:
        self.n_previews = 0
        self.there_s = 0.0
        self._ports = ports
        self._ended = threading.Event()
        self.is_there = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.is_set():
            if not self.is_there.wait(0.2):
                continue
            began_s = time.monotonic()
            with zmq.Context() as context, context.socket(zmq.SUB) as subscriber:
                subscriber.subscribe(b"preview")
                for port in self._ports:
                    subscriber.connect(f"tcp://127.0.0.1:{port}")
                while self.is_there.is_set() and not self._ended.is_set():
                    if subscriber.poll(200):
                        message = unpack(subscriber.recv_multipart())
                        self.n_previews += isinstance(message.body, Preview)
            self.there_s += time.monotonic() - began_s


def main() -> None:
    """Record, then say what was lost and what it cost."""
    folder = Path(tempfile.mkdtemp(prefix="mavfer-bench-", dir="."))
    try:
        plain_mb_s = _plain_write_mb_s(folder / "plain")
        _report(*_record(folder), plain_mb_s)
    finally:
        shutil.rmtree(folder)


def _record(folder: Path) -> tuple[Manifest, "_Log", int, float]:
    ports = {"kinect2": _free_ports(), "a65": _free_ports()}
    rig_path = folder / "rig.toml"
    sensors = "".join(_SENSOR.format(name=name, port=port) for name, port in ports.items())
    rig_path.write_text(_RIG.format(sensors=sensors), encoding="utf-8")
    sessions = folder / "sessions"
    with ExitStack() as stack:
        for name, port in ports.items():
            command = [sys.executable, "-P", "-m", "capture.cli", "daemon", "--rig", str(rig_path)]
            command += ["--sensor", name, "--bind", f"tcp://127.0.0.1:{port}"]
            process = subprocess.Popen(
                [*command, "--output", str(sessions)], stdout=subprocess.PIPE
            )
            stack.callback(process.wait)
            stack.callback(process.terminate)
            if process.stdout is not None:
                process.stdout.readline()
        viewer = _Viewer([port + 2 for port in ports.values()])
        stack.callback(viewer.close)
        log = _Log(viewer)
        _, manifest = record_session(
            load_rig_config(rig_path),
            sessions,
            subject="bench",
            duration_s=_DURATION_S,
            on_progress=log.note,
        )
        n_bytes = sum(path.stat().st_size for path in sessions.rglob("*.mcap"))
        viewer.close()
        return manifest, log, n_bytes, viewer.n_previews / max(viewer.there_s, 1e-9)


class _Log:
    """What the daemons said of themselves, once a second."""

    def __init__(self, viewer: _Viewer) -> None:
        self.latency_ms: dict[bool, list[float]] = {True: [], False: []}
        self.queue_share = 0.0
        self.cpu: dict[bool, dict[str, list[float]]] = {
            True: defaultdict(list),
            False: defaultdict(list),
        }
        self._viewer = viewer
        self._noted_s = self._changed_s = 0.0

    def note(self, progress: Snapshot) -> None:
        """Take the statuses of a session that records."""
        now_s = time.monotonic()
        if progress.phase != "recording" or now_s - self._noted_s < 1 or progress.elapsed_s < 3:
            return
        self._noted_s = now_s
        if now_s - self._changed_s > _VIEWER_TURN_S:
            self._changed_s = now_s
            there = self._viewer.is_there
            (there.clear if there.is_set() else there.set)()
        if now_s - self._changed_s < _SETTLE_S:
            return  # reports look back some seconds
        watched = self._viewer.is_there.is_set()
        for name, status in progress.statuses.items():
            self.latency_ms[watched].append(status.queue_latency_ms)
            self.queue_share = max(self.queue_share, status.queue_share)
            for stage, share in status.cpu_share.items():
                self.cpu[watched][f"{name}_{stage}"].append(share)
        if sys.stderr.isatty():
            sys.stderr.write(f"\rcapture: {_DURATION_S - progress.elapsed_s:4.0f} s left ")


def _report(
    manifest: Manifest, log: _Log, n_bytes: int, previews_hz: float, plain_mb_s: float
) -> None:
    if manifest.status != "complete":
        raise RuntimeError(f"the session is {manifest.status}: {manifest.error}")
    streams = {n: s for r in manifest.recordings.values() for n, s in r.streams.items()}
    for metric, counts in (
        ("dropped_frames", [s.n_dropped_recorder for s in streams.values()]),
        ("missing_device_frames", [s.n_dropped_sensor for s in streams.values()]),
        ("frames", [s.n_frames for s in streams.values()]),
    ):
        emit("capture", metric, float(sum(counts)), unit="frames")
    for name, stream in streams.items():
        emit("capture", f"{name}_rate", stream.measured_rate_hz or 0.0, unit="Hz")
    without = "without a viewer"
    for metric, share in (
        ("queue_latency_median_ms", 0.5),
        ("queue_latency_p99_ms", 0.99),
        ("queue_latency_worst_5_s_p99_ms", 1.0),
    ):
        ours, peer = (float(np.quantile(log.latency_ms[there], share)) for there in (True, False))
        emit("capture", metric, ours, unit="ms", peer=peer, peer_name=without)
    emit("capture", "queue_share_worst", log.queue_share, unit="share")
    for stage, shares in sorted(log.cpu[True].items()):
        ours, peer = float(np.mean(shares)), float(np.mean(log.cpu[False][stage]))
        metric = f"cpu_share_{stage}"
        emit("capture", metric, ours, unit="cores", peer=peer, peer_name=without)
    mb_s = n_bytes / 1e6 / _DURATION_S
    name = "plain writing and fsync"
    emit("capture", "written", mb_s, unit="MB/s", peer=plain_mb_s, peer_name=name)
    emit("capture", "previews", previews_hz, unit="1/s")


def _plain_write_mb_s(path: Path) -> float:
    data = np.random.default_rng(0).bytes(_CHUNK_BYTES)
    started_s = time.perf_counter()
    with path.open("wb", buffering=0) as handle:
        for k in range(_PLAIN_BYTES // _CHUNK_BYTES):
            handle.write(data)
            if k % 32 == 31:
                os.fsync(handle.fileno())
    elapsed_s = time.perf_counter() - started_s
    path.unlink()
    return _PLAIN_BYTES / 1e6 / elapsed_s


def _free_ports() -> int:
    """Return a port that is free together with the next three."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as first:
            port = int(first.getsockname()[1])
        try:
            for step in range(4):
                socket.create_server(("127.0.0.1", port + step)).close()
        except (OSError, OverflowError):
            continue
        return port


if __name__ == "__main__":
    main()
