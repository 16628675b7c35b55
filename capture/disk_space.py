"""What is left of the disk that is recorded to: looked at before it is full, not after."""

import errno
import shutil
from contextlib import suppress
from pathlib import Path

from .errors import CaptureError, MavferError

MIN_FREE_BYTES = 200 << 20
"""Ten seconds of the paper's rig: what is still in the queue is written, files are finished."""
_FULL_REMEDY = "free some space or record elsewhere"


def check_disk(folder: Path) -> int:
    """Return the bytes left.

    Raises
    ------
    CaptureError
        Too few, while a file can still be finished properly.
    """
    free = shutil.disk_usage(folder).free
    if free < MIN_FREE_BYTES:
        raise CaptureError(
            f"only {free >> 20} MB left in {folder}, expected {MIN_FREE_BYTES >> 20} MB",
            remedy=_FULL_REMEDY,
        )
    return free


def free_bytes(folder: Path) -> int | None:
    """Return the bytes left where `folder` is or is to be made; None when nobody can tell."""
    for place in (folder, *folder.absolute().parents):
        with suppress(OSError):
            return shutil.disk_usage(place).free
    return None


def disk_left_s(free: int | None, rate_bytes_s: float) -> float | None:
    """Return for how long `free` bytes last at that rate; None when one of both is not known."""
    if free is None or not rate_bytes_s:
        return None
    return max(0, free - MIN_FREE_BYTES) / rate_bytes_s


def disk_remedy(error: Exception) -> str | None:
    """Return what to do about an error of a recorder, if anybody knows."""
    if isinstance(error, MavferError):
        return error.remedy
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return _FULL_REMEDY  # others filled it faster than we look, or a quota is used up
    return None
