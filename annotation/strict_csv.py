"""CSV tables that are read completely or refused with the file and the line that is wrong."""

import csv
import io
import math
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from capture.terminal import OnProgress

from .errors import AnnotationError

if TYPE_CHECKING:
    import _csv

NS_PER_S = 1_000_000_000
COMMENT = "#"
MAX_TIME_S = 1e5
"""Longest session that a label can belong to: a day and a bit; a typo is found, not gridded."""
MAX_FILE_BYTES = 512 * 2**20
"""Some 15 million ratings: two minutes of reading, and far more than any study has."""
_PROGRESS_ROWS = 20_000


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
        if has_control(text):
            raise AnnotationError(f"{self.place}: the {what} is {text[:40]!r}, expected letters")
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


def has_control(text: str) -> bool:
    """Tell whether a name has characters that nobody can see, such as NUL or a line's end."""
    # most names can be printed, which takes a twentieth of the time to tell
    return not text.isprintable() and any(unicodedata.category(c) == "Cc" for c in text)


def read_text(path: Path, *, expected: str = "a CSV file") -> str:
    """Read a UTF-8 file, with or without a byte order mark.

    Raises
    ------
    AnnotationError
        Missing, a folder or device, larger than `MAX_FILE_BYTES`, or no UTF-8.
    """
    _check_file(path, expected)
    with _decoding(path, expected):
        return path.read_text(encoding="utf-8-sig")


def _check_file(path: Path, expected: str) -> int:
    """Return the size of a regular file that is not too large."""
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
    return size


@contextmanager
def _decoding(path: Path, expected: str) -> Iterator[None]:
    try:
        yield
    except UnicodeDecodeError as error:
        raise AnnotationError(
            f"{path} is not UTF-8 text ({error.reason}), expected {expected}",
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


def read_comments(path: Path) -> list[str]:
    """Return the leading ``#`` lines of a file, without the ``#``."""
    _check_file(path, "a CSV file")
    comments = []
    with _decoding(path, "a CSV file"), path.open(encoding="utf-8-sig", newline="") as handle:
        while (line := handle.readline()).startswith(COMMENT):
            comments.append(line.lstrip(COMMENT).strip())
    return comments


def read_rows(
    path: Path,
    columns: Sequence[str],
    *,
    optional: Sequence[str] = (),
    on_progress: OnProgress | None = None,
) -> Iterator[Row]:
    """Yield the rows of a CSV file whose header is exactly `columns`, or these and `optional`.

    The file is read as the rows are asked for; `on_progress` is told bytes.

    Raises
    ------
    AnnotationError
        Not text, another header or a row with another number of cells.
    """
    size = _check_file(path, "a CSV file")
    with (
        _decoding(path, "a CSV file"),
        path.open("rb") as raw,
        io.TextIOWrapper(raw, encoding="utf-8-sig", newline="") as handle,
    ):
        first_line, start = 1, handle.readline()
        while start.startswith(COMMENT):
            first_line, start = first_line + 1, handle.readline()
        reader = csv.reader(chain([start] if start else [], handle), strict=True)
        try:
            for count, row in enumerate(_rows(reader, path, first_line, columns, optional)):
                if on_progress and count % _PROGRESS_ROWS == 0:
                    on_progress(raw.tell(), size)
                yield row
        except csv.Error as error:
            line = first_line + reader.line_num - 1
            raise AnnotationError(f"{path}:{line}: {error}") from None


def _rows(
    reader: "_csv.Reader",
    path: Path,
    first_line: int,
    columns: Sequence[str],
    optional: Sequence[str],
) -> Iterator[Row]:
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
    n_columns = len(columns)
    for cells in reader:
        if not cells:
            continue
        line = first_line + reader.line_num - 1
        if len(cells) != n_columns:
            raise AnnotationError(
                f"{path}:{line}: {len(cells)} cells, expected {n_columns} ({','.join(columns)})",
                remedy="a file that was cut off while it was copied ends like this",
            )
        yield Row(path, line, tuple(cells))


def format_time_s(time_ns: int) -> str:
    """Write nanoseconds as seconds without losing any: the reader gets the same integer back."""
    seconds, rest = divmod(abs(int(time_ns)), NS_PER_S)
    sign = "-" if time_ns < 0 else ""
    return sign + (f"{seconds}.{rest:09d}".rstrip("0") if rest else str(seconds))
