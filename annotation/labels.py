"""Gold labels: what the raters of a session agree on, in [-1, 1], on the session's clock."""

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capture.files import atomic_output

from .errors import AnnotationError
from .strict_csv import COMMENT, Row, format_time_s, read_comments, read_rows
from .trace import DIMENSIONS, interpolate

LABEL_COLUMNS = ("session", "time_s", "valence", "arousal", "n_raters")
SPREAD_COLUMNS = ("valence_sd", "arousal_sd")
"""Of schema version 2; without them a file is of version 1, or made by hand."""
LABELS_FORMAT = "mavfer-labels"
LABELS_SCHEMA_VERSION = 2
_READABLE_VERSIONS = (1, 2)
_MAX_LINE_BYTES = 2**24
"""The first line says how every session was fused, and can be long."""


@dataclass(frozen=True, slots=True, eq=False)
class SessionLabels:
    """The gold labels of one session.

    Attributes
    ----------
    time_ns : (N,) int64
        Since the session's start, strictly increasing.
    valence, arousal : (N,) float64
        In [-1, 1]; NaN where missing.
    n_raters : (N,) int64
        Raters behind the row: the smaller count if the two dimensions differ, 0 if neither is
        known.
    valence_sd, arousal_sd : (N,) float64 or None
        Spread of the raters in the unit of the labels (standard deviation with n - 1); NaN where
        fewer than two spoke, None if the file does not say.
    """

    time_ns: NDArray[np.int64]
    valence: NDArray[np.float64]
    arousal: NDArray[np.float64]
    n_raters: NDArray[np.int64]
    valence_sd: NDArray[np.float64] | None = None
    arousal_sd: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.time_ns)

    def values(self, dimension: str) -> NDArray[np.float64]:
        """Values of ``valence`` or ``arousal``."""
        if dimension not in DIMENSIONS:
            raise AnnotationError(
                f"unknown dimension {dimension!r}, expected one of {', '.join(DIMENSIONS)}"
            )
        return self.valence if dimension == "valence" else self.arousal

    def spread(self, dimension: str) -> NDArray[np.float64]:
        """Return the raters' standard deviation of ``valence`` or ``arousal``; NaN if unknown."""
        self.values(dimension)
        known = self.valence_sd if dimension == "valence" else self.arousal_sd
        return np.full(len(self), np.nan) if known is None else known


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """Gold labels of many sessions, with how they came about.

    Attributes
    ----------
    sessions : mapping of session name to SessionLabels
    provenance : mapping of str to JSON values
        Rater files with their hashes, scale, lag, software version; empty for hand-made files.
    """

    sessions: Mapping[str, SessionLabels]
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __contains__(self, session_id: object) -> bool:
        return session_id in self.sessions

    def at(
        self, session_id: str, dimension: str, time_ns: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Interpolate the labels of a session linearly in time.

        Parameters
        ----------
        session_id : str
            Name of the session's folder.
        dimension : {"valence", "arousal"}
        time_ns : (N,) int64
            Since the session's start, in any order.

        Returns
        -------
        (N,) float64
            NaN before the first label, after the last and beside missing ones.

        Raises
        ------
        AnnotationError
            The session has no labels at all; ask ``session_id in labels`` first.
        """
        if session_id not in self.sessions:
            known = ", ".join(sorted(self.sessions)[:5]) or "none"
            raise AnnotationError(
                f"no labels for session {session_id!r}, the file has {len(self.sessions)} "
                f"sessions ({known}{', …' if len(self.sessions) > 5 else ''})",
                remedy="fuse the ratings of this session too, or leave it out",
            )
        labels = self.sessions[session_id]
        return interpolate(time_ns, labels.time_ns, labels.values(dimension))


def is_labels(path: Path) -> bool:
    """Tell from its header whether a file holds gold labels, as CSV or (by its ending) Parquet."""
    if not path.is_file():
        return False
    if path.suffix.lower() == ".parquet":
        from .labels_parquet import is_labels_parquet

        return is_labels_parquet(path)
    with path.open("rb") as handle:
        while (line := handle.readline(_MAX_LINE_BYTES)).startswith(COMMENT.encode()):
            pass
    text = line.decode("utf-8-sig", errors="replace")
    header = tuple(cell.strip() for cell in text.split(","))
    return header in (LABEL_COLUMNS, LABEL_COLUMNS + SPREAD_COLUMNS)


def load_labels(path: Path) -> Labels:
    """Read gold labels: a CSV file, or a Parquet file by its ending.

    Raises
    ------
    AnnotationError
        Missing, cut off, or with a line that cannot be meant; names file and line.
    """
    path = Path(path)
    if path.suffix.lower() == ".parquet":
        from .labels_parquet import load_labels_parquet

        return load_labels_parquet(path)
    header = _read_header(path)
    by_session: dict[str, list[tuple[int, Row]]] = {}
    n_rows = 0
    for row in read_rows(path, LABEL_COLUMNS, optional=SPREAD_COLUMNS):
        by_session.setdefault(row.name(0, "session"), []).append((row.time_ns(1), row))
        n_rows += 1
    if header.get("n_rows", n_rows) != n_rows:
        raise AnnotationError(
            f"{path} has {n_rows} rows but was written with {header['n_rows']}: it was cut off "
            "or edited",
            remedy="restore it, or delete its # lines if the edit was meant",
        )
    if not n_rows:
        raise AnnotationError(f"{path} holds no labels, only a header")
    provenance = header.get("provenance", {})
    return Labels(
        {session: _session_labels(rows) for session, rows in by_session.items()},
        provenance if isinstance(provenance, dict) else {},
    )


def save_labels(path: Path, labels: Labels, *, overwrite: bool = False) -> None:
    """Write `labels` whole or not at all; a file that exists is kept unless `overwrite`."""
    header = {
        "format": LABELS_FORMAT,
        "schema_version": LABELS_SCHEMA_VERSION,
        "n_rows": sum(len(each) for each in labels.sessions.values()),
        "provenance": dict(labels.provenance),
    }
    with (
        atomic_output(Path(path), overwrite=overwrite) as partial,
        partial.open("w", encoding="utf-8", newline="") as handle,
    ):
        handle.write(f"{COMMENT} {json.dumps(header, allow_nan=False)}\n")
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow((*LABEL_COLUMNS, *SPREAD_COLUMNS))
        for session, each in labels.sessions.items():
            spreads = [each.spread(name) for name in DIMENSIONS]
            for i in range(len(each)):
                writer.writerow(
                    (
                        session,
                        format_time_s(each.time_ns[i]),
                        _format_value(each.valence[i]),
                        _format_value(each.arousal[i]),
                        int(each.n_raters[i]),
                        *(_format_value(spread[i]) for spread in spreads),
                    )
                )


def _read_header(path: Path) -> dict[str, Any]:
    """Return the JSON object of the first ``#`` line, or nothing for a hand-made file."""
    comments = read_comments(path)
    if not comments or not comments[0].startswith("{"):
        return {}
    try:
        header = json.loads(comments[0])
    except (ValueError, RecursionError):
        raise AnnotationError(f"{path}:1: the # line is not valid JSON") from None
    if not isinstance(header, dict) or header.get("format") != LABELS_FORMAT:
        raise AnnotationError(f"{path}:1: the # line does not say format {LABELS_FORMAT!r}")
    version = header.get("schema_version")
    if version not in _READABLE_VERSIONS:
        raise AnnotationError(
            f"{path} has schema version {version}, this software reads 1 and 2",
            remedy="update mavfer, or fuse the raters' files again",
        )
    return header


def _session_labels(timed_rows: list[tuple[int, Row]]) -> SessionLabels:
    timed_rows = sorted(timed_rows, key=lambda timed: timed[0])
    for (earlier_ns, earlier), (later_ns, later) in pairwise(timed_rows):
        if earlier_ns == later_ns:
            raise AnnotationError(
                f"{later.place}: time_s {later.cells[1]} of session {later.cells[0]} is already "
                f"on line {earlier.line}"
            )
    return SessionLabels(
        np.array([time_ns for time_ns, _ in timed_rows], dtype=np.int64),
        np.array([_label(row, 2, "valence") for _, row in timed_rows]),
        np.array([_label(row, 3, "arousal") for _, row in timed_rows]),
        np.array([_rater_count(row) for _, row in timed_rows], dtype=np.int64),
        *(_spreads(timed_rows, name) for name in SPREAD_COLUMNS),
    )


def _spreads(timed_rows: list[tuple[int, Row]], name: str) -> NDArray[np.float64] | None:
    index = len(LABEL_COLUMNS) + SPREAD_COLUMNS.index(name)
    if len(timed_rows[0][1].cells) <= index:
        return None
    return np.array([_spread(row, index, name) for _, row in timed_rows])


def _spread(row: Row, index: int, name: str) -> float:
    if not row.cells[index].strip():
        return float("nan")
    value = row.number(index, name)
    if value < 0:
        raise AnnotationError(f"{row.place}: {name} is {row.cells[index]}, expected 0 or more")
    return value


def _label(row: Row, index: int, dimension: str) -> float:
    if not row.cells[index].strip():
        return float("nan")
    value = row.number(index, dimension)
    if abs(value) > 1.0:
        raise AnnotationError(
            f"{row.place}: {dimension} is {row.cells[index]}, gold labels lie in -1 to 1",
            remedy="ratings on a scale of -10 to 10 become labels with mavfer-annotate fuse",
        )
    return value


def _rater_count(row: Row) -> int:
    count = row.number(4, "n_raters")
    if count != int(count) or count < 0:
        raise AnnotationError(f"{row.place}: n_raters is {row.cells[4]}, expected 0, 1, 2, …")
    return int(count)


def _format_value(value: float) -> str:
    return "" if np.isnan(value) else repr(round(float(value), 9))
