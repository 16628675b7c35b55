"""What is read and held against each other when a clip store is opened."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import h5py
import numpy as np

from .consent import read_consent
from .errors import DatasetError
from .splits import SPLITS, Split
from .store_attributes import Attributes
from .store_content import require_rows_inside
from .store_file import REBUILD
from .store_schema import (
    FORMAT,
    MAX_CLIP_LENGTH,
    SCHEMA_VERSION,
    StoreModality,
    VideoInfo,
    VideoKind,
    check_modalities,
    columns,
)

_DAMAGED = (OSError, RuntimeError, KeyError, TypeError, ValueError)
"""What h5py raises where bytes are damaged or are something else."""


@dataclass(frozen=True, slots=True)
class StoreRoot:
    """What a store says about all of its videos; see ``ClipStore``."""

    modalities: tuple[StoreModality, ...]
    crop_px: int
    clip_length: int
    rate_hz: float | None
    landmarks: int
    stats: Mapping[str, Mapping[str, Any]]
    provenance: Mapping[str, Any]
    fingerprint: str
    software_version: str


def read_root(path: Path, file: h5py.File) -> StoreRoot:
    """Read the root attributes.

    Raises
    ------
    DatasetError
        No clip store, of another schema version, or an attribute is missing or damaged.
    """
    attributes = Attributes(file, f"{path}: root")
    found = _text_or_none(attributes, "format")
    if found != FORMAT:
        raise DatasetError(
            f"{path} is HDF5 but not a clip store (format {found!r}, expected {FORMAT!r})"
        )
    version = attributes.whole_number("schema_version")
    if version != SCHEMA_VERSION:
        software = _text_or_none(attributes, "software_version")
        raise DatasetError(
            f"{path} has clip store schema {version}, this software reads {SCHEMA_VERSION}",
            remedy=f"{REBUILD} or use the software version {software}",
        )
    rate_hz = attributes.number("rate_hz")
    stats = attributes.table("stats", finite=True)
    if not all(isinstance(entry, dict) for entry in stats.values()):
        raise DatasetError(f"{path}: root attribute stats is no table of tables", remedy=REBUILD)
    root = StoreRoot(
        modalities=read_modalities(attributes),
        crop_px=attributes.whole_number("crop_px"),
        clip_length=attributes.whole_number("clip_length"),
        rate_hz=rate_hz if rate_hz > 0 else None,
        landmarks=attributes.whole_number("landmarks"),
        stats=stats,
        provenance=attributes.table("provenance"),
        fingerprint=attributes.text("fingerprint"),
        software_version=attributes.text("software_version"),
    )
    if not 1 <= root.clip_length <= MAX_CLIP_LENGTH or root.crop_px < 1:
        raise DatasetError(
            f"{path}: clips of {root.clip_length} frames of {root.crop_px} px, expected "
            f"1 to {MAX_CLIP_LENGTH} frames of at least 1 px",
            remedy=REBUILD,
        )
    return root


def read_modalities(attributes: Attributes) -> tuple[StoreModality, ...]:
    """Read which modalities the root attributes name, in the store's order."""
    named = attributes.json("modalities")
    if not isinstance(named, list) or not all(isinstance(name, str) for name in named):
        raise DatasetError(f"root attribute modalities is {named!r:.40}, expected a list of names")
    return check_modalities(tuple(named))


def read_videos(path: Path, file: h5py.File, root: StoreRoot) -> Iterator[VideoInfo]:
    """Read and check every video, by id.

    Raises
    ------
    DatasetError
        A part is missing, is of another shape, contradicts another or lies in another file.
    """
    _refuse_links(path, file)
    videos = file.get("videos")
    if not isinstance(videos, h5py.Group):
        raise DatasetError(f"{path} has no /videos group", remedy=REBUILD)
    names = list(videos)
    if odd := [name for name in names if not _is_text(name)]:
        raise DatasetError(f"{path}: video {odd[0]!r}: the id is no UTF-8", remedy=REBUILD)
    for name in sorted(names):
        where = f"{path}: video {name}"
        try:
            group = videos.get(name)
        except _DAMAGED as error:
            raise DatasetError(f"{where} is damaged ({error})", remedy=REBUILD) from error
        yield _read_video(where, name, group, root)


def _refuse_links(path: Path, file: h5py.File) -> None:
    """Refuse what is not in the file itself, or is there under two names (or within itself)."""
    seen: set[int] = set()

    def judge(name: bytes, link: Any) -> str | None:
        place = f"/{name.decode(errors='replace')}"
        if link.type != h5py.h5l.TYPE_HARD:
            return f"{place} is a link to somewhere else"
        if link.u in seen:
            return f"{place} is there under another name too"
        seen.add(link.u)
        return None

    try:
        wrong = file.id.links.visit(judge, info=True)
    except _DAMAGED as error:
        raise DatasetError(
            f"{path} cannot be read: its table of contents is damaged ({error})", remedy=REBUILD
        ) from error
    if wrong:
        raise DatasetError(
            f"{path}: {wrong}; a store holds everything itself, once",
            remedy=REBUILD,
        )


def _read_video(where: str, name: str, group: object, root: StoreRoot) -> VideoInfo:
    if not isinstance(group, h5py.Group):
        raise DatasetError(f"{where} is no group", remedy=REBUILD)
    try:
        n_frames = len(_dataset(group, "time_ns"))
        expected = columns(
            n_frames, modalities=root.modalities, crop_px=root.crop_px, landmarks=root.landmarks
        )
        for column, (shape, dtype) in expected.items():
            _check_column(_dataset(group, column), shape, dtype, f"{where}: {column}")
    except DatasetError:
        raise
    except (*_DAMAGED, OverflowError) as error:
        raise DatasetError(f"{where} lacks a part ({error})", remedy=REBUILD) from error
    attributes = Attributes(group, f"{where}:")
    notes = attributes.table("notes")
    info = VideoInfo(
        id=name,
        subject=attributes.text("subject"),
        split=cast(Split, attributes.text("split")),
        n_frames=n_frames,
        kind=cast(VideoKind, attributes.text("kind")),
        source=attributes.text("source"),
        category=attributes.text("category"),
        label_lag_ns=attributes.whole_number("label_lag_ns"),
        consent=read_consent(notes.get("consent"), where=where),
        notes=notes,
    )
    if info.split not in SPLITS:
        raise DatasetError(
            f"{where} has split {info.split!r}, expected {', '.join(SPLITS)}", remedy=REBUILD
        )
    return info


def _check_column(
    found: h5py.Dataset, shape: tuple[int, ...], dtype: "np.dtype[Any]", where: str
) -> None:
    if found.shape != shape or found.dtype != dtype:
        raise DatasetError(
            f"{where} is {found.shape} {found.dtype}, expected {shape} {dtype}", remedy=REBUILD
        )
    require_rows_inside(found, where)


def _dataset(group: h5py.Group, name: str) -> h5py.Dataset:
    found = group[name]
    if not isinstance(found, h5py.Dataset):
        raise TypeError(f"{name} is no data set")
    return found


def _text_or_none(attributes: Attributes, name: str) -> str | None:
    try:
        return attributes.text(name)
    except DatasetError:
        return None


def _is_text(name: object) -> bool:
    try:
        return isinstance(name, str) and bool(name.encode())
    except UnicodeEncodeError:
        return False
