"""A subject's head: shape, muscles and skin, ready to be posed with any expression."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from .expression import Expression
from .head_grid import EYEBALL, Array, head_grid
from .head_landmarks import landmark_vertices
from .head_muscles import build_muscles
from .head_shape import build_shape
from .identity import Identity
from .skin import paint_skin

_EYEBALL_RADIUS_M, _LID_RADIUS_M = 0.0119, 0.0132
_LID_SOFTNESS_M = 0.0012
_CAVITY_DEPTH = 4.0
_MOUTH_OPENING_LIMIT_M = 0.014


class Head:
    """The built head of one identity; immutable, so threads may share it.

    Parameters
    ----------
    who : Identity
    """

    def __init__(self, who: Identity) -> None:
        self.identity = who
        self.grid = head_grid()
        self.shape = build_shape(who)
        self.muscles = build_muscles(self.shape)
        self.skin = paint_skin(who, self.shape)
        self.landmarks: NDArray[np.int64] = landmark_vertices(who, self.shape)
        """Vertex numbers of the 68 landmarks in iBUG's order."""
        kind = np.repeat(self.grid.kind, self.grid.n_cols)[self.muscles.near_eyes]
        self._on_eyeball = kind == EYEBALL

    def deform(self, expression: Expression) -> Array:
        """Return the vertices (R * C, 3) float32, head frame, metres, showing `expression`."""
        grid, muscles = self.grid, self.muscles
        flat = self.shape.vertices_m.reshape(-1).copy()
        for weight, displacement in zip(expression.units.as_tuple(), muscles.fields_m, strict=True):
            if weight:
                flat += np.float32(weight) * displacement
        if expression.fullness:
            flat += np.float32(expression.fullness) * muscles.fullness_m
        vertices = flat.reshape(grid.n_rows, grid.n_cols, 3)
        self._move_lids(vertices, expression)
        self._fill_slit(vertices, grid.lid_upper, grid.lid_lower, sink=False)
        self._fill_slit(vertices, grid.lip_upper, grid.lip_lower, sink=True)
        points = vertices.reshape(-1, 3)
        self._rest_on_eyeballs(points)
        return points

    def _move_lids(self, vertices: Array, expression: Expression) -> None:
        opening, eye = expression.lid_opening, self.identity.eye
        squint = 0.0022 * expression.units.cheek_raiser
        lower = (0.0040 * eye - squint) * min(opening * 3, 1)
        vertices[..., 1] += self.muscles.lid_upper * np.float32(0.0070 * eye * opening)
        vertices[..., 1] -= self.muscles.lid_lower * np.float32(lower)

    def _fill_slit(self, vertices: Array, upper: int, lower: int, *, sink: bool) -> None:
        """Spread the inner rows between the two edges of a slit; the mouth's sink inwards."""
        t = self.grid.slit_position[upper + 1 : lower, None]
        inner = vertices[upper + 1 : lower]
        inner[:] = vertices[upper] * (1 - t[..., None]) + vertices[lower] * t[..., None]
        if sink:
            gap = np.minimum(vertices[upper, :, 1] - vertices[lower, :, 1], _MOUTH_OPENING_LIMIT_M)
            inner[..., 2] -= gap * _CAVITY_DEPTH * (t * (1 - t))

    def _rest_on_eyeballs(self, points: Array) -> None:
        """Push lids out to a sphere around each eyeball and the eyeballs onto theirs."""
        near, centre = self.muscles.near_eyes, self.shape.eye_centre_m
        radius = np.where(self._on_eyeball, _EYEBALL_RADIUS_M, _LID_RADIUS_M)
        x, y, z = np.abs(points[near, 0]) - centre[0], points[near, 1] - centre[1], points[near, 2]
        squared = radius**2 - x**2 - y**2
        sphere = np.where(squared > 0, centre[2] + np.sqrt(np.maximum(squared, 0)), -1.0)
        out = sphere - z
        lid = z + 0.5 * (out + np.sqrt(out * out + _LID_SOFTNESS_M**2))
        points[near, 2] = np.where(self._on_eyeball, np.maximum(sphere, z - 0.004), lid)


@lru_cache(maxsize=8)
def head_of(who: Identity) -> Head:
    """Return the head of `who`; the latest few are kept."""
    return Head(who)
