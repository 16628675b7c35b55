"""Clips as tar shards, as WebDataset and any tar reader stream them in cluster training."""

import io
import json
import re
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capture.files import require_free_space
from capture.terminal import OnProgress

from ..clips import ClipRef
from ..derived import DERIVED_MARK
from ..errors import DatasetError
from ..output_folder import output_folder
from ..splits import SPLITS, Split
from ..store import ClipStore
from ..store_schema import DIMENSIONS

INDEX_NAME = "dataset.json"
FORMAT = "mavfer-webdataset"
_NAMES = (INDEX_NAME, *(f"{split}-{'[0-9]' * 6}.tar" for split in SPLITS))
_MOST_ID_CHARACTERS = 60
"""Of a video's id in names of tar members, which plain tar limits to 100 characters."""


@dataclass(frozen=True, slots=True)
class ShardPlan:
    """How clips are cut and packed.

    Attributes
    ----------
    stride_frames : int
    clip_length : int
    shard_bytes : int
        A shard is closed when it has grown to this.
    splits : tuple of str
    """

    stride_frames: int
    clip_length: int
    shard_bytes: int = 500_000_000
    splits: tuple[Split, ...] = SPLITS


def export_webdataset(
    store: ClipStore,
    folder: Path,
    plan: ShardPlan,
    *,
    overwrite: bool = False,
    on_progress: OnProgress | None = None,
) -> dict[str, Any]:
    """Write ``<split>-000000.tar`` … and ``dataset.json`` into `folder`, which comes last.

    A clip is a sample: ``<key>.<modality>.npy`` with the frames as `ClipStore.read` gives them,
    and ``<key>.json`` with video, subject, first row, times, labels and validity of every frame.

    Returns
    -------
    dict
        What ``dataset.json`` says: shards and clips by split.

    Raises
    ------
    OutputExistsError
        `folder` holds shards and `overwrite` is false, or files of their names that are not
        of this make.
    DatasetError
        No clip in any of the splits.
    """
    refs = {
        split: store.clips(split, stride_frames=plan.stride_frames, clip_length=plan.clip_length)
        for split in plan.splits
    }
    total, done = sum(map(len, refs.values())), 0
    if not total:
        raise DatasetError(
            f"{store.path}: no clip of {plan.clip_length} frames in {', '.join(plan.splits)}",
            remedy="choose a shorter --clip-length or other splits",
        )
    index: dict[str, Any] = {
        "format": FORMAT,
        "schema_version": 1,
        "generator": DERIVED_MARK,
        "fingerprint": store.fingerprint,
        "modalities": list(store.modalities),
        "clip_length": plan.clip_length,
        "stride_frames": plan.stride_frames,
        "rate_hz": store.rate_hz,
        "stats": dict(store.stats),
        "splits": {},
    }
    with output_folder(folder, names=_NAMES, last=INDEX_NAME, overwrite=overwrite) as made:
        for split, members in refs.items():
            shards = _Shards(made, split, plan.shard_bytes)
            for ref in members:
                shards.add(sample_of(store, ref, plan.clip_length, len(str(total)), done))
                done += 1
                if on_progress is not None:
                    on_progress(done, total)
            shards.close()
            index["splits"][split] = {"clips": len(members), "shards": shards.names}
        text = json.dumps(index, indent=1, allow_nan=False) + "\n"
        (made / INDEX_NAME).write_text(text, encoding="utf-8")
    return index


def sample_of(
    store: ClipStore, ref: ClipRef, length: int, digits: int = 6, number: int = 0
) -> dict[str, bytes]:
    """Members of the sample of one clip, by name."""
    rows = slice(ref.start, ref.start + length)
    video = store.videos[ref.video_id]
    valid = store.valid(ref.video_id)
    about: dict[str, Any] = {
        "generator": DERIVED_MARK,
        "video": ref.video_id,
        "subject": video.subject,
        "split": video.split,
        "category": video.category or None,
        "start": ref.start,
        "time_ns": store.time_ns(ref.video_id)[rows].tolist(),
        **{d: _numbers(store.labels(ref.video_id, d)[rows]) for d in DIMENSIONS},
        "valid": {name: flags[rows].tolist() for name, flags in valid.items()},
    }
    # WebDataset takes everything after the first dot of a name for its kind.
    safe = re.sub(r"[^A-Za-z0-9_-]", "-", ref.video_id)[:_MOST_ID_CHARACTERS]
    key = f"{number:0{max(digits, 6)}d}-{safe}-{ref.start:06d}"
    members = {}
    for modality in store.modalities:
        frames = store.read(ref.video_id, ref.start, length, modality, copy=False)
        members[f"{key}.{modality}.npy"] = _npy(frames)
    members[f"{key}.json"] = json.dumps(about, allow_nan=False).encode()
    return members


class _Shards:
    """Tar files of one split, a new one when the last has grown large."""

    def __init__(self, folder: Path, split: str, most_bytes: int) -> None:
        self._folder, self._split, self._most_bytes = folder, split, most_bytes
        self._tar: tarfile.TarFile | None = None
        self._n_bytes = 0
        self.names: list[str] = []

    def add(self, members: dict[str, bytes]) -> None:
        size = sum(map(len, members.values()))
        if self._tar is None or (self._n_bytes and self._n_bytes + size > self._most_bytes):
            self.close()
            self.names.append(f"{self._split}-{len(self.names):06d}.tar")
            require_free_space(self._folder, self._most_bytes // 8 + size)
            path = self._folder / self.names[-1]
            self._tar = tarfile.TarFile(path, "w", format=tarfile.USTAR_FORMAT)
            self._n_bytes = 0
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = (
                len(content),
                0o644,
            )  # no times and owners: same store, same bytes
            self._tar.addfile(info, io.BytesIO(content))
        self._n_bytes += size

    def close(self) -> None:
        if self._tar is not None:
            self._tar.close()
            self._tar = None


def _npy(frames: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(frames), allow_pickle=False)
    return buffer.getvalue()


def _numbers(values: NDArray[np.float32]) -> list[float | None]:
    return [float(v) if np.isfinite(v) else None for v in values]
