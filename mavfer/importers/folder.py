"""Any folder of videos, with tables beside them.

::

    a.mp4 …, or folders of frames   (in any depth)
    videos.csv    video,subject,split,category   (optional; columns but video may be missing)
    labels.csv    gold labels, docs/formats/labels.md         (optional)
    raters.csv    ratings, docs/formats/labels.md             (optional)

The column session of labels and ratings holds the video's name without its ending.
"""

from pathlib import Path
from typing import cast

from annotation.labels import load_labels
from annotation.raters_csv import RAW_SCALE
from annotation.strict_csv import has_control
from capture.names import check_name

from ..build_checks import some
from ..errors import DatasetError
from ..frame_folder import check_frame_rate, has_frames
from ..labelling import by_session, gold_of, load_ratings
from ..splits import SPLITS, Split, folded
from .corpus import (
    VIDEO_SUFFIXES,
    Corpus,
    CorpusVideo,
    natural_order,
    paths_below,
    require_folder,
    require_utf8,
    table_rows,
)
from .label_span import check_spans

TABLE, LABELS, RATERS = "videos.csv", "labels.csv", "raters.csv"
_COLUMNS = ("video", "subject", "split", "category")
_MAX_CATEGORY = 100


def read_folder(
    root: Path, *, frame_rate_hz: float | None = None, rater_scale: float = RAW_SCALE
) -> Corpus:
    """Find videos and tables below `root`.

    Parameters
    ----------
    frame_rate_hz : float, optional
        Of folders of frames; without it there must be none.
    rater_scale : float
        Ratings are ±`rater_scale`.

    Raises
    ------
    DatasetError
        No video, two of one name, a table that names a video that is not there, a subject in
        two splits, only some subjects with a split, labels under nearly the name of a video.
    """
    require_folder(root)
    if frame_rate_hz is not None:
        check_frame_rate(frame_rate_hz)
    paths = _find_videos(root)
    if not paths:
        raise DatasetError(f"{root} holds no videos", remedy=f"known: {', '.join(VIDEO_SUFFIXES)}")
    if frame_rate_hz is None and (folders := [p for p in paths.values() if p.is_dir()]):
        raise DatasetError(
            f"{folders[0]} is a folder of frames, which do not say how fast they follow",
            remedy="pass --frame-rate-hz",
        )
    table = _read_table(root / TABLE, paths) if (root / TABLE).exists() else {}
    videos = tuple(
        CorpusVideo(
            name,
            path,
            subject=table.get(name, {}).get("subject") or name,
            frame_rate_hz=frame_rate_hz if path.is_dir() else None,
        )
        for name, path in sorted(paths.items(), key=lambda item: natural_order(item[0]))
    )
    _check_subjects(table, videos)
    ratings = load_ratings([root / RATERS], scale=rater_scale) if (root / RATERS).exists() else ()
    gold = load_labels(root / LABELS) if (root / LABELS).exists() else None
    if gold is None and ratings:
        gold = gold_of(ratings)
    about = {trace.session for trace in ratings} | (set(gold.sessions) if gold else set())
    _check_label_names(root, about, paths)
    if about and not about & paths.keys():
        raise DatasetError(
            f"the labels in {root} are about none of its videos, only about {sorted(about)[0]}",
            remedy="name the videos' files without ending in the column session",
        )
    remarks = _not_read(root)
    if gold is not None:
        remarks += check_spans(gold, videos, whole=False)
        if without := [video.id for video in videos if video.id not in gold]:
            remarks.append(f"no labels for {some(without)}")
    remarks += [f"no video for the labels of {name}" for name in sorted(about - paths.keys())]
    return Corpus(
        name=root.resolve().name,
        videos=videos,
        splits=_splits(table, videos),
        gold=gold,
        raters=by_session(ratings),
        categories={n: row["category"].lower() for n, row in table.items() if row.get("category")},
        remarks=tuple(remarks),
    )


