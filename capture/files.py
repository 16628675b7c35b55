"""Outputs that appear whole or not at all, and never over something that exists."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
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
    taken = OutputExistsError(
        f"{path} exists already", remedy="choose another output or pass --overwrite"
    )
    if path.exists() and not overwrite:
        raise taken
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
                raise taken from None
            partial.unlink()
    finally:
        partial.unlink(missing_ok=True)


def write_text_atomic(path: Path, text: str, *, overwrite: bool = False) -> None:
    """Write `text` (UTF-8) to `path` through `atomic_output`."""
    with atomic_output(path, overwrite=overwrite) as partial:
        partial.write_text(text, encoding="utf-8")
