"""CSV tables that are read completely or refused with the file and the line that is wrong."""

import csv
import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from .errors import AnnotationError

NS_PER_S = 1_000_000_000
COMMENT = "#"
MAX_TIME_S = 1e5
"""Longest session that a label can belong to: a day and a bit; a typo is found, not gridded."""
MAX_FILE_BYTES = 512 * 2**20
"""Some 15 million ratings; more would not fit into a laptop's memory while they are read."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table with its place, so that every complaint can name it."""

    path: Path
    line: int
    cells: tuple[str, ...]

    @property
    def place(self) -> str:
        """``file:line``, as compilers and editors understand it."""
        return f"{self.path}:{self.line}"

    def name(self, index: int, what: str) -> str:
        """Return cell `index` as a name, never empty."""
        text = self.cells[index].strip()
        if not text:
            raise AnnotationError(f"{self.place}: the {what} is empty")
        return text

    def time_ns(self, index: int) -> int:
        """Return cell `index`, in seconds, as whole nanoseconds."""
        value = self.number(index, "time_s")
        if not 0 <= value <= MAX_TIME_S:
            raise AnnotationError(
                f"{self.place}: time_s is {self.cells[index]}, expected seconds since the "
                f"session's start, 0 to {MAX_TIME_S:.0f}"
            )
        return round(value * NS_PER_S)

    def number(self, index: int, what: str) -> float:
        """Return cell `index` as a finite number."""
        text = self.cells[index].strip()
        try:
            value = float("nan" if "_" in text else text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise AnnotationError(
                f"{self.place}: {what} is {text[:40]!r}, expected a number",
                remedy="leave a missing rating's row out: gaps are interpolated",
            )
        return value


def read_text(path: Path, *, expected: str = "a CSV file") -> str:
    """Read a UTF-8 file, with or without a byte order mark.

    Raises
    ------
    AnnotationError
        Missing, a folder or device, larger than `MAX_FILE_BYTES`, or no UTF-8.
    """
    if not path.exists():
        raise AnnotationError(f"{path} does not exist")
    if path.is_dir():
        raise AnnotationError(f"{path} is a folder, expected {expected}")
    if not path.is_file():
        raise AnnotationError(f"{path} is a pipe, socket or device, expected {expected}")
    size = path.stat().st_size
    if size > MAX_FILE_BYTES:
        raise AnnotationError(
            f"{path} has {size / 2**20:.0f} MiB, a file of ratings has at most "
            f"{MAX_FILE_BYTES / 2**20:.0f}",
            remedy="split it by session, or check that it is the right file",
        )
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise AnnotationError(
            f"{path} is not UTF-8 text (byte {error.start}), expected {expected}",
            remedy="save it as UTF-8",
        ) from None


def split_comments(text: str) -> tuple[list[str], str, int]:
    """Separate the leading ``#`` lines from the table.

    Returns
    -------
    comments : list of str
        Without the ``#``.
    table : str
    first_line : int
        Line number, from 1, on which the table starts.
    """
    lines = text.splitlines(keepends=True)
    count = 0
    while count < len(lines) and lines[count].startswith(COMMENT):
        count += 1
    comments = [line.lstrip(COMMENT).strip() for line in lines[:count]]
    return comments, "".join(lines[count:]), count + 1


def read_rows(path: Path, columns: Sequence[str], *, optional: Sequence[str] = ()) -> Iterator[Row]:
    """Yield the rows of a CSV file whose header is exactly `columns`, or these and `optional`.

    Raises
    ------
    AnnotationError
        Not text, another header or a row with another number of cells.
    """
    _, table, first_line = split_comments(read_text(path))
    reader = csv.reader(io.StringIO(table), strict=True)
    try:
        header = next(reader, None)
        if header is None:
            raise AnnotationError(f"{path} is empty, expected the header {','.join(columns)}")
        named = [cell.strip() for cell in header]
        if optional and named == [*columns, *optional]:
            columns = named
        if named != list(columns):
            raise AnnotationError(
                f"{path}:{first_line}: the header is {','.join(header)[:120]!r}, "
                f"expected {','.join(columns)!r}"
            )
        for cells in reader:
            line = first_line + reader.line_num - 1
            if not cells:
                continue
            if len(cells) != len(columns):
                raise AnnotationError(
                    f"{path}:{line}: {len(cells)} cells, expected {len(columns)} "
                    f"({','.join(columns)})",
                    remedy="a file that was cut off while it was copied ends like this",
                )
            yield Row(path, line, tuple(cells))
    except csv.Error as error:
        raise AnnotationError(f"{path}:{first_line + reader.line_num - 1}: {error}") from None


def format_time_s(time_ns: int) -> str:
    """Write nanoseconds as seconds without losing any: the reader gets the same integer back."""
    seconds, rest = divmod(int(time_ns), NS_PER_S)
    return f"{seconds}.{rest:09d}".rstrip("0").rstrip(".") if rest else str(seconds)
