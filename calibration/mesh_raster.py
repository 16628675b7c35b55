"""Kernels that carry one camera's depth image into another camera by drawing its mesh.

Two triangles join each square of four neighbouring depth pixels; they are drawn into the other
image with a z-buffer and inverse depth interpolated, which is exact for planes. Squares across
a depth step are not drawn, so a silhouette neither bleeds outward nor fills the shadow beside it.
"""

import numpy as np
from numpy.typing import NDArray

from capture.jit import jit

CUT_RATIO = 0.03
"""Neighbours whose depths differ by more than this share lie on different surfaces."""
_EDGE_TOLERANCE = 1e-5


@jit
def draw_depth_mesh(
    depth_mm: NDArray[np.uint16],
    rays: NDArray[np.float32],
    projection: NDArray[np.float64],
    translation_mm: NDArray[np.float64],
    shift_mm: float,
    inverse_depth: NDArray[np.float32],
) -> None:
    """Draw a depth image into another, ideal camera.

    Parameters
    ----------
    depth_mm : (H, W) uint16
        0 = invalid.
    rays : (H, W, 2) float32
        Ideal normalised coordinates of every depth pixel.
    projection : (3, 3) float64
        K_dst · R_dst_src of the ideal target camera, its origin at the target window.
    translation_mm : (3,) float64
        K_dst · t_dst_src.
    shift_mm : float
        Added to every valid depth.
    inverse_depth : (h, w) float32, 1/mm
        Target, zero where empty; the nearer surface (larger value) wins.
    """
    height, width = depth_mm.shape
    above = np.zeros((width, 3), np.float32)
    below = np.zeros((width, 3), np.float32)
    for row in range(height):
        for column in range(width):
            measured = depth_mm[row, column]
            z = np.float64(measured) + shift_mm
            below[column, 2] = 0
            if measured == 0 or z <= 0:
                continue
            x, y = z * rays[row, column, 0], z * rays[row, column, 1]
            depth = (
                projection[2, 0] * x + projection[2, 1] * y + projection[2, 2] * z
            ) + translation_mm[2]
            if depth <= 0:
                continue
            inverse = 1 / depth
            below[column, 0] = inverse * (
                projection[0, 0] * x
                + projection[0, 1] * y
                + projection[0, 2] * z
                + translation_mm[0]
            )
            below[column, 1] = inverse * (
                projection[1, 0] * x
                + projection[1, 1] * y
                + projection[1, 2] * z
                + translation_mm[1]
            )
            below[column, 2] = inverse
        if row > 0:
            for column in range(width - 1):
                a, b = above[column], above[column + 1]
                c, d = below[column], below[column + 1]
                if joined(a[2], b[2], c[2]):
                    fill_triangle(a, b, c, inverse_depth)
                    if joined(b[2], d[2], c[2]):
                        fill_triangle(b, d, c, inverse_depth)
                elif joined(b[2], d[2], c[2]):
                    fill_triangle(b, d, c, inverse_depth)
                elif joined(a[2], b[2], d[2]):
                    fill_triangle(a, b, d, inverse_depth)
                elif joined(a[2], d[2], c[2]):
                    fill_triangle(a, d, c, inverse_depth)
        above, below = below, above


@jit
def joined(first: float, second: float, third: float) -> bool:
    """Say whether three inverse depths are all valid and lie on one surface."""
    nearest = max(first, second, third)
    farthest = min(first, second, third)
    return farthest > 0 and nearest <= farthest * (1 + CUT_RATIO)


@jit
def fill_triangle(
    a: NDArray[np.float32],
    b: NDArray[np.float32],
    c: NDArray[np.float32],
    inverse_depth: NDArray[np.float32],
) -> None:
    """Draw one triangle of vertices (x, y, 1/depth); triangles seen from behind are skipped."""
    height, width = inverse_depth.shape
    left = max(0, int(np.ceil(min(a[0], b[0], c[0]))))
    right = min(width - 1, int(np.floor(max(a[0], b[0], c[0]))))
    top = max(0, int(np.ceil(min(a[1], b[1], c[1]))))
    bottom = min(height - 1, int(np.floor(max(a[1], b[1], c[1]))))
    if left > right or top > bottom:
        return
    bx, by, bw = b[0] - a[0], b[1] - a[1], b[2] - a[2]
    cx, cy, cw = c[0] - a[0], c[1] - a[1], c[2] - a[2]
    area = bx * cy - cx * by
    if area <= 0:
        return
    scale = 1 / area
    along_b_x, along_b_y = cy * scale, -cx * scale
    along_c_x, along_c_y = -by * scale, bx * scale
    for row in range(top, bottom + 1):
        dy = row - a[1]
        for column in range(left, right + 1):
            dx = column - a[0]
            share_b = dx * along_b_x + dy * along_b_y
            share_c = dx * along_c_x + dy * along_c_y
            if (
                share_b >= -_EDGE_TOLERANCE
                and share_c >= -_EDGE_TOLERANCE
                and share_b + share_c <= 1 + _EDGE_TOLERANCE
            ):
                value = a[2] + share_b * bw + share_c * cw
                if value > inverse_depth[row, column]:
                    inverse_depth[row, column] = value


@jit
def to_millimetres(inverse_depth: NDArray[np.float32], depth_mm: NDArray[np.uint16]) -> None:
    """Convert (h, w) 1/mm, 0 = empty, to rounded uint16 millimetres, 0 = invalid."""
    height, width = inverse_depth.shape
    for row in range(height):
        for column in range(width):
            value = inverse_depth[row, column]
            depth = np.float32(1) / max(value, np.float32(1e-6)) + np.float32(0.5)
            depth_mm[row, column] = np.uint16(depth) if depth < np.float32(65535) else np.uint16(0)
