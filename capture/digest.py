"""Digests of files: BLAKE2b-512 of a whole one, as ``b2sum`` prints it; BLAKE2b-256 of pieces."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import IO

PREFIX = "blake2b:"
"""What a manifest writes before a digest."""
_PIECE_BYTES = 1 << 20


def digest_piece(data: bytes) -> str:
    """Return the digest of a piece that was sent."""
    return hashlib.blake2b(data, digest_size=32).hexdigest()


def digest_stream(handle: IO[bytes], *, on_bytes: Callable[[int], None] | None = None) -> str:
    """Return the digest of what is left to read; `on_bytes` is told how much was read."""
    digest = hashlib.blake2b()
    while piece := handle.read(_PIECE_BYTES):
        digest.update(piece)
        if on_bytes is not None:
            on_bytes(len(piece))
    return digest.hexdigest()


def digest_file(path: Path) -> str:
    """Return the digest of the file at `path`."""
    with path.open("rb") as handle:
        return digest_stream(handle)
