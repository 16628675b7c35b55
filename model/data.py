"""Clips of a store as a torch dataset: integers through the loader, floats on the device."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, default_collate

from mavfer.clips import ClipRef, clip_starts
from mavfer.splits import Split
from mavfer.store import ClipStore
from mavfer.store_schema import Dimension, StoreModality, crop_shape

from .clip_rate import clip_rows, warn_of_slow_frames
from .config import ModelConfig
from .errors import ModelError


class Batch(NamedTuple):
    """Crops and labels of some clips.

    Attributes
    ----------
    crops : dict of modality to tensor
        color (B, T, H, W, 3) uint8; depth, thermal (B, T, H, W) uint16; without B for one clip.
    labels : (B, K) or (B, T, K) float32
        As the config's `label` says, a column for each of its outputs; NaN without. A category
        is its number among the config's.
    """

    crops: dict[str, Tensor]
    labels: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class VideoRows:
    """The rows of one video that clips are cut from.

    Attributes
    ----------
    rows : (M,) int64
        Rows of the store: all of them, or those nearest to a grid of 4 Hz.
    usable : mapping of str to (M,) bool
        ``face`` and each modality: whether the row shows it.
    labels : (M, K) float32
        NaN where there is none.
    """

    rows: NDArray[np.int64]
    usable: Mapping[str, NDArray[np.bool_]]
    labels: NDArray[np.float32]


class ClipDataset(Dataset[Batch]):
    """Clips of one split that show a face (and have labels, where labels are required).

    Attributes
    ----------
    clips : list of ClipRef
        `start` counts in the video's `rows`.
    videos : mapping of video id to VideoRows
    labels : (N, K) or (N, T, K) float32
    n_without_face, n_without_label : int
        Clips left out because too few of their frames show a face, or none has a label.

    Parameters
    ----------
    store : ClipStore
    config : ModelConfig
    split : {"train", "validation", "test"}, optional
        None: all videos.
    stride_frames : int
    min_valid_share : float
        Smallest share of a clip's frames that must show a face.
    labelled : bool
        Leave out clips without a label in every output.
    subjects : collection of str, optional
        Only clips of these subjects.
    """

    def __init__(
        self,
        store: ClipStore,
        config: ModelConfig,
        *,
        split: Split | None,
        stride_frames: int,
        min_valid_share: float,
        labelled: bool = True,
        subjects: Collection[str] | None = None,
    ) -> None:
        check_store(store, config)
        self._store = store
        self._config = config
        self.clips: list[ClipRef] = []
        self.videos: dict[str, VideoRows] = {}
        self.n_without_face = self.n_without_label = 0
        labels: list[NDArray[np.float32]] = []
        for video in store.videos.values():
            if split not in (None, video.split):
                continue
            if subjects is not None and video.subject not in subjects:
                continue
            table = _video_rows(store, video.id, config)
            self.videos[video.id] = table
            length = config.clip_length
            for start in clip_starts(len(table.rows), length, stride_frames=stride_frames):
                rows = slice(start, start + length)
                face = table.usable["face"][rows]
                if not face.any() or face.mean() < min_valid_share:
                    self.n_without_face += 1
                    continue
                label = clip_label(table.labels[rows], config)
                known = np.isfinite(label)
                if labelled and not (known.any() if label.ndim == 2 else known.all()):
                    self.n_without_label += 1
                    continue
                self.clips.append(ClipRef(video.id, start))
                labels.append(label)
        warn_of_slow_frames(store, self.videos, config)
        n_columns = len(config.outputs)
        shape = (config.clip_length, n_columns) if config.label == "frames" else (n_columns,)
        self.labels = np.array(labels, np.float32).reshape(-1, *shape)

    def __len__(self) -> int:
        return len(self.clips)

    @property
    def config(self) -> ModelConfig:
        """Of the network that the clips are for."""
        return self._config

    @property
    def crop_px(self) -> int:
        """Side of the crops as stored."""
        return self._store.crop_px

    def __getitem__(self, index: int) -> Batch:
        """Read one clip; frames without a face repeat the nearest frame that has one."""
        batch = self.read_batch([index])
        return Batch({name: x[0] for name, x in batch.crops.items()}, batch.labels[0])

    def read_batch(self, indices: Sequence[int], out: Mapping[str, Tensor] | None = None) -> Batch:
        """Read clips straight into their places in a batch.

        Parameters
        ----------
        indices : sequence of int
        out : mapping of modality to (B or more, T, H, W[, 3]) tensor, optional
            Where to put them; new memory by default.
        """
        length, crops = self._config.clip_length, {}
        for modality in self._config.modalities:
            name = cast(StoreModality, modality)
            shape = (len(indices), length, *crop_shape(name, self._store.crop_px))
            dtype = torch.uint8 if name == "color" else torch.uint16
            batch = torch.empty(shape, dtype=dtype) if out is None else out[name][: len(indices)]
            crops[modality] = batch
            places = batch.numpy()
            for place, index in zip(places, indices, strict=True):
                ref = self.clips[index]
                table = self.videos[ref.video_id]
                part = slice(ref.start, ref.start + length)
                rows = table.rows[part]
                first, span = int(rows[0]), int(rows[-1] - rows[0]) + 1
                frames = self._store.read(ref.video_id, first, span, name, copy=False)
                chosen = rows[nearest_known(table.usable[modality][part])] - first
                # not "raise": that would collect the frames in a buffer first
                np.take(frames, chosen, axis=0, out=place, mode="clip")
        return Batch(crops, torch.from_numpy(self.labels[list(indices)]))


def collate(samples: Sequence[Batch]) -> Batch:
    """Stack single clips into a batch; in a worker, straight into memory the parent sees."""
    return Batch(
        default_collate([sample.crops for sample in samples]),
        default_collate([sample.labels for sample in samples]),
    )


def nearest_known(known: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Index of the nearest true entry for every entry, the earlier one at equal distance.

    Every entry is its own where none is true.
    """
    rows = np.arange(len(known))
    true = np.flatnonzero(known)
    if not len(true):
        return rows
    nearest: NDArray[np.int64] = true[np.abs(rows[:, None] - true).argmin(1)]
    return nearest


