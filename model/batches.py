"""The order in which clips are learned from, and the two ways of getting at them.

The batch of step s is a function of seed and s, so a resumed run sees what an uninterrupted one
would have seen.
"""

from collections.abc import Iterator
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from capture.terminal import OnProgress

from .clip_loader import ClipLoader
from .config import ModelConfig, TrainConfig
from .data import ClipDataset, collate
from .preprocess import Stats, prepare
from .ranks import Ranks


class BatchSource(Protocol):
    """Something that serves a rank's share of prepared batches, forever, from any step on."""

    def batches(self, first_step: int) -> Iterator[tuple[dict[str, Tensor], Tensor]]:
        """Yield clips {modality: (T, B, C, h, w)} and labels (B, K) of `first_step` and on."""
        ...


def batch_indices(n_clips: int, config: TrainConfig, step: int) -> list[int]:
    """Return the clips of the batch of a step; each epoch is a new permutation.

    An epoch's incomplete last batch is left out. Fewer clips than a batch make one small batch.
    """
    size = min(config.batch_size, n_clips)
    epoch, position = divmod(step, n_clips // size)
    order = np.random.default_rng((config.seed, epoch)).permutation(n_clips)
    return [int(i) for i in order[position * size : (position + 1) * size]]


class PreparedClips:
    """All clips of a dataset, normalised and reduced, in the device's memory.

    Attributes
    ----------
    clips : dict of modality to (N, T, C, h, w) float32
    labels : (N, K) or (N, T, K) float32
    """

    def __init__(
        self,
        dataset: ClipDataset,
        model: ModelConfig,
        stats: Stats,
        *,
        device: torch.device,
        on_progress: OnProgress | None = None,
    ) -> None:
        pieces: dict[str, list[Tensor]] = {name: [] for name in model.modalities}
        for index in range(len(dataset)):
            batch = collate([dataset[index]])
            crops = {name: x.to(device) for name, x in batch.crops.items()}
            for name, clip in prepare(crops, model, stats).items():
                pieces[name].append(clip[:, 0])
            if on_progress is not None:
                on_progress(index + 1, len(dataset))
        self.clips = {name: torch.stack(clips) for name, clips in pieces.items() if clips}
        self.labels = torch.from_numpy(dataset.labels).to(device)

    def select(self, indices: list[int]) -> tuple[dict[str, Tensor], Tensor]:
        """Return clips {modality: (T, B, C, h, w)} and labels (B, K)."""
        rows = torch.tensor(indices, device=self.labels.device)
        clips = {name: x[rows].transpose(0, 1).contiguous() for name, x in self.clips.items()}
        return clips, self.labels[rows]


class PreparedBatches:
    """Batches out of `PreparedClips`."""

    def __init__(
        self, prepared: PreparedClips, config: TrainConfig, ranks: Ranks | None = None
    ) -> None:
        self._prepared, self._config, self._ranks = prepared, config, ranks or Ranks()

    def batches(self, first_step: int) -> Iterator[tuple[dict[str, Tensor], Tensor]]:
        """Yield the batches of `first_step` and on."""
        step = first_step
        while True:
            n_clips = len(self._prepared.labels)
            rows = self._ranks.share(batch_indices(n_clips, self._config, step))
            yield self._prepared.select(rows)
            step += 1


class StreamedBatches:
    """Batches read from the store while training, by `workers` processes (0: by this one)."""

    def __init__(
        self,
        dataset: ClipDataset,
        config: TrainConfig,
        model: ModelConfig,
        stats: Stats,
        *,
        device: torch.device,
        workers: int = 0,
        ranks: Ranks | None = None,
    ) -> None:
        self._dataset, self._config, self._model, self._stats = dataset, config, model, stats
        self._device, self._workers, self._ranks = device, workers, ranks or Ranks()

    def batches(self, first_step: int) -> Iterator[tuple[dict[str, Tensor], Tensor]]:
        """Yield the batches of `first_step` and on."""
        loader = ClipLoader(
            self._dataset,
            _Order(len(self._dataset), self._config, first_step, self._ranks),
            workers=self._workers,
            largest_batch=self._config.batch_size,
            pin_memory=self._device.type == "cuda",
        )
        for batch in loader:
            if not len(batch.labels):  # a batch of fewer clips than ranks
                shape = (0, *self._dataset.labels.shape[1:])
                yield {}, torch.empty(shape, device=self._device)
                continue
            crops = {n: x.to(self._device, non_blocking=True) for n, x in batch.crops.items()}
            clips = prepare(crops, self._model, self._stats)  # lent crops become floats at once
            yield clips, batch.labels.to(self._device, non_blocking=True)


class _Order:
    def __init__(self, n_clips: int, config: TrainConfig, first_step: int, ranks: Ranks) -> None:
        self._n_clips, self._config, self._first_step = n_clips, config, first_step
        self._ranks = ranks

    def __iter__(self) -> Iterator[list[int]]:
        for step in range(self._first_step, self._config.most_steps):
            yield self._ranks.share(batch_indices(self._n_clips, self._config, step))

    def __len__(self) -> int:
        return self._config.most_steps - self._first_step
