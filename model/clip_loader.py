"""Batches of clips, read by this process or by workers that put them where it sees them.

A clip is a megabyte. Handed over in fresh shared memory, as torch does, it costs a worker more
system time than reading it: every page is mapped, zeroed and given back. Here each worker has a few
places for batches that live as long as the loader; only their numbers cross between processes.
What arrives is copied out, so that a batch is its owner's for good, or lent until the next one.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, get_worker_info

from mavfer.store_schema import crop_shape

from .data import Batch, ClipDataset

_PREFETCHED = 2
"""Batches a worker may be ahead, as torch has it."""
_PLACES = _PREFETCHED + 2
"""Of a worker: those ahead, the one that is copied out or lent, and one to spare."""


class ClipLoader:
    """Reads the batches that a sampler names, in its order.

    Parameters
    ----------
    dataset : ClipDataset
    batches : iterable of lists of int
        Clips of each batch; an empty list is an empty batch.
    workers : int
        0: this process reads.
    largest_batch : int
        Clips a batch has at most.
    pin_memory : bool
        Batches in page-locked memory, for a CUDA device.
    lend : bool
        The crops of a batch are valid only until the next one is asked for: saves a copy for those
        who turn them into something else at once.
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
        lend: bool = False,
        start_method: str | None = None,
    ) -> None:
        self._dataset, self._batches, self._workers = dataset, batches, workers
        self._pin_memory, self._lend = pin_memory, lend
        self._places: tuple[Mapping[str, Tensor], ...] = ()
        if not workers:
            return
        config = dataset.config
        size = min(largest_batch, max(len(dataset), 1))
        self._places = tuple(
            {
                name: torch.empty(
                    (size, config.clip_length, *crop_shape(name, dataset.crop_px)),
                    dtype=torch.uint8 if name == "color" else torch.uint16,
                ).share_memory_()  # type: ignore[no-untyped-call]  # torch leaves it untyped
                for name in config.modalities
            }
            for _ in range(workers * _PLACES)
        )
        self._loader = DataLoader(
            _Numbers(),
            batch_sampler=batches,  # type: ignore[arg-type]  # any iterable of lists does
            collate_fn=_Reader(dataset, self._places),
            num_workers=workers,
            prefetch_factor=_PREFETCHED,
            persistent_workers=True,
            multiprocessing_context=start_method,
        )

    def __iter__(self) -> Iterator[Batch]:
        """Yield the batches; unless lent they stay as they are however long they are kept."""
        if not self._workers:
            for indices in self._batches:
                yield self._pinned(self._dataset.read_batch(indices))
            return
        for place, indices in self._loader:
            crops = {name: x[: len(indices)] for name, x in self._places[place].items()}
            labels = torch.from_numpy(self._dataset.labels[indices])
            if self._pin_memory:
                yield self._pinned(Batch(crops, labels))
            elif self._lend:
                yield Batch(crops, labels)
            else:
                yield Batch({name: x.clone() for name, x in crops.items()}, labels)

    def _pinned(self, batch: Batch) -> Batch:
        if not self._pin_memory:
            return batch
        return Batch(
            {name: x.pin_memory() for name, x in batch.crops.items()}, batch.labels.pin_memory()
        )


class _Numbers(Dataset[int]):
    """Hands the sampler's numbers on: the reader turns them into clips."""

    def __getitem__(self, index: int) -> int:
        return index


class _Reader:
    """What a worker does with the numbers of a batch: read it into its next place."""

    def __init__(self, dataset: ClipDataset, places: Sequence[Mapping[str, Tensor]]) -> None:
        self._dataset, self._places = dataset, places
        self._turn = 0

    def __call__(self, indices: list[int]) -> tuple[int, list[int]]:
        worker = get_worker_info()
        place = (worker.id if worker is not None else 0) * _PLACES + self._turn
        # Never more than `_PREFETCHED` batches of a worker are under way: when the number of this
        # one was sent, the batch `_PLACES` turns ago had been taken and the next one asked for.
        self._turn = (self._turn + 1) % _PLACES
        self._dataset.read_batch(indices, self._places[place])
        return place, indices
