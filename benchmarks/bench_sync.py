"""Clocks of daemons over ten real minutes against their known truth, beside LSL's rule.

Three daemons' probe servers, processes of their own, with clocks hours off, +-20 ppm fast and
swinging by 2 ppm as a machine that warms up; two are reached through a proxy that delays by 250 us,
jitters by 250 us, stalls one piece in 33 for 10 ms and for 5 s of every 20 is filled in one
direction; one over loopback. A third process burns one core all the while. One `Prober` asks all.

The peer is what LSL's library and pyxdf make of the same exchanges: 8 probes every 5 s of which the
smallest round trip counts, afterwards one robust line through these offsets. Then a device's clock
and the matching of a million frames.
"""

import os
import socket
import subprocess
import sys
import time
from contextlib import ExitStack

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from capture.clock import ClockProbe, fit_host_clock
from capture.clock_track import fit_device_segment, fit_host_track
from capture.probing import Prober
from capture.sync import match_nearest

from .figure import emit
from .sync_peer import WarmingClock

_DURATION_S = float(os.environ.get("MAVFER_BENCH_SYNC_S", "600"))
_SECOND_NS = 1_000_000_000
_DELIVERY_NS = 5_000_000
_LSL_INTERVAL_NS, _LSL_PROBES = 5 * _SECOND_NS, 8
_CLOCKS = {
    "lan_fast": WarmingClock(5_000 * _SECOND_NS, 20.0),
    "lan_slow": WarmingClock(-900 * _SECOND_NS, -20.0),
    "loopback": WarmingClock(77 * _SECOND_NS, 20.0),
}


def main() -> None:
    """Probe for ten minutes and judge both rules at every tenth of a second."""
    probes = _record()
    for name, clock in _CLOCKS.items():
        _judge(name, clock, probes[name])
    _judge_device()
    emit("sync", "match_1e6_frames", _match_ms(1_000_000), unit="ms")


def _record() -> dict[str, list[ClockProbe]]:
    with ExitStack() as stack:

        def run(*arguments: str) -> None:
            process = subprocess.Popen([sys.executable, *arguments])
            stack.callback(process.wait)
            stack.callback(process.terminate)

        addresses = {}
        for name, clock in _CLOCKS.items():
            port = _free_port()
            peer = ("-m", "benchmarks.sync_peer")
            run(*peer, "daemon", str(port), str(clock.offset_ns), str(clock.skew_ppm))
            _wait(port)
            if name.startswith("lan"):
                port, target = _free_port(), port
                run(*peer, "lan", str(port), str(target))
                _wait(port)
            addresses[name] = (f"tcp://127.0.0.1:{port}", None)
        run("-c", "while True: pass")
        prober = Prober(addresses)
        prober.start()
        until_s = time.monotonic() + _DURATION_S
        while (left_s := until_s - time.monotonic()) > 0:
            if sys.stderr.isatty():
                sys.stderr.write(f"\rsync: {left_s:4.0f} s left ")
            time.sleep(min(5.0, left_s))
        prober.close()
        return {name: prober.probes(name) for name in _CLOCKS}


