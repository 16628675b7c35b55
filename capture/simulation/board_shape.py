"""The calibration board: 5 x 7 inner corners, squares of 0.03 m, a white border.

Board frame: origin in the first inner corner, x along the rows of five, y along the columns of
seven, z away from the viewer.
"""

import numpy as np
from numpy.typing import NDArray

BOARD_COLUMNS, BOARD_ROWS = 5, 7
SQUARE_M = 0.03
BORDER_M = 0.03
"""Width of the white border around the squares."""
WIDTH_M, HEIGHT_M = (BOARD_COLUMNS + 1) * SQUARE_M, (BOARD_ROWS + 1) * SQUARE_M
"""Size of the printed squares."""
CENTRE_M = (WIDTH_M / 2 - SQUARE_M, HEIGHT_M / 2 - SQUARE_M, 0.0)


def board_points_m() -> NDArray[np.float64]:
    """Inner corners in the board frame, (35, 3) float64 metres, row by row of five."""
    rows, columns = np.mgrid[:BOARD_ROWS, :BOARD_COLUMNS]
    flat = np.stack([columns.ravel(), rows.ravel(), np.zeros(rows.size)], axis=-1)
    points: NDArray[np.float64] = flat * SQUARE_M
    return points


def outline_m(*, border_m: float) -> NDArray[np.float64]:
    """Rectangle `border_m` outside the squares, (36, 3) float64 metres, board frame.

    Points every few centimetres, because lines bend in images.
    """
    t = np.linspace(0, 1, 9)
    x0, y0 = -SQUARE_M - border_m, -SQUARE_M - border_m
    x1, y1 = x0 + WIDTH_M + 2 * border_m, y0 + HEIGHT_M + 2 * border_m
    across, along = x0 + (x1 - x0) * t, y0 + (y1 - y0) * t
    sides = [(across, 0 * t + y0), (across, 0 * t + y1), (0 * t + x0, along), (0 * t + x1, along)]
    outline: NDArray[np.float64] = np.concatenate([np.stack([x, y, 0 * x], -1) for x, y in sides])
    return outline
