"""Clocks over ten simulated minutes on a LAN, against one burst at the start; and matching.

LAN: 80 us each way, exponential queueing of 60 us mean, one delay in 33 of 5 ms; host clock 20 ppm
off; cameras at 30 Hz, 30 ppm off, delivered 5 ms late with exponential jitter of 2 ms mean.
"""

import time

import numpy as np

from capture.clock import ClockProbe, HostClock, fit_device_clock, fit_host_clock
from capture.sync import match_nearest

from .figure import emit

_MINUTES = 10
_SECOND_NS = 1_000_000_000
_DELIVERY_NS = 5_000_000


def _probes(clock: HostClock, rng: np.random.Generator) -> list[ClockProbe]:
    probes = []
    for burst in range(_MINUTES * 30):
        for k in range(16):
            t0 = (2 * burst + 1) * _SECOND_NS + k * 1_000_000
            delays_us = 80 + rng.exponential(60, 2) + 5000 * (rng.random(2) < 0.03)
            t1 = t0 + round(delays_us[0] * 1e3)
            t3 = t1 + 20_000 + round(delays_us[1] * 1e3)
            probes.append(ClockProbe(t0, clock.at(t1), clock.at(t1 + 20_000), t3))
    return probes


def _host_errors_us(probes: list[ClockProbe], clock: HostClock) -> np.ndarray:
    truth = np.arange(1, _MINUTES * 60, dtype=np.int64) * _SECOND_NS
    host = np.array([clock.at(int(t)) for t in truth], np.int64)
    return np.abs(fit_host_clock(probes).apply(host) - truth) / 1e3


def _match_ms(n: int) -> float:
    rng = np.random.default_rng(1)
    reference = np.arange(n, dtype=np.int64) * 33_333_333
    other = reference + rng.integers(-5_000_000, 5_000_000, n)
    started = time.perf_counter()
    match_nearest(reference, np.sort(other), max_gap_ns=16_000_000)
    return (time.perf_counter() - started) * 1e3


def main() -> None:
    rng = np.random.default_rng(0)
    clock = HostClock(offset_ns=3_600 * _SECOND_NS, skew_ppm=20.0)
    probes = _probes(clock, rng)
    ours, once = _host_errors_us(probes, clock), _host_errors_us(probes[:16], clock)
    for name, share in (("median", 0.5), ("p95", 0.95)):
        peer = float(np.quantile(once, share))
        figure = float(np.quantile(ours, share))
        emit(
            "sync", f"host_{name}", figure, unit="us", peer=peer, peer_name="one burst at the start"
        )

    taken = np.arange(_MINUTES * 60 * 30, dtype=np.int64) * _SECOND_NS // 30
    device = (taken * (1 + 30e-6)).astype(np.int64)
    arrived = taken + _DELIVERY_NS + rng.exponential(2e6, len(taken)).astype(np.int64)
    mapped = fit_device_clock(device, arrived).apply(device) - taken - _DELIVERY_NS
    arrival = arrived - taken - _DELIVERY_NS
    figure, peer = (float(np.quantile(np.abs(error), 0.95)) / 1e3 for error in (mapped, arrival))
    emit("sync", "device_p95", figure, unit="us", peer=peer, peer_name="arrival times")
    emit("sync", "match_1e6_frames", _match_ms(1_000_000), unit="ms")


if __name__ == "__main__":
    main()
