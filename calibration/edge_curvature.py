"""Take out of fitted corners what the lens's bending of the squares' edges puts in.

The fit (`saddle`) draws straight edges through a neighbourhood in which distortion has bent them
a little: it finds their mean, which lies to the hollow side of the corner. By the thousandths of
a pixel only, but alike in all views, so that focal length and depth would inherit it.
"""

import numpy as np
from numpy.typing import NDArray

from .board import BoardSpec
from .saddle import REACH

_SHARE = REACH**2 / 6
"""Mean of x²/2 over an edge from -REACH to REACH squares."""


def edge_bias_px(corners_px: NDArray[np.float64], board: BoardSpec) -> NDArray[np.float64]:
    """Return how far bent edges displace fitted corners (N, 2), from how the corners' rows bend.

    An edge moves across itself only; the two displacements meet where the edges cross.
    """
    grid = corners_px.reshape(board.rows, board.columns, 2)
    along, down = np.asarray(np.gradient(grid, axis=1)), np.asarray(np.gradient(grid, axis=0))
    across = np.stack([_across(along), _across(down)], axis=-2)
    moved = np.stack(
        [
            (across[..., 0, :] * _bending(grid, axis=1)).sum(axis=-1),
            (across[..., 1, :] * _bending(grid, axis=0)).sum(axis=-1),
        ],
        axis=-1,
    )
    bias: NDArray[np.float64] = _SHARE * np.linalg.solve(across, moved[..., None])[..., 0]
    return bias.reshape(-1, 2)


def _across(direction: NDArray[np.float64]) -> NDArray[np.float64]:
    normal = np.stack([-direction[..., 1], direction[..., 0]], axis=-1)
    unit: NDArray[np.float64] = normal / np.linalg.norm(normal, axis=-1, keepdims=True)
    return unit


def _bending(grid: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    """Return second derivatives (rows, columns, 2) of a parabola through each row or column.

    Differences of neighbours would add seven per cent to the corners' noise, this adds nothing.
    """
    n_corners = grid.shape[axis]
    square = (np.arange(n_corners) - (n_corners - 1) / 2) ** 2
    weights = 2 * (square - square.mean()) / np.square(square - square.mean()).sum()
    bending = np.tensordot(weights, grid, axes=(0, axis))
    return np.broadcast_to(np.expand_dims(bending, axis), grid.shape)
