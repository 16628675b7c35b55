"""The topology every head shares: a grid lofted from profile rows, slit at the eyes and mouth.

Head frame: x to the viewer's right, y up, z out of the face, metres; the origin lies between
the eyes on the axis of the head. Rows run from crown to chest, columns around the head from the
back over the viewer's left, the face and the right to the back again.

At the row of the eyes and at that of the mouth the grid is doubled and gets inner rows: upper
and lower edge move independently, so lids and lips open as real holes with an eyeball or a
cavity inside. Closed, the inner rows are degenerate and cost nothing.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

Array = NDArray[np.float32]

# height y, half width, front depth, back depth (metres), pointedness of the front, rows to next
_PROFILE: Final = np.array(
    [
        [0.1180, 0.0000, -0.006, -0.006, 0.50, 4],
        [0.1135, 0.0330, 0.034, -0.047, 0.50, 5],
        [0.0980, 0.0580, 0.064, -0.080, 0.50, 7],
        [0.0700, 0.0715, 0.0835, -0.097, 0.47, 9],
        [0.0450, 0.0760, 0.0925, -0.103, 0.44, 13],
        [0.0220, 0.0770, 0.0945, -0.104, 0.43, 16],
        [0.0000, 0.0758, 0.0905, -0.100, 0.43, 18],
        [-0.0250, 0.0738, 0.0895, -0.090, 0.43, 18],
        [-0.0500, 0.0698, 0.0905, -0.078, 0.44, 18],
        [-0.0730, 0.0640, 0.0920, -0.069, 0.46, 12],
        [-0.0880, 0.0580, 0.0905, -0.064, 0.50, 10],
        [-0.1040, 0.0505, 0.0895, -0.062, 0.60, 7],
        [-0.1150, 0.0475, 0.0845, -0.061, 0.72, 4],
        [-0.1190, 0.0475, 0.0720, -0.061, 0.76, 4],
        [-0.1225, 0.0485, 0.0500, -0.061, 0.64, 4],
        [-0.1300, 0.0500, 0.0330, -0.061, 0.54, 5],
        [-0.1650, 0.0540, 0.0290, -0.063, 0.50, 4],
        [-0.1800, 0.0680, 0.0400, -0.072, 0.50, 5],
        [-0.1950, 0.1080, 0.0560, -0.086, 0.45, 5],
        [-0.2200, 0.1750, 0.0720, -0.096, 0.42, 6],
        [-0.3100, 0.2150, 0.0920, -0.105, 0.38, 8],
        [-0.6000, 0.2250, 0.1020, -0.110, 0.36, 1],
    ]
)
_EYE_ROW, _MOUTH_ROW = 6, 9  # rows of the table where the grid is slit
_N_INNER = 6
_FRONT_RAD = 1.30
_N_FRONT, _N_BACK = 121, 44

SKIN, EYEBALL, MOUTH, HAIR, CLOTH = range(5)

# landmarks of the construction, canonical metres
EYE_X_M, EYE_HALF_WIDTH_M = 0.0318, 0.0165
MOUTH_HALF_WIDTH_M, MOUTH_Y_M = 0.0255, -0.0730
CHIN_Y_M = -0.115
COLLAR_Y_M = -0.172


@dataclass(frozen=True, slots=True, eq=False)
class HeadGrid:
    """Rows, columns and triangles shared by all heads.

    Attributes
    ----------
    n_rows, n_cols : int
    theta_rad : (C,) float32
        Angle of each column; 0 is the middle of the face.
    profile : (5, R) float32
        y, half width, front depth, back depth, pointedness of each row.
    kind : (R,) int
        SKIN, or EYEBALL and MOUTH for the inner rows of the slits.
    slit_position : (R,) float32
        0 at the upper edge of a slit to 1 at its lower edge.
    triangles : (T, 3) int32
        Vertex numbers, row * C + column, front faces clockwise in the image.
    lid_upper, lid_lower, lip_upper, lip_lower : int
        Rows of the edges of the slits.
    """

    n_rows: int
    n_cols: int
    theta_rad: Array
    profile: Array
    kind: NDArray[np.int64]
    slit_position: Array
    triangles: NDArray[np.int32]
    lid_upper: int
    lid_lower: int
    lip_upper: int
    lip_lower: int


def _rows() -> tuple[NDArray[np.float64], NDArray[np.int64], Array]:
    """Lay out the rows: position in the profile table, kind, position in a slit."""
    position: list[float] = []
    kind: list[int] = []
    slit: list[float] = []
    for i, row in enumerate(_PROFILE):
        inner = {_EYE_ROW: EYEBALL, _MOUTH_ROW: MOUTH}.get(i)
        if inner is not None:
            steps = [j / (_N_INNER + 1) for j in range(_N_INNER + 1)]
            position += [i] * len(steps)
            kind += [SKIN] + [inner] * _N_INNER
            slit += steps
        position.append(i)
        kind.append(SKIN)
        slit.append(0.0 if inner is None else 1.0)
        n = int(row[5]) if i + 1 < len(_PROFILE) else 1
        position += [i + j / n for j in range(1, n)]
        kind += [SKIN] * (n - 1)
        slit += [0.0] * (n - 1)
    return np.array(position), np.array(kind), np.array(slit, np.float32)


def _triangles(n_rows: int, n_cols: int) -> NDArray[np.int32]:
    vertex = np.arange(n_rows * n_cols, dtype=np.int32).reshape(n_rows, n_cols)
    a, b = vertex[:-1, :-1], vertex[:-1, 1:]
    c, d = vertex[1:, :-1], vertex[1:, 1:]
    upper = np.stack([a, c, b], -1).reshape(-1, 3)
    lower = np.stack([b, c, d], -1).reshape(-1, 3)
    return np.ascontiguousarray(np.concatenate([upper, lower]))


@lru_cache(maxsize=1)
def head_grid() -> HeadGrid:
    """Return the grid; built once a process."""
    position, kind, slit = _rows()
    table = np.arange(len(_PROFILE))
    profile = np.stack([PchipInterpolator(table, _PROFILE[:, k])(position) for k in range(5)])
    half_back = _N_BACK // 2
    theta = np.concatenate(
        [
            np.linspace(-np.pi, -_FRONT_RAD, half_back, endpoint=False),
            np.linspace(-_FRONT_RAD, _FRONT_RAD, _N_FRONT),
            np.linspace(_FRONT_RAD, np.pi, half_back + 1)[1:],
        ]
    )
    eye, mouth = np.flatnonzero(kind == EYEBALL), np.flatnonzero(kind == MOUTH)
    return HeadGrid(
        n_rows=len(position),
        n_cols=len(theta),
        theta_rad=theta.astype(np.float32),
        profile=profile.astype(np.float32),
        kind=kind,
        slit_position=slit,
        triangles=_triangles(len(position), len(theta)),
        lid_upper=int(eye[0]) - 1,
        lid_lower=int(eye[-1]) + 1,
        lip_upper=int(mouth[0]) - 1,
        lip_lower=int(mouth[-1]) + 1,
    )


def bump(x: Array, y: Array, centre: tuple[float, float], sigma: tuple[float, float]) -> Array:
    """Return a Gaussian bump of height 1 on the canonical (x, y) plane."""
    exponent = ((x - centre[0]) / sigma[0]) ** 2 + ((y - centre[1]) / sigma[1]) ** 2
    out: Array = np.exp(np.float32(-0.5) * exponent).astype(np.float32, copy=False)
    return out


def twin_bump(x: Array, y: Array, centre: tuple[float, float], sigma: tuple[float, float]) -> Array:
    """Return the bump and its mirror image at -x."""
    return bump(np.abs(x), y, centre, sigma)


def step(low: Array | float, high: Array | float, x: Array) -> Array:
    """Smooth step from 0 at `low` to 1 at `high`; falling when `high` < `low`."""
    t = np.clip((x - low) / (np.asarray(high) - low), 0, 1)
    out: Array = (t * t * (3 - 2 * t)).astype(np.float32, copy=False)
    return out
