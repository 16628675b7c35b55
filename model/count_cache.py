"""Counts of patterns that were made once and are needed again: every epoch sees the same clips.

In memory only: descriptions of faces on a disk would outlive a subject's consent.
"""

import hashlib
from collections.abc import Callable

import torch
from torch import Tensor

_LARGEST_COUNT = 2**16 - 1


class CountCache:
    """Results by the content of the clip they are of, the oldest dropped when room is short.

    A mirrored clip is another content: it is counted once of its own.

    Attributes
    ----------
    hits : int

    Parameters
    ----------
    most_bytes : int
    """

    def __init__(self, most_bytes: int) -> None:
        self.hits = 0
        self._most_bytes, self._bytes = most_bytes, 0
        self._found: dict[bytes, Tensor] = {}

    def counts(self, clip: Tensor, count: Callable[[Tensor], Tensor]) -> Tensor:
        """Return ``count(clip)``, int64, from memory where the same clip was counted before.

        Parameters
        ----------
        clip : Tensor
        count : callable
            Gives whole numbers of at least 0; those above 65535 are not kept.
        """
        if torch.compiler.is_exporting():  # there is no content then
            return count(clip)
        key = _key(clip)
        kept = self._found.get(key)
        if kept is not None:
            self.hits += 1
            return kept.to(clip.device).long()
        found = count(clip)
        if int(found.max()) <= _LARGEST_COUNT:
            self._keep(key, found.to("cpu", torch.uint16))
        return found

    def _keep(self, key: bytes, counts: Tensor) -> None:
        if counts.nbytes > self._most_bytes:
            return
        self._found[key] = counts
        self._bytes += counts.nbytes
        while self._bytes > self._most_bytes:
            self._bytes -= self._found.pop(next(iter(self._found))).nbytes


def _key(clip: Tensor) -> bytes:
    content = clip.detach().cpu().contiguous()
    digest = hashlib.blake2b(content.numpy().data, digest_size=16)
    digest.update(f"{content.dtype} {tuple(content.shape)}".encode())
    return digest.digest()
