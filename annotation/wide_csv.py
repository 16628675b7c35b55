"""Tables with one column a rater, as RECOLA and the MuSe challenges have them.

RECOLA's individual ratings: ``time;FM1 ;FM2 ;…``, seconds, -1 to 1, one file a recording in a
folder named after the dimension. MuSe: ``timeStamp,1,2,…``, the same with commas.
"""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from capture.files import atomic_output

from .errors import AnnotationError
from .strict_csv import (
    MAX_TIME_S,
    NS_PER_S,
    Row,
    format_time_s,
    has_control,
    read_text,
    split_comments,
)
from .trace import DIMENSIONS, Dimension, Trace

Layout = Literal["recola", "muse"]
TimeUnit = Literal["s", "ms"]
_LAYOUTS: dict[Layout, tuple[str, str]] = {"recola": (";", "time"), "muse": (",", "timeStamp")}
_TIME_NAMES = ("time", "timestamp", "time_s", "frametime")
_DELIMITERS = (";", ",", "\t")
_MISSING = ("", "nan", "NaN", "NA")
_PER_SECOND: dict[TimeUnit, float] = {"s": 1.0, "ms": 1e3}
_MAX_RATERS = 1000


@dataclass(frozen=True, slots=True, eq=False)
class WideRatings:
    """One dimension of one session by several raters at common times.

    Attributes
    ----------
    time_ns : (N,) int64
        Since the session's start, strictly increasing.
    raters : tuple of str
        K names, each once.
    values : (K, N) float64
        NaN where missing.
    """

    time_ns: NDArray[np.int64]
    raters: tuple[str, ...]
    values: NDArray[np.float64]


def load_wide_csv(path: Path, *, time_unit: TimeUnit = "s") -> WideRatings:
    """Read a table of one column a rater, delimited by semicolons, commas or tabs.

    Raises
    ------
    AnnotationError
        Another header, a rater twice, a cell that is no number, the same time twice, rows out of
        order; names file and line.
    """
    path = Path(path)
    _, table, first_line = split_comments(read_text(path))
    delimiter = _delimiter(table)
    reader = csv.reader(io.StringIO(table), delimiter=delimiter, strict=True)
    rows: list[Row] = []
    try:
        raters = _raters(next(reader, []), f"{path}:{first_line}")
        for cells in reader:
            if any(cell.strip() for cell in cells):
                row = Row(path, first_line + reader.line_num - 1, tuple(cells))
                rows.append(_checked(row, len(raters) + 1, delimiter))
    except csv.Error as error:
        raise AnnotationError(f"{path}:{first_line + reader.line_num - 1}: {error}") from None
    if not rows:
        raise AnnotationError(f"{path} holds no ratings, only a header")
    time_ns = _times(rows, time_unit)
    values = np.array(
        [[_rating(row, k, name) for row in rows] for k, name in enumerate(raters, start=1)]
    )
    return WideRatings(time_ns, raters, values)


def save_wide_csv(
    path: Path, ratings: WideRatings, *, layout: Layout = "recola", overwrite: bool = False
) -> None:
    """Write such a table, whole or not at all; `load_wide_csv` gives the same numbers back."""
    delimiter, time_name = _LAYOUTS[layout]
    with (
        atomic_output(Path(path), overwrite=overwrite) as partial,
        partial.open("w", encoding="utf-8", newline="") as handle,
    ):
        writer = csv.writer(handle, delimiter=delimiter, lineterminator="\n")
        writer.writerow((time_name, *ratings.raters))
        for i, time_ns in enumerate(ratings.time_ns.tolist()):
            cells = ["" if np.isnan(v) else repr(float(v)) for v in ratings.values[:, i]]
            writer.writerow((format_time_s(time_ns), *cells))


def wide_traces(ratings: WideRatings, session: str, dimension: Dimension) -> tuple[Trace, ...]:
    """Split a table into traces; a rater without any value has none."""
    found = []
    for name, values in zip(ratings.raters, ratings.values, strict=True):
        known = np.isfinite(values)
        if np.any(known):
            time_ns = ratings.time_ns[known]
            found.append(Trace(session, name, dimension, time_ns, values[known]))
    return tuple(found)


