"""Recording at the paper's full rate with both daemons, their sensors and viewers on one machine.

Color 1920x1080 at 30 Hz, depth and infrared 512x424 at 30 Hz, thermal 640x512 at 10 Hz, simulated:
each daemon, a process of its own, plays its sensor, encodes and writes; a viewer subscribes to all
previews. Beside it what the disk takes when a program does nothing but write and fsync.

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
from capture.messages import Preview
from capture.record_session import record_session
from capture.session import Manifest
from capture.snapshot import Snapshot
from capture.wire import unpack

from .figure import emit

_DURATION_S = float(os.environ.get("MAVFER_BENCH_CAPTURE_S", "300"))
_PLAIN_BYTES = 512 << 20
_CHUNK_BYTES = 1 << 20
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
    """Takes every preview, as a console does."""

    def __init__(self, ports: list[int]) -> None:
        self.n_previews = 0
        self._ports = ports
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        with zmq.Context() as context, context.socket(zmq.SUB) as subscriber:
            subscriber.subscribe(b"preview")
            for port in self._ports:
                subscriber.connect(f"tcp://127.0.0.1:{port}")
            while not self._ended.is_set():
                if subscriber.poll(200):
                    message = unpack(subscriber.recv_multipart())
                    self.n_previews += isinstance(message.body, Preview)


def main() -> None:
    """Record, then say what was lost and what it cost."""
    folder = Path(tempfile.mkdtemp(prefix="mavfer-bench-", dir="."))
    try:
        plain_mb_s = _plain_write_mb_s(folder / "plain")
        _report(*_record(folder), plain_mb_s)
    finally:
        shutil.rmtree(folder)


def _record(folder: Path) -> tuple[Manifest, "_Log", int, int]:
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
        log = _Log()
        _, manifest = record_session(
            load_rig_config(rig_path),
            sessions,
            subject="bench",
            duration_s=_DURATION_S,
            on_progress=log.note,
        )
        n_bytes = sum(path.stat().st_size for path in sessions.rglob("*.mcap"))
        return manifest, log, n_bytes, viewer.n_previews


class _Log:
    """What the daemons said of themselves, once a second."""

    def __init__(self) -> None:
        self.latency_ms: list[float] = []
        self.queue_share = 0.0
        self.cpu: dict[str, list[float]] = defaultdict(list)
        self._noted_s = 0.0

    def note(self, progress: Snapshot) -> None:
        """Take the statuses of a session that records."""
        now_s = time.monotonic()
        if progress.phase != "recording" or now_s - self._noted_s < 1 or progress.elapsed_s < 3:
            return
        self._noted_s = now_s
        for name, status in progress.statuses.items():
            self.latency_ms.append(status.queue_latency_ms)
            self.queue_share = max(self.queue_share, status.queue_share)
            for stage, share in status.cpu_share.items():
                self.cpu[f"{name}_{stage}"].append(share)
        if sys.stderr.isatty():
            sys.stderr.write(f"\rcapture: {_DURATION_S - progress.elapsed_s:4.0f} s left ")


def _report(
    manifest: Manifest, log: _Log, n_bytes: int, n_previews: int, plain_mb_s: float
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
    p99_ms, worst_ms = np.quantile(log.latency_ms, 0.99), np.max(log.latency_ms)
    emit("capture", "queue_latency_p99_ms", float(p99_ms), unit="ms")
    emit("capture", "queue_latency_worst_5_s_p99_ms", float(worst_ms), unit="ms")
    emit("capture", "queue_share_worst", log.queue_share, unit="share")
    for stage, shares in sorted(log.cpu.items()):
        emit("capture", f"cpu_share_{stage}", float(np.mean(shares)), unit="cores")
    mb_s = n_bytes / 1e6 / _DURATION_S
    name = "plain writing and fsync"
    emit("capture", "written", mb_s, unit="MB/s", peer=plain_mb_s, peer_name=name)
    emit("capture", "previews", n_previews / _DURATION_S, unit="1/s")


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
