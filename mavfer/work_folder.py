"""The folder of finished pieces of a build: each file is there whole or not at all.

A piece once finished is never done again: an interrupted build goes on with what is there. The
files are of no use to anybody else and go when the store is written.
"""

import glob
import hashlib
import json
import os
import secrets
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capture.file_lock import hold
from capture.files import require_free_space

from .errors import DatasetError

_LOCK_NAME = "lock"
_SPARE_BYTES = 16 << 20

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class SourceFolder:
    """Where the finished pieces of one source lie.

    Attributes
    ----------
    path : Path
    """

    path: Path

    @property
    def division(self) -> Path:
        """How many rows there are, and how they are divided."""
        return self.path / "division.npz"

    def people(self, sample: int) -> Path:
        """Who is seen in one of the images that tell who the subject is."""
        return self.path / f"people-{sample:05d}.npz"

    def faces(self, segment: int) -> Path:
        """Faces of one segment."""
        return self.path / f"faces-{segment:05d}.npz"

    def crops(self, segment: int) -> Path:
        """Aligned faces and crops of one segment."""
        return self.path / f"crops-{segment:05d}.npz"

    @property
    def part(self) -> Path:
        """The finished video; the report lies beside it."""
        return self.path / "part.h5"

    @property
    def report(self) -> Path:
        """What became of the source; written before `part`."""
        return self.path / "report.json"


@contextmanager
def work_folder(output: Path) -> Iterator[Path]:
    """Hold the work folder of the store `output`, new or left by an interrupted build.

    Raises
    ------
    DatasetError
        Another process builds this store.
    """
    folder = output.with_name(f".{output.name}.parts")
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _LOCK_NAME).open("ab") as lock:
        if not hold(lock):
            raise DatasetError(
                f"another process is building {output}", remedy="wait for it, or end it"
            )
        for left in output.parent.glob(f".{glob.escape(output.name)}.*.partial"):
            left.unlink()  # of a build that was killed while it put the parts together
        yield folder


def remove_work(folder: Path) -> None:
    """Remove a work folder after its store is written."""
    shutil.rmtree(folder, ignore_errors=True)


def source_folder(folder: Path, identity: object) -> SourceFolder:
    """Return the folder of the source with this identity (JSON values), made if missing."""
    text = json.dumps(identity, sort_keys=True, default=str)
    path = folder / hashlib.sha256(text.encode()).hexdigest()[:20]
    path.mkdir(exist_ok=True)
    return SourceFolder(path)


@contextmanager
def finished_file(path: Path) -> Iterator[Path]:
    """Yield a temporary sibling of `path` that takes its name at the end, all bytes on disk."""
    partial = path.with_name(f"{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        yield partial
        with partial.open("rb") as handle:
            os.fsync(handle.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def is_whole(path: Path) -> bool:
    """Tell whether a file of `save_arrays` is there and not cut off; reads its end only."""
    return zipfile.is_zipfile(path)


def save_arrays(path: Path, arrays: Arrays) -> None:
    """Write arrays to `path` (npz)."""
    require_free_space(path.parent, sum(a.nbytes for a in arrays.values()) + _SPARE_BYTES)
    with finished_file(path) as partial, partial.open("wb") as handle:
        np.savez(handle, allow_pickle=False, **arrays)


def load_arrays(path: Path, *names: str) -> dict[str, NDArray[Any]]:
    """Read what `save_arrays` wrote, or these arrays of it; every byte is checked.

    Raises
    ------
    DatasetError
        Missing or damaged; then it is removed, so that the next build makes it anew.
    """
    anew = "run the same command again: this piece alone is made anew"
    try:
        with path.open("rb") as handle, np.load(handle, allow_pickle=False) as file:
            return {name: file[name] for name in names or file.files}
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        path.unlink(missing_ok=True)
        raise DatasetError(f"{path} was damaged ({error})", remedy=anew) from error
    except FileNotFoundError as error:
        raise DatasetError(f"{path} is missing", remedy=anew) from error
