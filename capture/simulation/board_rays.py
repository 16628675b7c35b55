"""Casts rays on a checkerboard: how much paper and how much toner each pixel sees."""

import numpy as np
from numpy.typing import NDArray

from ..jit import jit

F32 = NDArray[np.float32]


@jit
def cast_board(
    rays: F32,
    pose: NDArray[np.float64],
    extent: NDArray[np.float64],
    square_m: float,
    n_sub: int,
    box: NDArray[np.int64],
    paper: F32,
    toner: F32,
    depth_m: F32,
    cosine: F32,
) -> None:
    """Cast `n_sub`^2 rays a pixel on the board plane: coverage by paper and toner.

    `pose` (3, 4) board to camera; `extent` (squares' width, height, margin) metres with the
    board frame's origin at the first inner corner. Depth and cosine are written where the
    pixel's centre hits the board.
    """
    nx, ny, nz = pose[0, 2], pose[1, 2], pose[2, 2]
    tx, ty, tz = pose[0, 3], pose[1, 3], pose[2, 3]
    offset = nx * tx + ny * ty + nz * tz
    width, height, margin = extent
    share = 1.0 / (n_sub * n_sub)
    last_v, last_u = rays.shape[0] - 1, rays.shape[1] - 1
    for v in range(box[1], box[3]):
        for u in range(box[0], box[2]):
            r, right, down = rays[v, u], rays[v, min(u + 1, last_u)], rays[min(v + 1, last_v), u]
            left, up = rays[v, max(u - 1, 0)], rays[max(v - 1, 0), u]
            ux, uy = (right[0] - left[0]) / 2, (right[1] - left[1]) / 2
            vx, vy = (down[0] - up[0]) / 2, (down[1] - up[1]) / 2
            white, black = 0.0, 0.0
            for j in range(-1, n_sub * n_sub):
                # sample -1 is the pixel's centre: it decides the depth
                a, b = 0.0, 0.0
                if j >= 0:
                    a = (j % n_sub + 0.5) / n_sub - 0.5
                    b = (j // n_sub + 0.5) / n_sub - 0.5
                x, y = r[0] + a * ux + b * vx, r[1] + a * uy + b * vy
                facing = nx * x + ny * y + nz
                z = offset / facing
                px, py, pz = x * z - tx, y * z - ty, z - tz
                bx = pose[0, 0] * px + pose[1, 0] * py + pose[2, 0] * pz + square_m
                by = pose[0, 1] * px + pose[1, 1] * py + pose[2, 1] * pz + square_m
                inside = -margin < bx < width + margin and -margin < by < height + margin
                if j < 0:
                    if inside:
                        depth_m[v, u] = z
                        cosine[v, u] = abs(facing) / np.sqrt(x * x + y * y + 1)
                elif inside:
                    printed = 0 <= bx < width and 0 <= by < height
                    if printed and (int(bx / square_m) + int(by / square_m)) % 2 == 0:
                        black += share
                    else:
                        white += share
            paper[v, u], toner[v, u] = white, black
