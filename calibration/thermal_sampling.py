"""Kernels that look a thermal image up through depth known in the color image."""

import numpy as np
from numpy.typing import NDArray

from capture.jit import jit

HIDDEN_RATIO = 0.03
"""A point this much farther than the nearest surface on its thermal ray is hidden."""


@jit
def project_distorted(x: float, y: float, intrinsics: NDArray[np.float64]) -> tuple[float, float]:
    """Project ideal normalised coordinates to pixels, (-1, -1) beyond the field of view.

    `intrinsics` (13,) holds fx, fy, cx, cy, k1, k2, p1, p2, k3, k4, k5, k6 and the largest
    squared radius the lens model holds for.
    """
    r2 = x * x + y * y
    if r2 > intrinsics[12]:
        return -1.0, -1.0
    radial = (1 + r2 * (intrinsics[4] + r2 * (intrinsics[5] + r2 * intrinsics[8]))) / (
        1 + r2 * (intrinsics[9] + r2 * (intrinsics[10] + r2 * intrinsics[11]))
    )
    p1, p2 = intrinsics[6], intrinsics[7]
    distorted_x = x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x)
    distorted_y = y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y
    return (
        intrinsics[0] * distorted_x + intrinsics[2],
        intrinsics[1] * distorted_y + intrinsics[3],
    )


@jit
def to_camera(
    column: int,
    row: int,
    depth_mm: float,
    rotation: NDArray[np.float64],
    translation_mm: NDArray[np.float64],
) -> tuple[float, float, float]:
    """Carry a color pixel and its depth to the other camera: x, y, z in mm."""
    x = depth_mm * (rotation[0, 0] * column + rotation[0, 1] * row + rotation[0, 2])
    y = depth_mm * (rotation[1, 0] * column + rotation[1, 1] * row + rotation[1, 2])
    z = depth_mm * (rotation[2, 0] * column + rotation[2, 1] * row + rotation[2, 2])
    return x + translation_mm[0], y + translation_mm[1], z + translation_mm[2]


@jit
def front_surface(
    depth_mm: NDArray[np.uint16],
    rotation: NDArray[np.float64],
    translation_mm: NDArray[np.float64],
    intrinsics: NDArray[np.float64],
    height_px: int,
    width_px: int,
) -> NDArray[np.float32]:
    """Return the largest 1/z (1/mm) seen in or beside each thermal pixel, 0 where none.

    Points are splatted to the nearest pixel; taking the maximum with the eight neighbours closes
    the gaps between them and hides one thermal pixel beside each silhouette, where the sensor
    mixes both surfaces anyway.

    Parameters
    ----------
    depth_mm : (h, w) uint16
        Depth in the color window.
    rotation : (3, 3) float64
        R_thermal_color · K_color⁻¹ of the window.
    translation_mm : (3,) float64
    intrinsics : (13,) float64
        See `project_distorted`.
    height_px, width_px : int
        Size of the thermal image.
    """
    nearest = np.zeros((height_px, width_px), np.float32)
    for row in range(depth_mm.shape[0]):
        for column in range(depth_mm.shape[1]):
            depth = depth_mm[row, column]
            if depth == 0:
                continue
            x, y, z = to_camera(column, row, np.float64(depth), rotation, translation_mm)
            if z <= 0:
                continue
            u, v = project_distorted(x / z, y / z, intrinsics)
            if -0.5 <= u < width_px - 0.5 and -0.5 <= v < height_px - 0.5:
                i, j = int(v + 0.5), int(u + 0.5)
                nearest[i, j] = max(nearest[i, j], np.float32(1 / z))
    front = np.zeros_like(nearest)
    for row in range(height_px):
        for column in range(width_px):
            best = np.float32(0)
            for i in range(max(0, row - 1), min(height_px, row + 2)):
                for j in range(max(0, column - 1), min(width_px, column + 2)):
                    best = max(best, nearest[i, j])
            front[row, column] = best
    return front


@jit
def sample_visible(
    counts: NDArray[np.uint16],
    depth_mm: NDArray[np.uint16],
    front: NDArray[np.float32],
    rotation: NDArray[np.float64],
    translation_mm: NDArray[np.float64],
    intrinsics: NDArray[np.float64],
    registered: NDArray[np.uint16],
) -> None:
    """Fill `registered` (h, w), zeros on entry, with the counts seen at each visible point.

    Parameters are those of `front_surface`; `front` is its result, `counts` (H, W) the thermal
    image. A pixel with an invalid (0) neighbour among its four samples stays 0.
    """
    height_px, width_px = counts.shape
    for row in range(depth_mm.shape[0]):
        for column in range(depth_mm.shape[1]):
            depth = depth_mm[row, column]
            if depth == 0:
                continue
            x, y, z = to_camera(column, row, np.float64(depth), rotation, translation_mm)
            if z <= 0:
                continue
            u, v = project_distorted(x / z, y / z, intrinsics)
            if not (0 <= u <= width_px - 1 and 0 <= v <= height_px - 1):
                continue
            if front[int(v + 0.5), int(u + 0.5)] * z > 1 + HIDDEN_RATIO:
                continue
            i, j = min(int(v), height_px - 2), min(int(u), width_px - 2)
            a, b = counts[i, j], counts[i, j + 1]
            c, d = counts[i + 1, j], counts[i + 1, j + 1]
            if min(a, b, c, d) == 0:
                continue
            down, across = v - i, u - j
            upper = a + across * (np.float64(b) - a)
            lower = c + across * (np.float64(d) - c)
            registered[row, column] = np.uint16(upper + down * (lower - upper) + 0.5)
