"""Is a clip store what it says: content against hashes, values against their ranges, splits."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args

import h5py
import numpy as np
from numpy.typing import NDArray

from capture.terminal import OnProgress

from .consent import Purpose, refusal
from .errors import DatasetError
from .splits import SPLITS
from .stats import PixelSums, sum_color, sum_valid
from .store import ClipStore
from .store_assembly import read_layout, read_sums, totals
from .store_attributes import Attributes
from .store_content import (
    DESCRIPTION_HASH,
    OnPlace,
    content_sha256,
    datasets,
    description_sha256,
)
from .store_file import open_hdf5
from .store_schema import (
    DIMENSIONS,
    FACE_SOURCES,
    NO_FACE,
    REASONS,
    VideoInfo,
    VideoKind,
    columns,
)
from .store_traces import is_of_trace

Level = Literal["error", "warning"]
_DAMAGED = (OSError, RuntimeError, KeyError, TypeError, ValueError)  # RuntimeError: h5py, recursion
_SAME_LABEL = 1e-5
_SAME_STAT = 1e-9


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be.

    Attributes
    ----------
    level : {"error", "warning"}
        An error makes results wrong; a warning may be meant.
    where : str
        Id of the video, or "store".
    what : str
    """

    level: Level
    where: str
    what: str


@dataclass(slots=True)
class _Seen:
    """What one pass over a video gathers beside its hash."""

    sums: dict[str, PixelSums] = field(default_factory=dict)
    crops: set[bytes] = field(default_factory=set)


@dataclass(slots=True)
class _Copies:
    """Which videos share crops: pictures of one are in another."""

    owner: dict[bytes, str] = field(default_factory=dict)
    shared: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, video_id: str, crops: set[bytes]) -> None:
        for crop in crops:
            first = self.owner.setdefault(crop, video_id)
            if first != video_id:
                self.shared[first, video_id] += 1


def check_store(
    path: Path,
    *,
    purpose: Purpose | None = None,
    today: date | None = None,
    on_progress: OnProgress | None = None,
    on_place: Callable[[str, str, int], None] | None = None,
) -> list[Finding]:
    """Read a whole store and list what is wrong with it.

    Parameters
    ----------
    path : Path
    purpose : {"train", "share", "publish"}, optional
        What it is to be used for: videos whose subjects do not consent are errors.
    today : date, optional
        Consent is judged by this day.
    on_progress : callable, optional
        Called with videos done and in all.
    on_place : callable, optional
        Told what is read next: video, name of the data set (empty: several), first row.

    Raises
    ------
    DatasetError
        No clip store, of another schema, or so damaged that it cannot be opened.
    """
    store = ClipStore(path)
    findings: list[Finding] = []
    copies = _Copies()
    with open_hdf5(path) as file:
        for done, video in enumerate(store.videos.values()):
            seen = _Seen()
            on_column = None if on_place is None else partial(on_place, video.id)
            if on_column is not None:
                on_column("", 0)
            findings += _check_description(store, file["videos"][video.id], video)
            findings += _check_content(store, file["videos"][video.id], video, seen, on_column)
            if on_column is not None:
                on_column("", 0)
            try:
                findings += _check_values(store, file["videos"][video.id], video)
            except (*_DAMAGED, DatasetError) as error:
                findings.append(Finding("error", video.id, str(error)))
            copies.add(video.id, seen.crops)
            if on_progress is not None:
                on_progress(done + 1, len(store.videos))
        findings += _check_totals(file, store)
    findings += _check_splits(store, copies)
    findings += _check_consent(store, purpose, today or date.today())  # noqa: DTZ011 - calendar day
    return findings


def _check_content(
    store: ClipStore, group: h5py.Group, video: VideoInfo, seen: _Seen, on_place: OnPlace | None
) -> Iterator[Finding]:
    try:
        found = content_sha256(group, on_block=_gather(store, video, seen), on_place=on_place)
    except (*_DAMAGED, DatasetError) as error:
        yield Finding("error", video.id, f"cannot be read: its bytes are damaged ({error})")
        return
    attributes = Attributes(group, "the")
    try:
        told_hash = attributes.text("content_sha256")
    except DatasetError as error:
        yield Finding("error", video.id, error.message)
        told_hash = found
    if found != told_hash:
        yield Finding(
            "error", video.id, "the content is not what was written: it was changed or damaged"
        )
    try:
        told = read_sums(attributes)
    except DatasetError:
        told = {}
    if told != seen.sums:
        yield Finding("error", video.id, "the sums behind the statistics are not of these crops")


def _check_description(store: ClipStore, group: h5py.Group, video: VideoInfo) -> Iterator[Finding]:
    """Compare what is said about a video with what may be said, and with its hash."""
    if not video.subject.strip():
        yield Finding("error", video.id, "the subject has no name")
    if video.kind not in get_args(VideoKind):
        known = ", ".join(get_args(VideoKind))
        yield Finding("error", video.id, f"the kind is {video.kind!r}, expected {known}")
    known_columns = columns(
        video.n_frames,
        modalities=store.modalities,
        crop_px=store.crop_px,
        landmarks=store.landmarks,
    )
    try:
        found = [name for name, _ in datasets(group)]
        told = group.attrs.get(DESCRIPTION_HASH)  # parts of older versions have none
        hashed = description_sha256(group.attrs)
    except _DAMAGED as error:
        yield Finding("error", video.id, f"cannot be read: its bytes are damaged ({error})")
        return
    for name in found:
        if name not in known_columns and not is_of_trace(name):
            yield Finding("error", video.id, f"unknown data set {name}")
    if told is not None and told != hashed:
        what = "subject, source, consent or notes are not what was written"
        yield Finding("error", video.id, f"{what}: they were changed or damaged")


