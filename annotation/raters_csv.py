"""Rater traces as a long CSV table: one row for what one rater said at one moment."""

import csv
import logging
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from capture.files import atomic_output
from capture.terminal import OnProgress

from .errors import AnnotationError
from .strict_csv import Row, format_time_s, read_rows
from .trace import DIMENSIONS, Dimension, Trace

RATER_COLUMNS = ("session", "rater", "dimension", "time_s", "value")
RAW_SCALE = 10.0
"""The paper's slider runs from -10 to 10 in steps of 1 (section IV-C)."""

logger = logging.getLogger(__name__)

_Key = tuple[str, Dimension, str]


@dataclass(slots=True)
class _Samples:
    """One trace as it is read: 24 bytes a rating, and the line it is on."""

    path: Path
    time_ns: "array[int]" = field(default_factory=lambda: array("q"))
    value: "array[float]" = field(default_factory=lambda: array("d"))
    line: "array[int]" = field(default_factory=lambda: array("q"))


def load_traces(
    paths: Sequence[Path], *, scale: float = RAW_SCALE, on_progress: OnProgress | None = None
) -> tuple[Trace, ...]:
    """Read rater CSV files completely or refuse them.

    Parameters
    ----------
    paths : sequence of Path
        One or many files; a trace (session, rater, dimension) may be in one of them only.
    scale : float
        Largest magnitude a rating can have.
    on_progress : callable, optional
        Told bytes of each file.

    Returns
    -------
    tuple of Trace
        Sorted by session, dimension and rater; values still on the raters' scale. Rows of one
        trace that are out of order are sorted by time, and the log says so.

    Raises
    ------
    AnnotationError
        Missing file, wrong header, not a number, outside the scale, the same moment twice, the
        same trace in two files; names file and line.
    """
    if not scale > 0:
        raise AnnotationError(f"the scale is {scale:g}, expected a number above 0")
    samples: dict[_Key, _Samples] = {}
    for path in map(Path, paths):
        seen_here: set[_Key] = set()
        for row in read_rows(path, RATER_COLUMNS, on_progress=on_progress):
            key = (row.name(0, "session"), _dimension(row), row.name(1, "rater"))
            if key not in seen_here:
                if key in samples:
                    other = samples[key]
                    raise AnnotationError(
                        f"{row.place}: {key[2]} rated {key[1]} of {key[0]} already in "
                        f"{other.path}:{other.line[0]}",
                        remedy="keep one of the two passes, or name them as two raters",
                    )
                seen_here.add(key)
                samples[key] = _Samples(path)
            mine = samples[key]
            mine.time_ns.append(row.time_ns(3))
            mine.value.append(_rating(row, scale))
            mine.line.append(row.line)
        if not seen_here:
            raise AnnotationError(f"{path} holds no ratings, only a header")
    return tuple(_trace(key, samples[key]) for key in sorted(samples))


def save_traces(path: Path, traces: Iterable[Trace], *, overwrite: bool = False) -> None:
    """Write traces as one CSV file, whole or not at all.

    `load_traces` gives back the same nanoseconds and the same float64 values.
    """
    with (
        atomic_output(Path(path), overwrite=overwrite) as partial,
        partial.open("w", encoding="utf-8", newline="") as handle,
    ):
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(RATER_COLUMNS)
        for trace in traces:
            for time_ns, value in zip(trace.time_ns.tolist(), trace.value.tolist(), strict=True):
                text = str(int(value)) if value.is_integer() else repr(value)
                name = (trace.session, trace.rater, trace.dimension)
                writer.writerow((*name, format_time_s(time_ns), text))


def _dimension(row: Row) -> Dimension:
    text = row.name(2, "dimension")
    for dimension in DIMENSIONS:
        if text == dimension:
            return dimension
    raise AnnotationError(
        f"{row.place}: dimension is {text[:40]!r}, expected one of {', '.join(DIMENSIONS)}"
    )


def _rating(row: Row, scale: float) -> float:
    value = row.number(4, "value")
    if abs(value) > scale:
        raise AnnotationError(
            f"{row.place}: value is {row.cells[4]}, outside the scale of {-scale:g} to {scale:g}",
            remedy="pass --scale if the raters used another one",
        )
    return value


def _trace(key: _Key, samples: _Samples) -> Trace:
    session, dimension, rater = key
    time_ns = np.array(samples.time_ns, dtype=np.int64)
    order = np.argsort(time_ns, kind="stable")
    twice = np.flatnonzero(np.diff(time_ns[order]) == 0)
    if len(twice):
        earlier, later = (samples.line[int(order[i])] for i in (twice[0], twice[0] + 1))
        raise AnnotationError(
            f"{samples.path}:{later}: {rater} rated {dimension} of {session} at "
            f"{format_time_s(int(time_ns[order[twice[0]]]))} s already on line {earlier}"
        )
    if np.any(np.diff(order) < 0):
        logger.info("%s: rows of %s (%s, %s) sorted by time", samples.path, *key)
    value = np.array(samples.value, dtype=np.float64)
    return Trace(session, rater, dimension, time_ns[order], value[order])
