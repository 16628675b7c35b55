"""Predictions on disk: Parquet for programs, CSV for people; anybody's can be read.

Format: docs/formats/predictions.md.
"""

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from capture.files import atomic_output

from .errors import ModelError
from .evaluation import Evaluation

FORMAT = "mavfer-predictions"
SCHEMA_VERSION = 1
_METADATA_KEY = b"mavfer"
_SAME_TIME_NS = 1e6
_LARGEST = 1e6
"""Beyond it single precision loses what a score is made of."""


@dataclass(frozen=True, slots=True, eq=False)
class ForeignTrace:
    """Predictions of one dimension of one video, by whoever made them.

    Attributes
    ----------
    time_ns : (N,) int64, increasing
    value : (N,) float64
    """

    time_ns: NDArray[np.int64]
    value: NDArray[np.float64]


def predictions_table(evaluation: Evaluation, processed: Evaluation | None) -> pa.Table:
    """Return a row for each video, dimension and frame (of categories: video, category, frame)."""
    names = evaluation.categories if evaluation.categorical else evaluation.outputs
    columns: dict[str, list[Any]] = {}

    def add(name: str, values: Any) -> None:
        columns.setdefault(name, []).append(np.asarray(values))

    finished = processed.videos if processed is not None else evaluation.videos
    for video, after in zip(evaluation.videos, finished, strict=True):
        n_frames = len(video.time_ns)
        for k, name in enumerate(names):
            if evaluation.categorical:
                gold = np.where(np.isfinite(video.gold[:, 0]), video.gold[:, 0] == k, np.nan)
            else:
                gold = video.gold[:, k]
            add("video", np.full(n_frames, video.video_id, object))
            add("subject", np.full(n_frames, video.subject, object))
            add("frame", np.arange(n_frames, dtype=np.int64))
            add("time_ns", video.time_ns)
            add("dimension", np.full(n_frames, name, object))
            add("gold", gold.astype(np.float32))
            add("predicted", video.predicted[:, k])
            if processed is not None:
                add("post_processed", after.predicted[:, k])
            add("interpolated", video.interpolated)
    arrays = {name: np.concatenate(parts) for name, parts in columns.items()}
    types = {"video": pa.string(), "subject": pa.string(), "dimension": pa.string()}
    return pa.table(
        {
            name: pa.array(
                values,
                type=types.get(name),
                # A missing label is null, not a number that is none.
                mask=np.isnan(values) if values.dtype.kind == "f" else None,
            )
            for name, values in arrays.items()
        }
    )


def write_parquet(
    table: pa.Table, path: Path, facts: Mapping[str, Any], *, overwrite: bool
) -> None:
    """Write `table` with `facts` (run, store, split) in its metadata."""
    described = {
        "format": FORMAT,
        "schema_version": SCHEMA_VERSION,
        "software_version": version("mavfer"),
        **facts,
    }
    metadata = {_METADATA_KEY: json.dumps(described, allow_nan=False).encode()}
    with atomic_output(path, overwrite=overwrite) as partial:
        pyarrow.parquet.write_table(table.replace_schema_metadata(metadata), partial)