def _judge(name: str, clock: WarmingClock, probes: list[ClockProbe]) -> None:
    truth_ns = np.arange(probes[0].t0_ns, probes[-1].t3_ns, _SECOND_NS // 10, dtype=np.int64)
    host_ns = np.array([clock.at(int(t)) for t in truth_ns], np.int64)
    started_s = time.perf_counter()
    track = fit_host_track(probes)
    fit_ms = (time.perf_counter() - started_s) * 1e3
    ours_us = np.abs(track.apply(host_ns) - truth_ns) / 1e3
    peer_us = np.abs(_lsl_line(probes, host_ns) - truth_ns) / 1e3
    line_us = np.abs(fit_host_clock(probes).apply(host_ns) - truth_ns) / 1e3
    for metric, reduce in (
        ("median", lambda e: float(np.median(e))),
        ("p95", lambda e: float(np.quantile(e, 0.95))),
        ("max", lambda e: float(e.max())),
    ):
        peer = reduce(peer_us)
        figure = f"{name}_{metric}_error_us"
        emit("sync", figure, reduce(ours_us), unit="us", peer=peer, peer_name="LSL's rule")
    emit("sync", f"{name}_p95_error_of_one_line_us", float(np.quantile(line_us, 0.95)), unit="us")
    uncertainty_us = track.uncertainty_ns(host_ns) / 1e3
    emit("sync", f"{name}_median_uncertainty_us", float(np.median(uncertainty_us)), unit="us")
    covered = float((ours_us <= uncertainty_us).mean())
    emit("sync", f"{name}_truth_within_uncertainty", covered, unit="share")
    rtt_us = np.array([probe.rtt_ns for probe in probes]) / 1e3
    emit("sync", f"{name}_median_rtt_us", float(np.median(rtt_us)), unit="us")
    emit("sync", f"{name}_fit_ms", fit_ms, unit="ms")


def _lsl_line(probes: list[ClockProbe], host_ns: NDArray[np.int64]) -> NDArray[np.int64]:
    """Map by one robust line through the offset of the fastest of 8 probes every 5 s."""
    chosen: list[ClockProbe] = []
    burst: list[ClockProbe] = []
    begun_ns = -_LSL_INTERVAL_NS
    for probe in probes:
        if probe.t0_ns - begun_ns >= _LSL_INTERVAL_NS:
            begun_ns, burst = probe.t0_ns, []
        if len(burst) < _LSL_PROBES:
            burst.append(probe)
            if len(burst) == _LSL_PROBES:
                chosen.append(min(burst, key=lambda p: p.rtt_ns))
    at_ns = np.array([probe.t1_ns for probe in chosen], np.int64)
    gain_ns = np.array([-probe.offset_ns for probe in chosen])
    base_ns, first_ns = gain_ns[0], at_ns[0]
    x_s, y_us = (at_ns - first_ns) * 1e-9, (gain_ns - base_ns) * 1e-3
    line = least_squares(
        lambda c: c[0] + c[1] * x_s - y_us, [0.0, 0.0], loss="soft_l1", f_scale=30.0
    )
    drift_us = line.x[0] + line.x[1] * (host_ns - first_ns) * 1e-9
    return host_ns + round(base_ns) + np.rint(drift_us * 1e3).astype(np.int64)


def _judge_device() -> None:
    """Judge a camera at 30 Hz, 30 ppm off, delivered 5 ms late with 2 ms of jitter, ten minutes."""
    rng = np.random.default_rng(0)
    taken = np.arange(600 * 30, dtype=np.int64) * _SECOND_NS // 30
    device = (taken * (1 + 30e-6)).astype(np.int64)
    arrived = taken + _DELIVERY_NS + rng.exponential(2e6, len(taken)).astype(np.int64)
    mapped = fit_device_segment(device, arrived).apply(device) - taken - _DELIVERY_NS
    arrival = arrived - taken - _DELIVERY_NS
    ours, peer = (float(np.quantile(np.abs(error), 0.95)) / 1e3 for error in (mapped, arrival))
    emit("sync", "device_p95_error_us", ours, unit="us", peer=peer, peer_name="arrival times")


def _match_ms(n: int) -> float:
    rng = np.random.default_rng(1)
    reference = np.arange(n, dtype=np.int64) * 33_333_333
    other = reference + rng.integers(-5_000_000, 5_000_000, n)
    started = time.perf_counter()
    match_nearest(reference, np.sort(other), max_gap_ns=16_000_000)
    return (time.perf_counter() - started) * 1e3


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _wait(port: int) -> None:
    until_s = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            if time.monotonic() > until_s:
                raise
            time.sleep(0.1)
        else:
            return


if __name__ == "__main__":
    main()
