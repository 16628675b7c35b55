"""AFEW as the EmotiW challenges gave it out: one emotion a clip, told by its folder.

::

    Train_AFEW/ Angry/000046280.avi …, Disgust, Fear, Happy, Neutral, Sad, Surprise
    Val_AFEW/   the same seven folders
    Test_AFEW/  clips without folders: their emotions are not published

Instead of a file, a clip may be a folder of its frames (25 a second).
"""

from collections.abc import Iterator
from pathlib import Path

from ..errors import DatasetError
from ..frame_folder import check_frame_rate, has_frames
from ..splits import Split
from .corpus import VIDEO_SUFFIXES, Corpus, CorpusVideo, natural_order, require_folder, require_utf8

FRAME_RATE_HZ = 25.0
CATEGORIES = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
_SPLITS: dict[str, Split] = {"train_afew": "train", "val_afew": "validation", "test_afew": "test"}


def read_afew(root: Path, *, frame_rate_hz: float = FRAME_RATE_HZ) -> Corpus:
    """Find what there is of AFEW in `root`.

    Parameters
    ----------
    frame_rate_hz : float
        Of clips that are folders of frames.

    Raises
    ------
    DatasetError
        No split's folder, no clip, an unknown emotion, two clips of one name, or no frame rate.
    """
    require_folder(root)
    check_frame_rate(frame_rate_hz)
    folders = {p.name.lower(): p for p in root.iterdir() if p.is_dir()}
    found = {split: folders[name] for name, split in _SPLITS.items() if name in folders}
    if not found:
        raise DatasetError(
            f"{root} has none of Train_AFEW, Val_AFEW and Test_AFEW",
            remedy="unpack the challenge's archives there (docs/how-to/import-afew.md)",
        )
    videos: list[CorpusVideo] = []
    categories: dict[str, str] = {}
    splits: dict[str, Split] = {}
    for split, folder in found.items():
        for path, category in _unrated_clips(folder) if split == "test" else _clips(folder):
            require_utf8(path)
            name = path.name if path.is_dir() else path.stem
            if name in splits:
                raise DatasetError(
                    f"two clips are called {name}: the second is {path}",
                    remedy="rename or remove one: ids must be unique in a store",
                )
            splits[name] = split
            rate = frame_rate_hz if path.is_dir() else None
            videos.append(CorpusVideo(name, path, subject=name, frame_rate_hz=rate))
            if category:
                categories[name] = category
    if not videos:
        raise DatasetError(f"{root} holds no clips in {', '.join(p.name for p in found.values())}")
    remarks = ["AFEW does not name its actors: every clip counts as a subject of its own"]
    if unlabelled := sum(video.id not in categories for video in videos):
        remarks.append(f"{unlabelled} clips have no emotion, as published for the test split")
    return Corpus("AFEW", tuple(videos), splits, categories=categories, remarks=tuple(remarks))


def _clips(folder: Path) -> Iterator[tuple[Path, str]]:
    """Yield the clips of a split with their emotions, empty where there is none."""
    for path in sorted(folder.iterdir(), key=lambda p: natural_order(p.name)):
        if path.name.startswith("."):
            continue
        if path.name.lower() in CATEGORIES and path.is_dir():
            members = sorted(path.iterdir(), key=lambda p: natural_order(p.name))
            for member in members:
                if _is_clip(member):
                    yield member, path.name.lower()
        elif _is_clip(path):
            yield path, ""
        elif path.is_dir() and any(_is_clip(member) for member in path.iterdir()):
            raise DatasetError(
                f"{path}: unknown emotion {path.name!r}, expected {', '.join(CATEGORIES)}"
            )


def _unrated_clips(folder: Path) -> Iterator[tuple[Path, str]]:
    """Yield the clips of the test split, in whatever folders they come."""
    for path in sorted(folder.iterdir(), key=lambda p: natural_order(p.name)):
        if _is_clip(path):
            rated = path.parent.name.lower()
            yield path, rated if rated in CATEGORIES else ""
        elif path.is_dir() and not path.name.startswith("."):
            yield from _unrated_clips(path)


def _is_clip(path: Path) -> bool:
    if path.name.startswith("."):
        return False
    return has_frames(path) if path.is_dir() else path.suffix.lower() in VIDEO_SUFFIXES
