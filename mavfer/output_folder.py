"""Folders of files that belong together: whole, or seen not to be."""

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from capture.file_lock import hold
from capture.files import OutputExistsError, sync_folder

from .derived import is_marked
from .errors import DatasetError

_LOCK_NAME = "lock"


@contextmanager
def output_folder(
    folder: Path,
    *,
    names: Sequence[str],
    last: str,
    overwrite: bool = False,
    is_own: Callable[[Path], bool] = is_marked,
) -> Iterator[Path]:
    """Yield a folder to write in, whose files are in `folder` when the block is done.

    A new `folder` appears by one rename. In one that exists, where other files may lie, the old
    files go first, `last` before the others, and `last` comes after all other new ones: where it
    is, the others are, all of one make, whenever this process is killed.

    Parameters
    ----------
    folder : Path
    names : sequence of str
        Patterns of all files that may be written.
    last : str
        The file that says that all are there.
    overwrite : bool
        Replace such files.
    is_own : callable
        Tells whether a file of such a name was written by this program: by its mark.

    Raises
    ------
    OutputExistsError
        Some of the files exist and `overwrite` is false, or one of them is somebody else's.
    DatasetError
        Another process writes there.
    """
    folder = folder.absolute()
    old = [path for name in names for path in folder.glob(name)]
    if old and not overwrite:
        raise OutputExistsError(
            f"{old[0]} exists already", remedy="choose another folder or pass --overwrite"
        )
    for path in old:
        if not (path.is_file() and is_own(path)):
            raise OutputExistsError(
                f"{path} was not written by mavfer and is not replaced",
                remedy="choose another folder, or move that file away",
            )
    is_new = not folder.exists()
    made = folder.with_name(f".{folder.name}.partial") if is_new else folder / ".partial"
    made.mkdir(parents=True, exist_ok=True)
    with (made / _LOCK_NAME).open("ab") as lock:
        if not hold(lock):
            raise DatasetError(
                f"another process is writing {folder}", remedy="wait for it, or end it"
            )
        try:
            for left in made.iterdir():  # by a process that was killed
                if left.name != _LOCK_NAME:
                    left.unlink()
            yield made
            _move(made, folder, old=old, last=last, is_new=is_new)
        finally:
            shutil.rmtree(made, ignore_errors=True)


def _move(made: Path, folder: Path, *, old: Sequence[Path], last: str, is_new: bool) -> None:
    files = sorted(
        (f for f in made.iterdir() if f.name != _LOCK_NAME), key=lambda f: f.name == last
    )
    for file in files:
        with file.open("rb") as handle:
            os.fsync(handle.fileno())
    if is_new:
        (made / _LOCK_NAME).unlink()
        try:
            made.rename(folder)
        except OSError as error:
            raise OutputExistsError(
                f"{folder} has come into being meanwhile", remedy="choose another folder"
            ) from error
        sync_folder(folder.parent)
        return
    for path in sorted(old, key=lambda path: path.name != last):
        path.unlink()
    sync_folder(folder)
    for file in files:
        file.replace(folder / file.name)
    sync_folder(folder)
