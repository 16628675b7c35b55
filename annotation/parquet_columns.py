"""Columns of Parquet files, checked as they are read: names, times, ratings."""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capture.files import atomic_output

from .errors import AnnotationError
from .mark import DERIVED_MARK
from .strict_csv import MAX_TIME_S, NS_PER_S

MAX_ROWS = 100_000_000
_METADATA_KEY = b"mavfer"
_MAX_NAME = 200


def import_pyarrow() -> ModuleType:
    """Return the library, or say how to get it."""
    try:
        import pyarrow as pa
    except ModuleNotFoundError:
        raise AnnotationError(
            "Parquet needs pyarrow, which is not installed",
            remedy="pip install 'mavfer[parquet]', or use a CSV format",
        ) from None
    return pa  # type: ignore[no-any-return]


def write_table(path: Path, table: Any, header: Mapping[str, Any], *, overwrite: bool) -> None:
    """Write a table with `header` as JSON in its metadata, whole or not at all."""
    import pyarrow.parquet as pq

    text = json.dumps(header, allow_nan=False).encode()
    with atomic_output(Path(path), overwrite=overwrite) as partial:
        pq.write_table(
            table.replace_schema_metadata({_METADATA_KEY: text}), partial, compression="zstd"
        )


def found_by(sessions: Iterable[str]) -> dict[str, Any]:
    """Return what withdrawal looks for: the table itself is compressed."""
    return {"mark": DERIVED_MARK, "sessions": sorted(sessions)}


def read_columns(
    path: Path, needed: tuple[str, ...], *, optional: tuple[str, ...]
) -> dict[str, Any]:
    """Read columns of a file; those that are `optional` if it has them."""
    with _opened(path) as file:
        names = file.schema_arrow.names
        missing = [name for name in needed if name not in names]
        if missing:
            raise AnnotationError(
                f"{path} has no column {missing[0]!r}, expected {', '.join(needed)}"
            )
        if file.metadata.num_rows > MAX_ROWS:
            raise AnnotationError(
                f"{path} has {file.metadata.num_rows} rows, at most {MAX_ROWS} are read",
                remedy="split it by session",
            )
        wanted = [*needed, *(name for name in optional if name in names)]
        table = file.read(columns=wanted)
    return {name: table.column(name) for name in wanted}


def read_header(path: Path) -> tuple[list[str], int, dict[str, Any]]:
    """Return names of the columns, number of rows, and the JSON that this toolkit wrote, if any."""
    with _opened(path) as file:
        text = (file.schema_arrow.metadata or {}).get(_METADATA_KEY, b"{}")
        header = json.loads(text)
        return (
            list(file.schema_arrow.names),
            int(file.metadata.num_rows),
            header if isinstance(header, dict) else {},
        )


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a file; whatever is wrong with it is one sentence."""
    import_pyarrow()
    import pyarrow.parquet as pq

    if not path.is_file():
        what = "does not exist" if not path.exists() else "is no file"
        raise AnnotationError(f"{path} {what}, expected a Parquet file")
    with whole(path), pq.ParquetFile(path) as file:
        yield file


@contextmanager
def whole(path: Path) -> Iterator[None]:
    """Turn whatever shows while the block uses what was read from `path` into one sentence."""
    pa = import_pyarrow()
    try:
        yield
    except AnnotationError:
        raise
    except (pa.ArrowException, OSError, ValueError, RecursionError) as error:
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise AnnotationError(f"{path} is no whole Parquet file: {reason}") from None


@dataclass(frozen=True, slots=True, eq=False)
class Names:
    """A column of names: codes (N,) and what they stand for."""

    code: NDArray[np.int64]
    known: list[str]

    def text(self, row: int) -> str:
        """Return the name in one row."""
        return self.known[int(self.code[row])]

    def codes_of(self, names: tuple[str, ...]) -> list[int]:
        """Return the codes of `names`, as far as the column has them."""
        return [k for k, name in enumerate(self.known) if name in names]


def read_names(column: Any, path: Path, name: str) -> Names:
    """Check a column of texts; only teams may be empty."""
    pa = import_pyarrow()
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        raise AnnotationError(f"{path}: column {name} holds {column.type}, expected text")
    if column.null_count:
        raise AnnotationError(f"{path}: column {name} has {column.null_count} rows without a name")
    encoded = column.cast(kind).combine_chunks().dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    known = [str(each) for each in encoded.dictionary.to_pylist()]
    bad = [each for each in known if len(each) > _MAX_NAME or (not each.strip() and name != "team")]
    if bad:
        what = "empty" if not bad[0].strip() else f"{len(bad[0])} characters long"
        raise AnnotationError(f"{path}: a {name} is {what}")
    return Names(encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64), known)


def read_times(column: Any, path: Path) -> NDArray[np.int64]:
    """Check a column of whole nanoseconds since the session's start."""
    pa = import_pyarrow()
    if not pa.types.is_integer(column.type) or column.null_count:
        raise AnnotationError(
            f"{path}: column time_ns holds {column.type}"
            f"{' with nulls' if column.null_count else ''}, expected whole nanoseconds"
        )
    times = column.to_numpy().astype(np.int64)
    if len(times) and (times.min() < 0 or times.max() > MAX_TIME_S * NS_PER_S):
        raise AnnotationError(f"{path}: a time lies outside 0 to {MAX_TIME_S:.0f} s")
    return times  # type: ignore[no-any-return]


def read_numbers(column: Any, path: Path, name: str) -> NDArray[np.float64]:
    """Check a column of numbers; nulls become NaN."""
    pa = import_pyarrow()
    if not (pa.types.is_floating(column.type) or pa.types.is_integer(column.type)):
        raise AnnotationError(f"{path}: column {name} holds {column.type}, expected numbers")
    values: NDArray[np.float64] = column.to_numpy().astype(np.float64)
    return values


def read_ratings(column: Any, path: Path, scale: float) -> NDArray[np.float64]:
    """Check a column of ratings within ±`scale`; nulls become NaN."""
    values = read_numbers(column, path, "value")
    known = values[~np.isnan(values)]
    if np.any(np.abs(known) > scale):
        raise AnnotationError(
            f"{path}: a value is {known[np.argmax(np.abs(known))]:g}, outside the scale of "
            f"{-scale:g} to {scale:g}",
            remedy="pass --scale if the raters used another one",
        )
    return values