def _find_videos(root: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    spelled: dict[str, Path] = {}
    for path in paths_below(root):
        is_video = not path.is_dir() and path.suffix.lower() in VIDEO_SUFFIXES
        if not is_video and not has_frames(path):
            continue
        require_utf8(path)
        name = path.stem if is_video else path.name
        if (other := spelled.setdefault(name.casefold(), path)) != path:
            raise DatasetError(
                f"two videos are called {name}: {other} and {path}",
                remedy="rename one: ids must be unique in a store, whatever their case",
            )
        found[name] = path
    return found


def _check_label_names(root: Path, about: set[str], videos: dict[str, Path]) -> None:
    """Refuse labels whose video is there under nearly their name: it would stay unlabelled."""
    called = {folded(name): name for name in videos if name not in about}
    for name in sorted(about - videos.keys()):
        stem = Path(name).stem if Path(name).suffix.lower() in VIDEO_SUFFIXES else name
        if (meant := called.get(folded(stem))) is not None:
            raise DatasetError(
                f"the labels in {root} are about {name}, the video there is called {meant}",
                remedy="the column session holds the names of the videos' files without ending, "
                "in the same case",
            )


def _not_read(root: Path) -> list[str]:
    """Remark on tables whose names say nothing to us: one may be labels under another name."""
    known = (TABLE, LABELS, RATERS)
    tables = [p.name for p in root.iterdir() if p.suffix.lower() in (".csv", ".parquet")]
    strangers = sorted(name for name in tables if name not in known and name[0] != ".")
    return [f"not read: {some(strangers)}; read are {', '.join(known)}"] if strangers else []


def _read_table(path: Path, videos: dict[str, Path]) -> dict[str, dict[str, str]]:
    lines = table_rows(path, delimiter=",")
    header = [cell.strip() for cell in next(lines, [])]
    if "video" not in header or set(header) - set(_COLUMNS) or len(set(header)) != len(header):
        raise DatasetError(
            f"{path}: the header is {','.join(header)[:80]!r}, expected video and any of "
            f"{', '.join(_COLUMNS[1:])}"
        )
    rows: dict[str, dict[str, str]] = {}
    for number, cells in enumerate(lines, start=2):
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(header):
            raise DatasetError(f"{path}:{number}: {len(cells)} cells, expected {len(header)}")
        row = dict(zip(header, (cell.strip() for cell in cells), strict=True))
        name = row["video"] if row["video"] in videos else Path(row["video"]).stem
        if name not in videos:
            raise DatasetError(f"{path}:{number}: there is no video {row['video']!r}")
        if name in rows:
            raise DatasetError(f"{path}:{number}: video {name} is listed twice")
        if row.get("split") and row["split"] not in SPLITS:
            raise DatasetError(
                f"{path}:{number}: split {row['split']!r}, expected {', '.join(SPLITS)}"
            )
        category = row.get("category", "")
        if len(category) > _MAX_CATEGORY or has_control(category):
            raise DatasetError(
                f"{path}:{number}: category {category[:40]!r}, expected a printable word of "
                f"at most {_MAX_CATEGORY} letters"
            )
        if row.get("subject"):
            check_name(row["subject"], what=f"{path}:{number}: subject")
        rows[name] = row
    return rows


def _check_subjects(table: dict[str, dict[str, str]], videos: tuple[CorpusVideo, ...]) -> None:
    """Refuse a person who is called like a video of which nobody said who is in it."""
    named = {row["subject"].casefold(): name for name, row in table.items() if row.get("subject")}
    for video in videos:
        is_named = bool(table.get(video.id, {}).get("subject"))
        if not is_named and video.id.casefold() in named:
            raise DatasetError(
                f"{TABLE}: {video.id} is the subject of video {named[video.id.casefold()]}, and "
                f"video {video.id} has no subject",
                remedy="name the subject of that video too, the same or another",
            )


def _splits(table: dict[str, dict[str, str]], videos: tuple[CorpusVideo, ...]) -> dict[str, Split]:
    splits: dict[str, Split] = {}
    for video in videos:
        split = table.get(video.id, {}).get("split")
        if not split:
            continue
        if splits.setdefault(video.subject, cast(Split, split)) != split:
            raise DatasetError(
                f"{TABLE}: subject {video.subject} is in {splits[video.subject]} and in {split}",
                remedy="a person belongs to one split",
            )
    without = sorted({video.subject for video in videos} - splits.keys())
    if splits and without:
        raise DatasetError(
            f"{TABLE} gives no split for {', '.join(without[:5])}",
            remedy="give every video a split, or none",
        )
    return splits
