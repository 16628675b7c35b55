"""Rigid transforms between camera frames, named ``T_dst_src``."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

_ORTHONORMAL_TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class RigidTransform:
    """Maps points of frame `src` to frame `dst`: ``p_dst = rotation @ p_src + translation_m``.

    Attributes
    ----------
    rotation : (3, 3) float64, proper rotation
    translation_m : (3,) float64, metres, in `dst`
    """

    rotation: NDArray[np.float64]
    translation_m: NDArray[np.float64]

    def __post_init__(self) -> None:
        if self.rotation.shape != (3, 3) or self.translation_m.shape != (3,):
            raise ValueError(
                f"rotation {self.rotation.shape} and translation {self.translation_m.shape}: "
                "expected (3, 3) and (3,)"
            )
        drift = np.abs(self.rotation @ self.rotation.T - np.eye(3)).max()
        if not drift < _ORTHONORMAL_TOLERANCE or np.linalg.det(self.rotation) < 0:
            raise ValueError(f"not a rotation: |R R^T - I| = {drift:.2g}, det must be +1")

    @classmethod
    def identity(cls) -> "RigidTransform":
        """Return the transform that changes nothing."""
        return cls(np.eye(3), np.zeros(3))

    @classmethod
    def from_rotvec(
        cls, rotvec_rad: Sequence[float] | ArrayLike, translation_m: ArrayLike
    ) -> "RigidTransform":
        """Build from an axis-angle vector (3,), radians (Rodrigues' formula)."""
        vector = np.asarray(rotvec_rad, np.float64)
        angle = float(np.linalg.norm(vector))
        if angle < 1e-12:
            x, y, z = vector
            rotation = np.eye(3) + np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
            u, _, vt = np.linalg.svd(rotation)
            rotation = u @ vt
        else:
            x, y, z = vector / angle
            cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
            rotation = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
        return cls(rotation, np.asarray(translation_m, np.float64))

    @property
    def angle_deg(self) -> float:
        """Angle of the rotation, degrees."""
        sine = self.rotation - self.rotation.T
        norm = float(np.linalg.norm([sine[2, 1], sine[0, 2], sine[1, 0]]))
        return float(np.degrees(np.arctan2(norm / 2, (np.trace(self.rotation) - 1) / 2)))

    def apply(self, points_src: NDArray[np.float64]) -> NDArray[np.float64]:
        """Map points (..., 3), metres, from `src` to `dst`."""
        mapped: NDArray[np.float64] = points_src @ self.rotation.T + self.translation_m
        return mapped

    def inverse(self) -> "RigidTransform":
        """Return ``T_src_dst``."""
        return RigidTransform(self.rotation.T, -self.rotation.T @ self.translation_m)

    def __matmul__(self, other: "RigidTransform") -> "RigidTransform":
        """Chain: ``T_c_b @ T_b_a == T_c_a``."""
        return RigidTransform(self.rotation @ other.rotation, self.apply(other.translation_m))
