"""Clocks: reading this host's, relating a daemon's to the controller's and a device's to its host.

Times are int64 nanoseconds. A map between two clocks is a line; differences from its reference
point are taken in integers, so no precision is lost however long the hosts have been up.
"""

import os
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

BURST_GAP_NS = 500_000_000
"""Probes further apart than this belong to different bursts."""
MIN_SKEW_SPAN_NS = 3_000_000_000
"""Below this span a slope is noise: the offset alone is fitted."""
MAX_SKEW = 500e-6
"""No quartz is further off: a steeper line was drawn through delays, the offset alone is fitted."""
_MIN_RTT_NS = 1_000
"""Floor of a round trip in weights: a clock that reads equal times twice is not infinitely good."""


@dataclass(frozen=True, slots=True)
class HostClock:
    """``CLOCK_MONOTONIC``, optionally shifted and skewed to stand for another host's clock.

    Attributes
    ----------
    offset_ns : int
    skew_ppm : float
        Both 0 outside rehearsals and tests.
    """

    offset_ns: int = 0
    skew_ppm: float = 0.0

    def monotonic_ns(self) -> int:
        """Read the clock."""
        return self.at(time.monotonic_ns())

    def at(self, monotonic_ns: int) -> int:
        """Return what this clock shows when the machine's own shows `monotonic_ns`."""
        return monotonic_ns + self.offset_ns + round(monotonic_ns * self.skew_ppm * 1e-6)

    def invert(self, clock_ns: int) -> int:
        """Return what the machine's own clock shows when this one shows `clock_ns`."""
        return round((clock_ns - self.offset_ns) / (1 + self.skew_ppm * 1e-6))


@dataclass(frozen=True, slots=True)
class HostIdentity:
    """Which clock a recording speaks of, and its wall time once.

    Attributes
    ----------
    hostname : str
    boot_id : str
        Changes when the machine restarts and ``CLOCK_MONOTONIC`` starts anew.
    monotonic_ns, realtime_ns : int
        Read together: wall time = host time + (realtime_ns - monotonic_ns).
    """

    hostname: str
    boot_id: str
    monotonic_ns: int
    realtime_ns: int

    @classmethod
    def read(cls, clock: HostClock | None = None) -> Self:
        """Describe this machine now."""
        boot = Path("/proc/sys/kernel/random/boot_id")
        boot_id = boot.read_text(encoding="ascii").strip() if boot.exists() else str(os.getppid())
        now_ns = (clock or HostClock()).monotonic_ns()
        return cls(platform.node() or "localhost", boot_id, now_ns, time.time_ns())


@dataclass(frozen=True, slots=True)
class ClockProbe:
    """One four-timestamp exchange between the controller and a daemon.

    Attributes
    ----------
    t0_ns, t3_ns : int
        Controller clock at sending and at the answer.
    t1_ns, t2_ns : int
        Daemon's host clock at receiving and answering.
    """

    t0_ns: int
    t1_ns: int
    t2_ns: int
    t3_ns: int

    @property
    def rtt_ns(self) -> int:
        """Time on the wire, both ways."""
        return (self.t3_ns - self.t0_ns) - (self.t2_ns - self.t1_ns)

    @property
    def offset_ns(self) -> float:
        """Daemon clock minus controller clock; wrong by at most half of `rtt_ns`."""
        return ((self.t1_ns - self.t0_ns) + (self.t2_ns - self.t3_ns)) / 2


@dataclass(frozen=True, slots=True)
class ClockMap:
    """The line that maps times of one clock to another.

    ``target = target_ns + (source - source_ns) · (1 + skew_ppm · 1e-6)``

    Attributes
    ----------
    source_ns, target_ns : int
        The reference point.
    skew_ppm : float
        How much faster the target runs.
    uncertainty_ns : float
        Half-width of what the data leave open, near the reference point; NaN when unknown.
    """

    source_ns: int = 0
    target_ns: int = 0
    skew_ppm: float = 0.0
    uncertainty_ns: float = float("nan")

    def apply(self, times_ns: NDArray[np.int64]) -> NDArray[np.int64]:
        """Map source times (N,) to target times (N,)."""
        elapsed = times_ns - self.source_ns
        drift = np.rint(elapsed * (self.skew_ppm * 1e-6)).astype(np.int64)
        mapped: NDArray[np.int64] = elapsed + drift + self.target_ns
        return mapped

    def apply_one(self, time_ns: int) -> int:
        """Map one time."""
        elapsed = time_ns - self.source_ns
        return elapsed + round(elapsed * self.skew_ppm * 1e-6) + self.target_ns

    def inverse(self) -> "ClockMap":
        """Return the map back."""
        slope = 1 + self.skew_ppm * 1e-6
        skew_ppm = (1 / slope - 1) * 1e6
        return ClockMap(self.target_ns, self.source_ns, skew_ppm, self.uncertainty_ns)


