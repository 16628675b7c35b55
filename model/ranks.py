"""Processes that train one network together: ranks of a ``torchrun`` group, or one on its own.

A batch is dealt to the ranks row by row. Every rank sees the scores of the whole batch, computes
the loss of the whole batch and back-propagates through its own rows; the sum of the gradients is
that of one process with the whole batch, whatever the shares (docs/decisions/0095).
"""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
from torch import Tensor, distributed

from capture.errors import MavferError

from .errors import ModelError

_Value = TypeVar("_Value")
_TIMEOUT = timedelta(minutes=30)
"""How long a rank waits for the others: the first one may be writing to a slow disk."""


@dataclass(frozen=True, slots=True)
class Ranks:
    """Which process of the group this is; ``Ranks()`` is one that works alone.

    Attributes
    ----------
    rank, size : int
    """

    rank: int = 0
    size: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this process writes files and talks."""
        return self.rank == 0

    def share(self, rows: Sequence[int]) -> list[int]:
        """Return this rank's part of a batch, which may be empty."""
        return list(rows[self.rank :: self.size])

    def whole(self, mine: Tensor, n_rows: int) -> Tensor:
        """Put the shares of all ranks together, (n_rows, K); gradients reach `mine` only."""
        if self.size == 1:
            return mine
        longest = -(-n_rows // self.size)
        padded = mine.new_zeros((longest, *mine.shape[1:]))
        padded[: len(mine)] = mine.detach()
        parts = [torch.empty_like(padded) for _ in range(self.size)]
        distributed.all_gather(parts, padded)
        rows = mine.new_empty((n_rows, *mine.shape[1:]))
        for rank, part in enumerate(parts):
            if rank != self.rank:
                count = len(range(rank, n_rows, self.size))
                rows[rank :: self.size] = part[:count]
        rows[self.rank :: self.size] = mine
        return rows

    def sum_gradients(self, parameters: Iterable[Tensor]) -> None:
        """Add up the gradients of all ranks; a rank without one adds nothing."""
        if self.size == 1:
            return
        parameters = list(parameters)
        flat = torch.cat(
            [(torch.zeros_like(p) if p.grad is None else p.grad).reshape(-1) for p in parameters]
        )
        distributed.all_reduce(flat)
        sizes = [p.numel() for p in parameters]
        for parameter, gradient in zip(parameters, torch.split(flat, sizes), strict=True):
            parameter.grad = gradient.view_as(parameter)

    def as_first(self, value: _Value) -> _Value:
        """Return the first rank's `value`, a JSON value, on every rank."""
        if self.size == 1:
            return value
        # As JSON: torch's own way of sending objects unpickles what comes over the wire.
        text = json.dumps(value).encode() if self.is_first else b""
        length = torch.tensor(len(text), device=_wire_device())
        distributed.broadcast(length, src=0)
        data = torch.zeros(int(length), dtype=torch.uint8, device=length.device)
        if self.is_first:
            data.copy_(torch.frombuffer(bytearray(text), dtype=torch.uint8))
        distributed.broadcast(data, src=0)
        told: _Value = json.loads(bytes(data.cpu().tolist()))
        return told

    def first(self, work: Callable[[], None]) -> None:
        """Let the first rank do `work` while the others wait; its failure ends them all."""
        failure: str | None = None
        if self.is_first:
            try:
                work()
            except (MavferError, OSError) as error:
                self.as_first(str(error))
                raise
        failure = self.as_first(failure)
        if failure is not None:
            raise ModelError(f"rank 0 failed: {failure}")


@contextmanager
def joined_ranks(device: torch.device) -> Iterator[Ranks]:
    """Join the group that ``torchrun`` started, or work alone where it did not.

    Parameters
    ----------
    device : torch.device
        A GPU talks through NCCL, the CPU through gloo.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1 or not distributed.is_torchelastic_launched():
        yield Ranks()
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=_TIMEOUT)
    try:
        yield Ranks(distributed.get_rank(), distributed.get_world_size())
    finally:
        distributed.destroy_process_group()


def local_device(name: str) -> str:
    """Return the name of this rank's device: its own GPU where all were told just ``cuda``."""
    local = os.environ.get("LOCAL_RANK")
    if local is None or not torch.cuda.is_available() or name not in ("auto", "cuda"):
        return name
    return f"cuda:{int(local) % torch.cuda.device_count()}"


def _wire_device() -> torch.device:
    if distributed.get_backend() == "nccl":
        return torch.device("cuda", torch.cuda.current_device())
    return torch.device("cpu")
