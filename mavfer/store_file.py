"""The HDF5 file behind a clip store: rows of its data sets, for whichever process asks."""

import mmap
import os
from collections import OrderedDict
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin  # noqa: F401 - registers the bitshuffle+LZ4 filter with HDF5
import numpy as np
from numpy.typing import NDArray

from .errors import DatasetError

REBUILD = "build it again with mavfer-build-dataset"
_MAX_OPEN = 96
"""Data sets kept open: each may hold a decompressed chunk of half a megabyte."""


class StoreFile:
    """Reads rows of ``/videos/<id>/<name>``.

    Every process opens the file for itself on its first read, so an instance may be pickled and
    may cross a fork: DataLoader workers never share an HDF5 handle. Uncompressed data sets lie in
    the file as they are in memory and are mapped instead of read through HDF5.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._forget()

    def rows(self, video_id: str, name: str, rows: slice, *, copy: bool = True) -> NDArray[Any]:
        """Return rows of a data set.

        Parameters
        ----------
        copy : bool
            False: where the data set is mapped, return a read-only view of the file.

        Raises
        ------
        DatasetError
            The data set is missing or its bytes are damaged.
        """
        if self._pid != os.getpid():
            self._forget()
        try:
            source = self._source(video_id, name)
            found: NDArray[Any] = source[rows]
        except (OSError, RuntimeError, KeyError, TypeError, ValueError) as error:
            raise DatasetError(
                f"{self._path}: {name} of video {video_id} cannot be read: damaged ({error})",
                remedy=REBUILD,
            ) from error
        return found.copy() if copy and isinstance(source, np.ndarray) else found

    def group(self, video_id: str) -> h5py.Group:
        """Return the group of a video, open in this process."""
        if self._pid != os.getpid():
            self._forget()
        return self._opened()["videos"][video_id]

    def close(self) -> None:
        """Close this process's handle; the next read opens it again."""
        if self._file is not None and self._pid == os.getpid():
            self._sources.clear()
            self._file.close()
        self._forget()

    def _forget(self) -> None:
        """Start anew, without touching what another process opened."""
        self._file: h5py.File | None = None
        self._map: mmap.mmap | None = None
        self._pid = -1
        self._sources: OrderedDict[tuple[str, str], NDArray[Any] | h5py.Dataset] = OrderedDict()

    def _source(self, video_id: str, name: str) -> "NDArray[Any] | h5py.Dataset":
        key = (video_id, name)
        known = self._sources.get(key)
        if known is not None:
            self._sources.move_to_end(key)
            return known
        dataset = self._opened()["videos"][video_id][name]
        offset = _offset(dataset)
        source = dataset if offset is None else self._mapped(dataset, offset)
        self._sources[key] = source
        if len(self._sources) > _MAX_OPEN:
            self._sources.popitem(last=False)
        return source

    def _opened(self) -> h5py.File:
        if self._file is None:
            self._file = open_hdf5(self._path)
            self._pid = os.getpid()
        return self._file

    def _mapped(self, dataset: h5py.Dataset, offset: int) -> NDArray[Any]:
        if self._map is None:
            with self._path.open("rb") as handle:
                self._map = mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ)
        flat = np.frombuffer(self._map, dataset.dtype, count=dataset.size, offset=offset)
        return flat.reshape(dataset.shape)

    def __getstate__(self) -> Path:
        return self._path

    def __setstate__(self, path: Path) -> None:
        self._path = path
        self._forget()


def open_hdf5(path: Path) -> h5py.File:
    """Open `path` for reading.

    Raises
    ------
    DatasetError
        Missing, or no HDF5 that is whole.
    """
    if not path.is_file():
        raise DatasetError(f"no clip store at {path}")
    try:
        return h5py.File(path, "r")
    except PermissionError:
        raise  # it says itself what is to be done, which is not to build the store again
    except (OSError, RuntimeError, ValueError) as error:
        raise DatasetError(
            f"{path} cannot be read as HDF5: damaged, truncated or something else ({error})",
            remedy=REBUILD,
        ) from error


def _offset(dataset: h5py.Dataset) -> int | None:
    """Place in the file of a data set that lies there in one piece, as it is in memory."""
    if dataset.chunks is not None or dataset.external or not dataset.size:
        return None
    if not dataset.dtype.isnative or dataset.dtype.kind not in "uifb":
        return None
    if h5py.check_enum_dtype(dataset.dtype) or dataset.dtype == np.bool_:
        return None  # HDF5 keeps flags as an enumeration
    return dataset.id.get_offset()  # type: ignore[no-any-return] # h5py is untyped
