"""Compile the few pixel loops that numpy cannot express, keeping their types for the checker."""

from collections.abc import Callable
from typing import TypeVar, cast

import numba

_Function = TypeVar("_Function", bound=Callable[..., object])


def jit(function: _Function) -> _Function:
    """Compile `function` with numba: no GIL, cached on disk, fast-math without NaN assumptions.

    ``nnan`` and ``ninf`` stay off because invalid pixels may be NaN.
    """
    flags = {"nsz", "arcp", "contract", "afn", "reassoc"}
    return cast(_Function, numba.njit(nogil=True, cache=True, fastmath=flags)(function))
