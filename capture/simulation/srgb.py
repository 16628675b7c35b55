"""The sRGB transfer curve (IEC 61966-2-1), both ways."""

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

CODE_LEVELS = 4096


def linear_from_srgb(encoded: ArrayLike) -> NDArray[np.float64]:
    """Map sRGB values 0..1 to linear light 0..1."""
    code = np.asarray(encoded, np.float64)
    low, high = code / 12.92, ((np.maximum(code, 0.04045) + 0.055) / 1.055) ** 2.4
    return np.where(code <= 0.04045, low, high)


def srgb_from_linear(linear: ArrayLike) -> NDArray[np.float64]:
    """Map linear light to sRGB values 0..1; light beyond 0..1 is clipped."""
    light = np.clip(np.asarray(linear, np.float64), 0, 1)
    return np.where(
        light <= 0.0031308, 12.92 * light, 1.055 * np.maximum(light, 1e-9) ** (1 / 2.4) - 0.055
    )


@lru_cache(maxsize=1)
def code_table() -> NDArray[np.uint8]:
    """8 bit codes of linear light in `CODE_LEVELS` steps, (4096,) uint8."""
    steps = np.arange(CODE_LEVELS) / (CODE_LEVELS - 1)
    table = np.rint(255 * srgb_from_linear(steps)).astype(np.uint8)
    table.setflags(write=False)
    return table
