"""The part of Weka's ARFF that label files use: named columns, rows of numbers and strings."""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import DatasetError

_MAX_BYTES = 256 << 20


@dataclass(frozen=True, slots=True, eq=False)
class ArffTable:
    """Columns of a file.

    Attributes
    ----------
    names : tuple of str
        In lower case.
    rows : tuple of tuples of str
    path : Path
    first_line : int
        Line of the first row, from 1.
    """

    names: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    lines: tuple[int, ...]
    path: Path

    def numbers(self, column: int) -> NDArray[np.float64]:
        """Return a column as (N,) float64; ``?`` is NaN.

        Raises
        ------
        DatasetError
            A cell is no number; names file and line.
        """
        values = np.empty(len(self.rows))
        for i, row in enumerate(self.rows):
            try:
                values[i] = np.nan if row[column] in ("?", "") else float(row[column])
            except ValueError:
                raise DatasetError(
                    f"{self.path}:{self.lines[i]}: {self.names[column]} is {row[column][:40]!r}, "
                    "expected a number or ?"
                ) from None
        return values


def read_arff(path: Path) -> ArffTable:
    """Read a dense ARFF file completely or refuse it.

    Raises
    ------
    DatasetError
        Missing, no text, no ``@data``, or a row with another number of cells.
    """
    if path.stat().st_size > _MAX_BYTES:
        raise DatasetError(f"{path} is larger than {_MAX_BYTES >> 20} MB: no file of labels")
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path} is no text (byte {error.start}), expected ARFF") from None
    names: list[str] = []
    rows, numbers = [], []
    in_data = False
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if not text or text.startswith("%"):
            continue
        if not in_data:
            word = text.split(None, 1)[0].lower()
            if word == "@attribute":
                names.append(_attribute_name(text, path, number))
            in_data = word == "@data"
            continue
        cells = _cells(text, ",", path, number)
        if len(cells) != len(names):
            raise DatasetError(
                f"{path}:{number}: {len(cells)} cells, expected {len(names)} ({', '.join(names)})",
                remedy="a file that was cut off while it was copied ends like this",
            )
        rows.append(tuple(cell.strip() for cell in cells))
        numbers.append(number)
    if not in_data or not names:
        raise DatasetError(f"{path} has no @attribute lines and @data, expected ARFF")
    return ArffTable(tuple(names), tuple(rows), tuple(numbers), path)


def _attribute_name(text: str, path: Path, number: int) -> str:
    words = _cells(text, " ", path, number)
    if len(words) < 3:
        raise DatasetError(f"{path}:{number}: {text[:60]!r}, expected @attribute NAME TYPE")
    return words[1].lower()


def _cells(text: str, delimiter: str, path: Path, number: int) -> list[str]:
    reader = csv.reader([text], delimiter=delimiter, quotechar="'", skipinitialspace=True)
    try:
        return next(reader)
    except csv.Error as error:
        raise DatasetError(f"{path}:{number}: {error}") from None