def predictions_csv(evaluation: Evaluation) -> str:
    """Return ``video,time_s,gold,predicted,dimension`` rows; a missing gold label is empty."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["video", "time_s", "gold", "predicted", "dimension"])
    table = predictions_table(evaluation, None)
    names = ("video", "time_ns", "gold", "predicted", "dimension")
    for video, time_ns, gold, predicted, dimension in zip(
        *(table[name].to_pylist() for name in names), strict=True
    ):
        label = "" if gold is None else f"{gold:.5f}"
        value = "" if predicted is None else f"{predicted:.5f}"
        writer.writerow([video, f"{time_ns / 1e9:.3f}", label, value, dimension])
    return out.getvalue()


def read_predictions(path: Path) -> dict[str, dict[str, ForeignTrace]]:
    """Read predictions, ours or anybody's, by dimension and video.

    Columns: ``video``; ``time_ns`` or ``time_s``; ``predicted``; ``dimension`` (valence where it
    is missing). Where there is ``post_processed``, it is not used.

    Raises
    ------
    ModelError
        Unreadable, a column missing, there twice or of another type, two predictions of one moment,
        rows without a video, times that contradict each other.
    """
    if not path.is_file():
        raise ModelError(f"no predictions at {path}")
    try:
        if path.suffix.lower() == ".csv":
            # Identifiers of digits keep their zeros.
            text = {"video": pa.string(), "dimension": pa.string()}
            convert = pyarrow.csv.ConvertOptions(column_types=text)
            table = pyarrow.csv.read_csv(path, convert_options=convert)
        else:
            table = pyarrow.parquet.read_table(path)
    except (pa.ArrowException, OSError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(
            f"{path} cannot be read as predictions: {reason}", remedy="give Parquet or .csv"
        ) from error
    names = set(table.column_names)
    if twice := [name for name in sorted(names) if table.column_names.count(name) > 1]:
        raise ModelError(f"{path} has the column {', '.join(twice)} more than once")
    time = "time_ns" if "time_ns" in names else "time_s"
    if missing := [name for name in ("video", time, "predicted") if name not in names]:
        raise ModelError(
            f"{path} has no column {', '.join(missing)}, only {', '.join(table.column_names)}",
            remedy="name them video, time_ns or time_s, predicted, and dimension",
        )
    videos = _words(table, "video", path)
    dimensions = (
        _words(table, "dimension", path) if "dimension" in names else ["valence"] * len(videos)
    )
    times = _numbers(table, time, path) * (1 if time == "time_ns" else 1e9)
    if {"time_ns", "time_s"} <= names:
        other = _numbers(table, "time_s", path) * 1e9
        if not np.allclose(times, other, rtol=0, atol=_SAME_TIME_NS, equal_nan=True):
            raise ModelError(f"{path}: time_ns and time_s disagree", remedy="leave one out")
    values = _numbers(table, "predicted", path)
    if not np.isfinite(times).all():
        raise ModelError(f"{path}: {time} has rows without a number")
    if np.abs(times).max(initial=0) >= 2**63:
        raise ModelError(f"{path}: {time} has values that are no times")
    if np.abs(values[np.isfinite(values)]).max(initial=0) > _LARGEST:
        raise ModelError(f"{path}: predicted has values beyond ±{_LARGEST:g}, expected -1 to 1")
    found: dict[str, dict[str, list[tuple[int, float]]]] = {}
    for video, dimension, at, value in zip(videos, dimensions, times, values, strict=True):
        if math.isfinite(value):
            found.setdefault(dimension, {}).setdefault(video, []).append((round(at), value))
    return {
        dimension: {video: _trace(rows, f"{path}: {video}") for video, rows in traces.items()}
        for dimension, traces in found.items()
    }


def _words(table: pa.Table, name: str, path: Path) -> list[str]:
    if table[name].null_count:
        raise ModelError(f"{path}: {table[name].null_count} rows have no {name}")
    return [str(word) for word in table[name].to_pylist()]


def _numbers(table: pa.Table, name: str, path: Path) -> NDArray[np.float64]:
    column = table[name]
    if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
        raise ModelError(f"{path}: {name} is {column.type}, expected numbers")
    values: NDArray[np.float64] = column.cast(pa.float64(), safe=False).to_numpy()
    return values


def _trace(rows: Iterable[tuple[int, float]], where: str) -> ForeignTrace:
    ordered = sorted(rows)
    time_ns = np.array([at for at, _ in ordered], np.int64)
    if (np.diff(time_ns) == 0).any():
        raise ModelError(f"{where}: two predictions of one moment", remedy="leave one out")
    return ForeignTrace(time_ns, np.array([value for _, value in ordered]))
