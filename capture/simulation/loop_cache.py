"""Rendered loops on disk: made once, found again by a key, whole or not there at all."""

import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import SensorError
from ..terminal import OnProgress

_POLL_S = 0.1
_KEEP_BYTES = 8 << 30
_META = "loop.json"
_PROGRESS = "progress"


def cache_root() -> Path:
    """Folder of rendered loops.

    ``$MAVFER_CACHE_DIR/simulation``, else ``$XDG_CACHE_HOME/mavfer/simulation``, else
    ``~/.cache/mavfer/simulation``.
    """
    if own := os.environ.get("MAVFER_CACHE_DIR"):
        return Path(own) / "simulation"
    shared = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(shared) / "mavfer" / "simulation"


class LoopFolder:
    """A loop being rendered: arrays that grow on disk, then the description that makes it one."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def create(
        self, name: str, shape: tuple[int, ...], kind: type[np.uint8 | np.uint16]
    ) -> NDArray[Any]:
        """Return a new array on disk."""
        file = self.path / f"{name}.npy"
        return np.lib.format.open_memmap(file, mode="w+", dtype=kind, shape=shape)

    def report(self, done: int, total: int) -> None:
        """Leave the progress for processes that wait for this loop."""
        (self.path / _PROGRESS).write_text(f"{done} {total}", encoding="ascii")

    def describe(self, meta: dict[str, Any]) -> None:
        """Write the description."""
        (self.path / _META).write_text(json.dumps(meta), encoding="utf-8")


def read_meta(path: Path) -> dict[str, Any]:
    """Read the description of a finished loop."""
    meta: dict[str, Any] = json.loads((path / _META).read_text(encoding="utf-8"))
    return meta


def read_array(path: Path, name: str) -> NDArray[Any]:
    """Map an array of a finished loop into memory, read-only."""
    array: NDArray[Any] = np.load(path / f"{name}.npy", mmap_mode="r", allow_pickle=False)
    return array


@contextmanager
def loop_slot(key: str, on_progress: OnProgress | None) -> Iterator[tuple[Path, LoopFolder | None]]:
    """Yield the place of loop `key`, and a folder to render it into when it is not there.

    Only one process renders a loop; others wait here and report its progress. The folder is
    moved into place when the block ends without an error.
    """
    root = cache_root()
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SensorError(
            f"the simulation's cache {root} cannot be made: {error.strerror}",
            remedy="set MAVFER_CACHE_DIR to a folder that can be written",
        ) from error
    final, partial = root / key, root / f"{key}.partial"
    with (root / f"{key}.lock").open("w") as lock:
        _wait_for(lock.fileno(), partial, on_progress)
        if final.exists():
            os.utime(final)
            yield final, None
            return
        shutil.rmtree(partial, ignore_errors=True)  # left by a process that was killed
        partial.mkdir()
        try:
            yield final, LoopFolder(partial)
            (partial / _PROGRESS).unlink(missing_ok=True)
            partial.rename(final)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        _prune(root, keep=final)


def _wait_for(lock: int, partial: Path, on_progress: OnProgress | None) -> None:
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if on_progress and (progress := _read_progress(partial)):
                on_progress(*progress)
            time.sleep(_POLL_S)
        else:
            return


def _read_progress(partial: Path) -> tuple[int, int] | None:
    try:
        done, total = (partial / _PROGRESS).read_text(encoding="ascii").split()
        return int(done), int(total)
    except (OSError, ValueError):  # not written yet, or just being written
        return None


def _prune(root: Path, *, keep: Path) -> None:
    """Remove the loops unused for longest while all take more than 8 GiB."""
    loops = sorted(
        (folder for folder in root.iterdir() if (folder / _META).exists()),
        key=lambda folder: folder.stat().st_mtime,
    )
    sizes = {loop: sum(file.stat().st_size for file in loop.iterdir()) for loop in loops}
    total = sum(sizes.values())
    for loop in loops:
        if total <= _KEEP_BYTES:
            return
        if loop != keep:
            shutil.rmtree(loop, ignore_errors=True)
            total -= sizes[loop]
