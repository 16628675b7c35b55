"""Who reads which batch: what processes that read clips together must agree on.

Batch k lies in place k modulo the number of places. Batches are told of, taken and finished; only
numbers cross between processes, under one lock.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.synchronize import Lock, Semaphore
from typing import Any, Literal

import torch

from .errors import ModelError

_LOCK_S = 10.0
"""Held for microseconds: who waits so long waits for a process that was killed holding it."""
_TOLD, _TAKEN, _ASLEEP = range(3)

BatchState = Literal["ready", "failed", "under way"]


class ClipBoard:
    """Numbers that all processes see, and what may be done with them.

    Parameters
    ----------
    n_places, largest_batch, workers : int
    context : multiprocessing context of torch
    """

    def __init__(self, n_places: int, largest_batch: int, workers: int, context: Any) -> None:
        shapes = ((3,), (n_places,), (n_places,), (n_places, largest_batch), (workers,))
        self._shared = [
            torch.zeros(shape, dtype=torch.int64).share_memory_()  # type: ignore[no-untyped-call]
            for shape in shapes
        ]
        self._lock: Lock = context.Lock()
        self._wake: Semaphore = context.Semaphore(0)
        self._look()

    def _look(self) -> None:
        # Counters; k + 1 of the last batch that is finished in each place, negative if it was not
        # read; clips of each place; k + 1 of the batch that each worker reads.
        arrays = [tensor.numpy() for tensor in self._shared]
        self._counters, self._done, self._size, self._clips, self._reading = arrays

    def __getstate__(self) -> tuple[Any, ...]:
        return self._shared, self._lock, self._wake

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self._shared, self._lock, self._wake = state
        self._look()

    @property
    def n_told(self) -> int:
        """How many batches have been told of: the number of the next one."""
        return int(self._counters[_TOLD])

    def place(self, number: int) -> int:
        """Return the place of a batch."""
        return number % len(self._done)

    def is_free(self, number: int) -> bool:
        """Whether nobody writes any more to the place that a batch would have."""
        before = number - len(self._done)
        return before < 0 or abs(int(self._done[self.place(number)])) == before + 1

    def write(self, number: int, clips: Sequence[int]) -> None:
        """Enter the clips of a batch, in a place that is free, before it is told of."""
        place = self.place(number)
        self._size[place] = len(clips)
        self._clips[place, : len(clips)] = clips

    def clips(self, number: int) -> list[int]:
        """Return the clips of a batch."""
        place = self.place(number)
        clips: list[int] = self._clips[place, : int(self._size[place])].tolist()
        return clips

    def tell(self, n_told: int) -> None:
        """Let batches be taken; wake workers if it is worth it."""
        with self._held():
            self._counters[_TOLD] = n_told
            asleep = int(self._counters[_ASLEEP])
            # To be woken costs as much as some clips: not for a single batch.
            if asleep and n_told - self._counters[_TAKEN] >= len(self._done) // 2:
                self._counters[_ASLEEP] = 0
            else:
                asleep = 0
        for _ in range(asleep):
            self._wake.release()

    def take(self, worker: int) -> int | None:
        """Take the next batch; without one, sleep until there may be some and return None."""
        with self._held():
            number = int(self._counters[_TAKEN])
            idle = number == self._counters[_TOLD]
            self._counters[_ASLEEP if idle else _TAKEN] += 1
            self._reading[worker] = 0 if idle else number + 1
        if not idle:
            return number
        self._wake.acquire()
        return None

    def wake(self, n_workers: int) -> None:
        """Wake workers, whether there is something to do or not."""
        for _ in range(n_workers):
            self._wake.release()

    def finish(self, number: int, *, read: bool) -> None:
        """Enter that nobody writes to the place of a batch any more, and whether it was read."""
        with self._held():
            self._done[self.place(number)] = number + 1 if read else -number - 1

    def look_for(self, wanted: int) -> tuple[BatchState, int | None]:
        """Tell how a batch stands; if it is not finished, take the next one that nobody has.

        That is `wanted` itself if nobody has taken it; then it will be read elsewhere, and its
        place counts as finished.
        """
        with self._held():
            done = int(self._done[self.place(wanted)])
            if abs(done) == wanted + 1:
                return ("ready" if done > 0 else "failed"), None
            number = int(self._counters[_TAKEN])
            if number == self._counters[_TOLD]:
                return "under way", None
            self._counters[_TAKEN] += 1
            if number == wanted:
                self._done[self.place(wanted)] = wanted + 1
            return "under way", number

    def withdraw(self) -> None:
        """Take back the batches that nobody has taken."""
        with self._held():
            for number in range(int(self._counters[_TAKEN]), self.n_told):
                self._done[self.place(number)] = number + 1
            self._counters[_TAKEN] = self._counters[_TOLD]

    def bury(self, dead: Sequence[int]) -> None:
        """Enter as not read what these workers were reading."""
        with self._held():
            for worker in dead:
                number = int(self._reading[worker]) - 1
                if number >= 0 and abs(int(self._done[self.place(number)])) <= number:
                    self._done[self.place(number)] = -number - 1

    @contextmanager
    def _held(self) -> Iterator[None]:
        if not self._lock.acquire(timeout=_LOCK_S):
            raise ModelError(
                "a process that reads clips was killed", remedy="run again, perhaps with no workers"
            )
        try:
            yield
        finally:
            self._lock.release()
