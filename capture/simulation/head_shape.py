"""The resting shape of a subject's head: the lofted grid plus features plus hair."""

from dataclasses import dataclass

import numpy as np

from .head_grid import (
    COLLAR_Y_M,
    EYE_X_M,
    MOUTH_HALF_WIDTH_M,
    MOUTH_Y_M,
    Array,
    bump,
    head_grid,
    step,
    twin_bump,
)
from .identity import Identity

_LOWER_FACE = 0.94  # the canonical lower face is a little long
_NECK_Y_M = -0.125
_EYEBALL_SETBACK_M = 0.0098


@dataclass(frozen=True, slots=True, eq=False)
class HeadShape:
    """A head at rest, on the grid (R, C).

    Attributes
    ----------
    x_m, y_m : (R, C) float32
        Canonical coordinates: what every map of features, muscles and skin is a function of.
    front : (R, C) float32
        1 on the face, falling to 0 towards the sides.
    hair : (R, C) float32
        Share of hair, 0..1.
    torso : (R, C) float32
        1 where the body does not follow the head, 0 on the head.
    vertices_m : (R, C, 3) float32
        Head frame.
    eye_centre_m : (3,) float64
        Centre of the eyeball at +x.
    """

    x_m: Array
    y_m: Array
    front: Array
    hair: Array
    torso: Array
    vertices_m: Array
    eye_centre_m: np.ndarray[tuple[int], np.dtype[np.float64]]


def build_shape(who: Identity) -> HeadShape:
    """Loft the head of `who`."""
    grid = head_grid()
    ones = np.ones(grid.n_cols, np.float32)
    y, half_width, front_z, back_z, pointed = (row[:, None] * ones for row in grid.profile)
    sine, cosine = np.sin(grid.theta_rad)[None], np.cos(grid.theta_rad)[None]
    jaw = 1 + (who.jaw - 1) * bump(y * 0, y, (0, -0.092), (1, 0.028))
    x = half_width * sine
    flat = np.maximum(1 - sine**2, 0)
    z = np.where(cosine > 0, front_z * flat**pointed, back_z * np.sqrt(flat))
    front = np.clip(cosine * 3, 0, 1) * (y > _NECK_Y_M)
    z = z + front * _features(x, y, who)
    hair = _hair_mask(x, y, np.broadcast_to(grid.theta_rad[None], y.shape), who)
    vertices = np.stack([x * jaw, y, z], -1)
    vertices += _outward(x, y, z) * _hair_thickness(y, sine, cosine, hair, who)[..., None]
    theta = np.broadcast_to(grid.theta_rad[None], y.shape)
    ear = _ear_mask(y, theta) * (0 if who.long_hair else 1) * (1 - hair)
    vertices[..., 0] += np.sign(x) * 0.015 * ear * step(1.50, 1.70, np.abs(theta))
    vertices[..., 2] -= 0.006 * ear
    _stretch(vertices, y, who)
    return HeadShape(
        x_m=x.astype(np.float32),
        y_m=y.astype(np.float32),
        front=front.astype(np.float32),
        hair=hair,
        torso=1 - step(COLLAR_Y_M - 0.005, _NECK_Y_M, y),
        vertices_m=vertices.astype(np.float32),
        eye_centre_m=_eye_centre(x, vertices, who),
    )


def _features(x: Array, y: Array, who: Identity) -> Array:
    """Nose, sockets, brow ridge, cheekbones, lips and chin: displacement of z, metres."""
    height = 0.0195 * who.nose * step(0.012, -0.043, y) * (1 - step(-0.0455, -0.0575, y))
    width = 0.0066 + 0.0054 * step(-0.01, -0.045, y)
    out = height * np.exp(-(np.abs(x / width) ** 2.2))
    out += 0.0095 * who.nose * twin_bump(x, y, (0.0125 * who.nose, -0.0480), (0.0050, 0.0050))
    out += 0.0045 * who.nose * bump(x, y, (0, -0.043), (0.0085, 0.0065))
    out -= 0.0085 * twin_bump(x, y, (EYE_X_M, 0.001), (0.0145, 0.0100))
    out -= 0.0045 * bump(x, y, (0, 0.006), (0.008, 0.010))
    out += 0.0040 * who.brow * twin_bump(x, y, (0.026, 0.0190), (0.017, 0.0065))
    out += 0.0045 * twin_bump(x, y, (0.046, -0.022), (0.014, 0.012))
    out -= 0.0020 * twin_bump(x, y, (0.050, -0.058), (0.012, 0.014))
    lip = np.sqrt(np.maximum(1 - (x / (MOUTH_HALF_WIDTH_M * 1.12)) ** 2, 0))
    upper = 0.0050 * np.exp(-0.5 * ((y - MOUTH_Y_M - 0.0050) / 0.0036) ** 2)
    lower = 0.0058 * np.exp(-0.5 * ((y - MOUTH_Y_M + 0.0060) / 0.0042) ** 2)
    out += who.lips * lip * (upper + lower)
    out -= 0.0022 * lip * np.exp(-0.5 * ((y - MOUTH_Y_M) / 0.0015) ** 2)
    out -= 0.0020 * twin_bump(x, y, (MOUTH_HALF_WIDTH_M + 0.003, MOUTH_Y_M), (0.004, 0.004))
    out -= 0.0035 * bump(x, y, (0, -0.0885), (0.016, 0.0040))
    out += 0.0065 * bump(x, y, (0, -0.105), (0.015, 0.010))
    out -= 0.0012 * bump(x, y, (0, -0.0615), (0.0025, 0.005))
    return out.astype(np.float32)


