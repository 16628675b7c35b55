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
from .fusion_options import FusionOptions as FusionOptions
from .fusion_options import Method
from .labels import SessionLabels
from .strict_csv import NS_PER_S
from .trace import DIMENSIONS, Dimension, Trace
from .weights import RaterWeights, Weighting, rater_weights

MAX_GRID_RATE_HZ = 1000.0
MAX_MOMENTS = 20_000_000
_WEIGHTED: dict[Method, Weighting] = {
    "ewe": "ewe",
    "ewe-leave-one-out": "ewe-leave-one-out",
    "ewe-pairwise-cc": "ewe-pairwise-cc",
    "ewe-pairwise-ccc": "ewe-pairwise-ccc",
    "ges": "ewe-pairwise-ccc",
}


@dataclass(frozen=True, slots=True)
class FusionReport:
    """How one dimension of one session was fused.

    Attributes
    ----------
    raters : tuple of str
    weights : tuple of float
        Of each rater; all the same for ``mean`` and ``ges``.
    agreement : tuple of float
        What the weights (or the centre of ``ges``) follow; NaN where undefined or not asked for.
    fell_back : bool
        No rater agreed with another, so that all counted the same.
    n_rated, n_interpolated, n_held, n_missing : int
        Values of raters at the moments of the labels: said at that moment, interpolated between
        two ratings, held at an edge, and missing.
    longest_bridged_s : float
        Widest pause that was interpolated.
    """

    session: str
    dimension: Dimension
    raters: tuple[str, ...]
    weights: tuple[float, ...]
    agreement: tuple[float, ...]
    fell_back: bool
    n_rated: int
    n_interpolated: int
    n_held: int
    n_missing: int
    longest_bridged_s: float


@dataclass(frozen=True, slots=True)
class Fused:
    """Labels by session, and how they came about."""

    sessions: dict[str, SessionLabels]
    reports: tuple[FusionReport, ...]


def fuse(traces: Iterable[Trace], options: FusionOptions) -> dict[str, SessionLabels]:
    """Fuse the raters of every session; see `fuse_with_report`."""
    return fuse_with_report(traces, options).sessions


