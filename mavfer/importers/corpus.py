"""A corpus as found on disk: its videos, who is in them, what is known about them."""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import h5py
import numpy as np
from numpy.typing import NDArray

from annotation.labels import Labels, SessionLabels
from annotation.strict_csv import read_text
from capture.files import check_not_input, check_not_within

from ..errors import DatasetError
from ..splits import Split, check_names
from ..store_traces import LabelTrace

_Key = TypeVar("_Key")
VIDEO_SUFFIXES = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".wmv", ".flv")


@dataclass(frozen=True, slots=True)
class CorpusVideo:
    """One video of a corpus.

    Attributes
    ----------
    id : str
        Name in the store.
    path : Path
        Video file, or folder of frames.
    subject : str
        Who is seen; where the corpus does not tell, the video's own id.
    frame_rate_hz : float, optional
        Of a folder of frames; a file knows its own.
    landmarks : Path, optional
        AFEW-VA's JSON with 68 points a frame.
    """

    id: str
    path: Path
    subject: str
    frame_rate_hz: float | None = None
    landmarks: Path | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Corpus:
    """Everything a corpus says.

    Attributes
    ----------
    name : str
    videos : tuple of CorpusVideo
    splits : mapping of subject to split
        As published; empty where the corpus has none.
    gold : Labels, optional
    raters : mapping of video id to traces in [-1, 1]
    categories : mapping of video id to str
    remarks : tuple of str
        What is missing or was left out, for the user to know.
    """

    name: str
    videos: tuple[CorpusVideo, ...]
    splits: Mapping[str, Split] = field(default_factory=dict)
    gold: Labels | None = None
    raters: Mapping[str, Sequence[LabelTrace]] = field(default_factory=dict)
    categories: Mapping[str, str] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_names({video.subject for video in self.videos})


def require_folder(root: Path) -> None:
    """Refuse a root that is no folder."""
    if not root.is_dir():
        what = "is no folder" if root.exists() else "does not exist"
        raise DatasetError(f"{root} {what}", remedy="pass the folder of the unpacked corpus")


def check_not_corpus(output: Path, root: Path, corpus: Corpus) -> None:
    """Refuse an output that would take the place of a file of the corpus.

    A store may lie beside the videos and be built anew there; nothing else below `root` is
    written over, whatever it is.

    Raises
    ------
    MavferError
        `output` is such a file, or lies in a video's folder of frames.
    """
    paths = [p for video in corpus.videos for p in (video.path, video.landmarks) if p is not None]
    check_not_input([output], paths)
    check_not_within([output], [path for path in paths if path.is_dir()])
    target = output.resolve()
    if target.is_file() and target.is_relative_to(root.resolve()) and not h5py.is_hdf5(target):
        raise DatasetError(
            f"{output} lies in the corpus and is no clip store", remedy="choose another output"
        )


def paths_below(root: Path) -> list[Path]:
    """All visible files and folders below `root`, sorted; links are followed, no folder twice."""
    found: list[Path] = []
    waiting, seen = [root], {root.resolve()}
    while waiting:
        for path in waiting.pop().iterdir():
            if path.name.startswith("."):
                continue
            if path.is_dir():
                if (place := path.resolve()) in seen:
                    continue
                seen.add(place)
                waiting.append(path)
            found.append(path)
    return sorted(found)


def files_below(root: Path) -> list[Path]:
    """All visible files below `root`, sorted; links that lead nowhere among them."""
    return [path for path in paths_below(root) if not path.is_dir()]


def videos_named(files: Iterable[Path], pattern: "re.Pattern[str]") -> dict[str, Path]:
    """Video files whose names without ending match, by that name.

    Raises
    ------
    DatasetError
        Two files of one name.
    """
    found: dict[str, Path] = {}
    for path in files:
        if path.suffix.lower() in VIDEO_SUFFIXES and pattern.fullmatch(path.stem):
            require_utf8(path)
            if path.stem in found:
                raise DatasetError(
                    f"two videos are called {path.stem}: {found[path.stem]} and {path}",
                    remedy="move one of them out of the corpus' folder",
                )
            found[path.stem] = path
    return found


