"""The far side of the sync benchmark, processes of their own: a daemon's probe server, a bad LAN.

``python -m benchmarks.sync_peer daemon PORT OFFSET_NS SKEW_PPM`` answers probes with a clock that
is offset, skewed and warming up. ``... lan PORT TARGET_PORT`` forwards connections with delays.
"""

import asyncio
import math
import random
import signal
import sys
import threading
import time

import zmq

from capture.clock import HostClock
from capture.probing import ProbeServer

WARMING_PPM = 2.0
WARMING_PERIOD_S = 900.0
"""The skew swings by this much around its mean: a machine that warms up and cools down."""
_BASE_S, _JITTER_S = 250e-6, 250e-6
_STALL_SHARE, _STALL_S = 0.03, 10e-3
_LOAD_PERIOD_S, _LOAD_S = 20.0, 5.0
"""For five seconds of every twenty something else fills the line towards the daemon."""


class WarmingClock(HostClock):
    """A host's clock whose skew swings slowly; the truth of the benchmark."""

    def at(self, monotonic_ns: int) -> int:
        """Return what this clock shows when the machine's own shows `monotonic_ns`."""
        swing = 2 * math.pi / WARMING_PERIOD_S
        drift_s = WARMING_PPM * 1e-6 / swing * math.sin(swing * monotonic_ns * 1e-9)
        return super().at(monotonic_ns) + round(drift_s * 1e9)


def _daemon(port: int, offset_ns: int, skew_ppm: float) -> None:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    socket = context.socket(zmq.ROUTER)
    socket.linger = 0
    socket.bind(f"tcp://127.0.0.1:{port}")
    clock = WarmingClock(offset_ns, skew_ppm)
    server = ProbeServer(socket, clock, on_probe=lambda _: None, on_contact=lambda: None)
    server.start()
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    ended.wait()
    server.close()
    context.term()


async def _forward(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, loaded: bool
) -> None:
    """Pass bytes on in order, each piece after base + exponential queueing + rare stalls."""
    chance = random.Random(1)
    due_s = 0.0
    while data := await reader.read(65536):
        delay_s = _BASE_S + chance.expovariate(1 / _JITTER_S)
        delay_s += _STALL_S * (chance.random() < _STALL_SHARE)
        if loaded and time.monotonic() % _LOAD_PERIOD_S < _LOAD_S:
            delay_s += chance.expovariate(1 / 5e-3)
        due_s = max(due_s, time.monotonic() + delay_s)
        while (left_s := due_s - time.monotonic()) > 0:
            await asyncio.sleep(left_s if left_s > 1e-3 else 0)
        writer.write(data)
        await writer.drain()
    writer.close()


async def _lan(port: int, target: int) -> None:
    running = set()

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", target)
        for forward in (
            _forward(reader, far_writer, loaded=True),
            _forward(far_reader, writer, loaded=False),
        ):
            running.add(asyncio.create_task(forward))

    server = await asyncio.start_server(connect, "127.0.0.1", port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    if sys.argv[1] == "daemon":
        _daemon(int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
    else:
        asyncio.run(_lan(int(sys.argv[2]), int(sys.argv[3])))