def _gather(
    store: ClipStore, video: VideoInfo, seen: _Seen
) -> Callable[[str, int, NDArray[Any]], None]:
    """Sum pixels and remember color crops while the content passes by."""
    valid = store.valid(video.id)
    seen.sums = {m: PixelSums.empty(3 if m == "color" else 1) for m in store.modalities}

    def on_block(name: str, start: int, rows: NDArray[Any]) -> None:
        if name not in seen.sums:
            return
        face = valid["face"][start : start + len(rows)]
        if name == "color":
            seen.sums[name] += sum_color(rows[face])
            seen.crops.update(
                hashlib.blake2b(crop, digest_size=12).digest()
                for crop in np.ascontiguousarray(rows[face])
            )
        else:
            shown = face & valid[name][start : start + len(rows)]
            seen.sums[name] += sum_valid(rows[shown])

    return on_block


def _check_values(store: ClipStore, group: h5py.Group, video: VideoInfo) -> Iterator[Finding]:
    """Compare columns with their ranges and with each other."""

    def wrong(rows: NDArray[np.bool_], what: str) -> Iterator[Finding]:
        if rows.any():
            first = int(np.flatnonzero(rows)[0])
            yield Finding("error", video.id, f"{what} in {rows.sum()} rows, first in {first}")

    times = store.time_ns(video.id)
    if np.any(np.diff(times) <= 0):
        yield Finding("error", video.id, "times do not increase")
    for dimension in DIMENSIONS:
        labels = store.labels(video.id, dimension)
        yield from wrong(np.abs(labels) > 1, f"{dimension} outside -1 to 1")
        yield from wrong(np.isinf(labels), f"{dimension} infinite")
    source, reason = group["face_source"][:], group["reason"][:]
    valid = store.valid(video.id)
    yield from wrong(source >= len(FACE_SOURCES), "unknown face_source")
    yield from wrong(reason >= len(REASONS), "unknown reason")
    yield from wrong(valid["face"] != (source != NO_FACE), "valid/face contradicts face_source")
    yield from wrong((source == NO_FACE) & (reason == 0), "no face and no reason why")
    confidence = store.confidence(video.id)
    yield from wrong((confidence < 0) | (confidence > 1), "confidence outside 0 to 1")
    has_place = np.isfinite(store.T_crop_color(video.id)).all(axis=(1, 2))
    yield from wrong(valid["face"] & ~has_place, "a face without the place of its crop")
    for modality in store.modalities[1:]:
        yield from wrong(
            valid[modality] & ~has_place, f"valid {modality} without the place of its crop"
        )
    for trace in store.traces(video.id):
        if trace.rater:
            continue
        expected = trace.at(times, lag_ns=video.label_lag_ns)
        found = store.labels(video.id, trace.dimension)
        same = np.isclose(found, expected, rtol=0, atol=_SAME_LABEL, equal_nan=True)
        yield from wrong(~same, f"{trace.dimension} is not the gold trace at its time")
    if video.n_frames < store.clip_length:
        what = f"{video.n_frames} rows make no clip of {store.clip_length}"
        yield Finding("warning", video.id, what)
    if video.n_frames and not valid["face"].any():
        yield Finding("warning", video.id, "no row shows a face")


def _check_totals(file: h5py.File, store: ClipStore) -> Iterator[Finding]:
    try:
        stats, fingerprint = totals(file, read_layout(file))
    except DatasetError as error:
        yield Finding("error", "store", f"statistics cannot be told from the videos ({error})")
        return
    if fingerprint != store.fingerprint:
        yield Finding("error", "store", "the fingerprint is not that of the videos")
    for modality, expected in stats.items():
        found = store.stats.get(modality)
        if not isinstance(found, Mapping) or not all(
            _are_same(found.get(key), expected[key]) for key in ("mean", "std", "count")
        ):
            yield Finding("error", "store", f"{modality} statistics are not of the train split")


def _are_same(found: Any, expected: float | list[float]) -> bool:
    try:
        values = np.asarray(found, float)
    except (TypeError, ValueError, OverflowError):
        return False
    return values.shape == np.shape(expected) and np.allclose(values, expected, rtol=_SAME_STAT)


def _check_splits(store: ClipStore, copies: _Copies) -> Iterator[Finding]:
    """Look for people, sessions and pictures that are on both sides of a split."""
    videos = list(store.videos.values())
    for what, key in (("subject", _subject), ("source", _source)):
        sides: dict[str, dict[str, str]] = {}
        for video in videos:
            sides.setdefault(key(video), {}).setdefault(video.split, video.id)
        for name, ids in sides.items():
            if len(ids) > 1:
                listed = ", ".join(f"{split} ({video_id})" for split, video_id in ids.items())
                yield Finding("error", "store", f"{what} {name} is in several splits: {listed}")
    for (one, other), count in copies.shared.items():
        splits = store.videos[one].split, store.videos[other].split
        apart = splits[0] != splits[1]
        where = f" although in {splits[1]} and {splits[0]}" if apart else ""
        level: Level = "error" if apart else "warning"
        yield Finding(level, other, f"{count} color crops are those of {one}{where}")
    for split in SPLITS:
        if not any(video.split == split for video in videos):
            yield Finding("warning", "store", f"no video is in the {split} split")


def _check_consent(store: ClipStore, purpose: Purpose | None, today: date) -> Iterator[Finding]:
    for video in store.videos.values():
        reason = refusal(video.consent, purpose or "train", today=today)
        if reason:
            yield Finding("error", video.id, f"must not be used: {reason}")


def _subject(video: VideoInfo) -> str:
    return video.subject.strip().casefold()


def _source(video: VideoInfo) -> str:
    return f"{video.kind} {video.source}"
