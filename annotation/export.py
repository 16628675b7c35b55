"""Ratings and gold labels in the formats that other tools read."""

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from capture.files import OutputExistsError
from capture.names import check_name

from .afew_va import AfewVaVideo, afew_va_video, save_afew_va
from .errors import AnnotationError
from .frame_table import FrameTable, frame_tables, save_frame_csv
from .labels import Labels
from .raters_csv import save_traces
from .sources import Ratings, key_of
from .trace import DIMENSIONS, Trace
from .wide_csv import save_wide_csv, wide_ratings

RatingsFormat = Literal["csv", "frames", "parquet", "afew-va", "recola", "muse"]
RATINGS_FORMATS: tuple[RatingsFormat, ...] = get_args(RatingsFormat)
LABELS_FORMATS: tuple[str, ...] = ("parquet", "afew-va")
_GOLD = "gold"
_EXPORT_MARK = ".mavfer-export"
"""Tells a folder that may be replaced from one with a study's only ratings."""
_OBSERVED_OR_HELD = 2


def export_ratings(
    ratings: Ratings,
    output: Path,
    form: RatingsFormat,
    *,
    rate_hz: float,
    max_gap_s: float | None = None,
    overwrite: bool = False,
) -> int:
    """Write ratings, whole or not at all.

    Parameters
    ----------
    ratings : Ratings
    output : Path
        A file for csv, frames and parquet; a folder for the others: ``RATER/SESSION.json`` or
        ``DIMENSION/SESSION.csv``.
    form : str
    rate_hz : float
        Frames a second of videos whose frames are not known from a project.
    max_gap_s : float, optional
        Widest gap that is interpolated in frames and parquet.
    overwrite : bool

    Returns
    -------
    int
        Number of files written.
    """
    if form == "csv":
        save_traces(output, ratings.traces, overwrite=overwrite)
    elif form == "frames":
        save_frame_csv(output, ratings, rate_hz=rate_hz, max_gap_s=max_gap_s, overwrite=overwrite)
    elif form == "parquet":
        from .parquet import save_ratings_parquet

        save_ratings_parquet(
            output, ratings, rate_hz=rate_hz, max_gap_s=max_gap_s, overwrite=overwrite
        )
    elif form == "afew-va":
        with whole_folder(output, overwrite=overwrite) as folder:
            return _afew_va(folder, ratings, rate_hz, max_gap_s)
    else:
        with whole_folder(output, overwrite=overwrite) as folder:
            return _tables(folder, ratings, form)
    return 1


def export_labels(
    labels: Labels, output: Path, form: str, *, rate_hz: float, overwrite: bool = False
) -> int:
    """Write gold labels as Parquet, or as one AFEW-VA file a session (scaled to ±10)."""
    if form == "parquet":
        from .labels_parquet import save_labels_parquet

        save_labels_parquet(output, labels, overwrite=overwrite)
        return 1
    if form != "afew-va":
        raise AnnotationError(
            f"gold labels cannot be exported as {form}, expected {' or '.join(LABELS_FORMATS)}",
            remedy="export the ratings instead",
        )
    with whole_folder(output, overwrite=overwrite) as folder:
        for session, each in labels.sessions.items():
            traces = []
            for dimension in DIMENSIONS:
                known = np.isfinite(each.values(dimension))
                value = 10.0 * each.values(dimension)[known]
                if len(value):
                    traces.append(Trace(session, _GOLD, dimension, each.time_ns[known], value))
            video = afew_va_video(traces, rate_hz=rate_hz)
            save_afew_va(folder / f"{check_name(session, what='session')}.json", video)
        return len(labels.sessions)


@contextmanager
def whole_folder(path: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Yield a new folder that becomes `path` when the block comes to its end.

    Raises
    ------
    OutputExistsError
        `path` exists and `overwrite` is false.
    AnnotationError
        `path` is a file, or a folder in which something else than an export is.
    """
    if path.exists() and not path.is_dir():
        raise AnnotationError(f"{path} is a file, this format writes a folder")
    if path.is_dir() and any(path.iterdir()):
        if not overwrite:
            raise OutputExistsError(
                f"{path} exists already", remedy="choose another output or pass --overwrite"
            )
        _check_is_export(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    token = secrets.token_hex(4)
    partial = path.with_name(f".{path.name}.{token}.partial")
    replaced = path.with_name(f".{path.name}.{token}.replaced")
    partial.mkdir()
    try:
        (partial / _EXPORT_MARK).write_text("written by mavfer-annotate export\n")
        yield partial
        if path.exists():
            path.rename(replaced)
        partial.rename(path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        if replaced.exists() and path.exists():
            shutil.rmtree(replaced)


def _check_is_export(path: Path) -> None:
    """Refuse to replace a folder that no export wrote, or that holds anything else by now."""
    strange = [
        each
        for each in path.rglob("*")
        if each.is_symlink()
        or (each.is_dir() and each.parent != path)
        or (each.is_file() and each.suffix not in (".json", ".csv") and each.name != _EXPORT_MARK)
    ]
    if not (path / _EXPORT_MARK).is_file() or strange:
        what = f"holds {strange[0].relative_to(path)}" if strange else "was not written by export"
        raise AnnotationError(f"{path} {what}: it is not replaced", remedy="choose a new folder")


def _afew_va(folder: Path, ratings: Ratings, rate_hz: float, max_gap_s: float | None) -> int:
    """One file a rater and session; frames of a project that nobody rated stay missing."""
    n_files = 0
    tables = sorted(
        frame_tables(ratings, rate_hz=rate_hz, max_gap_s=max_gap_s),
        key=lambda table: (table.trace.rater, table.trace.session),
    )
    for (rater, session), group in groupby(
        tables, key=lambda table: (table.trace.rater, table.trace.session)
    ):
        inside = folder / check_name(rater, what="rater")
        inside.mkdir(exist_ok=True)
        name = f"{check_name(session, what='session')}.json"
        save_afew_va(inside / name, _video(session, list(group), ratings))
        n_files += 1
    return n_files


def _video(session: str, tables: list[FrameTable], ratings: Ratings) -> AfewVaVideo:
    count = max(len(table.time_ns) for table in tables)
    values = {dimension: np.full(count, np.nan) for dimension in DIMENSIONS}
    for table in tables:
        known = np.isfinite(table.value)
        if key_of(table.trace) in ratings.frames:
            known &= table.source < _OBSERVED_OR_HELD
        found = np.where(known, table.value, np.nan)
        values[table.trace.dimension][: len(found)] = found * (10.0 / ratings.scale)
    return AfewVaVideo(session, np.arange(count), values["valence"], values["arousal"])


def _tables(folder: Path, ratings: Ratings, layout: Literal["recola", "muse"]) -> int:
    n_files = 0
    ordered = sorted(ratings.traces, key=lambda trace: (trace.dimension, trace.session))
    for (dimension, session), group in groupby(
        ordered, key=lambda trace: (trace.dimension, trace.session)
    ):
        (folder / dimension).mkdir(exist_ok=True)
        name = f"{check_name(session, what='session')}.csv"
        save_wide_csv(folder / dimension / name, wide_ratings(list(group)), layout=layout)
        n_files += 1
    return n_files
