"""Ratings frame by frame, with where each value comes from: the long table for other tools."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from capture.files import atomic_output

from .fusion import common_grid
from .sources import Frames, Ratings, key_of
from .strict_csv import NS_PER_S, format_time_s
from .trace import Trace

Source = Literal["observed", "held", "interpolated", "missing"]
SOURCES: tuple[Source, ...] = get_args(Source)
FRAME_COLUMNS = ("session", "rater", "team", "dimension", "frame", "time_s", "value", "source")


@dataclass(frozen=True, slots=True, eq=False)
class FrameTable:
    """One trace at the frames of its video.

    Attributes
    ----------
    trace : Trace
    team : str
        Empty where unknown.
    time_ns : (N,) int64
        Of frames 0 to N - 1.
    value : (N,) float64
        Interpolated in time where a frame was not rated; NaN where missing.
    source : (N,) int8
        Index into `SOURCES`: said at that frame, slider left where it was, interpolated, missing.
    """

    trace: Trace
    team: str
    time_ns: NDArray[np.int64]
    value: NDArray[np.float64]
    source: NDArray[np.int8]


def frame_tables(
    ratings: Ratings, *, rate_hz: float, max_gap_s: float | None = None
) -> Iterator[FrameTable]:
    """Yield every trace at every frame.

    Parameters
    ----------
    ratings : Ratings
    rate_hz : float
        Frames a second of ratings that do not come from a project, counted from the session's
        start; those of a project have the frames of their video.
    max_gap_s : float, optional
        Widest gap that is interpolated; default: any.
    """
    max_gap_ns = None if max_gap_s is None else round(max_gap_s * NS_PER_S)
    for trace in ratings.traces:
        frames = ratings.frames.get(key_of(trace)) or _grid(trace, rate_hz)
        value = trace.at(frames.time_ns, max_gap_ns=max_gap_ns)
        rated = np.isin(frames.time_ns, trace.time_ns)
        source = np.select(
            [rated & frames.by_hand, rated, np.isfinite(value)], [0, 1, 2], default=3
        ).astype(np.int8)
        team = ratings.teams.get(trace.rater, "")
        yield FrameTable(trace, team, frames.time_ns, value, source)


def save_frame_csv(
    path: Path,
    ratings: Ratings,
    *,
    rate_hz: float,
    max_gap_s: float | None = None,
    overwrite: bool = False,
) -> int:
    """Write the long table as CSV, whole or not at all; return the number of rows."""
    n_rows = 0
    with (
        atomic_output(Path(path), overwrite=overwrite) as partial,
        partial.open("w", encoding="utf-8", newline="") as handle,
    ):
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(FRAME_COLUMNS)
        for table in frame_tables(ratings, rate_hz=rate_hz, max_gap_s=max_gap_s):
            trace = table.trace
            name = (trace.session, trace.rater, table.team, trace.dimension)
            for frame in range(len(table.time_ns)):
                value = float(table.value[frame])
                writer.writerow(
                    (
                        *name,
                        frame,
                        format_time_s(int(table.time_ns[frame])),
                        "" if np.isnan(value) else format_rating(value),
                        SOURCES[table.source[frame]],
                    )
                )
            n_rows += len(table.time_ns)
    return n_rows


def format_rating(value: float) -> str:
    """Write a rating without losing a bit, whole numbers as such."""
    return str(int(value)) if value.is_integer() else repr(value)


def _grid(trace: Trace, rate_hz: float) -> Frames:
    """Frames from the session's start to the trace's end; every sample counts as said by hand."""
    until = Trace(
        trace.session,
        trace.rater,
        trace.dimension,
        np.array([0, max(int(trace.time_ns[-1]), 1)], dtype=np.int64),
        np.zeros(2),
    )
    time_ns = common_grid([until], rate_hz)
    return Frames(time_ns, np.ones(len(time_ns), dtype=np.bool_))
