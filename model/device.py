"""Where the networks run."""

import ctypes
import sys

import torch

from .errors import ModelError

_MAX_THREADS = 1024
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEPT_BYTES = 2**30


def chosen_device(name: str, *, threads: int | None = None) -> torch.device:
    """Return the device called `name` and set the number of CPU threads.

    Parameters
    ----------
    name : str
        ``auto`` (a GPU where there is one), ``cpu``, ``cuda`` or ``cuda:N``.
    threads : int, optional

    Raises
    ------
    ModelError
        No such device here, or a number of threads below 1.
    """
    if threads is not None:
        if not 1 <= threads <= _MAX_THREADS:
            raise ModelError(f"{threads} threads asked for, expected 1 to {_MAX_THREADS}")
        torch.set_num_threads(threads)
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ModelError(f"no device {name!r}, expected auto, cpu, cuda or cuda:N") from None
    if device.type not in ("cpu", "cuda"):
        raise ModelError(f"device {name!r} is not supported, expected auto, cpu, cuda or cuda:N")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ModelError(
            f"device {name!r} asked for, this machine has {torch.cuda.device_count()} CUDA devices",
            remedy="use --device cpu",
        )
    return device


def keep_freed_memory() -> bool:
    """Let the C library keep memory that tensors free, for the next ones; glibc only.

    By default large blocks go back to the system at once, and every step of training on a CPU
    pays for faulting their pages in again. Peak memory grows a little (docs/performance.md).

    Returns
    -------
    bool
        Whether it could be arranged.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:  # another C library
        return False
    return all(mallopt(name, _KEPT_BYTES) for name in (_M_MMAP_THRESHOLD, _M_TRIM_THRESHOLD))