def fuse_with_report(traces: Iterable[Trace], options: FusionOptions) -> Fused:
    """Fuse the raters of every session.

    Parameters
    ----------
    traces : iterable of Trace
        On the raters' scale.
    options : FusionOptions

    Returns
    -------
    Fused
        Times: ticks of the grid, and each rater's first and last moment, so that no rated
        moment falls off the ends. Rows without any label are kept inside (they say "missing")
        and dropped at the ends.

    Raises
    ------
    AnnotationError
        A rating beyond the scale, or a session of which no moment has enough raters.
    """
    gold: dict[str, SessionLabels] = {}
    reports: list[FusionReport] = []
    for session, members in groupby(
        sorted(traces, key=lambda trace: (trace.session, trace.dimension, trace.rater)),
        key=lambda trace: trace.session,
    ):
        gold[session], described = _fuse_session(session, tuple(members), options)
        reports += described
    return Fused(gold, tuple(reports))


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
    if last_tick - first_tick >= MAX_MOMENTS:
        raise AnnotationError(
            f"{(last_ns - first_ns) / NS_PER_S:.0f} s at {rate_hz:g} Hz are more than "
            f"{MAX_MOMENTS} moments",
            remedy="choose a lower rate",
        )
    ticks = np.arange(first_tick, last_tick + 1, dtype=np.int64)
    return np.round(ticks * (NS_PER_S / rate_hz)).astype(np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class _Gold:
    """One dimension at the moments of a session."""

    value: NDArray[np.float64]
    spread: NDArray[np.float64]
    count: NDArray[np.int64]
    report: FusionReport | None


def _fuse_session(
    session: str, traces: Sequence[Trace], options: FusionOptions
) -> tuple[SessionLabels, list[FusionReport]]:
    shifted = [_shift(trace, options) for trace in traces]
    time_ns = _moments(traces, shifted, options)
    if not len(time_ns):
        raise AnnotationError(
            f"session {session}: every rating lies within the first {options.lag_s:g} s",
            remedy="choose a smaller --lag-s",
        )
    fused = {
        dimension: _fuse_dimension(
            [t for t in shifted if t.dimension == dimension], time_ns, options
        )
        for dimension in DIMENSIONS
    }
    known = np.stack([~np.isnan(gold.value) for gold in fused.values()])
    counts = np.stack([gold.count for gold in fused.values()])
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
    labels = SessionLabels(
        time_ns[inside],
        fused["valence"].value[inside],
        fused["arousal"].value[inside],
        n_raters[inside],
        fused["valence"].spread[inside],
        fused["arousal"].spread[inside],
    )
    return labels, [gold.report for gold in fused.values() if gold.report is not None]


def _shift(trace: Trace, options: FusionOptions) -> Trace:
    """Move a trace to what it is about; whole nanoseconds, so that it can be moved back."""
    lag_ns = round((options.lag_s + options.rater_lag_s.get(trace.rater, 0.0)) * NS_PER_S)
    return Trace(trace.session, trace.rater, trace.dimension, trace.time_ns - lag_ns, trace.value)


def _moments(
    traces: Sequence[Trace], shifted: Sequence[Trace], options: FusionOptions
) -> NDArray[np.int64]:
    """Return the times that get a label: of the session, hence not before its start."""
    if options.rate_hz is None:  # the moments shown, which no reaction time moves
        time_ns = np.unique(np.concatenate([trace.time_ns for trace in traces]))
        time_ns = _mark_gaps(time_ns, options.max_gap_s)
    else:
        ends = [trace.time_ns[[0, -1]] for trace in shifted]
        time_ns = np.unique(np.concatenate([common_grid(shifted, options.rate_hz), *ends]))
    return time_ns[time_ns >= 0]


def _mark_gaps(time_ns: NDArray[np.int64], max_gap_s: float | None) -> NDArray[np.int64]:
    """Add a moment inside every gap that is not bridged: its row says that nothing is known."""
    if max_gap_s is None:
        return time_ns
    wide = np.flatnonzero(np.diff(time_ns) > max_gap_s * NS_PER_S)
    middle = time_ns[wide] + (time_ns[wide + 1] - time_ns[wide]) // 2
    return np.union1d(time_ns, middle)


def _fuse_dimension(
    traces: Sequence[Trace], time_ns: NDArray[np.int64], options: FusionOptions
) -> _Gold:
    n_moments = len(time_ns)
    if not traces:
        nothing = np.full(n_moments, np.nan)
        return _Gold(nothing, nothing, np.zeros(n_moments, np.int64), None)
    ratings = rating_matrix(traces, time_ns, max_gap_s=options.max_gap_s)
    held = _hold_edges(ratings, traces, time_ns) if options.edges == "hold" else 0
    if np.any(np.abs(ratings) > options.scale * (1 + 1e-12)):
        raise AnnotationError(
            f"session {traces[0].session}: a rating exceeds the scale of {options.scale:g}"
        )
    weights = _weigh(ratings, options.method)
    spoke = ~np.isnan(ratings)
    count: NDArray[np.int64] = np.sum(spoke, axis=0, dtype=np.int64)
    value = _combine(ratings, spoke, weights, options.method)
    enough = count >= max(1, options.min_raters or len(traces))
    return _Gold(
        np.where(enough, np.clip(value / options.scale, -1.0, 1.0), np.nan),
        np.where(enough, _spread(ratings, spoke, count) / options.scale, np.nan),
        count,
        _describe(traces, time_ns, ratings, weights, held, options),
    )


def _weigh(ratings: NDArray[np.float64], method: Method) -> RaterWeights:
    if method in _WEIGHTED:
        return rater_weights(ratings, _WEIGHTED[method])
    n_raters = len(ratings)
    return RaterWeights(np.full(n_raters, np.nan), np.full(n_raters, 1.0 / n_raters), False)


def _combine(
    ratings: NDArray[np.float64],
    spoke: NDArray[np.bool_],
    weights: RaterWeights,
    method: Method,
) -> NDArray[np.float64]:
    """Weighted mean of those who spoke; NaN where only raters without weight did."""
    weight = weights.weight if method.startswith("ewe") else np.ones(len(ratings))
    present = np.where(spoke, weight[:, None], 0.0)
    total = np.sum(present, axis=0)
    summed = np.sum(np.where(spoke, ratings, 0.0) * present, axis=0)
    value: NDArray[np.float64] = np.full(len(total), np.nan)
    np.divide(summed, total, out=value, where=total > 0)
    if method == "ges":
        complete = ratings[:, np.all(spoke, axis=0)]
        if complete.shape[1]:
            means = np.mean(complete, axis=1)
            value = value - np.mean(means) + np.sum(weights.weight * means)
    return value


def _spread(
    ratings: NDArray[np.float64], spoke: NDArray[np.bool_], count: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the standard deviation (n - 1) of those who spoke; NaN for fewer than two."""
    mean = np.sum(np.where(spoke, ratings, 0.0), axis=0) / np.maximum(count, 1)
    squares = np.sum(np.where(spoke, ratings - mean, 0.0) ** 2, axis=0)
    return np.where(count > 1, np.sqrt(squares / np.maximum(count - 1, 1)), np.nan)


def _hold_edges(
    ratings: NDArray[np.float64], traces: Sequence[Trace], time_ns: NDArray[np.int64]
) -> int:
    """Fill what lies outside the traces with their first and last rating; return how much."""
    n_held = 0
    for row, trace in zip(ratings, traces, strict=True):
        before, after = time_ns < trace.time_ns[0], time_ns > trace.time_ns[-1]
        row[before], row[after] = trace.value[0], trace.value[-1]
        n_held += int(np.sum(before) + np.sum(after))
    return n_held


def _describe(
    traces: Sequence[Trace],
    time_ns: NDArray[np.int64],
    ratings: NDArray[np.float64],
    weights: RaterWeights,
    n_held: int,
    options: FusionOptions,
) -> FusionReport:
    n_rated = sum(int(np.sum(np.isin(time_ns, trace.time_ns))) for trace in traces)
    n_known = int(np.sum(np.isfinite(ratings)))
    limit_s = math.inf if options.max_gap_s is None else options.max_gap_s
    pauses = np.concatenate([np.diff(trace.time_ns) / NS_PER_S for trace in traces])
    bridged = pauses[pauses <= limit_s]
    mean_like = options.method in ("mean", "ges")
    equal = np.full(len(traces), 1.0 / len(traces))
    return FusionReport(
        traces[0].session,
        traces[0].dimension,
        tuple(trace.rater for trace in traces),
        tuple((equal if mean_like else weights.weight).tolist()),
        tuple(weights.agreement.tolist()),
        weights.fell_back,
        n_rated=n_rated,
        n_interpolated=n_known - n_rated - n_held,
        n_held=n_held,
        n_missing=ratings.size - n_known,
        longest_bridged_s=float(np.max(bridged)) if len(bridged) else 0.0,
    )
