"""Clips of a store as a torch dataset: integers through the loader, floats on the device."""

from collections.abc import Collection, Sequence
from typing import NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, default_collate

from mavfer.clips import ClipRef
from mavfer.splits import Split
from mavfer.store import ClipStore
from mavfer.store_schema import Dimension, StoreModality

from .config import ModelConfig
from .errors import ModelError


class Batch(NamedTuple):
    """Crops and labels of some clips.

    Attributes
    ----------
    crops : dict of modality to tensor
        color (B, T, H, W, 3) uint8; depth, thermal (B, T, H, W) uint16; without B for one clip.
    labels : (B, K) float32
        Mean of the clip's frame labels, a column for each of the config's outputs; NaN without.
    """

    crops: dict[str, Tensor]
    labels: Tensor


class ClipDataset(Dataset[Batch]):
    """Clips of one split that show a face (and have labels, where labels are required).

    Attributes
    ----------
    clips : list of ClipRef
    labels : (N, K) float32
    n_without_face, n_without_label : int
        Clips left out because too few of their frames show a face, or none has a label.

    Parameters
    ----------
    store : ClipStore
    config : ModelConfig
    split : {"train", "validation", "test"}
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
        split: Split,
        stride_frames: int,
        min_valid_share: float,
        labelled: bool = True,
        subjects: Collection[str] | None = None,
    ) -> None:
        check_store(store, config)
        self._store = store
        self._config = config
        self._usable: dict[str, dict[str, NDArray[np.bool_]]] = {}
        self.clips: list[ClipRef] = []
        self.n_without_face = self.n_without_label = 0
        labels: list[NDArray[np.float32]] = []
        by_video: dict[str, NDArray[np.float32]] = {}
        for ref in store.clips(split, stride_frames=stride_frames, clip_length=config.clip_length):
            if subjects is not None and store.videos[ref.video_id].subject not in subjects:
                continue
            rows = slice(ref.start, ref.start + config.clip_length)
            if ref.video_id not in by_video:
                self._usable[ref.video_id] = _usable_frames(store, ref.video_id, config)
                by_video[ref.video_id] = frame_labels(store, ref.video_id, config.outputs)
            face = self._usable[ref.video_id]["face"][rows]
            if not face.any() or face.mean() < min_valid_share:
                self.n_without_face += 1
                continue
            label = _mean_of_known(by_video[ref.video_id][rows])
            if labelled and not np.isfinite(label).all():
                self.n_without_label += 1
                continue
            self.clips.append(ref)
            labels.append(label)
        self.labels = np.array(labels, np.float32).reshape(-1, len(config.outputs))

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> Batch:
        """Read one clip; frames without a face repeat the nearest frame that has one."""
        ref, length = self.clips[index], self._config.clip_length
        usable = self._usable[ref.video_id]
        crops = {}
        for modality in self._config.modalities:
            frames = self._store.read(
                ref.video_id, ref.start, length, cast(StoreModality, modality), copy=False
            )
            known = usable[modality][ref.start : ref.start + length]
            crops[modality] = torch.from_numpy(frames[nearest_known(known)])
        return Batch(crops, torch.from_numpy(self.labels[index]))


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


def frame_labels(store: ClipStore, video_id: str, outputs: Sequence[str]) -> NDArray[np.float32]:
    """Gold labels (N, K) of a video, a column for each output; NaN where there is none."""
    columns = [store.labels(video_id, cast(Dimension, name)) for name in outputs]
    return np.stack(columns, 1)


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


def _usable_frames(
    store: ClipStore, video_id: str, config: ModelConfig
) -> dict[str, NDArray[np.bool_]]:
    valid = store.valid(video_id)
    face = valid["face"]
    return {"face": face} | {m: face & valid.get(m, face) for m in config.modalities}


def _mean_of_known(labels: NDArray[np.float32]) -> NDArray[np.float32]:
    known = np.isfinite(labels)
    count = known.sum(0)
    total = np.where(known, labels, 0).sum(0, dtype=np.float64)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan).astype(np.float32)
