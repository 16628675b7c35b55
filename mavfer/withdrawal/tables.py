"""Rows of CSV tables: whether they are about the subject, and a table without them."""

import csv
from collections.abc import Collection, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from annotation.strict_csv import COMMENT
from capture.files import atomic_output

from ..importers.folder import TABLE
from .names import Names

SESSION_COLUMNS = ("session", "video", "video_id")
SUBJECT_COLUMN = "subject"


class TableColumns(NamedTuple):
    """Where in a row stands the session or film, and who is in it (None: nowhere)."""

    video: int
    subject: int | None


def table_columns(path: Path) -> TableColumns | None:
    """Find the columns of a CSV table in which sessions stand; None for any other file."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as handle:
            for _, header in _records(handle):
                if header is None:
                    continue
                found = [header.index(name) for name in SESSION_COLUMNS if name in header]
                if not found or len(header) < 2:
                    return None
                subject = header.index(SUBJECT_COLUMN) if SUBJECT_COLUMN in header else None
                return TableColumns(found[0], subject)
    except (UnicodeDecodeError, csv.Error):
        return None
    return None


def rows_about(path: Path, columns: TableColumns, names: Names) -> int:
    """Count the rows about the subject."""
    with path.open(encoding="utf-8-sig", newline="") as handle:
        return sum(_is_about(cells, columns, names) for _, cells in _records(handle))


def rewrite_table(path: Path, names: Names) -> bool:
    """Write a table without the subject's rows; return whether any row is left, else nothing."""
    columns = table_columns(path)
    if columns is None:
        return True
    with path.open(encoding="utf-8-sig", newline="") as handle:
        kept = [
            (text, cells)
            for text, cells in _records(handle)
            if not _is_about(cells, columns, names)
        ]
    if sum(any(cells or ()) for _, cells in kept) <= 1:
        return False
    with (
        atomic_output(path, overwrite=True) as partial,
        partial.open("w", encoding="utf-8", newline="") as handle,
    ):
        handle.writelines(text for text, _ in kept)
    return True


def told_subject(film: Path, root: Path) -> str | None:
    """Return who is in a film by the nearest ``videos.csv`` up to `root`; None: it is not told."""
    for folder in film.parents:
        if (folder / TABLE).is_file():
            found = _subjects(folder / TABLE, {film.name, film.stem})
            if found:
                return found.pop() if len(found) == 1 else None
        if folder == root:
            break
    return None


def _subjects(table: Path, videos: Collection[str]) -> set[str]:
    """Return who is in videos of these names; nobody by a table that cannot be read."""
    found = set()
    try:
        columns = table_columns(table)
        if columns is None:
            return set()
        with table.open(encoding="utf-8-sig", newline="") as handle:
            for _, cells in _records(handle):
                if cells and len(cells) > columns.video and cells[columns.video] in videos:
                    found.add(_subject(cells, columns) or "")
    except (OSError, UnicodeDecodeError, csv.Error):
        return set()
    return found - {""}


def _subject(cells: list[str], columns: TableColumns) -> str | None:
    at = columns.subject
    return None if at is None or len(cells) <= at else cells[at]


def _is_about(cells: list[str] | None, columns: TableColumns, names: Names) -> bool:
    if cells is None or len(cells) <= columns.video:
        return False
    return names.is_row(cells[columns.video], _subject(cells, columns))


def _records(lines: Iterable[str]) -> Iterator[tuple[str, list[str] | None]]:
    """Yield each record as it is written, over several lines if it is, and its cells.

    The comments above a table have no cells.
    """
    rest = iter(lines)
    first = next(rest, None)
    while first is not None and first.startswith(COMMENT):
        yield first, None
        first = next(rest, None)
    if first is None:
        return
    written: list[str] = []

    def noted() -> Iterator[str]:
        for line in chain([first], rest):
            written.append(line)
            yield line

    for cells in csv.reader(noted()):
        yield "".join(written), [cell.strip() for cell in cells]
        written.clear()
