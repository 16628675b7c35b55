"""The microbolometer camera: optics, noise, fixed pattern and drift, in counts of 0.04 K."""

import cv2
import numpy as np
from numpy.typing import NDArray

from ..frame import KELVIN_PER_COUNT
from ..jit import jit
from .counter import gaussian_table, row_offsets

F32 = NDArray[np.float32]
_STREAM = 3
_KELVIN_AT_ZERO_C = 273.15
_EMISSIVITY, _REFLECTED_C = 0.98, 22.0
_OPTICS_SIGMA_PX = 0.65
_WHITE_K, _COLUMN_K, _PIXEL_K = 0.050, 0.020, 0.015
_SHADING_K, _SHADING_PERIOD_S = 0.10, 300.0
_DRIFT_K, _DRIFT_PERIOD_S = 0.15, 180.0
_COUNT_LIMIT = (1 << 14) - 1


@jit
def _count(
    apparent_c: F32,
    pattern: F32,
    shading: F32,
    shading_now: float,
    drift_k: float,
    white_k: float,
    noise: F32,
    offsets: NDArray[np.int64],
    counts: NDArray[np.uint16],
) -> None:
    for v in range(counts.shape[0]):
        start = offsets[v]
        for u in range(counts.shape[1]):
            kelvin = apparent_c[v, u] + pattern[v, u] + shading[v, u] * shading_now + drift_k
            kelvin += white_k * noise[start + u] + _KELVIN_AT_ZERO_C
            value = kelvin / KELVIN_PER_COUNT + 0.5
            counts[v, u] = np.uint16(min(max(value, 0.0), _COUNT_LIMIT))


class ThermalSensor:
    """Measures temperature.

    Parameters
    ----------
    height_px, width_px : int
    scale : float
        Factor of the image size against the real sensor, for the optics' blur.
    noise : bool
        Without it: emissivity 1, no blur, no drift; counts are the rounded truth.
    seed : int
        Also draws the fixed pattern.
    """

    def __init__(
        self, height_px: int, width_px: int, *, scale: float, noise: bool, seed: int
    ) -> None:
        self._noise, self._seed, self._sigma_px = noise, seed, _OPTICS_SIGMA_PX * scale
        rng = np.random.default_rng([seed, _STREAM])
        size = (height_px, width_px)
        pattern = _PIXEL_K * rng.standard_normal(size)
        pattern += _COLUMN_K * rng.standard_normal((1, width_px))
        y, x = np.linspace(-1, 1, height_px)[:, None], np.linspace(-1, 1, width_px)[None]
        self._pattern = (pattern if noise else pattern * 0).astype(np.float32)
        self._shading = (_SHADING_K * (x**2 + y**2) if noise else 0 * (x + y)).astype(np.float32)

    def measure(self, temperature_c: F32, time_s: float, index: int) -> NDArray[np.uint16]:
        """Return frame `index`, (H, W) uint16 counts: T[K] = 0.04 * counts."""
        apparent, white_k, drift_k, shading = temperature_c, 0.0, 0.0, 0.0
        if self._noise:
            if self._sigma_px > 0.3:
                blurred = cv2.GaussianBlur(apparent, (5, 5), self._sigma_px)
                apparent = blurred.astype(np.float32, copy=False)
            apparent = apparent * np.float32(_EMISSIVITY)
            apparent += np.float32((1 - _EMISSIVITY) * _REFLECTED_C)
            white_k = _WHITE_K
            drift_k = _DRIFT_K * float(np.sin(2 * np.pi * time_s / _DRIFT_PERIOD_S))
            shading = float(np.sin(2 * np.pi * time_s / _SHADING_PERIOD_S))
        height, width = temperature_c.shape
        counts = np.empty((height, width), np.uint16)
        _count(
            apparent,
            self._pattern,
            self._shading,
            shading,
            drift_k,
            white_k,
            gaussian_table(),
            row_offsets(height, width, self._seed, _STREAM, index),
            counts,
        )
        return counts