def wide_ratings(traces: Sequence[Trace]) -> WideRatings:
    """Bring traces of one dimension of one session to their common times: every time of any.

    Nothing is interpolated: a rater who said nothing at a moment has no value there.
    """
    if not traces or len({(trace.session, trace.dimension) for trace in traces}) > 1:
        raise AnnotationError("a table of raters holds one dimension of one session")
    time_ns = np.unique(np.concatenate([trace.time_ns for trace in traces]))
    values = np.full((len(traces), len(time_ns)), np.nan)
    for row, trace in zip(values, traces, strict=True):
        row[np.searchsorted(time_ns, trace.time_ns)] = trace.value
    return WideRatings(time_ns, tuple(trace.rater for trace in traces), values)


def place_of(path: Path) -> tuple[str, Dimension]:
    """Session and dimension from where a file lies: ``…/arousal/P16.csv``.

    Raises
    ------
    AnnotationError
        The folder is not named after a dimension.
    """
    for dimension in DIMENSIONS:
        if path.resolve().parent.name.lower() == dimension:
            return path.stem, dimension
    raise AnnotationError(
        f"{path} does not say which dimension it is, expected a folder named valence or arousal",
        remedy="pass --dimension",
    )


def _delimiter(table: str) -> str:
    """Return what ends the first cell: no name of the column of times contains one of them."""
    header = table.split("\n", 1)[0]
    return min((d for d in _DELIMITERS if d in header), key=header.index, default=";")


def _raters(header: Sequence[str], place: str) -> tuple[str, ...]:
    cells = [cell.strip() for cell in header]
    if len(cells) < 2 or cells[0].lower() not in _TIME_NAMES:
        raise AnnotationError(
            f"{place}: the header is {';'.join(cells)[:120]!r}, expected a column of times "
            f"({', '.join(_TIME_NAMES)}) and one column a rater"
        )
    raters = tuple(cells[1:])
    if len(raters) > _MAX_RATERS:
        raise AnnotationError(f"{place}: {len(raters)} columns, expected at most {_MAX_RATERS}")
    for k, name in enumerate(raters):
        if not name:
            raise AnnotationError(f"{place}: column {k + 2} has no name, expected a rater")
        if has_control(name):
            raise AnnotationError(f"{place}: column {k + 2} is {name[:40]!r}, expected a rater")
        if name in raters[:k]:
            raise AnnotationError(f"{place}: rater {name[:40]!r} has two columns")
    return raters


def _checked(row: Row, n_cells: int, delimiter: str) -> Row:
    if len(row.cells) != n_cells:
        raise AnnotationError(
            f"{row.place}: {len(row.cells)} cells, expected {n_cells} separated by {delimiter!r}",
            remedy="a file that was cut off while it was copied ends like this",
        )
    return row


def _times(rows: Sequence[Row], time_unit: TimeUnit) -> NDArray[np.int64]:
    per_second = _PER_SECOND[time_unit]
    times: list[int] = []
    for row in rows:
        seconds = row.number(0, "the time") / per_second
        if not 0 <= seconds <= MAX_TIME_S:
            raise AnnotationError(
                f"{row.place}: the time is {row.cells[0]} {time_unit}, expected 0 to "
                f"{MAX_TIME_S * per_second:.0f}",
                remedy="pass --time-unit ms if the times are milliseconds",
            )
        time_ns = round(seconds * NS_PER_S)
        if times and time_ns <= times[-1]:
            raise AnnotationError(
                f"{row.place}: the time {row.cells[0]} is not later than the one before"
            )
        times.append(time_ns)
    return np.array(times, dtype=np.int64)


def _rating(row: Row, index: int, rater: str) -> float:
    if row.cells[index].strip() in _MISSING:
        return float("nan")
    return row.number(index, f"the rating of {rater}")
