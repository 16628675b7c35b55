"""Kernels that carry one camera's depth image into another camera by drawing its mesh.

Two triangles join each square of four neighbouring depth pixels; they are drawn into the other
image with a z-buffer and inverse depth interpolated, which is exact for planes. Squares across
a depth step are not drawn, so a silhouette neither bleeds outward nor fills the shadow beside it.
"""

import math

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
    scale: float,
    shift_mm: float,
    first_row: int,
    stop_row: int,
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
    scale, shift_mm : float
        Added to every valid depth.
    first_row, stop_row : int
        Rows of the target to be drawn, half open; what falls there does not depend on them.
    inverse_depth : (h, w) float32, 1/mm
        Target, zero where empty; the nearer surface (larger value) wins.
    """
    height, width = depth_mm.shape
    shape = (2, width)
    x_px, y_px = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    inverse = np.zeros(shape, np.float32)
    for row in range(height):
        now, before = row % 2, 1 - row % 2
        for column in range(width):
            measured = depth_mm[row, column]
            z = scale * np.float64(measured) + shift_mm
            x, y = z * rays[row, column, 0], z * rays[row, column, 1]
            depth = (
                projection[2, 0] * x + projection[2, 1] * y + projection[2, 2] * z
            ) + translation_mm[2]
            valid = measured > 0 and z > 0 and depth > 0
            w = 1 / depth if valid else 0.0
            x_px[now, column] = w * (
                projection[0, 0] * x
                + projection[0, 1] * y
                + projection[0, 2] * z
                + translation_mm[0]
            )
            y_px[now, column] = w * (
                projection[1, 0] * x
                + projection[1, 1] * y
                + projection[1, 2] * z
                + translation_mm[1]
            )
            inverse[now, column] = w
        if row == 0:
            continue
        for column in range(width - 1):
            right = column + 1
            ax, ay, aw = x_px[before, column], y_px[before, column], inverse[before, column]
            bx, by, bw = x_px[before, right], y_px[before, right], inverse[before, right]
            cx, cy, cw = x_px[now, column], y_px[now, column], inverse[now, column]
            dx, dy, dw = x_px[now, right], y_px[now, right], inverse[now, right]
            lower_right = joined(bw, dw, cw)
            if joined(aw, bw, cw):
                if lower_right:
                    fill_quad(
                        ax,
                        ay,
                        aw,
                        bx,
                        by,
                        bw,
                        cx,
                        cy,
                        cw,
                        dx,
                        dy,
                        dw,
                        first_row,
                        stop_row,
                        inverse_depth,
                    )
                else:
                    fill_triangle(
                        ax, ay, aw, bx, by, bw, cx, cy, cw, first_row, stop_row, inverse_depth
                    )
            elif lower_right:
                fill_triangle(
                    bx, by, bw, dx, dy, dw, cx, cy, cw, first_row, stop_row, inverse_depth
                )
            elif joined(aw, bw, dw):
                fill_triangle(
                    ax, ay, aw, bx, by, bw, dx, dy, dw, first_row, stop_row, inverse_depth
                )
            elif joined(aw, dw, cw):
                fill_triangle(
                    ax, ay, aw, dx, dy, dw, cx, cy, cw, first_row, stop_row, inverse_depth
                )


@jit
def joined(first: float, second: float, third: float) -> bool:
    """Say whether three inverse depths are all valid and lie on one surface."""
    farthest = min(first, second, third)
    return farthest > 0 and max(first, second, third) <= farthest * (1 + CUT_RATIO)


@jit
def fill_triangle(
    ax: float,
    ay: float,
    aw: float,
    bx: float,
    by: float,
    bw: float,
    cx: float,
    cy: float,
    cw: float,
    first_row: int,
    stop_row: int,
    inverse_depth: NDArray[np.float32],
) -> None:
    """Draw one triangle of vertices (x, y, 1/depth); triangles seen from behind are skipped."""
    width = inverse_depth.shape[1]
    left = max(0, math.ceil(min(ax, bx, cx)))
    right = min(width - 1, math.floor(max(ax, bx, cx)))
    top = max(first_row, math.ceil(min(ay, by, cy)))
    bottom = min(stop_row - 1, math.floor(max(ay, by, cy)))
    if left > right or top > bottom:
        return
    bx, by, bw = bx - ax, by - ay, bw - aw
    cx, cy, cw = cx - ax, cy - ay, cw - aw
    area = bx * cy - cx * by
    if area <= 0:
        return
    scale = 1 / area
    b_per_x, b_per_y = cy * scale, -cx * scale
    c_per_x, c_per_y = -by * scale, bx * scale
    for row in range(top, bottom + 1):
        share_b = (left - ax) * b_per_x + (row - ay) * b_per_y
        share_c = (left - ax) * c_per_x + (row - ay) * c_per_y
        for column in range(left, right + 1):
            if min(share_b, share_c, 1 - share_b - share_c) >= -_EDGE_TOLERANCE:
                value = aw + share_b * bw + share_c * cw
                if value > inverse_depth[row, column]:
                    inverse_depth[row, column] = value
            share_b += b_per_x
            share_c += c_per_x


@jit
def fill_quad(
    ax: float,
    ay: float,
    aw: float,
    bx: float,
    by: float,
    bw: float,
    cx: float,
    cy: float,
    cw: float,
    dx: float,
    dy: float,
    dw: float,
    first_row: int,
    stop_row: int,
    inverse_depth: NDArray[np.float32],
) -> None:
    """Draw the triangles a, b, c and b, d, c in one pass over the box that holds both."""
    width = inverse_depth.shape[1]
    left = max(0, math.ceil(min(ax, bx, cx, dx)))
    right = min(width - 1, math.floor(max(ax, bx, cx, dx)))
    top = max(first_row, math.ceil(min(ay, by, cy, dy)))
    bottom = min(stop_row - 1, math.floor(max(ay, by, cy, dy)))
    if left > right or top > bottom:
        return
    ux, uy, vx, vy = bx - ax, by - ay, cx - ax, cy - ay
    px, py, qx, qy = cx - dx, cy - dy, bx - dx, by - dy
    area, other = ux * vy - vx * uy, px * qy - qx * py
    if area <= 0 or other <= 0:  # folded: each triangle for itself
        fill_triangle(ax, ay, aw, bx, by, bw, cx, cy, cw, first_row, stop_row, inverse_depth)
        fill_triangle(bx, by, bw, dx, dy, dw, cx, cy, cw, first_row, stop_row, inverse_depth)
        return
    scale, other_scale = 1 / area, 1 / other
    b_per_x, b_per_y, c_per_x, c_per_y = vy * scale, -vx * scale, -uy * scale, ux * scale
    p_per_x, p_per_y = qy * other_scale, -qx * other_scale
    q_per_x, q_per_y = -py * other_scale, px * other_scale
    by_b, by_c, by_p, by_q = bw - aw, cw - aw, cw - dw, bw - dw
    for row in range(top, bottom + 1):
        share_b = (left - ax) * b_per_x + (row - ay) * b_per_y
        share_c = (left - ax) * c_per_x + (row - ay) * c_per_y
        share_p = (left - dx) * p_per_x + (row - dy) * p_per_y
        share_q = (left - dx) * q_per_x + (row - dy) * q_per_y
        for column in range(left, right + 1):
            value = 0.0
            if min(share_b, share_c, 1 - share_b - share_c) >= -_EDGE_TOLERANCE:
                value = aw + share_b * by_b + share_c * by_c
            elif min(share_p, share_q, 1 - share_p - share_q) >= -_EDGE_TOLERANCE:
                value = dw + share_p * by_p + share_q * by_q
            if value > inverse_depth[row, column]:
                inverse_depth[row, column] = value
            share_b += b_per_x
            share_c += c_per_x
            share_p += p_per_x
            share_q += q_per_x


@jit
def to_millimetres(inverse_depth: NDArray[np.float32], depth_mm: NDArray[np.uint16]) -> None:
    """Convert (h, w) 1/mm, 0 = empty, to rounded uint16 millimetres, 0 = invalid."""
    height, width = inverse_depth.shape
    for row in range(height):
        for column in range(width):
            value = inverse_depth[row, column]
            depth = np.float32(1) / max(value, np.float32(1e-6)) + np.float32(0.5)
            depth_mm[row, column] = np.uint16(depth) if depth < np.float32(65535) else np.uint16(0)
