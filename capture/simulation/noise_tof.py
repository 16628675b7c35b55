"""The time-of-flight camera: infrared amplitude and depth with its noise, holes and mixed pixels.

Axial noise after Fankhauser et al., "Kinect v2 for mobile robot navigation", ICAR 2015, from
memory and scaled by reflectance; amplitude falls with cos / z^2. Wiggling error, multipath,
warm-up drift and fixed pattern are not modelled.
"""

import numpy as np
from numpy.typing import NDArray

from ..jit import jit
from .counter import gaussian_table, row_offsets

F32 = NDArray[np.float32]
U16 = NDArray[np.uint16]
_STREAM = 2
_MIN_M, _MAX_M = 0.45, 4.5
_SIGMA_LIMIT_MM = 60.0
_MIN_AMPLITUDE, _MIN_COSINE = 0.022, 0.12
_COSINE_STEPS = 512


def _grazing_table() -> F32:
    """(theta / (pi/2 - theta))^2 over the cosine of incidence, (512,) float32."""
    theta = np.arccos(np.clip(np.linspace(0, 1, _COSINE_STEPS), 0.03, 1))
    return ((theta / (np.pi / 2 - theta)) ** 2).astype(np.float32)


_GRAZING = _grazing_table()


@jit
def _measure_clean(
    depth_m: F32, albedo: F32, cosine: F32, shift_mm: float, depth: U16, infrared: U16
) -> None:
    for v in range(depth.shape[0]):
        for u in range(depth.shape[1]):
            z = np.float64(depth_m[v, u])
            depth[v, u] = np.uint16(max(np.rint(1000 * z - shift_mm), 0.0))
            amplitude = albedo[v, u] * cosine[v, u] / (z * z)
            infrared[v, u] = np.uint16(min(5200 * amplitude + 22.5, 65535.0))


@jit
def _measure(
    depth_m: F32,
    albedo: F32,
    cosine: F32,
    shift_mm: float,
    grazing: F32,
    noise: F32,
    offsets: NDArray[np.int64],
    depth: U16,
    infrared: U16,
) -> None:
    height, width = depth.shape
    last = grazing.shape[0] - 1
    for v in range(height):
        start = offsets[v]
        for u in range(width):
            z, rho, cos = depth_m[v, u], albedo[v, u], cosine[v, u]
            n, chance = noise[start + 3 * u], noise[start + 3 * u + 2]
            amplitude = rho * cos / (z * z)
            level = 5200 * amplitude + 22
            level += noise[start + 3 * u + 1] * np.sqrt(1.6 * level + 36)
            infrared[v, u] = np.uint16(min(max(level + 0.5, 0.0), 65535.0))
            sigma = 1.5 - 0.5 * z + 0.3 * z * z + 0.1 * z * np.sqrt(z) * grazing[int(cos * last)]
            sigma *= min(max(0.55 / max(rho, 0.05), 0.8), 6.0)
            # not by the noise of the depth itself: dark surfaces would seem too near
            weak = amplitude < _MIN_AMPLITUDE * (1 + 0.5 * chance) or cos < _MIN_COSINE
            if weak or sigma > _SIGMA_LIMIT_MM:
                depth[v, u] = 0
                continue
            low, high = z, z
            up, down = max(v - 1, 0), min(v + 1, height - 1)
            left, right = max(u - 1, 0), min(u + 1, width - 1)
            for j in range(up, down + 1):
                for i in range(left, right + 1):
                    low, high = min(low, depth_m[j, i]), max(high, depth_m[j, i])
            seen_m = z
            if high - low > 0.025 + 0.01 * z:
                # a pixel that straddles an edge: most are dropped by the driver's edge filter,
                # the others report a mix of near and far
                if chance < 0.125:  # 55 % of a normal distribution
                    depth[v, u] = 0
                    continue
                total, weights = 0.0, 0.0
                for j in range(up, down + 1):
                    for i in range(left, right + 1):
                        w = 4.0 if i == u and j == v else (0.7 if i == u or j == v else 0.2)
                        w *= albedo[j, i] * max(cosine[j, i], 0.05) / depth_m[j, i] ** 2
                        total += w * depth_m[j, i]
                        weights += w
                mix = min((chance - 0.125) * 0.5, 1.0)
                seen_m = z * (1 - mix) + total / weights * mix
                sigma *= 2.5
            if _MIN_M < seen_m < _MAX_M:
                value = 1000 * seen_m - shift_mm + sigma * n
                depth[v, u] = np.uint16(value + 0.5)
            else:
                depth[v, u] = 0


class TofSensor:
    """Measures depth and infrared.

    Parameters
    ----------
    shift_mm : float
        Measured depth = true depth - shift.
    noise : bool
        Without it depth is the rounded truth of every pixel: no noise, holes or mixed pixels.
    seed : int
    error_mm : (H, W) float32, optional
        A systematic error, added to what is measured.
    """

    def __init__(
        self, *, shift_mm: float, noise: bool, seed: int, error_mm: F32 | None = None
    ) -> None:
        self._shift_mm, self._noise, self._seed = shift_mm, noise, seed
        self._error_m = None if error_mm is None else error_mm * np.float32(1e-3)

    def measure(self, depth_m: F32, albedo: F32, cosine: F32, index: int) -> tuple[U16, U16]:
        """Return depth in mm (0 = invalid) and infrared of frame `index`, (H, W) uint16 each."""
        if self._error_m is not None:
            depth_m = depth_m + self._error_m
        depth, infrared = np.empty(depth_m.shape, np.uint16), np.empty(depth_m.shape, np.uint16)
        if not self._noise:
            _measure_clean(depth_m, albedo, cosine, self._shift_mm, depth, infrared)
            return depth, infrared
        height, width = depth_m.shape
        offsets = row_offsets(height, 3 * width, self._seed, _STREAM, index)
        _measure(
            depth_m,
            albedo,
            cosine,
            self._shift_mm,
            _GRAZING,
            gaussian_table(),
            offsets,
            depth,
            infrared,
        )
        return depth, infrared