def _hairline(x: Array, who: Identity) -> Array:
    """Height of the hairline: round, lower at the temples, parted, a little uneven."""
    wave = 0.0012 * np.sin(x / 0.0043 + who.seed) + 0.0008 * np.sin(x / 0.0017 + 2 * who.seed)
    temples = 0.030 * np.clip(np.abs(x) / 0.068, 0, 1) ** 2.5
    parting = 0.012 * np.exp(-(((x - who.parting_m) / 0.016) ** 2))
    out: Array = (who.hairline_m - temples + parting + wave).astype(np.float32)
    return out


def _hair_mask(x: Array, y: Array, theta: Array, who: Identity) -> Array:
    edge = _hairline(x, who)
    around = np.abs(theta)
    if who.long_hair:
        begin = 0.90 + 0.10 * step(-0.04, -0.12, y)
        side = step(COLLAR_Y_M - 0.01, COLLAR_Y_M, y) * step(begin, begin + 0.09, around)
    else:  # in front of the ear down to its middle, behind it to the nape
        begin = 1.22 + 0.25 * step(0.010, -0.012, y)
        low = -0.012 - 0.045 * step(1.75, 2.05, around)
        side = step(low - 0.01, low + 0.01, y) * step(begin, begin + 0.10, around)
        side = side * (1 - 0.98 * _ear_mask(y, theta))
    above = step(edge - 0.004, edge + 0.005, y)
    mask = np.clip(np.maximum(above, side), 0, 1) * (y > COLLAR_Y_M - 0.01)
    out: Array = mask.astype(np.float32)
    return out


def _hair_thickness(y: Array, sine: Array, cosine: Array, hair: Array, who: Identity) -> Array:
    """Thickness in metres; it grows over many columns, else the edge stretches the skin."""
    fall = 1 + (0.7 * step(0.5, 0.9, np.abs(sine)) if who.long_hair else 0.0)
    above = step(who.hairline_m - 0.005, who.hairline_m + 0.035, y)
    ramp = np.maximum(step(0.62, 0.05, cosine), above)
    out: Array = (0.013 * hair * fall * ramp).astype(np.float32)
    return out


def _ear_mask(y: Array, theta: Array) -> Array:
    """1 on the ears: about 60 mm high, upright ovals with a sharp rim."""
    oval = ((np.abs(theta) - 1.66) / 0.17) ** 2 + ((y + 0.008) / 0.030) ** 2
    return step(1.15, 0.75, oval)


def _outward(x: Array, y: Array, z: Array) -> Array:
    normal = np.stack([x / 0.075, np.clip(y - 0.03, 0, None) / 0.09, z / 0.095], -1)
    out: Array = normal / (np.linalg.norm(normal, axis=-1, keepdims=True) + 1e-9)
    return out


def _stretch(vertices: Array, y: Array, who: Identity) -> None:
    """Apply the subject's width and length in place; torso keeps its size and moves along."""
    lower = who.length * _LOWER_FACE
    on_head = y > _NECK_Y_M
    vertices[..., 0] *= np.where(y > COLLAR_Y_M, who.width, 1)
    above = y * who.length + (vertices[..., 1] - y)
    below = np.where(on_head, vertices[..., 1] * lower, vertices[..., 1] + _NECK_Y_M * (lower - 1))
    vertices[..., 1] = np.where(y > 0, above, below)


def _eye_centre(
    x: Array, vertices: Array, who: Identity
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    grid = head_grid()
    half = grid.n_cols // 2
    row = grid.lid_upper
    z = np.interp(EYE_X_M, x[row, half : half + 50], vertices[row, half : half + 50, 2])
    return np.array([EYE_X_M * who.width, 0.0, float(z) - _EYEBALL_SETBACK_M])
