"""Clocks followed over a whole recording: many local lines, and apart where a clock began anew.

What the online fit of `capture.clock` must do with the past minute, a reader does with both sides
of every moment: quartz drifts with temperature, so one line over ten minutes is wrong by more than
the network ever was.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .clock import BURST_GAP_NS, MAX_SKEW, MIN_SKEW_SPAN_NS, ClockProbe, hull_edge, lower_hull

_Times = NDArray[np.int64]
_Values = NDArray[np.float64]

HOST_WINDOW_NS = 30_000_000_000
"""Probes this far on both sides make the line at a moment."""
DEVICE_WINDOW_NS = 60_000_000_000
"""Arrivals this far: they bound a device's clock from one side only, so more are needed."""
DEVICE_JUMP_NS = 10_000_000_000
"""Delivery delays change by less, whatever stalls; a device's clock that leaps was set anew."""
_KNOT_GAP_NS = 5_000_000_000
_MIN_POINTS = 8
_WANDER = 1e-8
"""Change of skew per second that is allowed for: 1 ppm in 100 s, a machine warming up."""
_UNKNOWN_SKEW = 100e-6
"""How far a quartz may be off whose skew could not be measured."""
_FAST_SHARE = 0.1
_BLOCK_NS = 10_000_000_000


@dataclass(frozen=True, slots=True, eq=False)
class ClockSegment:
    """The map from one clock to another while both run on: straight between knots.

    Attributes
    ----------
    source_ns, target_ns : (K,) int64
        The knots; none at all is the identity of unknown uncertainty.
    half_width_ns : (K,) float64
        What the data leave open at each knot.
    first_skew, last_skew : float
        Slope of target minus source before the first and after the last knot.
    skew_error : float
        By how much a line beyond the ends may be wrong, per time.
    """

    source_ns: _Times
    target_ns: _Times
    half_width_ns: _Values
    first_skew: float = 0.0
    last_skew: float = 0.0
    skew_error: float = _UNKNOWN_SKEW

    @classmethod
    def identity(cls) -> "ClockSegment":
        """Return the map of a clock nobody has measured."""
        return cls(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))

    @property
    def skew_ppm(self) -> float:
        """How much faster the target runs, from end to end."""
        drift = self._drift_ns()
        if len(drift) < 2:
            return self.first_skew * 1e6
        return float((drift[-1] - drift[0]) / (self.source_ns[-1] - self.source_ns[0])) * 1e6

    @property
    def offset_ns(self) -> float:
        """Target minus source in the middle of what was measured; 0 when nothing was."""
        if not len(self.source_ns):
            return 0.0
        middle = len(self.source_ns) // 2
        return float(int(self.target_ns[middle]) - int(self.source_ns[middle]))

    def apply(self, times_ns: _Times) -> _Times:
        """Map source times (N,) to target times (N,)."""
        if not len(self.source_ns):
            return times_ns.copy()
        elapsed, before, after = self._place(times_ns)
        drift = np.interp(elapsed, self._elapsed_ns(), self._drift_ns())
        drift += self.last_skew * after - self.first_skew * before
        mapped: _Times = times_ns + (self.target_ns[0] - self.source_ns[0])
        return mapped + np.rint(drift).astype(np.int64)

    def apply_one(self, time_ns: int) -> int:
        """Map one time."""
        return int(self.apply(np.array([time_ns], np.int64))[0])

    def uncertainty_ns(self, times_ns: _Times) -> _Values:
        """Return the half-width around each mapped time (N,); NaN when nothing was measured."""
        if not len(self.source_ns):
            return np.full(len(times_ns), np.nan)
        elapsed, before, after = self._place(times_ns)
        beyond = before + after
        known: _Values = np.interp(elapsed, self._elapsed_ns(), self.half_width_ns)
        return known + beyond * (self.skew_error + _WANDER * beyond * 1e-9)

    def _place(self, times_ns: _Times) -> tuple[_Values, _Values, _Values]:
        """Return time since the first knot, before the first and after the last, in ns."""
        elapsed = (times_ns - self.source_ns[0]).astype(np.float64)
        last = float(self.source_ns[-1] - self.source_ns[0])
        return elapsed, np.maximum(-elapsed, 0), np.maximum(elapsed - last, 0)

    def _elapsed_ns(self) -> _Values:
        return (self.source_ns - self.source_ns[:1]).astype(np.float64)

    def _drift_ns(self) -> _Values:
        gain = self.target_ns - self.source_ns
        return (gain - gain[:1]).astype(np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class ClockTrack:
    """The map from one clock to another over resets of either.

    Attributes
    ----------
    segments : tuple of ClockSegment
        At least one, in order of source time.
    gaps_ns : tuple of (int, int)
        Source times between which each reset lies, one less than segments.
    """

    segments: tuple[ClockSegment, ...]
    gaps_ns: tuple[tuple[int, int], ...] = ()

    @property
    def n_resets(self) -> int:
        """How often a clock began anew."""
        return len(self.gaps_ns)

    @property
    def longest(self) -> ClockSegment:
        """The segment that was measured for the longest time."""
        return max(
            self.segments, key=lambda s: float(np.ptp(s.source_ns)) if len(s.source_ns) else 0
        )

    def apply(self, times_ns: _Times) -> _Times:
        """Map source times (N,) to target times (N,)."""
        mapped = np.empty_like(times_ns)
        for number, chosen in self._choose(times_ns):
            mapped[chosen] = self.segments[number].apply(times_ns[chosen])
        return mapped

    def apply_one(self, time_ns: int) -> int:
        """Map one time."""
        return int(self.apply(np.array([time_ns], np.int64))[0])

    def uncertainty_ns(self, times_ns: _Times) -> _Values:
        """Return half-widths (N,); where a reset may lie before or after, all of its step."""
        half_width_ns = np.empty(len(times_ns))
        for number, chosen in self._choose(times_ns):
            half_width_ns[chosen] = self.segments[number].uncertainty_ns(times_ns[chosen])
        for (one, other), (from_ns, to_ns) in zip(
            pairwise(self.segments), self.gaps_ns, strict=True
        ):
            between = (times_ns > from_ns) & (times_ns < to_ns)
            step = np.abs(one.apply(times_ns[between]) - other.apply(times_ns[between]))
            half_width_ns[between] += step
        return half_width_ns

    def _choose(self, times_ns: _Times) -> list[tuple[int, NDArray[np.bool_]]]:
        borders = np.array([(a + b) // 2 for a, b in self.gaps_ns], np.int64)
        number = np.searchsorted(borders, times_ns)
        return [(n, number == n) for n in range(len(self.segments))]


def fit_host_track(probes: Sequence[ClockProbe]) -> ClockTrack:
    """Follow a daemon's host clock against the controller's through a whole recording.

    Every probe bounds controller minus host from both sides, whatever the network did: it is at
    least ``t0 - t1`` and at most ``t3 - t2``. Within `HOST_WINDOW_NS` of a moment the clocks run
    along a line, so this line lies under the convex hull of the upper bounds and over that of the
    lower ones. The middle of this corridor is the estimate, half of its width the uncertainty. A
    queue that delays one direction only widens one hull: unlike with the probe of the smallest
    round trip, no single exchange has to be fast both ways.

    Two bursts whose bounds no quartz can reconcile lie on both sides of a reset (the controller's
    machine was restarted, or one of both was suspended).

    Parameters
    ----------
    probes : sequence of ClockProbe
        In any order. None at all gives the identity with uncertainty NaN.

    Returns
    -------
    ClockTrack
        Host → controller.
    """
    bursts = _bursts(probes)
    if not bursts:
        return ClockTrack((ClockSegment.identity(),))
    runs = [[bursts[0]]]
    for one, other in pairwise(bursts):
        if _reconcilable(one, other):
            runs[-1].append(other)
        else:
            runs.append([other])
    gaps_ns = tuple((one[-1].upper_at_ns, other[0].lower_at_ns) for one, other in pairwise(runs))
    return ClockTrack(tuple(_host_segment(run) for run in runs), gaps_ns)


def device_segments(device_ns: _Times, host_ns: _Times, segment: _Times) -> _Times:
    """Count the stretches over which a device's clock ran on.

    Parameters
    ----------
    device_ns, host_ns : (N,) int64
        Device time and arrival of each frame.
    segment : (N,) int64
        As recorded: raised where the numbers or the times went back.

    Returns
    -------
    (N,) int64
        From 0 on. Also raised where device time leaps by more than `DEVICE_JUMP_NS` against
        arrival, for good: a clock that was set forward.
    """
    if not len(device_ns):
        return segment.copy()
    anew = np.diff(segment) != 0
    leap = np.abs(np.diff(host_ns - device_ns)) > DEVICE_JUMP_NS
    steps = np.concatenate([[0], (anew | leap).astype(np.int64)])
    numbered: _Times = np.cumsum(steps)
    return numbered


def fit_device_segment(device_ns: _Times, host_ns: _Times) -> ClockSegment:
    """Follow a device's clock against its host's: the lower envelope of the arrivals.

    A frame can arrive late but never early, so the line at a moment lies under all arrivals within
    `DEVICE_WINDOW_NS`. What it cannot see is the smallest delay itself (exposure, read-out, bus),
    which stays in the capture time as a constant.

    Parameters
    ----------
    device_ns, host_ns : (N,) int64
        Device time and arrival of each frame; device times strictly increase.

    Returns
    -------
    ClockSegment
        Device → host. Half-width: the tenth percentile of the delays above the envelope nearby,
        which says how densely it is supported. The identity, NaN, without frames.
    """
    if not len(device_ns):
        return ClockSegment.identity()
    origin_ns, base_ns = int(device_ns[0]), int(host_ns[0] - device_ns[0])
    x = (device_ns - origin_ns).astype(np.float64)
    delay = (host_ns - device_ns - base_ns).astype(np.float64)
    # The hull of a window is that of the hulls of its parts: each frame is looked at once.
    first_of_block = np.flatnonzero(np.diff(x // _BLOCK_NS, prepend=-1.0))
    ends = np.append(first_of_block[1:], len(x))
    least = np.concatenate(
        [
            a + np.array(lower_hull(x[a:b], delay[a:b]))
            for a, b in zip(first_of_block, ends, strict=True)
        ]
    )
    knots = _knots(x[0], x[-1])
    lines = [_edge(x[least], delay[least], knot, DEVICE_WINDOW_NS, "under") for knot in knots]
    level = np.array([line[0] for line in lines])
    above = delay - np.interp(x, knots, level) if len(knots) > 1 else delay - level[0]
    half_width = np.array([_support(x, above, knot) for knot in knots])
    return _segment(origin_ns, base_ns, knots, level, half_width, [line[1] for line in lines])


@dataclass(frozen=True, slots=True)
class _Burst:
    """The tightest bounds on controller minus host of one burst, each at its host time."""

    upper_at_ns: int
    upper_ns: int
    lower_at_ns: int
    lower_ns: int


def _bursts(probes: Sequence[ClockProbe]) -> list[_Burst]:
    groups: list[list[ClockProbe]] = []
    possible = [p for p in probes if p.rtt_ns >= 0 and 0 <= p.t2_ns - p.t1_ns < BURST_GAP_NS]
    for probe in sorted(possible, key=lambda p: p.t1_ns):
        if groups and probe.t1_ns - groups[-1][-1].t1_ns <= BURST_GAP_NS:
            groups[-1].append(probe)
        else:
            groups.append([probe])
    bursts = []
    for group in groups:
        upper = min(group, key=lambda p: p.t3_ns - p.t2_ns)
        lower = max(group, key=lambda p: p.t0_ns - p.t1_ns)
        bounds = (upper.t2_ns, upper.t3_ns - upper.t2_ns, lower.t1_ns, lower.t0_ns - lower.t1_ns)
        bursts.append(_Burst(*bounds))
    return bursts


def _reconcilable(one: _Burst, other: _Burst) -> bool:
    drift_ns = MAX_SKEW * (other.upper_at_ns - one.lower_at_ns)
    return other.lower_ns - one.upper_ns <= drift_ns and one.lower_ns - other.upper_ns <= drift_ns


def _host_segment(bursts: Sequence[_Burst]) -> ClockSegment:
    origin_ns, base_ns = bursts[0].lower_at_ns, bursts[0].lower_ns
    upper_x = np.array([b.upper_at_ns - origin_ns for b in bursts], np.float64)
    upper = np.array([b.upper_ns - base_ns for b in bursts], np.float64)
    lower_x = np.array([b.lower_at_ns - origin_ns for b in bursts], np.float64)
    lower = np.array([b.lower_ns - base_ns for b in bursts], np.float64)
    knots = _knots(float(lower_x[0]), float(lower_x[-1]))
    over = [_edge(upper_x, upper, knot, HOST_WINDOW_NS, "under") for knot in knots]
    under = [_edge(lower_x, lower, knot, HOST_WINDOW_NS, "over") for knot in knots]
    level = np.array([(a[0] + b[0]) / 2 for a, b in zip(over, under, strict=True)])
    half_width = np.array([abs(a[0] - b[0]) / 2 for a, b in zip(over, under, strict=True)])
    skews = [(a[1] + b[1]) / 2 for a, b in zip(over, under, strict=True)]
    return _segment(origin_ns, base_ns, knots, level, half_width, skews)


def _segment(
    origin_ns: int,
    base_ns: int,
    knots: _Values,
    level: _Values,
    half_width: _Values,
    skews: Sequence[float],
) -> ClockSegment:
    """Put lines at knots together; times from `origin_ns`, levels from `base_ns` on."""
    span_ns = float(knots[-1] - knots[0])
    if len(knots) > 1:
        half_width = half_width + _WANDER * min(span_ns, float(HOST_WINDOW_NS)) ** 2 * 1e-9 / 2
        window_ns = min(span_ns, 2.0 * HOST_WINDOW_NS)
        skew_error = 2 * float(max(half_width[0], half_width[-1])) / window_ns + _WANDER * 30
    else:
        skew_error = _UNKNOWN_SKEW
    source_ns = origin_ns + np.rint(knots).astype(np.int64)
    return ClockSegment(
        source_ns=source_ns,
        target_ns=source_ns + base_ns + np.rint(level).astype(np.int64),
        half_width_ns=half_width,
        first_skew=skews[0],
        last_skew=skews[-1],
        skew_error=skew_error,
    )


def _knots(first: float, last: float) -> _Values:
    """Return where lines are drawn: one where no slope can be told, else every few seconds."""
    if last - first < MIN_SKEW_SPAN_NS:
        return np.array([round((first + last) / 2)], np.float64)
    count = int(np.ceil((last - first) / _KNOT_GAP_NS)) + 1
    return np.rint(np.linspace(first, last, count))


def _edge(
    x: _Values, y: _Values, at: float, window_ns: int, side: Literal["under", "over"]
) -> tuple[float, float]:
    """Return level and slope at `at` of the line under (over) the points nearby."""
    if side == "over":
        level, slope = _edge(x, -y, at, window_ns, "under")
        return -level, -slope
    near = _nearby(x, at, window_ns)
    x, y = x[near], y[near]
    if len(x) > 1 and x[-1] - x[0] >= MIN_SKEW_SPAN_NS:
        left, right = hull_edge(x, y, float(x.mean()))
        slope = float((y[right] - y[left]) / (x[right] - x[left]))
        if abs(slope) <= MAX_SKEW:
            return float(y[left] + slope * (at - x[left])), slope
    return float(y.min()), 0.0


def _nearby(x: _Values, at: float, window_ns: int) -> slice:
    """Return which points make the line at `at`: at the ends a whole window to one side."""
    centre = float(np.clip(at, min(x[0] + window_ns, x[-1]), max(x[-1] - window_ns, x[0])))
    first, end = np.searchsorted(x, [centre - window_ns, centre + window_ns + 1])
    while end - first < min(_MIN_POINTS, len(x)):  # a gap: as many from either side as it takes
        if end == len(x) or (first > 0 and centre - x[first - 1] < x[end] - centre):
            first -= 1
        else:
            end += 1
    return slice(int(first), int(end))


def _support(x: _Values, above: _Values, knot: float) -> float:
    near = above[_nearby(x, knot, DEVICE_WINDOW_NS)]
    return float(max(np.quantile(near, _FAST_SHARE), 0.0))