def label_files(files: Iterable[tuple[_Key, Path]]) -> dict[_Key, Path]:
    """Files by what they are about.

    Raises
    ------
    DatasetError
        Two about the same.
    """
    found: dict[_Key, Path] = {}
    for key, path in files:
        if key in found:
            raise DatasetError(
                f"two files of labels about the same: {found[key]} and {path}",
                remedy="move one of them out of the corpus' folder",
            )
        found[key] = path
    return found


def missing_partitions(names: Iterable[str], partitions: Iterable[str]) -> list[str]:
    """Remark on the published partitions that none of these recordings is of."""
    there = tuple(names)
    missing = [p for p in partitions if not any(name.startswith(p) for name in there)]
    return [f"no video of the partition {', '.join(missing)}"] if missing else []


def require_utf8(path: Path) -> None:
    """Refuse a name that no file format could keep."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise DatasetError(
            f"{path} is not UTF-8", remedy="rename the file, or the folder it lies in"
        ) from None


def check_row_names(rows: Iterable[tuple[str, str]], own: str, pattern: "re.Pattern[str]") -> None:
    """Refuse labels whose rows name another recording than their file does.

    Parameters
    ----------
    rows : iterable of (place, name)
    own : str
        The recording that the file is named after.
    pattern : re.Pattern
        Of names of recordings; whatever else stands there says nothing.
    """
    anywhere = re.compile(pattern.pattern, re.IGNORECASE)
    for place, name in rows:
        stem = name.strip().partition(".")[0]
        if anywhere.fullmatch(stem) and natural_order(stem.lower()) != natural_order(own.lower()):
            raise DatasetError(
                f"{place}: the row is about {stem}, expected {own} as in the file's name",
                remedy="the file of another recording was copied here: put the right one in place",
            )


def table_rows(path: Path, *, delimiter: str) -> Iterator[list[str]]:
    """Yield the lines of a CSV file as lists of cells.

    Raises
    ------
    DatasetError
        A line that is no CSV, such as a cell of megabytes; names file and line.
    """
    reader = csv.reader(read_text(path).splitlines(), delimiter=delimiter)
    try:
        yield from reader
    except csv.Error as error:
        raise DatasetError(f"{path}:{reader.line_num}: {error}") from None


def natural_order(name: str) -> tuple[tuple[int, str], ...]:
    """Sort key that puts train_2 before train_10."""
    return tuple((int(p), "") if p.isdigit() else (-1, p) for p in re.split(r"(\d+)", name) if p)


def joined(
    valence: tuple[NDArray[np.int64], NDArray[np.float64]],
    arousal: tuple[NDArray[np.int64], NDArray[np.float64]],
    *,
    n_raters: int,
) -> SessionLabels:
    """Bring two series of (time_ns, value) to their common times; missing values are NaN."""
    time_ns = np.union1d(valence[0], arousal[0])
    columns = []
    for times, values in (valence, arousal):
        column = np.full(len(time_ns), np.nan)
        column[np.searchsorted(time_ns, times)] = values
        columns.append(column)
    known = np.isfinite(columns).any(axis=0)
    return SessionLabels(
        time_ns, columns[0], columns[1], np.where(known, n_raters, 0).astype(np.int64)
    )


def in_range(values: NDArray[np.float64], place: object) -> NDArray[np.float64]:
    """Return `values`, refusing any outside [-1, 1]."""
    if np.any(np.abs(values) > 1 + 1e-9):
        worst = values[np.nanargmax(np.abs(values))]
        raise DatasetError(f"{place}: a label is {worst:g}, expected -1 to 1")
    return np.clip(values, -1, 1)
