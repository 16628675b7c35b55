"""One order of the corners for all cameras, although the board looks the same upside down.

A board of 6 x 8 squares maps onto itself, colours included, when turned by 180 degrees, so no
single image can tell its first corner from its last. Any choice is right for one camera; what
must not happen is that two cameras of one view choose differently. The cameras of a rig look
the same way (any roll between them is far below 90 degrees), so the direction from the first to
the last corner must agree between their images.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from .board import BoardSpec

Corners = NDArray[np.float64]
"""Pixel positions (N, 2) of a board's corners, row by row."""


def canonical_order(corners_px: Corners, board: BoardSpec) -> Corners:
    """Return the corners (N, 2) with x · y pointing into the board and the first one on top.

    The detector may number them mirrored, which would put the board behind its own surface:
    rows are then reversed. "On top" (first to last corner points down) keeps reports steady.
    """
    grid = corners_px.reshape(board.rows, board.columns, 2)
    along_x, along_y = _direction(grid, axis=1), _direction(grid, axis=0)
    if along_x[0] * along_y[1] - along_x[1] * along_y[0] < 0:
        grid = grid[:, ::-1]
    ordered = grid.reshape(-1, 2)
    return ordered[::-1].copy() if diagonal_px(ordered)[1] < 0 else ordered.copy()


def agree_with(reference_px: Corners, corners_px: Corners) -> Corners:
    """Return `corners_px` (N, 2), turned by 180 degrees if they run against the reference."""
    opposed = diagonal_px(reference_px) @ diagonal_px(corners_px) < 0
    return corners_px[::-1].copy() if opposed else corners_px


def agree_in_view(view_px: Mapping[str, Corners], board: BoardSpec) -> dict[str, Corners]:
    """Order the corners of one view's cameras alike, the first named camera leading.

    Parameters
    ----------
    view_px : mapping of camera name to (N, 2) float64
        As detected, each in any order.
    board : BoardSpec
    """
    ordered = {name: canonical_order(corners, board) for name, corners in view_px.items()}
    leader = next(iter(ordered.values()), None)
    if leader is None:
        return {}
    return {name: agree_with(leader, corners) for name, corners in ordered.items()}


def diagonal_px(corners_px: Corners) -> NDArray[np.float64]:
    """Return the direction (2,) along the board's first-to-last diagonal, over all corners."""
    half = len(corners_px) // 2
    direction: NDArray[np.float64] = corners_px[-half:].mean(axis=0) - corners_px[:half].mean(
        axis=0
    )
    return direction


def _direction(grid_px: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    direction: NDArray[np.float64] = np.diff(grid_px, axis=axis).mean(axis=(0, 1))
    return direction
