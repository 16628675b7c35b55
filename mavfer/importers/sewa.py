"""SEWA as the AVEC 2017 challenge gave it out (2018 and 2019: ``Train_DE_01``).

::

    video/   Train_01.avi … Train_34, Devel_01 … Devel_14, Test_01 … Test_16
    labels/  Train_01.csv …, Devel_01.csv …

Labels every 100 ms, ``name;time;arousal;valence;liking`` without a header, -1 to 1.
"""

import math
import re
from pathlib import Path

import numpy as np

from annotation.labels import Labels, SessionLabels
from annotation.strict_csv import MAX_TIME_S, NS_PER_S, Row

from ..errors import DatasetError
from ..splits import Split
from .corpus import (
    Corpus,
    CorpusVideo,
    check_row_names,
    files_below,
    in_range,
    joined,
    label_files,
    missing_partitions,
    natural_order,
    require_folder,
    table_rows,
    videos_named,
)
from .label_span import check_spans

N_RATERS = 6
_NAME = re.compile(r"(Train|Devel|Test)(_[A-Z]{2})?_\d+")
_SPLITS: dict[str, Split] = {"Train": "train", "Devel": "validation", "Test": "test"}
_COLUMNS = ("name", "time", "arousal", "valence", "liking")
_MISSING = ("", "nan", "?")


def read_sewa(root: Path) -> Corpus:
    """Find what there is of SEWA below `root`.

    Raises
    ------
    DatasetError
        No video, no labels for a training or development video, or a damaged file.
    """
    require_folder(root)
    files = files_below(root)
    videos = videos_named(files, _NAME)
    if not videos:
        raise DatasetError(
            f"{root} has no video/Train_01.avi or the like",
            remedy="unpack the challenge's videos there (docs/how-to/import-sewa.md)",
        )
    names = sorted(videos, key=natural_order)
    found_labels = label_files(
        (p.stem, p)
        for p in files
        if p.suffix.lower() == ".csv" and p.parent.name.lower() == "labels"
    )
    gold: dict[str, SessionLabels] = {}
    remarks = missing_partitions(names, _SPLITS)
    remarks.append("liking is not stored: stores hold valence and arousal")
    for name in names:
        if name in found_labels:
            gold[name] = _read_labels(found_labels[name], name)
        elif not name.startswith("Test"):
            raise DatasetError(
                f"{root} has no labels/{name}.csv for {videos[name].name}",
                remedy="unpack the labels beside the videos, or move the video away",
            )
        else:
            remarks.append(f"{name} has no labels, as published")
    matching = {stem for stem in found_labels if _NAME.fullmatch(stem)}
    if orphans := sorted(matching - videos.keys(), key=natural_order):
        remarks.append(f"no video for the labels of {', '.join(orphans)}")
    labels = Labels(gold, {"method": "gold standard of AVEC 2017 as published"})
    found_videos = tuple(CorpusVideo(name, videos[name], subject=name) for name in names)
    remarks += check_spans(labels, found_videos, whole=True)
    return Corpus(
        name="SEWA (AVEC 2017)",
        videos=found_videos,
        splits={name: _SPLITS[name.partition("_")[0]] for name in names},
        gold=labels,
        remarks=tuple(remarks),
    )


def _read_labels(path: Path, name: str) -> SessionLabels:
    rows: list[Row] = []
    reader = table_rows(path, delimiter=";")
    for number, cells in enumerate(reader, start=1):
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(_COLUMNS):
            raise DatasetError(
                f"{path}:{number}: {len(cells)} cells, expected {len(_COLUMNS)} separated by ';' "
                f"({'; '.join(_COLUMNS)})",
                remedy="a file that was cut off while it was copied ends like this",
            )
        if not rows and number == 1 and cells[1].strip().lower() in ("time", "timestamp"):
            continue
        rows.append(Row(path, number, tuple(cell.strip().strip("'") for cell in cells)))
    if not rows:
        raise DatasetError(f"{path} holds no labels")
    check_row_names(((row.place, row.cells[0]) for row in rows), name, _NAME)
    times = [row.number(1, "the time") for row in rows]
    if times[0] < 0 or times[-1] > MAX_TIME_S or np.any(np.diff(times) <= 0):
        raise DatasetError(f"{path}: times must be seconds that increase from 0 on")
    time_ns = np.round(np.array(times) * NS_PER_S).astype(np.int64)
    arousal, valence = (
        in_range(np.array([_value(row, column) for row in rows]), path) for column in (2, 3)
    )
    return joined((time_ns, valence), (time_ns, arousal), n_raters=N_RATERS)


def _value(row: Row, column: int) -> float:
    if row.cells[column].lower() in _MISSING:
        return math.nan
    return row.number(column, _COLUMNS[column])
