"""Processes that read batches of clips ahead, into places that this process sees.

Whoever is free takes the next batch that nobody has taken: a worker, or this process itself while
the batch that it wants is not there. If that one is late although a worker is at it, this process
reads it too. So it never waits for a process that does not run, and workers can only help. The
places live as long as the workers.
"""

import logging
import time
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Event
from typing import Any

import torch
import torch.multiprocessing
from torch import Tensor

from mavfer.store_schema import crop_shape
from mavfer.worker_process import prepare_worker, told_to_stop

from .clip_board import ClipBoard
from .data import ClipDataset
from .errors import ModelError

logger = logging.getLogger(__name__)

Place = Mapping[str, Tensor]
"""Room for the crops of a batch: {modality: (largest batch, T, H, W[, 3])}."""

_SPARE_PLACES = 2
"""Beside those that workers read into: one that is lent, one that is ready. More would push each
other out of the processor's cache: reading into eight in turn takes 1.6 times as long as into one.
"""
_POLL_S = 0.0002
_FIRST_GUESS_S = 0.001
_END_S = 5.0


def room_for(dataset: ClipDataset, n_clips: int) -> dict[str, Tensor]:
    """Return memory for the crops of so many clips."""
    config = dataset.config
    return {
        name: torch.empty(
            (n_clips, config.clip_length, *crop_shape(name, dataset.crop_px)),
            dtype=torch.uint8 if name == "color" else torch.uint16,
        )
        for name in config.modalities
    }


class ClipWorkers:
    """Reads the batches it is given, in their order, with `workers` processes beside this one.

    Parameters
    ----------
    dataset : ClipDataset
    workers, largest_batch : int
    start_method : {"fork", "spawn"}, optional
        The system's by default.
    """

    def __init__(
        self, dataset: ClipDataset, *, workers: int, largest_batch: int, start_method: str | None
    ) -> None:
        context: Any = torch.multiprocessing.get_context(start_method)  # torch leaves it untyped
        self._dataset = dataset
        self._places = tuple(
            {
                name: x.share_memory_()  # type: ignore[no-untyped-call]  # torch leaves it untyped
                for name, x in room_for(dataset, largest_batch).items()
            }
            for _ in range(workers + _SPARE_PLACES)
        )
        self._own_place = room_for(dataset, largest_batch)
        self._board = ClipBoard(len(self._places), largest_batch, workers, context)
        self._usual_s = _FIRST_GUESS_S
        self._n_dead = self._pass = 0
        stop = context.Event()
        self._processes: list[BaseProcess] = [
            context.Process(
                target=_work, args=(number, dataset, self._places, self._board, stop), daemon=True
            )
            for number in range(workers)
        ]
        for process in self._processes:
            process.start()
        self._end = weakref.finalize(self, _end, self._processes, self._board, stop)

    def read(self, batches: Iterable[Sequence[int]]) -> Iterator[tuple[Place, list[int]]]:
        """Yield crops and clips of each batch; the crops are valid until the next is asked for.

        Raises
        ------
        ModelError
            Another pass has begun meanwhile.
        """
        self._pass += 1
        this_pass = self._pass
        self._board.withdraw()
        number = self._board.n_told
        lists = (list(batch) for batch in batches)
        ahead: dict[int, list[int]] = {}
        try:
            while True:
                self._tell(lists, ahead, number)
                if (clips := ahead.pop(number, None)) is not None:
                    yield self._fetch(number, clips), clips
                    number += 1
                elif (clips := next(lists, None)) is not None:  # the next place is not free
                    yield self._read_here(clips), clips
                else:
                    return
                if self._pass != this_pass:
                    raise ModelError(
                        "a newer pass over these clips has begun",
                        remedy="make a loader for each of two passes at the same time",
                    )
        finally:
            if self._pass == this_pass:
                self._board.withdraw()

    def close(self) -> None:
        """End the workers."""
        self._end()

    def _tell(self, batches: Iterator[list[int]], ahead: dict[int, list[int]], number: int) -> None:
        """Tell the workers of as many batches as there are places, when batch `number` is next."""
        first = last = self._board.n_told
        while last < number + len(self._places) and self._board.is_free(last):
            if (clips := next(batches, None)) is None:
                break
            self._board.write(last, clips)
            ahead[last] = clips
            last += 1
        if last > first:
            self._board.tell(last)

    def _fetch(self, number: int, clips: list[int]) -> Place:
        """Return the crops of a batch that was told of; read what nobody reads meanwhile."""
        late_s: float | None = None
        while True:
            state, taken = self._board.look_for(number)
            if state == "ready":
                place = self._places[self._board.place(number)]
                return {name: x[: len(clips)] for name, x in place.items()}
            if state == "failed":
                return self._read_here(clips)  # and say what is wrong
            if taken == number:  # no worker has begun it
                return self._read_here(clips)
            if taken is not None:
                _fill(self._dataset, self._places, self._board, taken)
                continue
            # A worker is at it. If that takes longer than reading it, the worker does not run.
            late_s = late_s or time.perf_counter() + self._usual_s
            if time.perf_counter() > late_s:
                return self._read_here(clips)
            time.sleep(_POLL_S)

    def _read_here(self, clips: list[int]) -> Place:
        """Read a batch into this process's own place."""
        self._bury()
        started_s = time.perf_counter()
        crops = self._dataset.read_batch(clips, self._own_place).crops
        self._usual_s = 0.5 * (self._usual_s + time.perf_counter() - started_s)
        return crops

    def _bury(self) -> None:
        """Take over what workers were reading when they died."""
        dead = [k for k, process in enumerate(self._processes) if not process.is_alive()]
        if len(dead) > self._n_dead:
            self._n_dead = len(dead)
            self._board.bury(dead)
            logger.warning(
                "%d of %d processes that read clips died, perhaps for lack of memory",
                len(dead),
                len(self._processes),
            )


def _work(
    worker: int,
    dataset: ClipDataset,
    places: Sequence[Place],
    board: ClipBoard,
    stop: Event,
) -> None:
    """Read batches until the command ends; what a worker process does."""
    prepare_worker(stop)
    torch.set_num_threads(1)
    while not told_to_stop():
        number = board.take(worker)
        if number is not None:
            _fill(dataset, places, board, number)


def _fill(dataset: ClipDataset, places: Sequence[Place], board: ClipBoard, number: int) -> None:
    """Read a batch into its place; a failure is noted, and told by who wants the batch."""
    read = False
    try:
        with suppress(Exception):
            dataset.read_batch(board.clips(number), places[board.place(number)])
            read = True
    finally:
        board.finish(number, read=read)


def _end(processes: Sequence[BaseProcess], board: ClipBoard, stop: Event) -> None:
    stop.set()
    board.wake(len(processes))
    for process in processes:
        process.join(_END_S)
        if process.is_alive():
            process.kill()
