"""What is told about the attention of all clips while they are predicted."""

from collections.abc import Collection
from typing import cast

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from mavfer.clips import ClipRef
from mavfer.store import ClipStore
from mavfer.store_schema import StoreModality

from .config import ModelConfig
from .data import ClipDataset
from .evaluation import AttentionExample
from .face_regions import (
    REGIONS,
    can_tell_regions,
    landmarks_in_map,
    region_density,
    region_masks,
)

_MAX_EXAMPLES = 4
_MAX_EXAMPLE_ROWS = 1200
"""Of longer videos only the beginning is shown."""


class AttentionWatch:
    """Adds up what is told about attention, and keeps all of it for a few videos.

    Parameters
    ----------
    dataset : ClipDataset
    store : ClipStore
        That the clips are of.
    config : ModelConfig
    show : collection of str, optional
        Videos of which all may be kept, which holds pictures; None: any.
    """

    def __init__(
        self,
        dataset: ClipDataset,
        store: ClipStore,
        config: ModelConfig,
        show: Collection[str] | None = None,
    ) -> None:
        self._dataset, self._store, self._config = dataset, store, config
        shape = (config.input_px, config.input_px)
        self._sum, self._squares = np.zeros(shape), np.zeros(shape)
        self._contrast = 0.0
        self._n_seen = 0
        self._density = np.zeros(len(REGIONS))
        self._n_density = np.zeros(len(REGIONS), np.int64)
        self._masks: tuple[str, NDArray[np.bool_]] | None = None
        self._kept: dict[str, tuple[NDArray[np.float64], NDArray[np.int64]]] = {}
        for video_id in _example_videos(dataset, store, show):
            n_rows = min(len(dataset.videos[video_id].rows), _MAX_EXAMPLE_ROWS)
            self._kept[video_id] = (np.zeros((n_rows, *shape)), np.zeros(n_rows, np.int64))

    def see(self, rows: list[int], attention: Tensor) -> None:
        """Take note of the attention (T, B, 1, h, w) of the clips `rows`."""
        pixels = attention.shape[-1] * attention.shape[-2]
        scale = {"literal": float(pixels), "residual": 0.5}.get(self._config.attention, 1.0)
        density = (attention[:, :, 0].float() * scale).cpu().numpy().astype(np.float64)
        maps = density.mean(0)
        self._sum += maps.sum(0)
        self._squares += (maps * maps).sum(0)
        self._contrast += float(maps.std((1, 2)).sum())
        self._n_seen += len(rows)
        for position, row in enumerate(rows):
            ref = self._dataset.clips[row]
            self._measure_regions(ref, density[:, position])
            if ref.video_id in self._kept:
                total, count = self._kept[ref.video_id]
                part = slice(ref.start, min(ref.start + len(density), len(total)))
                total[part] += density[: max(0, part.stop - part.start), position]
                count[part] += 1

    def _measure_regions(self, ref: ClipRef, density: NDArray[np.float64]) -> None:
        if not can_tell_regions(self._store):
            return
        size_px = density.shape[-1]
        if self._masks is None or self._masks[0] != ref.video_id:
            rows = self._dataset.videos[ref.video_id].rows
            points = landmarks_in_map(self._store, ref.video_id, rows, size_px=size_px)
            self._masks = (ref.video_id, region_masks(points, size_px=size_px))
        found = region_density(density, self._masks[1][ref.start : ref.start + len(density)])
        self._density += np.nansum(found, 0)
        self._n_density += np.isfinite(found).sum(0)

    @property
    def regions(self) -> dict[str, float | None] | None:
        """Mean density over frames of clips, by region; None where the store cannot tell."""
        if not self._n_density.any():
            return None
        return {
            region: float(total / count) if count else None
            for region, total, count in zip(REGIONS, self._density, self._n_density, strict=True)
        }

    @property
    def contrast(self) -> float:
        """Mean over clips of the sd over pixels."""
        return self._contrast / self._n_seen

    @property
    def between_clips(self) -> float:
        """Mean over pixels of the sd between clips."""
        mean = self._sum / self._n_seen
        variance = np.maximum(self._squares / self._n_seen - mean * mean, 0)
        return float(np.sqrt(variance).mean())

    def examples(self) -> tuple[AttentionExample, ...]:
        """Return the videos that all attention was kept of, with their crops."""
        modality = self._config.target
        found = []
        for video_id, (total, count) in self._kept.items():
            covered = np.flatnonzero(count)
            rows = self._dataset.videos[video_id].rows[covered]
            first, span = int(rows[0]), int(rows[-1] - rows[0]) + 1
            crops = self._store.read(video_id, first, span, cast(StoreModality, modality))
            attention = (total[covered] / count[covered, None, None]).astype(np.float32)
            found.append(
                AttentionExample(
                    video_id=video_id,
                    subject=self._store.videos[video_id].subject,
                    rows=rows,
                    crops=crops[rows - first],
                    modality=modality,
                    attention=attention,
                )
            )
        return tuple(found)


def _example_videos(
    dataset: ClipDataset, store: ClipStore, show: Collection[str] | None
) -> list[str]:
    """Choose of each subject the video in which most is felt, the first subjects first."""
    liveliest: dict[str, tuple[float, str]] = {}
    for video_id in dict.fromkeys(ref.video_id for ref in dataset.clips):
        if show is not None and video_id not in show:
            continue
        labels = dataset.videos[video_id].labels[:, 0]
        known = labels[np.isfinite(labels)]
        lively = float(known.std()) if len(known) else -1.0
        subject = store.videos[video_id].subject
        if subject not in liveliest or lively > liveliest[subject][0]:
            liveliest[subject] = (lively, video_id)
    return [video_id for _, video_id in list(liveliest.values())[:_MAX_EXAMPLES]]
