"""From the traces of several raters to one gold trace: interpolate, average, scale.

The order is the paper's (section IV-C): missing values are interpolated first, in time, then the
raters are averaged. Nothing is invented before a rater's first or after the last judgement.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from .errors import AnnotationError
from .labels import SessionLabels
from .strict_csv import MAX_TIME_S, NS_PER_S
from .trace import Trace

MAX_GRID_RATE_HZ = 1000.0


@dataclass(frozen=True, slots=True)
class FusionOptions:
    """How ratings become labels; recorded with them.

    Attributes
    ----------
    scale : float
        Rating that becomes a label of 1.
    rate_hz : float
        Rate of the gold grid, which is anchored at the session's start.
    lag_s : float
        The raters' reaction time: what was said at t + lag_s is taken to be about t. The last
        `lag_s` seconds of a session then have no label.
    min_raters : int or None
        Raters that must have spoken for a label; None: every rater of that session and
        dimension, so that the mean never jumps because somebody starts late.
    max_gap_s : float or None
        Widest pause of a rater that is interpolated; None: any.
    """

    scale: float = 10.0
    rate_hz: float = 30.0
    lag_s: float = 0.0
    min_raters: int | None = None
    max_gap_s: float | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.scale) and self.scale > 0):
            raise AnnotationError(f"scale is {self.scale:g}, expected a number above 0")
        if self.max_gap_s is not None and not 0 < self.max_gap_s <= MAX_TIME_S:
            raise AnnotationError(
                f"max_gap_s is {self.max_gap_s:g}, expected a number above 0, at most "
                f"{MAX_TIME_S:g}"
            )
        if not 0 <= self.lag_s <= MAX_TIME_S:
            raise AnnotationError(f"lag_s is {self.lag_s:g}, expected 0 to {MAX_TIME_S:g} seconds")
        if self.min_raters is not None and self.min_raters < 1:
            raise AnnotationError(f"min_raters is {self.min_raters}, expected 1 or more")


def fuse(traces: Iterable[Trace], options: FusionOptions) -> dict[str, SessionLabels]:
    """Average the raters of every session.

    Parameters
    ----------
    traces : iterable of Trace
        On the raters' scale.
    options : FusionOptions

    Returns
    -------
    dict of session name to SessionLabels
        Times: ticks of the grid, and each rater's first and last moment, so that no rated
        moment falls off the ends. Rows without any label are kept inside (they say "missing")
        and dropped at the ends.

    Raises
    ------
    AnnotationError
        A rating beyond the scale, or a session of which no moment has enough raters.
    """
    gold: dict[str, SessionLabels] = {}
    for session, members in groupby(
        sorted(traces, key=lambda trace: trace.session), key=lambda trace: trace.session
    ):
        gold[session] = _fuse_session(session, tuple(members), options)
    return gold


def rating_matrix(
    traces: Sequence[Trace], time_ns: NDArray[np.int64], *, max_gap_s: float | None = None
) -> NDArray[np.float64]:
    """Sample traces at common times.

    Returns
    -------
    (K, N) float64
        One row a trace; NaN where it says nothing.
    """
    max_gap_ns = None if max_gap_s is None else round(max_gap_s * NS_PER_S)
    rows = [trace.at(time_ns, max_gap_ns=max_gap_ns) for trace in traces]
    return np.stack(rows) if rows else np.empty((0, len(time_ns)))


def common_grid(traces: Sequence[Trace], rate_hz: float) -> NDArray[np.int64]:
    """Ticks k / `rate_hz` from the first to the last moment of `traces`, ns since the start."""
    if not 0 < rate_hz <= MAX_GRID_RATE_HZ:
        raise AnnotationError(
            f"rate_hz is {rate_hz:g}, expected a number above 0, at most {MAX_GRID_RATE_HZ:g}"
        )
    first_ns = min(int(trace.time_ns[0]) for trace in traces)
    last_ns = max(int(trace.time_ns[-1]) for trace in traces)
    first_tick = math.ceil(first_ns * rate_hz / NS_PER_S)
    last_tick = math.floor(last_ns * rate_hz / NS_PER_S)
    ticks = np.arange(first_tick, last_tick + 1, dtype=np.int64)
    return np.round(ticks * (NS_PER_S / rate_hz)).astype(np.int64)


def _fuse_session(session: str, traces: Sequence[Trace], options: FusionOptions) -> SessionLabels:
    lag_ns = round(options.lag_s * NS_PER_S)
    shifted = [
        Trace(trace.session, trace.rater, trace.dimension, trace.time_ns - lag_ns, trace.value)
        for trace in traces
    ]
    ends = [trace.time_ns[[0, -1]] for trace in shifted]
    time_ns = np.unique(np.concatenate([common_grid(shifted, options.rate_hz), *ends]))
    time_ns = time_ns[time_ns >= 0]
    if not len(time_ns):
        raise AnnotationError(
            f"session {session}: every rating lies within the first {options.lag_s:g} s",
            remedy="choose a smaller --lag-s",
        )
    fused = {
        dimension: _mean([t for t in shifted if t.dimension == dimension], time_ns, options)
        for dimension in ("valence", "arousal")
    }
    known = np.stack([~np.isnan(value) for value, _ in fused.values()])
    counts = np.stack([count for _, count in fused.values()])
    smallest = np.min(np.where(known, counts, np.iinfo(np.int64).max), axis=0)
    any_known = np.any(known, axis=0)
    n_raters = np.where(any_known, smallest, 0)
    if not np.any(any_known):
        needed = options.min_raters or "all"
        raise AnnotationError(
            f"session {session}: no moment was rated by {needed} of its raters",
            remedy="check the times of its traces, or lower --min-raters",
        )
    inside = slice(int(np.argmax(any_known)), len(any_known) - int(np.argmax(any_known[::-1])))
    return SessionLabels(
        time_ns[inside],
        fused["valence"][0][inside],
        fused["arousal"][0][inside],
        n_raters[inside],
    )


def _mean(
    traces: Sequence[Trace], time_ns: NDArray[np.int64], options: FusionOptions
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the scaled mean over raters (N,) and how many spoke (N,)."""
    ratings = rating_matrix(traces, time_ns, max_gap_s=options.max_gap_s)
    if np.any(np.abs(ratings) > options.scale * (1 + 1e-12)):
        raise AnnotationError(
            f"session {traces[0].session}: a rating exceeds the scale of {options.scale:g}"
        )
    spoke = ~np.isnan(ratings)
    count: NDArray[np.int64] = np.sum(spoke, axis=0, dtype=np.int64)
    total = np.sum(np.where(spoke, ratings, 0.0), axis=0)
    enough = count >= max(1, options.min_raters or len(traces))
    mean = total / np.maximum(count, 1) / options.scale
    return np.where(enough, np.clip(mean, -1.0, 1.0), np.nan), count
