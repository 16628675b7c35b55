"""RECOLA as the AVEC 2015 and 2016 challenges gave it out.

::

    recordings_video/      train_1.mp4 … train_9, dev_1 … dev_9, test_1 … test_9
    ratings_gold_standard/ arousal/train_1.arff …, valence/train_1.arff …  (train and dev)
    ratings_individual/    arousal/train_1.csv …, valence/train_1.csv …    (six raters, optional)

Labels every 40 ms from 0 to 300 s: 7501 rows a file, -1 to 1. Ratings: ``time;FM1;FM2;FM3;FF1;…``.
"""

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from annotation.labels import Labels, SessionLabels
from annotation.strict_csv import MAX_TIME_S, NS_PER_S
from annotation.trace import DIMENSIONS
from annotation.wide_csv import load_wide_csv, wide_traces

from ..errors import DatasetError
from ..splits import Split
from ..store_traces import LabelTrace
from .arff import read_arff
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
    videos_named,
)
from .label_span import check_spans

N_RATERS = 6
_NAME = re.compile(r"(train|dev|test)_\d+")
_SPLITS: dict[str, Split] = {"train": "train", "dev": "validation", "test": "test"}
_GOLD, _RATERS = "ratings_gold_standard", "ratings_individual"
_TIME_NAMES = ("frametime", "time", "timestamp")
_ROW_NAMES = ("instance_name", "instance name", "name")


def read_recola(root: Path) -> Corpus:
    """Find what there is of RECOLA below `root`.

    Raises
    ------
    DatasetError
        No video, no gold standard for a training or development video, or a damaged file.
    """
    require_folder(root)
    files = files_below(root)
    videos = videos_named(files, _NAME)
    if not videos:
        raise DatasetError(
            f"{root} has no recordings_video/train_1.mp4 or the like",
            remedy="unpack the challenge's videos there (docs/how-to/import-recola.md)",
        )
    names = sorted(videos, key=natural_order)
    gold_files, rater_files = (
        label_files(((p.parent.name.lower(), p.stem), p) for p in files if _is_in(p, *place))
        for place in ((_GOLD, ".arff"), (_RATERS, ".csv"))
    )
    gold: dict[str, SessionLabels] = {}
    raters: dict[str, tuple[LabelTrace, ...]] = {}
    remarks = missing_partitions(names, _SPLITS)
    for name in names:
        found = {d: gold_files.get((d, name)) for d in DIMENSIONS}
        if None in found.values():
            if not name.startswith("test_"):
                missing = next(d for d in DIMENSIONS if found[d] is None)
                raise DatasetError(
                    f"{root} has no {_GOLD}/{missing}/{name}.arff for {videos[name].name}",
                    remedy="unpack the gold standard beside the videos, or move the video away",
                )
            remarks.append(f"{name} has no labels, as published")
            continue
        series = [_series(path, name) for path in found.values() if path is not None]
        gold[name] = joined(series[0], series[1], n_raters=N_RATERS)
        raters[name] = _ratings(rater_files, name)
    orphans = sorted({name for _, name in gold_files} - videos.keys(), key=natural_order)
    if orphans:
        remarks.append(f"no video for the gold standard of {', '.join(orphans)}")
    if not rater_files:
        remarks.append(f"no {_RATERS}: single raters are not stored")
    elif unrated := [name for name, found_raters in raters.items() if not found_raters]:
        remarks.append(f"no {_RATERS} of {', '.join(unrated)}")
    labels = Labels(gold, {"method": "gold standard of AVEC 2015/2016 as published"})
    found_videos = tuple(CorpusVideo(name, videos[name], subject=name) for name in names)
    remarks += check_spans(labels, found_videos, whole=True)
    return Corpus(
        name="RECOLA (AVEC 2015/2016)",
        videos=found_videos,
        splits={name: _SPLITS[name.partition("_")[0]] for name in names},
        gold=labels,
        raters=raters,
        remarks=tuple(remarks),
    )


def _is_in(path: Path, folder: str, suffix: str) -> bool:
    return path.suffix.lower() == suffix and path.parent.parent.name.lower() == folder


def _series(path: Path, name: str) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    table = read_arff(path)
    times = [i for i, column in enumerate(table.names) if column in _TIME_NAMES]
    if not times or not table.rows or table.names[-1] in (*_TIME_NAMES, *_ROW_NAMES):
        raise DatasetError(
            f"{path}: attributes {', '.join(table.names)} and {len(table.rows)} rows, expected "
            "frameTime and a gold standard"
        )
    for column in (i for i, each in enumerate(table.names) if each in _ROW_NAMES):
        places = zip(table.lines, table.rows, strict=True)
        check_row_names(((f"{path}:{line}", row[column]) for line, row in places), name, _NAME)
    time_s = table.numbers(times[0])
    if not np.all(np.isfinite(time_s)) or np.any(np.diff(time_s) <= 0) or time_s[0] < 0:
        raise DatasetError(f"{path}: times must be seconds that increase from 0 on")
    if time_s[-1] > MAX_TIME_S:
        raise DatasetError(
            f"{path}: the last time is {time_s[-1]:g}, expected seconds, at most {MAX_TIME_S:g}",
            remedy="times in milliseconds must be divided by 1000",
        )
    time_ns = np.round(time_s * NS_PER_S).astype(np.int64)
    return time_ns, in_range(table.numbers(len(table.names) - 1), path)


def _ratings(files: dict[tuple[str, str], Path], name: str) -> tuple[LabelTrace, ...]:
    found = []
    for dimension in DIMENSIONS:
        path = files.get((dimension, name))
        if path is None:
            continue
        for trace in wide_traces(load_wide_csv(path), name, dimension):
            value = in_range(trace.value, path)
            found.append(LabelTrace(dimension, trace.time_ns, value, trace.rater))
    return tuple(found)
