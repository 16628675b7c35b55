"""Where the 68 landmarks of iBUG's scheme lie on a head: the ground truth of detectors."""

import numpy as np
from numpy.typing import NDArray

from .head_grid import EYE_HALF_WIDTH_M, EYE_X_M, MOUTH_HALF_WIDTH_M, MOUTH_Y_M, SKIN, head_grid
from .head_shape import HeadShape
from .identity import Identity
from .skin import brow_height, lower_lip_edge, upper_lip_edge

# half of the contour, ear to chin; a contour slides over the surface when the head turns, so
# these 17 points are nominal and only the inner 51 should be scored
_JAW = (
    (0.0735, -0.004),
    (0.0730, -0.023),
    (0.0715, -0.041),
    (0.0685, -0.058),
    (0.0620, -0.075),
    (0.0520, -0.090),
    (0.0380, -0.103),
    (0.0200, -0.112),
)
_CHIN = (0.0, -0.1155)
_BROW_X_M = (0.0515, 0.0430, 0.0325, 0.0220, 0.0115)
_BROW_RISE_M = (0.0010, 0.0033, 0.0035, 0.0030, 0.0008)
_BRIDGE_Y_M = (0.003, -0.013, -0.029, -0.044)
_NOSE_BASE_M = ((0.0143, -0.0518), (0.0077, -0.0548), (0.0, -0.0572))
# a detector sees the corners of the eye inside the ends of the slit, and the lids' arch moved in
_OUTER_SHARE, _INNER_SHARE = 0.72, 0.94
_LID_OUTER_SHARE, _LID_INNER_SHARE = 0.24, 0.42

_Edge = int | None


def landmark_vertices(who: Identity, shape: HeadShape) -> NDArray[np.int64]:
    """Return the vertex number of each landmark, (68,) int64."""
    points = [*_contour(), *_brows(), *_nose(), *_eyes(), *_mouth(who)]
    return np.array([_nearest(shape, x, y, edge) for x, y, edge in points], np.int64)


def _nearest(shape: HeadShape, x_m: float, y_m: float, edge: _Edge) -> int:
    grid = head_grid()
    distance = (shape.x_m - x_m) ** 2 + (shape.y_m - y_m) ** 2
    distance = distance + np.where(np.abs(grid.theta_rad) < 1.6, 0, 1)
    allowed = grid.kind == SKIN if edge is None else np.arange(grid.n_rows) == edge
    distance[~allowed] = np.inf
    return int(np.argmin(distance))


def _contour() -> list[tuple[float, float, _Edge]]:
    left: list[tuple[float, float, _Edge]] = [(-x, y, None) for x, y in _JAW]
    right: list[tuple[float, float, _Edge]] = [(x, y, None) for x, y in reversed(_JAW)]
    return [*left, (*_CHIN, None), *right]


def _brows() -> list[tuple[float, float, _Edge]]:
    outer_to_inner = [
        (x, float(brow_height(np.float32(x))) + rise)
        for x, rise in zip(_BROW_X_M, _BROW_RISE_M, strict=True)
    ]
    left: list[tuple[float, float, _Edge]] = [(-x, y, None) for x, y in outer_to_inner]
    right: list[tuple[float, float, _Edge]] = [(x, y, None) for x, y in reversed(outer_to_inner)]
    return left + right


def _nose() -> list[tuple[float, float, _Edge]]:
    bridge: list[tuple[float, float, _Edge]] = [(0.0, y, None) for y in _BRIDGE_Y_M]
    left: list[tuple[float, float, _Edge]] = [(-x, y, None) for x, y in _NOSE_BASE_M]
    right: list[tuple[float, float, _Edge]] = [(x, y, None) for x, y in _NOSE_BASE_M[1::-1]]
    return bridge + left + right


def _eyes() -> list[tuple[float, float, _Edge]]:
    grid = head_grid()
    out: list[tuple[float, float, _Edge]] = []
    for side in (-1, 1):
        centre, width = side * EYE_X_M, EYE_HALF_WIDTH_M
        # iBUG goes from the image's left to its right: outwards on one side, inwards on the other
        corners = (_OUTER_SHARE, _INNER_SHARE) if side < 0 else (_INNER_SHARE, _OUTER_SHARE)
        lids = (_LID_OUTER_SHARE, _LID_INNER_SHARE)
        lids = lids if side < 0 else lids[::-1]
        start, end = centre - width * corners[0], centre + width * corners[1]
        first, second = centre - width * lids[0], centre + width * lids[1]
        middle = (grid.lid_upper + grid.lid_lower) // 2
        out.append((start, 0.0, middle))
        out += [(x, 0.0, grid.lid_upper) for x in (first, second)]
        out.append((end, 0.0, middle))
        out += [(x, 0.0, grid.lid_lower) for x in (second, first)]
    return out


def _mouth(who: Identity) -> list[tuple[float, float, _Edge]]:
    grid, width, line = head_grid(), MOUTH_HALF_WIDTH_M, MOUTH_Y_M
    upper, lower = grid.lip_upper, grid.lip_lower
    top, bottom = (-0.0165, -0.0055, 0.0, 0.0055, 0.0165), (0.0165, 0.0075, 0.0, -0.0075, -0.0165)
    out: list[tuple[float, float, _Edge]] = [(-width, line, upper)]
    out += [(x, float(upper_lip_edge(np.float32(x), who.lips)), None) for x in top]
    out += [(width, line, upper)]
    out += [(x, float(lower_lip_edge(np.float32(x), who.lips)), None) for x in bottom]
    out += [(x, line, upper) for x in (-width * 0.85, -0.008, 0.0, 0.008, width * 0.85)]
    return out + [(x, line, lower) for x in (0.008, 0.0, -0.008)]
