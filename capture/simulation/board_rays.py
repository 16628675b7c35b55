"""Casts rays on a checkerboard: how much paper and how much toner each pixel sees."""

import math

import numpy as np
from numpy.typing import NDArray

from ..jit import jit

F32 = NDArray[np.float32]
_N_SAMPLES, _LATTICE_STEP = 128, 79
"""Sample j lies in column j and row 79 j mod 128. A coarse grid would move edges that run along
its lines by a tenth of a pixel, which calibration sees: 4 x 4 samples shifted its focal length."""


@jit
def cast_board(
    rays: F32,
    pose: NDArray[np.float64],
    extent: NDArray[np.float64],
    square_m: float,
    box: NDArray[np.int64],
    paper: F32,
    toner: F32,
    depth_m: F32,
    cosine: F32,
) -> None:
    """Cast rays on the board plane, many a pixel where squares meet: coverage by paper and toner.

    `pose` (3, 4) board to camera; `extent` (squares' width, height, border) metres with the
    board frame's origin at the first inner corner; `box` (x0, y0, x1, y1) half-open, the pixels
    to look at. Depth and cosine are written where the pixel's centre hits the board.
    """
    last_v, last_u = rays.shape[0] - 1, rays.shape[1] - 1
    for v in range(box[1], box[3]):
        for u in range(box[0], box[2]):
            r, right, down = rays[v, u], rays[v, min(u + 1, last_u)], rays[min(v + 1, last_v), u]
            left, up = rays[v, max(u - 1, 0)], rays[max(v - 1, 0), u]
            # one-sided at the image's rim
            across = min(u + 1, last_u) - max(u - 1, 0)
            along = min(v + 1, last_v) - max(v - 1, 0)
            ux, uy = (right[0] - left[0]) / across, (right[1] - left[1]) / across
            vx, vy = (down[0] - up[0]) / along, (down[1] - up[1]) / along
            bx, by, z, facing = _hit(pose, r[0], r[1], square_m)
            if _surface(bx, by, extent, square_m) > 0:
                depth_m[v, u] = z
                cosine[v, u] = abs(facing) / math.sqrt(r[0] * r[0] + r[1] * r[1] + 1)
            column, row = math.floor(bx / square_m), math.floor(by / square_m)
            mixed = False
            for corner in range(4):
                a, b = (corner % 2) - 0.5, (corner // 2) - 0.5
                x, y = r[0] + a * ux + b * vx, r[1] + a * uy + b * vy
                cx, cy, _, _ = _hit(pose, x, y, square_m)
                mixed |= math.floor(cx / square_m) != column or math.floor(cy / square_m) != row
            n_samples = _N_SAMPLES if mixed else 1
            white, black = 0, 0
            for j in range(n_samples):
                if mixed:
                    a = (j + 0.5) / _N_SAMPLES - 0.5
                    b = (j * _LATTICE_STEP % _N_SAMPLES + 0.5) / _N_SAMPLES - 0.5
                    x, y = r[0] + a * ux + b * vx, r[1] + a * uy + b * vy
                    bx, by, _, _ = _hit(pose, x, y, square_m)
                surface = _surface(bx, by, extent, square_m)
                white += surface == 1
                black += surface == 2
            paper[v, u], toner[v, u] = white / n_samples, black / n_samples


@jit
def _hit(
    pose: NDArray[np.float64], x: float, y: float, square_m: float
) -> tuple[float, float, float, float]:
    """Meet the board plane: place from the squares' upper left, depth, ray along the normal."""
    nx, ny, nz = pose[0, 2], pose[1, 2], pose[2, 2]
    tx, ty, tz = pose[0, 3], pose[1, 3], pose[2, 3]
    facing = nx * x + ny * y + nz
    z = (nx * tx + ny * ty + nz * tz) / facing
    px, py, pz = x * z - tx, y * z - ty, z - tz
    bx = pose[0, 0] * px + pose[1, 0] * py + pose[2, 0] * pz + square_m
    by = pose[0, 1] * px + pose[1, 1] * py + pose[2, 1] * pz + square_m
    return bx, by, z, facing


@jit
def _surface(bx: float, by: float, extent: NDArray[np.float64], square_m: float) -> int:
    """Return 0 beside the board, 1 on paper, 2 on toner."""
    width, height, border = extent
    if not (-border < bx < width + border and -border < by < height + border):
        return 0
    printed = 0 <= bx < width and 0 <= by < height
    return 2 if printed and (int(bx / square_m) + int(by / square_m)) % 2 == 0 else 1