def frame_labels(store: ClipStore, video_id: str, config: ModelConfig) -> NDArray[np.float32]:
    """Gold labels (N, K) of a video's rows, a column for each output; NaN where there is none."""
    info = store.videos[video_id]
    if config.categorical:
        known = info.category in config.categories
        number = config.categories.index(info.category) if known else np.nan
        return np.full((info.n_frames, 1), number, np.float32)
    columns = [store.labels(video_id, cast(Dimension, name)) for name in config.outputs]
    return np.stack(columns, 1)


def categories_of(store: ClipStore) -> tuple[str, ...]:
    """Return the categories of the training videos, sorted."""
    found = {video.category for video in store.videos.values() if video.split == "train"}
    return tuple(sorted(found - {""}))


def clip_label(labels: NDArray[np.float32], config: ModelConfig) -> NDArray[np.float32]:
    """Return the label of a clip from those of its frames (T, K): (K,), or (T, K) for all."""
    if config.label == "frames":
        return labels
    if config.label == "mean" and not config.categorical:
        return _mean_of_known(labels)
    last: NDArray[np.float32] = labels[-1 if config.label == "last" else len(labels) // 2]
    return last


def check_store(store: ClipStore, config: ModelConfig) -> None:
    """Refuse a store that lacks what the network needs."""
    if missing := [m for m in config.modalities if m not in store.modalities]:
        raise ModelError(
            f"{store.path.name} has no {', '.join(missing)}",
            remedy=f"it holds {', '.join(store.modalities)}: choose --modalities among them",
        )
    if store.crop_px < config.input_px:
        raise ModelError(
            f"{store.path.name} holds crops of {store.crop_px} px, the network takes "
            f"{config.input_px} px",
            remedy="build the store with larger crops, or choose a smaller input",
        )


def _video_rows(store: ClipStore, video_id: str, config: ModelConfig) -> VideoRows:
    valid = store.valid(video_id)
    face = valid["face"]
    time_ns = store.time_ns(video_id)
    rows = np.arange(len(time_ns))
    if config.rate == "4":
        rows = clip_rows(time_ns, store_rate_hz=store.rate_hz)
    usable = {"face": face} | {m: face & valid.get(m, face) for m in config.modalities}
    return VideoRows(
        rows,
        {name: flags[rows] for name, flags in usable.items()},
        frame_labels(store, video_id, config)[rows],
    )


def _mean_of_known(labels: NDArray[np.float32]) -> NDArray[np.float32]:
    known = np.isfinite(labels)
    count = known.sum(0)
    total = np.where(known, labels, 0).sum(0, dtype=np.float64)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan).astype(np.float32)
