"""Rater traces as a long CSV table: one row for what one rater said at one moment."""

import csv
import logging
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from capture.files import atomic_output

from .errors import AnnotationError
from .strict_csv import Row, format_time_s, read_rows
from .trace import DIMENSIONS, Dimension, Trace

RATER_COLUMNS = ("session", "rater", "dimension", "time_s", "value")
RAW_SCALE = 10.0
"""The paper's slider runs from -10 to 10 in steps of 1 (section IV-C)."""

logger = logging.getLogger(__name__)

_Key = tuple[str, Dimension, str]
_Sample = tuple[int, float, Row]


def load_traces(paths: Sequence[Path], *, scale: float = RAW_SCALE) -> tuple[Trace, ...]:
    """Read rater CSV files completely or refuse them.

    Parameters
    ----------
    paths : sequence of Path
        One or many files; a trace (session, rater, dimension) may be in one of them only.
    scale : float
        Largest magnitude a rating can have.

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
    samples: dict[_Key, list[_Sample]] = {}
    for path in map(Path, paths):
        seen_here: set[_Key] = set()
        for row in read_rows(path, RATER_COLUMNS):
            key = (row.name(0, "session"), _dimension(row), row.name(1, "rater"))
            if key in samples and key not in seen_here:
                other = samples[key][0][2]
                raise AnnotationError(
                    f"{row.place}: {key[2]} rated {key[1]} of {key[0]} already in {other.place}",
                    remedy="keep one of the two passes, or name them as two raters",
                )
            seen_here.add(key)
            samples.setdefault(key, []).append((row.time_ns(3), _rating(row, scale), row))
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


def _trace(key: _Key, samples: list[_Sample]) -> Trace:
    session, dimension, rater = key
    ordered = sorted(samples, key=lambda sample: sample[0])
    for (earlier_ns, _, earlier), (later_ns, _, later) in pairwise(ordered):
        if earlier_ns == later_ns:
            raise AnnotationError(
                f"{later.place}: {rater} rated {dimension} of {session} at {later.cells[3]} s "
                f"already on line {earlier.line}"
            )
    if ordered != samples:
        logger.info("%s: rows of %s (%s, %s) sorted by time", samples[0][2].path, *key)
    return Trace(
        session,
        rater,
        dimension,
        np.array([time_ns for time_ns, _, _ in ordered], dtype=np.int64),
        np.array([value for _, value, _ in ordered]),
    )
