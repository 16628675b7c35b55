"""Outputs that appear whole or not at all, and never over something that exists."""

import errno
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import MavferError


class OutputExistsError(MavferError, FileExistsError):
    """The output path is taken and overwriting was not asked for."""


@contextmanager
def atomic_output(path: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Yield a temporary sibling of `path` that is renamed into place on success.

    Parameters
    ----------
    path : Path
        Final location; its folder is created.
    overwrite : bool
        Replace an existing file. Without it an existing `path` is refused before any work.

    Yields
    ------
    Path
        ``.<name>.<token>.partial`` beside `path`: write there.

    Raises
    ------
    OutputExistsError
        `path` exists and `overwrite` is false; checked before and again at the rename.
    """
    check_output(path, overwrite=overwrite)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        yield partial
        with partial.open("rb") as handle:
            os.fsync(handle.fileno())
        if overwrite:
            partial.replace(path)
        else:
            try:
                os.link(partial, path)
            except FileExistsError:
                raise _taken(path) from None
            partial.unlink()
    finally:
        partial.unlink(missing_ok=True)


def check_output(path: Path, *, overwrite: bool) -> None:
    """Refuse before hours of work a `path` that `atomic_output` would refuse after them.

    Raises
    ------
    OutputExistsError
        `path` exists and `overwrite` is false.
    MavferError
        `path` is a folder or device, or lies below a file.
    """
    if path.exists() and not overwrite:
        raise _taken(path)
    if path.is_dir():
        raise MavferError(f"{path} is a folder, expected the name of a file to write")
    if path.exists() and not path.is_file():
        raise MavferError(f"{path} is a device or pipe, expected the name of a file to write")
    nearest = next((p for p in path.absolute().parents if p.exists()), None)
    if nearest is not None and not nearest.is_dir():
        raise MavferError(
            f"{path.parent} cannot be a folder: {nearest} is a file", remedy="choose another output"
        )


def _taken(path: Path) -> OutputExistsError:
    return OutputExistsError(
        f"{path} exists already", remedy="choose another output or pass --overwrite"
    )


def write_text_atomic(path: Path, text: str, *, overwrite: bool = False) -> None:
    """Write `text` (UTF-8) to `path` through `atomic_output`."""
    with atomic_output(path, overwrite=overwrite) as partial:
        partial.write_text(text, encoding="utf-8")


def check_not_input(outputs: Iterable[Path | None], inputs: Iterable[Path | None]) -> None:
    """Refuse to write over what is read, even where overwriting was asked for.

    Parameters
    ----------
    outputs, inputs : iterable of Path or None
        None stands for an option that was not given.

    Raises
    ------
    MavferError
        One of `outputs` is one of `inputs`, by whatever name.
    """
    read = {path.resolve() for path in inputs if path is not None and path.exists()}
    for path in outputs:
        if path is not None and path.exists() and path.resolve() in read:
            raise MavferError(f"{path} is an input too", remedy="choose another output")


def check_not_within(outputs: Iterable[Path | None], folders: Iterable[Path]) -> None:
    """Refuse to write into folders that are read, such as recorded sessions.

    Raises
    ------
    MavferError
        One of `outputs` lies in one of `folders`, is one, or is a file that a link in it means.
    """
    targets = [(path, path.resolve()) for path in outputs if path is not None]
    if not targets:
        return
    for folder in folders:
        root = folder.resolve()
        with suppress(OSError):  # whoever reads the folder will say what is wrong
            check_not_input((path for path, _ in targets), folder.iterdir())
        for path, target in targets:
            if target.is_relative_to(root):
                raise MavferError(
                    f"{path} lies in {folder}, which is read and never written to",
                    remedy="choose another output",
                )


@contextmanager
def all_or_none(paths: Sequence[Path]) -> Iterator[None]:
    """Take away those of `paths` that the block wrote when it does not come to its end.

    For outputs that belong together; what existed before stays.
    """
    new = [path for path in paths if not path.exists()]
    folders = {path.parent for path in new if not path.parent.exists()}
    try:
        yield
    except BaseException:
        for path in new:
            path.unlink(missing_ok=True)
        for folder in folders:
            if folder.exists() and not any(folder.iterdir()):
                folder.rmdir()
        raise


def require_free_space(folder: Path, needed_bytes: int) -> None:
    """Raise the system's "no space left" before a library that dies of it writes.

    HDF5 ends the process when it cannot flush what it holds back.

    Raises
    ------
    OSError
        ENOSPC: the disk of `folder` has less than `needed_bytes` left.
    """
    if shutil.disk_usage(folder).free < needed_bytes:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))


def sync_folder(folder: Path) -> None:
    """Make new names in `folder` survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
