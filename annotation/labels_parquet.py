"""Gold labels as Parquet: the columns of their CSV file, times as integers."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import AnnotationError
from .labels import (
    LABELS_FORMAT,
    LABELS_SCHEMA_VERSION,
    SPREAD_COLUMNS,
    Labels,
    SessionLabels,
)
from .parquet_columns import (
    found_by,
    import_pyarrow,
    read_columns,
    read_header,
    read_names,
    read_numbers,
    read_times,
    whole,
    write_table,
)
from .strict_csv import NS_PER_S
from .trace import DIMENSIONS

_NEEDED = ("session", "time_ns", "valence", "arousal", "n_raters")


def save_labels_parquet(path: Path, labels: Labels, *, overwrite: bool = False) -> int:
    """Write gold labels, columns as in their CSV file with times as integers; return the rows."""
    pa = import_pyarrow()
    every = list(labels.sessions.values())

    def column(values: list[NDArray[Any]]) -> Any:
        joined = np.concatenate(values)
        return pa.array(joined, type=pa.float64(), mask=np.isnan(joined))

    names = [name for name, each in labels.sessions.items() for _ in range(len(each))]
    arrays = {
        "session": pa.array(names).dictionary_encode(),
        "time_ns": pa.array(np.concatenate([each.time_ns for each in every]), type=pa.int64()),
        **{name: column([each.values(name) for each in every]) for name in DIMENSIONS},
        "n_raters": pa.array(np.concatenate([each.n_raters for each in every]), type=pa.int64()),
        **{f"{name}_sd": column([each.spread(name) for each in every]) for name in DIMENSIONS},
    }
    header = {
        "format": LABELS_FORMAT,
        "schema_version": LABELS_SCHEMA_VERSION,
        "provenance": dict(labels.provenance),
        **found_by(labels.sessions),
    }
    write_table(path, pa.table(arrays), header, overwrite=overwrite)
    return len(names)


def is_labels_parquet(path: Path) -> bool:
    """Tell from the columns; a file that is damaged holds nothing."""
    try:
        columns, _, _ = read_header(path)
    except AnnotationError:
        return False
    return set(_NEEDED) <= set(columns)


def load_labels_parquet(path: Path) -> Labels:
    """Read such a file completely or refuse it.

    Raises
    ------
    AnnotationError
        No whole Parquet file, a column missing or of another kind, a label beyond [-1, 1], the
        same moment twice.
    """
    path = Path(path)
    with whole(path):
        return _labels(path)


def _labels(path: Path) -> Labels:
    table = read_columns(path, _NEEDED, optional=SPREAD_COLUMNS)
    _, n_rows, header = read_header(path)
    if not n_rows:
        raise AnnotationError(f"{path} holds no labels")
    session = read_names(table["session"], path, "session")
    time_ns = read_times(table["time_ns"], path)
    values = {name: _bounded(table[name], path, name, -1.0, 1.0) for name in DIMENSIONS}
    count = _bounded(table["n_raters"], path, "n_raters", 0.0, 1e6)
    if np.any(np.isnan(count)) or np.any(count != np.round(count)):
        raise AnnotationError(f"{path}: column n_raters needs 0, 1, 2, …")
    spreads = {
        name: _bounded(table[name], path, name, 0.0, np.inf) if name in table else None
        for name in SPREAD_COLUMNS
    }
    order = np.lexsort((time_ns, session.code))
    starts = np.flatnonzero(np.diff(session.code[order], prepend=-1))
    found = {}
    for rows in np.split(order, starts[1:]):
        name = session.text(int(rows[0]))
        twice = np.flatnonzero(np.diff(time_ns[rows]) == 0)
        if len(twice):
            at_s = time_ns[rows[twice[0]]] / NS_PER_S
            raise AnnotationError(f"{path}: session {name} has two labels at {at_s:g} s")
        valence_sd, arousal_sd = (
            None if spread is None else spread[rows] for spread in spreads.values()
        )
        found[name] = SessionLabels(
            time_ns[rows],
            values["valence"][rows],
            values["arousal"][rows],
            count[rows].astype(np.int64),
            valence_sd,
            arousal_sd,
        )
    provenance = header.get("provenance", {})
    return Labels(found, provenance if isinstance(provenance, dict) else {})


def _bounded(column: Any, path: Path, name: str, low: float, high: float) -> NDArray[np.float64]:
    values = read_numbers(column, path, name)
    known = values[~np.isnan(values)]
    wrong = known[(known < low) | (known > high) | np.isinf(known)]
    if len(wrong):
        raise AnnotationError(
            f"{path}: {name} is {wrong[0]:g}, expected {low:g} to {high:g}",
            remedy="ratings on a scale of -10 to 10 become labels with mavfer-annotate fuse",
        )
    return values
