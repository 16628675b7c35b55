"""Ratings as Parquet, for pandas, polars, R and the like.

pyarrow is an extra (``pip install 'mavfer[parquet]'``): 150 MB that few need.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .errors import AnnotationError
from .parquet_columns import (
    Names,
    found_by,
    import_pyarrow,
    read_columns,
    read_names,
    read_ratings,
    read_times,
    whole,
    write_table,
)
from .strict_csv import NS_PER_S
from .trace import DIMENSIONS, Dimension, Trace

if TYPE_CHECKING:
    from .sources import Ratings

RATINGS_FORMAT = "mavfer-ratings"
RATINGS_SCHEMA_VERSION = 1
_NEEDED = ("session", "rater", "dimension", "time_ns", "value")
_RATED = ("observed", "held")


def save_ratings_parquet(
    path: Path,
    ratings: "Ratings",
    *,
    rate_hz: float,
    max_gap_s: float | None = None,
    overwrite: bool = False,
) -> int:
    """Write ratings frame by frame, as `annotation.frame_table`, with times as integers.

    Samples of traces that lie between frames are written, too, as ``observed`` with a null
    frame, so that `load_traces_parquet` gives the traces back to the bit.

    Returns
    -------
    int
        Number of rows.
    """
    pa = import_pyarrow()
    from .frame_table import SOURCES, frame_tables

    columns: dict[str, list[NDArray[Any]]] = {name: [] for name in ("time_ns", "value", "frame")}
    names: dict[str, list[str]] = {n: [] for n in ("session", "rater", "team", "dimension")}
    sources: list[NDArray[np.int8]] = []
    for table in frame_tables(ratings, rate_hz=rate_hz, max_gap_s=max_gap_s):
        trace = table.trace
        between = ~np.isin(trace.time_ns, table.time_ns)
        time_ns = np.concatenate([table.time_ns, trace.time_ns[between]])
        order = np.argsort(time_ns, kind="stable")
        n_between = int(np.sum(between))
        frame = np.concatenate([np.arange(len(table.time_ns)), np.full(n_between, -1)])
        columns["time_ns"].append(time_ns[order])
        columns["value"].append(np.concatenate([table.value, trace.value[between]])[order])
        columns["frame"].append(frame[order])
        sources.append(np.concatenate([table.source, np.zeros(n_between, np.int8)])[order])
        for name, text in (
            ("session", trace.session),
            ("rater", trace.rater),
            ("team", table.team),
            ("dimension", trace.dimension),
        ):
            names[name] += [text] * len(order)
    values, frames = np.concatenate(columns["value"]), np.concatenate(columns["frame"])
    source = pa.DictionaryArray.from_arrays(np.concatenate(sources), list(SOURCES))
    arrays = {
        **{name: pa.array(texts).dictionary_encode() for name, texts in names.items()},
        "frame": pa.array(frames, type=pa.int64(), mask=frames < 0),
        "time_ns": pa.array(np.concatenate(columns["time_ns"]), type=pa.int64()),
        "value": pa.array(values, type=pa.float64(), mask=np.isnan(values)),
        "source": source,
    }
    header = {
        "format": RATINGS_FORMAT,
        "schema_version": RATINGS_SCHEMA_VERSION,
        "scale": ratings.scale,
        "sources": list(ratings.origins),
        **found_by(ratings.sessions),
    }
    write_table(path, pa.table(arrays), header, overwrite=overwrite)
    return len(values)


def load_traces_parquet(path: Path, *, scale: float) -> tuple[tuple[Trace, ...], dict[str, str]]:
    """Read ratings from Parquet completely or refuse them.

    Parameters
    ----------
    path : Path
        Columns session, rater, dimension, time_ns and value; of source and team where they are.
        Rows that are interpolated or missing are passed over.
    scale : float
        Largest magnitude a rating can have.

    Returns
    -------
    traces : tuple of Trace
    teams : dict of rater to name
    """
    path = Path(path)
    with whole(path):
        return _traces(path, scale)


def _traces(path: Path, scale: float) -> tuple[tuple[Trace, ...], dict[str, str]]:
    table = read_columns(path, _NEEDED, optional=("source", "team"))
    rows = np.arange(len(table["value"]))
    if "source" in table:
        source = read_names(table["source"], path, "source")
        rows = np.flatnonzero(np.isin(source.code, source.codes_of(_RATED)))
    if not len(rows):
        raise AnnotationError(f"{path} holds no ratings")
    session, rater, dimension = (
        read_names(table[name], path, name) for name in ("session", "rater", "dimension")
    )
    time_ns = read_times(table["time_ns"], path)[rows]
    value = read_ratings(table["value"], path, scale)[rows]
    _check_known(value, path)
    keys = np.stack([names.code[rows] for names in (session, dimension, rater)])
    _, which = np.unique(keys, axis=1, return_inverse=True)
    order = np.lexsort((time_ns, which))
    starts = np.flatnonzero(np.diff(which[order], prepend=-1))
    traces = []
    for group in np.split(order, starts[1:]):
        s, d, r = (names.text(rows[group[0]]) for names in (session, dimension, rater))
        _check_times(time_ns[group], path, f"{r} rated {s}")
        traces.append(Trace(s, r, _dimension(d, path), time_ns[group], value[group]))
    return tuple(traces), _teams(table, rows, rater, path)


def _check_known(values: NDArray[np.float64], path: Path) -> None:
    if not np.all(np.isfinite(values)):
        raise AnnotationError(
            f"{path}: {int(np.sum(~np.isfinite(values)))} rows that were rated have no number",
            remedy="leave a missing rating's row out, or call its source 'missing'",
        )


def _check_times(time_ns: NDArray[np.int64], path: Path, what: str) -> None:
    twice = np.flatnonzero(np.diff(time_ns) == 0)
    if len(twice):
        raise AnnotationError(f"{path}: {what} at {time_ns[twice[0]] / NS_PER_S:g} s twice")


def _teams(
    table: Mapping[str, Any], rows: NDArray[np.int64], rater: Names, path: Path
) -> dict[str, str]:
    if "team" not in table:
        return {}
    team = read_names(table["team"], path, "team")
    pairs = np.unique(np.stack([rater.code[rows], team.code[rows]]), axis=1)
    found: dict[str, str] = {}
    for who, where in pairs.T.tolist():
        name = rater.known[who]
        if found.setdefault(name, team.known[where]) != team.known[where]:
            raise AnnotationError(f"{path}: {name} is in two teams")
    return {name: team for name, team in found.items() if team}


def _dimension(name: str, path: Path) -> Dimension:
    for dimension in DIMENSIONS:
        if name == dimension:
            return dimension
    raise AnnotationError(
        f"{path}: dimension is {name[:40]!r}, expected one of {', '.join(DIMENSIONS)}"
    )
