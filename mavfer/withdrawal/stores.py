"""What clip stores and parts of builds say about a subject, and what others are called in them."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import h5py

from ..store_schema import FILE_DIGEST, FORMAT
from .holdings import Holdings

_HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"


class Video(NamedTuple):
    """What a store says of a video; texts, empty where it does not say."""

    id: str
    subject: str
    source: str
    kind: str
    digest: str


def is_hdf5(path: Path) -> bool:
    """Tell from the first bytes; a file that cannot be read is none."""
    try:
        with path.open("rb") as handle:
            return handle.read(len(_HDF5_MAGIC)) == _HDF5_MAGIC
    except OSError:
        return False


def learn_from_stores(paths: Iterable[Path], holdings: Holdings) -> None:
    """Learn names of sessions that are gone but live on in a store, and of others' films."""
    names, others = holdings.names, set()
    for path in paths:
        if not is_hdf5(path):
            continue
        for video in videos_of(path, holdings):
            if video.subject != names.subject:
                others |= {video.id, video.source}
                continue
            if video.kind == "video":
                names.add_film(video.id, video.source, video.digest)
            else:
                names.add(video.id, video.source)
            names.fingerprints |= _fingerprint(path)
    names.contest(others)


def _fingerprint(path: Path) -> set[str]:
    with h5py.File(path, "r") as file:
        found = file.attrs.get("fingerprint")
    return set() if found is None else {str(found)}


def videos_of(path: Path, holdings: Holdings) -> Iterator[Video]:
    """Yield every video of a store or part; none of other HDF5 files."""
    try:
        with h5py.File(path, "r") as file:
            groups = {}
            if file.attrs.get("format") == FORMAT and isinstance(file.get("videos"), h5py.Group):
                groups = dict(file["videos"].items())
            elif isinstance(file.get("video"), h5py.Group):
                groups = {str(file["video"].attrs.get("id", "")): file["video"]}
            for video_id, group in groups.items():
                subject, source, kind, notes = (
                    str(group.attrs.get(name, ""))
                    for name in ("subject", "source", "kind", "notes")
                )
                yield Video(video_id, subject, source, kind, _file_digest(notes))
    except (OSError, KeyError, RuntimeError) as error:
        holdings.unreadable.append(f"{path}: no HDF5 that can be read ({error})")


def _file_digest(notes: str) -> str:
    try:
        return str(json.loads(notes).get(FILE_DIGEST, ""))
    except (ValueError, AttributeError, RecursionError):
        return ""


def is_part(path: Path) -> bool:
    """Tell a part of a build from a store."""
    with h5py.File(path, "r") as file:
        return "video" in file