def fit_host_clock(probes: Sequence[ClockProbe]) -> ClockMap:
    """Fit the map from a daemon's host clock to the controller's clock.

    Of every burst only the probe with the smallest round trip counts (queueing is what makes
    round trips long and asymmetric, as in NTP's clock filter); through these goes a line weighted
    by the inverse square of the round trip.

    Parameters
    ----------
    probes : sequence of ClockProbe
        In any order. None at all gives the identity with uncertainty NaN.

    Returns
    -------
    ClockMap
        Host → controller. Uncertainty: half of the smallest round trip + weighted residual.
    """
    best = _best_of_bursts(probes)
    if not best:
        return ClockMap()
    reference = min(best, key=lambda probe: probe.rtt_ns)
    rtt = np.array([max(probe.rtt_ns, _MIN_RTT_NS) for probe in best], np.float64)
    middle = [(probe.t1_ns + probe.t2_ns) // 2 for probe in best]
    time_ns = np.array([t - middle[0] for t in middle], np.float64)
    gain = np.array(
        [(p.t3_ns - p.t2_ns) - (p.t1_ns - p.t0_ns) for p in best], np.int64
    )  # twice (controller - host)
    base = int(gain[0])
    offset_ns = (gain - base).astype(np.float64) / 2
    at = best.index(reference)
    centre_ns, level_ns, slope = float(time_ns[at]), float(offset_ns[at]), 0.0
    residual_ns = 0.0
    if np.ptp(time_ns) >= MIN_SKEW_SPAN_NS:
        line = _weighted_line(time_ns, offset_ns, 1 / rtt**2)
        if abs(line[2]) <= MAX_SKEW:
            centre_ns, level_ns, slope, residual_ns = line
    source_ns = middle[0] + round(centre_ns)
    target_ns = source_ns + base // 2 + round(level_ns + (base % 2) / 2)
    uncertainty_ns = max(reference.rtt_ns, _MIN_RTT_NS) / 2 + residual_ns
    return ClockMap(source_ns, target_ns, slope * 1e6, uncertainty_ns)


class DeviceClockTracker:
    """The running lower envelope a daemon trims by: smallest delay of the last seconds.

    Skew is left out: over a window of seconds it is worth less than a frame's jitter.

    Parameters
    ----------
    window_ns : int
        The envelope is the minimum over between one and two of these.
    """

    def __init__(self, window_ns: int = 5_000_000_000) -> None:
        self._window_ns = window_ns
        self._since_ns = 0
        self._previous: int | None = None
        self._current: int | None = None

    def host_time_ns(self, device_ns: int, host_ns: int) -> int:
        """Take in one frame and return its host time freed from delivery delay."""
        delay = host_ns - device_ns
        if self._current is None or host_ns - self._since_ns > self._window_ns:
            self._previous, self._current, self._since_ns = self._current, delay, host_ns
        self._current = min(self._current, delay)
        least = self._current if self._previous is None else min(self._current, self._previous)
        return device_ns + least


def _best_of_bursts(probes: Sequence[ClockProbe]) -> list[ClockProbe]:
    best: list[ClockProbe] = []
    last_ns = 0
    for probe in sorted(probes, key=lambda p: p.t0_ns):
        if not best or probe.t0_ns - last_ns > BURST_GAP_NS:
            best.append(probe)
        elif probe.rtt_ns < best[-1].rtt_ns:
            best[-1] = probe
        last_ns = probe.t0_ns
    return best


def _weighted_line(
    x: NDArray[np.float64], y: NDArray[np.float64], weight: NDArray[np.float64]
) -> tuple[float, float, float, float]:
    """Fit a line; return its point (x, y) at the weighted mean, its slope and rms residual."""
    weight = weight / weight.sum()
    centre, level = float(weight @ x), float(weight @ y)
    slope = float(weight @ ((x - centre) * (y - level))) / float(weight @ (x - centre) ** 2)
    residual = float(np.sqrt(weight @ (y - level - slope * (x - centre)) ** 2))
    return centre, level, slope, residual


def lower_hull(x: NDArray[np.float64], y: NDArray[np.float64]) -> list[int]:
    """Return the corners of the lower convex hull of points; `x` (N,) strictly increases."""
    hull: list[int] = []
    across, up = x.tolist(), y.tolist()  # five times as fast as elements of an array
    for k in range(len(across)):
        while len(hull) >= 2:
            i, j = hull[-2], hull[-1]
            if (up[j] - up[i]) * (across[k] - across[i]) < (up[k] - up[i]) * (
                across[j] - across[i]
            ):
                break
            hull.pop()
        hull.append(k)
    return hull


def hull_edge(x: NDArray[np.float64], y: NDArray[np.float64], at: float) -> tuple[int, int]:
    """Find the edge of the lower convex hull that lies over `at`.

    Parameters
    ----------
    x, y : (N,) float64
        At least two points; `x` strictly increases.
    at : float
        Within the points.

    Returns
    -------
    (int, int)
        Indices of its ends.
    """
    hull = lower_hull(x, y)
    right = next(n for n in range(1, len(hull)) if x[hull[n]] >= at)
    return hull[right - 1], hull[right]
