"""How action units displace the skin: linear fields on the resting head."""

from dataclasses import dataclass

import numpy as np

from .expression import ACTION_UNITS
from .head_grid import (
    EYE_HALF_WIDTH_M,
    EYE_X_M,
    MOUTH_HALF_WIDTH_M,
    MOUTH_Y_M,
    Array,
    head_grid,
    step,
    twin_bump,
)
from .head_shape import HeadShape

_FULLNESS_M = 0.004


@dataclass(frozen=True, slots=True, eq=False)
class Muscles:
    """Displacement fields of one head.

    Attributes
    ----------
    fields_m : (n_units, R * C * 3) float32
        Displacement at full intensity, in the order of `ACTION_UNITS`.
    fullness_m : (R * C * 3,) float32
        Displacement of full cheeks.
    lid_upper, lid_lower : (R, C) float32
        How far each vertex follows the upper and lower lid.
    near_eyes : (K,) int
        Flat vertex numbers that rest on the eyeballs.
    """

    fields_m: Array
    fullness_m: Array
    lid_upper: Array
    lid_lower: Array
    near_eyes: np.ndarray[tuple[int], np.dtype[np.int64]]


def build_muscles(shape: HeadShape) -> Muscles:
    """Lay the muscles of `shape`."""
    units = _unit_fields(shape)
    fields = np.stack([units[name].reshape(-1) for name in ACTION_UNITS])
    grid = head_grid()
    x, y, front = shape.x_m, shape.y_m, shape.front
    row = np.arange(grid.n_rows)[:, None]
    across = np.minimum(np.abs(np.abs(x) - EYE_X_M) / EYE_HALF_WIDTH_M, 1)
    arch = (1 - across**2) ** 0.75 * front
    upper = arch * (row <= grid.lid_upper) * np.exp(-np.maximum(y, 0) / 0.0075)
    lower = arch * (row >= grid.lid_lower) * np.exp(-np.maximum(-y, 0) / 0.0075)
    near = (np.abs(np.abs(x) - EYE_X_M) < 0.021) & (np.abs(y) < 0.017) & (front > 0.5)
    return Muscles(
        fields_m=np.ascontiguousarray(fields, np.float32),
        fullness_m=_fullness(shape).reshape(-1),
        lid_upper=upper.astype(np.float32),
        lid_lower=lower.astype(np.float32),
        near_eyes=np.flatnonzero(near.ravel()),
    )


def _fullness(shape: HeadShape) -> Array:
    """Cheeks that fill outwards between mouth and ear: no landmark moves."""
    out = np.zeros((*shape.x_m.shape, 3), np.float32)
    bulge = twin_bump(shape.x_m, shape.y_m, (0.042, -0.046), (0.012, 0.013))
    out[..., 2] = _FULLNESS_M * bulge * shape.front
    return out


def _unit_fields(shape: HeadShape) -> dict[str, Array]:
    grid = head_grid()
    x, y, front = shape.x_m, shape.y_m, shape.front
    side = np.tanh(x / 0.004)
    row = np.arange(grid.n_rows)[:, None]
    below, above = row >= grid.lip_lower, row <= grid.lip_upper

    def displaced(
        dx: Array | float = 0.0, dy: Array | float = 0.0, dz: Array | float = 0.0
    ) -> Array:
        out = np.zeros((*x.shape, 3), np.float32)
        for axis, shift in enumerate((dx, dy, dz)):
            out[..., axis] = front * shift
        return out

    corner = twin_bump(x, y, (MOUTH_HALF_WIDTH_M, MOUTH_Y_M), (0.0105, 0.0095))
    cheek = twin_bump(x, y, (0.040, -0.036), (0.013, 0.012))
    across = np.maximum(1 - (x / MOUTH_HALF_WIDTH_M) ** 2, 0)
    chin = step(MOUTH_Y_M, MOUTH_Y_M - 0.020, y)
    jaw = ((1 - chin) * across + chin) * below * np.exp(-((x / 0.052) ** 4))
    jaw = jaw * step(-0.150, -0.118, y)
    lower_lip = across * below * np.exp(-np.maximum(MOUTH_Y_M - y, 0) / 0.008)
    upper_lip = across * above * np.exp(-np.maximum(y - MOUTH_Y_M, 0) / 0.006)
    frown = twin_bump(x, y, (0.014, 0.020), (0.010, 0.009))
    return {
        "inner_brow_raiser": displaced(dy=0.0065 * twin_bump(x, y, (0.013, 0.022), (0.009, 0.011))),
        "outer_brow_raiser": displaced(dy=0.0070 * twin_bump(x, y, (0.038, 0.022), (0.011, 0.011))),
        "brow_lowerer": displaced(
            dx=-side * 0.0035 * frown,
            dy=-0.0060 * twin_bump(x, y, (0.015, 0.021), (0.011, 0.009)),
            dz=0.002 * twin_bump(x, y, (0.013, 0.018), (0.007, 0.006)),
        ),
        "cheek_raiser": displaced(dy=0.0035 * cheek, dz=0.003 * cheek),
        "lip_corner_puller": displaced(
            dx=side * (0.0075 * corner + 0.002 * cheek),
            dy=0.0090 * corner + 0.003 * cheek,
            dz=-0.0045 * corner + 0.0045 * cheek,
        ),
        "lip_corner_depressor": displaced(dx=side * 0.001 * corner, dy=-0.0085 * corner),
        "lip_stretcher": displaced(dx=side * 0.0065 * corner, dz=-0.003 * corner),
        "lips_part": displaced(dy=0.0022 * upper_lip - 0.0055 * lower_lip),
        "jaw_drop": displaced(dy=-0.024 * jaw, dz=-0.007 * jaw),
    }
