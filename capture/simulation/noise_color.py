"""The color sensor: photon and read noise in linear light, then 8 bit sRGB."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ..jit import jit
from .counter import gaussian_table, gaussian_table_i8, row_offsets
from .srgb import CODE_LEVELS, code_table, srgb_from_linear

F32 = NDArray[np.float32]
_ELECTRONS_AT_WHITE = 6000.0
_READ_ELECTRONS = 6.0
_STREAM = 1


@lru_cache(maxsize=1)
def _curve() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Codes 0..255 of linear light in `CODE_LEVELS` steps, and their slope."""
    steps = np.linspace(0, 1, CODE_LEVELS)
    curve = srgb_from_linear(steps) * 255
    return curve, np.gradient(curve, steps)


@jit
def _prepare_still(
    light: F32,
    gain: float,
    electrons: float,
    read: float,
    curve: NDArray[np.float64],
    slope: NDArray[np.float64],
    mean: NDArray[np.int32],
    sigma: NDArray[np.int16],
) -> None:
    """Mean code and its noise in steps of 1/256, BGR interleaved, from linear RGB."""
    top = curve.shape[0] - 1
    for v in range(light.shape[0]):
        for u in range(light.shape[1]):
            for k in range(3):
                signal = max(light[v, u, k] * gain, 0.0)
                i = min(int(signal * top + 0.5), top)
                spread = np.sqrt(signal / electrons + read) * slope[i] * 256
                mean[v, 3 * u + 2 - k] = np.int32(curve[i] * 256 + 128.5)
                sigma[v, 3 * u + 2 - k] = np.int16(min(spread, 32767.0))


@jit
def _expose_still(
    mean: NDArray[np.int32],
    sigma: NDArray[np.int16],
    table: NDArray[np.int8],
    offsets: NDArray[np.int64],
    image: NDArray[np.uint8],
) -> None:
    """Add noise to rows of codes in 1/256 steps; integers, so that it vectorises."""
    for v in range(image.shape[0]):
        run = table[offsets[v] : offsets[v] + image.shape[1]]
        for i in range(image.shape[1]):
            code = (mean[v, i] + ((sigma[v, i] * np.int32(run[i])) >> 5)) >> 8
            image[v, i] = np.uint8(min(max(code, 0), 255))


@jit
def _expose_moving(
    light: F32,
    seen: NDArray[np.int32],
    box: NDArray[np.int64],
    gain: float,
    electrons: float,
    read: float,
    noise: F32,
    offsets: NDArray[np.int64],
    codes: NDArray[np.uint8],
    image: NDArray[np.uint8],
) -> None:
    top = codes.shape[0] - 1
    for v in range(box[1], box[3]):
        start = offsets[v]
        for u in range(box[0], box[2]):
            if seen[v, u] < 0:
                continue
            for k in range(3):
                signal = light[v, u, k] * gain
                if electrons > 0:
                    spread = np.sqrt(max(signal, 0.0) / electrons + read)
                    signal += noise[start + 3 * u + k] * spread
                image[v, u, 2 - k] = codes[min(max(int(signal * top + 0.5), 0), top)]


class ColorSensor:
    """Develops linear light into BGR images.

    Parameters
    ----------
    still : (H, W, 3) float32
        Linear RGB of the part of the scene that does not move, before gain.
    gain : float
    scale : float
        Factor of the image size against the real sensor: a pixel of a reduced camera is the
        mean of 1/scale^2 real ones, so its noise is `scale` times theirs.
    noise : bool
    seed : int
    """

    def __init__(self, still: F32, *, gain: float, scale: float, noise: bool, seed: int) -> None:
        self._gain, self._noise, self._seed = gain, noise, seed
        self._electrons = _ELECTRONS_AT_WHITE / gain / scale**2
        self._read = (_READ_ELECTRONS * scale / (_ELECTRONS_AT_WHITE / gain)) ** 2
        height, width = still.shape[:2]
        self._mean = np.empty((height, 3 * width), np.int32)
        self._sigma = np.empty((height, 3 * width), np.int16)
        _prepare_still(still, gain, self._electrons, self._read, *_curve(), self._mean, self._sigma)

    def develop_still(self, index: int) -> NDArray[np.uint8]:
        """Return frame `index` of the still scene alone, BGR (H, W, 3) uint8."""
        height, columns = self._mean.shape
        sigma = self._sigma if self._noise else np.zeros_like(self._sigma)
        offsets = row_offsets(height, columns, self._seed, _STREAM, index)
        flat = np.empty((height, columns), np.uint8)
        _expose_still(self._mean, sigma, gaussian_table_i8(), offsets, flat)
        return flat.reshape(height, columns // 3, 3)

    def develop(
        self, light: F32, seen: NDArray[np.int32], box: NDArray[np.int64], index: int
    ) -> NDArray[np.uint8]:
        """Return frame `index` as BGR (H, W, 3) uint8; `light` counts where `seen` >= 0."""
        image = self.develop_still(index)
        _expose_moving(
            light,
            seen,
            box,
            self._gain,
            self._electrons if self._noise else 0.0,
            self._read,
            gaussian_table(),
            row_offsets(seen.shape[0], 3 * seen.shape[1], self._seed, _STREAM, index),
            code_table(),
            image,
        )
        return image
