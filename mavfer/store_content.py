"""What a video's content is, whatever the order, chunks and compression it was written in."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from .errors import DatasetError

BLOCK_ROWS = 64
DESCRIPTION_HASH = "description_sha256"
"""Attribute of a video; stores that were built before it have none."""


class ContentDigest:
    """SHA-256 over named arrays, each fed row block after row block, in any order of names."""

    def __init__(self) -> None:
        self._by_name: dict[str, Any] = {}

    def update(self, name: str, rows: NDArray[Any]) -> None:
        """Add the next rows of the array called `name`."""
        digest = self._by_name.setdefault(name, hashlib.sha256())
        digest.update(np.ascontiguousarray(rows).tobytes())

    def add_text(self, name: str, text: str) -> None:
        """Add a value that is no array."""
        self._by_name[name] = hashlib.sha256(text.encode())

    def hexdigest(self) -> str:
        """Return the digest over everything added, by name."""
        whole = hashlib.sha256()
        for name in sorted(self._by_name):
            whole.update(f"{name}\0{self._by_name[name].hexdigest()}\0".encode())
        return whole.hexdigest()


OnBlock = Callable[[str, int, NDArray[Any]], None]
OnPlace = Callable[[str, int], None]


def content_sha256(
    group: h5py.Group, *, on_block: OnBlock | None = None, on_place: OnPlace | None = None
) -> str:
    """Digest of a video as it lies in a file; reads everything once, in bounded memory.

    Parameters
    ----------
    on_block : callable, optional
        Shown every block: name of the data set, its first row, the rows.
    on_place : callable, optional
        Told what is read next: name of the data set, first row.
    """
    digest = ContentDigest()
    for name, dataset in datasets(group):
        if not dataset.shape or dataset.dtype.kind not in "uifb":
            raise DatasetError(f"{name} is no array of numbers: {dataset.shape} {dataset.dtype}")
        require_rows_inside(dataset, name)
        digest.update(name, dataset[:0])
        for start in range(0, len(dataset), BLOCK_ROWS):
            if on_place is not None:
                on_place(name, start)
            rows = dataset[start : start + BLOCK_ROWS]
            digest.update(name, rows)
            if on_block is not None:
                on_block(name, start, rows)
    digest.add_text("@category", str(group.attrs.get("category", "")))
    return digest.hexdigest()


def description_sha256(attributes: Mapping[str, Any]) -> str:
    """Digest of what a video's attributes say about whose it is and what they agreed to.

    Not part of the content, nor of the fingerprint: what networks learn from is the same.
    """
    digest = ContentDigest()
    for name in ("id", "subject", "source", "kind", "notes", "label_lag_ns"):
        digest.add_text(f"@{name}", str(attributes.get(name, "")))
    return digest.hexdigest()


def require_rows_inside(dataset: h5py.Dataset, where: str) -> None:
    """Refuse a data set whose bytes are to be taken from other files.

    Raises
    ------
    DatasetError
        It is external or virtual: a store from elsewhere could show any file of this machine.
    """
    plan = dataset.id.get_create_plist()
    if plan.get_external_count() or plan.get_layout() == h5py.h5d.VIRTUAL:
        raise DatasetError(
            f"{where} is kept in another file; a store holds everything itself",
            remedy="do not use this store unless you know who made it so",
        )


def datasets(group: h5py.Group, prefix: str = "") -> Iterable[tuple[str, h5py.Dataset]]:
    """Yield the data sets under `group` with their paths."""
    for name, item in group.items():
        if isinstance(item, h5py.Group):
            yield from datasets(item, f"{prefix}{name}/")
        elif isinstance(item, h5py.Dataset):
            yield f"{prefix}{name}", item
