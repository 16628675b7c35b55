"""Who writes a recording holds a lock on it; the lock ends with the process, however it ends."""

import fcntl
from contextlib import suppress
from typing import IO


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
