"""Signs that a trace was not rated with care: late, with gaps, frozen, hectic, or too fast a video.

The limits on start and gaps are those at which the RECOLA recordings were given back to the rater:
first sample later than 5 s, a gap over 20 s, samples out of order (Ringeval et al., "Introducing
the RECOLA multimodal corpus", EmoSPACE 2013). A flag is a question to the rater, no verdict.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import AnnotationError
from .strict_csv import NS_PER_S
from .trace import Trace

FlagKind = Literal[
    "late_start",
    "early_end",
    "gap",
    "frozen",
    "fast_slider",
    "playback_rate",
    "out_of_order",
]
FLAG_KINDS: tuple[FlagKind, ...] = get_args(FlagKind)

_SPEED_WINDOW_S = 0.5
_RATE_TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True)
class QualityRules:
    """Limits beyond which a trace is flagged.

    Attributes
    ----------
    max_start_s : float
        Latest first rating, and earliest end before the end of the video (RECOLA: 5 s).
    max_gap_s : float
        Longest time without a rating (RECOLA: 20 s).
    max_still_s : float
        Longest time at one value. A trace that never moves is flagged from `max_start_s` on.
    max_speed_per_s : float
        Fastest change in points of a scale of -10 to 10, within half a second. 36 is nearly the
        whole scale in that time, as a slip of the mouse does it; a held key stays below.
    min_playback_rate, max_playback_rate : float
        Speeds at which a video may be rated.
    """

    max_start_s: float = 5.0
    max_gap_s: float = 20.0
    max_still_s: float = 60.0
    max_speed_per_s: float = 36.0
    min_playback_rate: float = 0.5
    max_playback_rate: float = 1.0

    def __post_init__(self) -> None:
        for name in ("max_start_s", "max_gap_s", "max_still_s", "max_speed_per_s"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise AnnotationError(f"{name} is {value:g}, expected a number above 0")
        if not 0 < self.min_playback_rate <= self.max_playback_rate < math.inf:
            raise AnnotationError(
                f"playback rates run from {self.min_playback_rate:g} to "
                f"{self.max_playback_rate:g}, expected 0 < min <= max"
            )


@dataclass(frozen=True, slots=True)
class Flag:
    """One sign, where it is and by how much it exceeds its limit.

    Attributes
    ----------
    kind : str
        One of `FLAG_KINDS`.
    start_ns, end_ns : int
        The stretch it is about, since the session's start.
    measured, limit : float
        Seconds for late starts, early ends, gaps and frozen sliders; points a second for fast
        sliders; playback rates as they are; for samples out of order how many, and 0.
    """

    kind: FlagKind
    start_ns: int
    end_ns: int
    measured: float
    limit: float

    @property
    def text(self) -> str:
        """One line for people."""
        at = f"at {self.start_ns / NS_PER_S:.1f} s"
        measured, limit = f"{self.measured:.3g}", f"{self.limit:.3g}"
        return {
            "late_start": f"first rating only after {measured} s (limit {limit} s)",
            "early_end": f"no rating in the last {measured} s (limit {limit} s)",
            "gap": f"{at} nothing rated for {measured} s (limit {limit} s)",
            "frozen": f"{at} the slider stood still for {measured} s (limit {limit} s)",
            "fast_slider": f"{at} the slider moved {measured} points a second (limit {limit})",
            "playback_rate": f"{at} the video played at {measured} times its speed ({limit})",
            "out_of_order": f"{at} {measured} samples are earlier than the one before",
        }[self.kind]


def flag_trace(
    trace: Trace,
    *,
    duration_ns: int | None = None,
    scale: float = 10.0,
    rules: QualityRules | None = None,
) -> tuple[Flag, ...]:
    """Look at one trace.

    Parameters
    ----------
    trace : Trace
    duration_ns : int, optional
        Length of what was rated; without it an early end cannot be told.
    scale : float
        Largest rating; speeds are judged as if it were 10.
    rules : QualityRules, optional

    Returns
    -------
    tuple of Flag
        In order of time.
    """
    if not (math.isfinite(scale) and scale > 0):
        raise AnnotationError(f"scale is {scale:g}, expected a number above 0")
    rules = rules or QualityRules()
    flags = [*_ends(trace, duration_ns, rules), *_gaps(trace, rules), *_frozen(trace, rules)]
    flags += _fast(trace, scale, rules)
    return tuple(sorted(flags, key=lambda flag: (flag.start_ns, flag.kind)))


def flag_playback(
    time_ns: NDArray[np.int64], rate: ArrayLike, *, rules: QualityRules | None = None
) -> tuple[Flag, ...]:
    """Flag every stretch in which the video played slower or faster than allowed.

    Parameters
    ----------
    time_ns : (N,) int64
        When the rate was set, increasing.
    rate : (N,) float
        Playback rate from then on; 1 is the video's own speed.
    rules : QualityRules, optional
    """
    rules = rules or QualityRules()
    rates = np.asarray(rate, dtype=np.float64)
    low, high = rules.min_playback_rate - _RATE_TOLERANCE, rules.max_playback_rate + _RATE_TOLERANCE
    flags: list[Flag] = []
    for first, last in _runs((rates < low) | (rates > high)):
        inside = rates[first : last + 1]
        limit = rules.min_playback_rate if inside[0] < low else rules.max_playback_rate
        worst = float(inside[np.argmax(np.abs(inside - limit))])
        end = min(last + 1, len(time_ns) - 1)
        flags.append(Flag("playback_rate", int(time_ns[first]), int(time_ns[end]), worst, limit))
    return tuple(flags)


def flag_order(time_ns: ArrayLike, *, strict: bool = True) -> tuple[Flag, ...]:
    """Flag samples, as they arrived, of which one is earlier than the one before.

    Parameters
    ----------
    time_ns : (N,) int64
    strict : bool
        Also two at the same time.
    """
    times = np.asarray(time_ns, dtype=np.int64)
    back = np.flatnonzero(np.diff(times) <= 0 if strict else np.diff(times) < 0)
    if not len(back):
        return ()
    first = int(back[0])
    return (Flag("out_of_order", int(times[first + 1]), int(times[first]), float(len(back)), 0.0),)


def _ends(trace: Trace, duration_ns: int | None, rules: QualityRules) -> Iterator[Flag]:
    first_ns, last_ns = int(trace.time_ns[0]), int(trace.time_ns[-1])
    if first_ns > rules.max_start_s * NS_PER_S:
        yield Flag("late_start", 0, first_ns, first_ns / NS_PER_S, rules.max_start_s)
    if duration_ns is not None and duration_ns - last_ns > rules.max_start_s * NS_PER_S:
        missing_s = (duration_ns - last_ns) / NS_PER_S
        yield Flag("early_end", last_ns, int(duration_ns), missing_s, rules.max_start_s)


def _gaps(trace: Trace, rules: QualityRules) -> Iterator[Flag]:
    gap_ns = np.diff(trace.time_ns)
    for i in np.flatnonzero(gap_ns > rules.max_gap_s * NS_PER_S):
        start_ns, end_ns = int(trace.time_ns[i]), int(trace.time_ns[i + 1])
        yield Flag("gap", start_ns, end_ns, (end_ns - start_ns) / NS_PER_S, rules.max_gap_s)


def _frozen(trace: Trace, rules: QualityRules) -> Iterator[Flag]:
    """Stretches at one value; gaps interrupt them, as nothing is known about the slider there."""
    same = (np.diff(trace.value) == 0) & (np.diff(trace.time_ns) <= rules.max_gap_s * NS_PER_S)
    for first, last in _runs(same):
        start_ns, end_ns = int(trace.time_ns[first]), int(trace.time_ns[last + 1])
        still_s = (end_ns - start_ns) / NS_PER_S
        never_moved = first == 0 and last == len(trace) - 2
        limit = min(rules.max_start_s, rules.max_still_s) if never_moved else rules.max_still_s
        if still_s > limit:
            yield Flag("frozen", start_ns, end_ns, still_s, limit)


def _fast(trace: Trace, scale: float, rules: QualityRules) -> Iterator[Flag]:
    """Stretches in which half a second changes the value by more than is meant."""
    moved, until = _largest_moves(trace, round(_SPEED_WINDOW_S * NS_PER_S))
    speed = moved * (10.0 / scale) / _SPEED_WINDOW_S
    for first, last in _runs(speed > rules.max_speed_per_s):
        yield Flag(
            "fast_slider",
            int(trace.time_ns[first]),
            int(np.max(trace.time_ns[until[first : last + 1]])),
            float(np.max(speed[first : last + 1])),
            rules.max_speed_per_s,
        )


def _largest_moves(trace: Trace, window_ns: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Largest distance in value from each sample to one within `window_ns` after it, and which."""
    moved = np.zeros(len(trace))
    until = np.arange(len(trace))
    for step in range(1, len(trace)):
        near = trace.time_ns[step:] - trace.time_ns[:-step] <= window_ns
        if not np.any(near):
            break
        distance = np.where(near, np.abs(trace.value[step:] - trace.value[:-step]), 0.0)
        farther = np.flatnonzero(distance > moved[:-step])
        moved[farther] = distance[farther]
        until[farther] = farther + step
    return moved, until


def _runs(marked: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First and last index of every stretch of true values."""
    edges = np.diff(np.concatenate([[0], marked.astype(np.int8), [0]]))
    return list(
        zip(
            np.flatnonzero(edges == 1).tolist(),
            (np.flatnonzero(edges == -1) - 1).tolist(),
            strict=True,
        )
    )
