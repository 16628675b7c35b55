"""Rows of CSV tables: whether they are about the subject, and a table without them."""

import csv
from collections.abc import Collection
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
            for line in handle:
                if line.startswith(COMMENT):
                    continue
                header = _cells(line)
                found = [header.index(name) for name in SESSION_COLUMNS if name in header]
                if not found or len(header) < 2:
                    return None
                subject = header.index(SUBJECT_COLUMN) if SUBJECT_COLUMN in header else None
                return TableColumns(found[0], subject)
    except (UnicodeDecodeError, csv.Error):
        return None
    return None


def is_row_about(line: str, columns: TableColumns, names: Names) -> bool:
    """Tell whether a row is about a session or film of the subject."""
    cells = _cells(line)
    if len(cells) <= columns.video:
        return False
    return names.is_row(cells[columns.video], _subject(cells, columns))


def rows_about(path: Path, columns: TableColumns, names: Names) -> int:
    """Count the rows about the subject."""
    with path.open(encoding="utf-8-sig", newline="") as handle:
        return sum(is_row_about(line, columns, names) for line in handle)


def rewrite_table(path: Path, names: Names) -> bool:
    """Write a table without the subject's rows; return whether any row is left, else nothing."""
    columns = table_columns(path)
    if columns is None:
        return True
    with path.open(encoding="utf-8-sig", newline="") as handle:
        lines = [line for line in handle if not is_row_about(line, columns, names)]
    if sum(bool(line.strip()) and not line.startswith(COMMENT) for line in lines) <= 1:
        return False
    with (
        atomic_output(path, overwrite=True) as partial,
        partial.open("w", encoding="utf-8", newline="") as handle,
    ):
        handle.writelines(lines)
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
            for line in handle:
                cells = _cells(line)
                if len(cells) > columns.video and cells[columns.video] in videos:
                    found.add(_subject(cells, columns) or "")
    except (OSError, UnicodeDecodeError, csv.Error):
        return set()
    return found - {""}


def _subject(cells: list[str], columns: TableColumns) -> str | None:
    at = columns.subject
    return None if at is None or len(cells) <= at else cells[at]


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in next(csv.reader([line]), [])]
