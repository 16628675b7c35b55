"""AFEW-VA: a folder a clip with its frames and one JSON of valence, arousal and landmarks.

::

    001/  00000.png …, 001.json     (or inside the archives' folders: 01/001/…)

Ratings by frame, -10 to 10; 68 landmarks a frame in pixels of its image; the actor's name.
"""

from pathlib import Path

import numpy as np

from annotation.afew_va import AfewVaVideo, frame_times_ns, load_afew_va
from annotation.labels import Labels, SessionLabels
from annotation.raters_csv import RAW_SCALE

from ..errors import DatasetError
from ..frame_folder import FrameFolder, check_frame_rate, has_frames
from ..splits import folded
from .corpus import (
    Corpus,
    CorpusVideo,
    files_below,
    in_range,
    natural_order,
    require_folder,
    require_utf8,
)

FRAME_RATE_HZ = 25.0
_MAX_NAME = 100


def read_afew_va(root: Path, *, frame_rate_hz: float = FRAME_RATE_HZ) -> Corpus:
    """Find the clips of AFEW-VA below `root`.

    Parameters
    ----------
    frame_rate_hz : float
        The files do not say it.

    Raises
    ------
    DatasetError
        No clip, two of one name, ratings of frames that are not there, or a damaged file.
    AnnotationError
        A JSON file that is none of AFEW-VA's.
    """
    require_folder(root)
    check_frame_rate(frame_rate_hz)
    files = [
        p
        for p in files_below(root)
        if p.suffix == ".json" and p.stem == p.parent.name and has_frames(p.parent)
    ]
    if not files:
        raise DatasetError(
            f"{root} has no folder like 001 with 001.json and frames",
            remedy="unpack the archives there (docs/how-to/import-afew-va.md)",
        )
    videos: list[CorpusVideo] = []
    gold: dict[str, SessionLabels] = {}
    actors: dict[str, str] = {}
    n_unnamed = 0
    remarks = []
    for path in sorted(files, key=lambda p: natural_order(p.stem)):
        require_utf8(path)
        name = path.stem
        if name in gold:
            raise DatasetError(f"two clips are called {name}: the second is {path.parent}")
        rated = load_afew_va(path)
        gold[name] = _labels(rated, path, frame_rate_hz)
        actor = rated.extra.get("actor")
        known = isinstance(actor, str) and actor.strip() != ""
        n_unnamed += not known
        subject = "_".join(str(actor).split()) if known else name
        if not subject.isprintable() or len(subject) > _MAX_NAME or {*subject} & {*"/\\"}:
            raise DatasetError(
                f"{path}: the actor is {subject[:40]!r}, expected a name",
                remedy="a name is printable and has neither / nor \\: correct it in the file",
            )
        if (first := actors.setdefault(folded(subject), subject)) != subject:
            remarks.append(f"the actor of {name}, {subject}, is taken for {first}")
            subject = first
        landmarks = path if rated.landmarks is not None else None
        videos.append(CorpusVideo(name, path.parent, subject, frame_rate_hz, landmarks))
    if n_unnamed:
        remarks.append(f"{n_unnamed} clips do not name their actor: each counts as a subject")
    method = "AFEW-VA as published, divided by 10"
    return Corpus(
        "AFEW-VA", tuple(videos), gold=Labels(gold, {"method": method}), remarks=tuple(remarks)
    )


def _labels(rated: AfewVaVideo, path: Path, frame_rate_hz: float) -> SessionLabels:
    folder = FrameFolder(path.parent, frame_rate_hz=frame_rate_hz, rate_hz=None)
    strangers = np.setdiff1d(rated.frame, folder.frame)
    if len(strangers):
        raise DatasetError(
            f"{path}: frame {strangers[0]:05d} is rated but its image is missing "
            f"({len(strangers)} in all)",
            remedy="unpack the clip again",
        )
    time_ns = frame_times_ns(rated.frame - folder.first_number, frame_rate_hz)
    valence, arousal = (
        in_range(values / RAW_SCALE, path) for values in (rated.valence, rated.arousal)
    )
    known = np.isfinite(valence) | np.isfinite(arousal)
    return SessionLabels(time_ns, valence, arousal, known.astype(np.int64))
