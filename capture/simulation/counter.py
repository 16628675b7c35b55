"""Noise without state: every number is a pure function of its key.

A key is a sequence of integers, for instance (seed, camera, frame, row). Two processes that
render the same frame draw the same noise, in any order and any number of times.
"""

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

_WORD = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15
_TABLE_BITS = 20
_TABLE_SEED = 68
TABLE_SIZE = 1 << _TABLE_BITS


def mix(*key: int) -> int:
    """Hash a key to 64 bits: SplitMix64's finaliser, chained (Steele et al., OOPSLA 2014)."""
    state = 0
    for word in key:
        state = (state + (word & _WORD) + _GOLDEN) & _WORD
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _WORD
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _WORD
        state ^= state >> 31
    return state


def uniform(*key: int) -> float:
    """Draw from U[0, 1)."""
    return (mix(*key) >> 11) * 2.0**-53


def between(low: float, high: float, *key: int) -> float:
    """Draw from U[low, high)."""
    return low + (high - low) * uniform(*key)


def normal(*key: int) -> float:
    """Draw from N(0, 1) (Box-Muller)."""
    radius = math.sqrt(-2.0 * math.log(1.0 - uniform(*key, 1)))
    return radius * math.cos(2.0 * math.pi * uniform(*key, 2))


@lru_cache(maxsize=1)
def gaussian_table() -> NDArray[np.float32]:
    """Return N(0, 1) samples, (2^20,) float32: pixels read runs of it from keyed offsets."""
    table = np.random.default_rng(_TABLE_SEED).standard_normal(TABLE_SIZE, dtype=np.float32)
    table.setflags(write=False)
    return table


@lru_cache(maxsize=1)
def gaussian_table_i8() -> NDArray[np.int8]:
    """Return the same samples in steps of 1/32 sigma, clipped at about 4 sigma, (2^20,) int8."""
    table = np.clip(np.rint(gaussian_table() * 32), -127, 127).astype(np.int8)
    table.setflags(write=False)
    return table


def row_offsets(n_rows: int, run: int, *key: int) -> NDArray[np.int64]:
    """Start of each image row's run of `run` samples in the table, (n_rows,) int64."""
    with np.errstate(over="ignore"):
        state = np.arange(1, n_rows + 1, dtype=np.uint64) * np.uint64(_GOLDEN)
        state += np.uint64(mix(*key))
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        state ^= state >> np.uint64(31)
    offsets: NDArray[np.int64] = (state % np.uint64(TABLE_SIZE - run)).astype(np.int64)
    return offsets
