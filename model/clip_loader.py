"""Batches of clips, read by this process and by workers that read ahead.

A clip is a megabyte. Handed over in fresh memory, it costs more to map, zero and give back the
pages than to read it; so batches are lent: their crops lie in places that are used again.
"""

from collections.abc import Iterable, Iterator, Sequence

import torch

from .clip_workers import ClipWorkers, Place, room_for
from .data import Batch, ClipDataset


class ClipLoader:
    """Reads the batches that a sampler names, in its order.

    The crops of a batch are valid until the next one is asked for; who wants to keep them copies
    them. Those in page-locked memory are their owner's.

    Parameters
    ----------
    dataset : ClipDataset
    batches : iterable of sequences of int
        Clips of each batch; an empty one is an empty batch.
    workers : int
        Processes that read ahead. This one reads what they have not begun when it is wanted, so
        they can only help; 0: it reads all.
    largest_batch : int
        Clips a batch has at most.
    pin_memory : bool
        Batches in page-locked memory, for a CUDA device.
    start_method : {"fork", "spawn"}, optional
        Of the workers; the system's by default.
    """

    def __init__(
        self,
        dataset: ClipDataset,
        batches: Iterable[Sequence[int]],
        *,
        workers: int,
        largest_batch: int,
        pin_memory: bool = False,
        start_method: str | None = None,
    ) -> None:
        self._dataset, self._batches, self._pin_memory = dataset, batches, pin_memory
        self._workers, self._start_method = workers, start_method
        self._largest_batch = min(largest_batch, max(len(dataset), 1))
        self._team: ClipWorkers | None = None

    def __iter__(self) -> Iterator[Batch]:
        """Yield the batches."""
        for crops, clips in self._read():
            labels = torch.from_numpy(self._dataset.labels[clips])
            if self._pin_memory:
                pinned = {name: x.pin_memory() for name, x in crops.items()}
                yield Batch(pinned, labels.pin_memory())
            else:
                yield Batch(dict(crops), labels)

    def _read(self) -> Iterator[tuple[Place, list[int]]]:
        if self._workers:
            if self._team is None:
                self._team = ClipWorkers(
                    self._dataset,
                    workers=self._workers,
                    largest_batch=self._largest_batch,
                    start_method=self._start_method,
                )
            yield from self._team.read(self._batches)
            return
        place = room_for(self._dataset, self._largest_batch)
        for clips in self._batches:
            yield self._dataset.read_batch(clips, place).crops, list(clips)
