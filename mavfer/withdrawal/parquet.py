"""Rows of Parquet tables, which are compressed: whether they are about the subject."""

import json
from pathlib import Path
from typing import Any

from annotation.parquet_columns import import_pyarrow, whole
from capture.files import atomic_output

from ..provenance import without_names
from .names import Names
from .tables import SESSION_COLUMNS, SUBJECT_COLUMN

MAGIC = b"PAR1"
_METADATA_KEY = b"mavfer"


def parquet_rows(path: Path, names: Names) -> int:
    """Count the rows about the subject; 0 in a table without a column of sessions or subjects.

    Raises
    ------
    AnnotationError
        No whole Parquet file, or pyarrow is not installed.
    """
    import_pyarrow()
    import pyarrow.parquet as pq

    found = 0
    with whole(path), pq.ParquetFile(path) as file:
        columns = _columns(file.schema_arrow.names)
        for group in range(file.num_row_groups if columns else 0):
            found += sum(_about(file.read_row_group(group, columns=list(columns)), names))
    return found


def rewrite_parquet(path: Path, names: Names) -> bool:
    """Write the table without the subject's rows; return whether any row is left, else nothing."""
    pa = import_pyarrow()
    import pyarrow.parquet as pq

    with whole(path), pq.ParquetFile(path) as file:
        kept = file.metadata.num_rows - parquet_rows(path, names)
        if not kept:
            return False
        schema = file.schema_arrow.with_metadata(_without(file.schema_arrow.metadata, names))
        with (
            atomic_output(path, overwrite=True) as partial,
            pq.ParquetWriter(partial, schema, compression="zstd") as writer,
        ):
            for group in range(file.num_row_groups):
                table = file.read_row_group(group)
                keep = pa.array([not about for about in _about(table, names)], pa.bool_())
                writer.write_table(_with_own_words(pa, table.filter(keep)))
    return True


def _with_own_words(pa: Any, table: Any) -> Any:
    """Encode columns of words anew: their dictionaries keep words that no row uses any more."""
    for at, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            words = table.column(at).cast(field.type.value_type)
            table = table.set_column(at, field, words.dictionary_encode().cast(field.type))
    return table


def _columns(found: list[str]) -> dict[str, None]:
    video = [name for name in SESSION_COLUMNS if name in found][:1]
    return dict.fromkeys([*video, *(name for name in (SUBJECT_COLUMN,) if name in found)])


def _about(table: Any, names: Names) -> list[bool]:
    columns = _columns(table.column_names)
    texts = {
        name: [str(each).strip() if each is not None else "" for each in table[name].to_pylist()]
        for name in columns
    }
    subjects = texts.pop(SUBJECT_COLUMN, [""] * len(table))
    videos = next(iter(texts.values()), [""] * len(table))
    known: dict[tuple[str, str], bool] = {}
    return [
        known[row] if row in known else known.setdefault(row, names.is_row(*row))
        for row in zip(videos, subjects, strict=True)
    ]


def _without(metadata: "dict[bytes, bytes] | None", names: Names) -> dict[bytes, bytes]:
    """Leave the names out of what this toolkit wrote beside the table."""
    found = dict(metadata or {})
    if _METADATA_KEY in found:
        gone = {names.subject, *names.sessions, *names.uuids}
        told = without_names(json.loads(found[_METADATA_KEY]), gone, instead="(withdrawn)")
        found[_METADATA_KEY] = json.dumps(told).encode()
    return found
