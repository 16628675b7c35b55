"""Who writes a recording or runs a session holds a lock on it, which ends with the process."""

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from .errors import ControlError


def hold(handle: IO[bytes]) -> bool:
    """Lock an open file against `in_use` until it is closed; False if another holds it."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # a file system without locks: nobody can hold one
    return True


def in_use(handle: IO[bytes]) -> bool:
    """Tell whether another open file holds the lock."""
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    with suppress(OSError):
        fcntl.flock(handle, fcntl.LOCK_UN)
    return False


def is_controlled(folder: Path) -> bool:
    """Tell whether a controller runs the session in `folder`, or somebody mends it."""
    try:
        SessionLock(folder).release()
    except ControlError:
        return True
    except OSError:
        return False  # a folder that cannot even be opened
    return False


class SessionLock:
    """Held by who changes a session, on its folder; by its controller as long as that runs.

    Parameters
    ----------
    folder : Path

    Raises
    ------
    ControlError
        Another controller holds it.
    """

    def __init__(self, folder: Path) -> None:
        self._descriptor: int | None = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.release()
            raise ControlError(
                f"{folder} is in use: its controller runs, or it is being mended",
                remedy="a recording is stopped by Ctrl-C, or by STOP in the console",
            ) from None
        except OSError:
            return  # a file system without locks: nobody can hold one

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()

    def release(self) -> None:
        """Let go; may be called twice."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
