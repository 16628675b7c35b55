"""The camera model: pinhole with Brown-Conrady distortion, in plain numpy.

Pixel centre convention: the centre of the top-left pixel is (0, 0), as in cv2. Camera frame:
x right, y down, z forward.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

_INVERSION_STEPS = 60
_INVERSION_TOLERANCE = 1e-12
_LOST_RESIDUAL = 1e-7
_WIDEST_RAY = 5.0
"""Tangent of 79 degrees: keeps the iteration from running away where it cannot converge."""


@dataclass(frozen=True, slots=True, eq=False)
class CameraModel:
    """Intrinsics of one camera.

    Attributes
    ----------
    width_px, height_px : int
    fx_px, fy_px, cx_px, cy_px : float
    distortion : tuple of float
        Brown-Conrady in cv2's order: (k1, k2, p1, p2, k3) "plumb_bob", or eight values
        (k1, k2, p1, p2, k3, k4, k5, k6) "rational". Empty: none.
    """

    width_px: int
    height_px: int
    fx_px: float
    fy_px: float
    cx_px: float
    cy_px: float
    distortion: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if len(self.distortion) not in (0, 5, 8):
            raise ValueError(f"distortion has {len(self.distortion)} values: expected 0, 5 or 8")
        if min(self.width_px, self.height_px) <= 0 or min(self.fx_px, self.fy_px) <= 0:
            raise ValueError("image size and focal lengths must be positive")

    @property
    def matrix(self) -> NDArray[np.float64]:
        """K, (3, 3), pixels."""
        return np.array(
            [[self.fx_px, 0, self.cx_px], [0, self.fy_px, self.cy_px], [0, 0, 1]], np.float64
        )

    @property
    def model(self) -> str:
        """Name of the distortion model: "none", "plumb_bob" or "rational"."""
        return {0: "none", 5: "plumb_bob", 8: "rational"}[len(self.distortion)]

    def distort(self, normalised: NDArray[np.float64]) -> NDArray[np.float64]:
        """Map ideal normalised coordinates x/z, y/z (..., 2) to distorted ones (..., 2)."""
        if not self.distortion:
            return normalised
        k1, k2, p1, p2, k3, k4, k5, k6 = (*self.distortion, 0.0, 0.0, 0.0)[:8]
        x, y = normalised[..., 0], normalised[..., 1]
        r2 = x * x + y * y
        radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
        if len(self.distortion) == 8:
            radial = radial / (1 + r2 * (k4 + r2 * (k5 + r2 * k6)))
        return np.stack(
            [
                x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x),
                y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y,
            ],
            axis=-1,
        )

    def undistort(self, distorted: NDArray[np.float64]) -> NDArray[np.float64]:
        """Invert `distort` by fixed-point iteration, (..., 2) to (..., 2), to about 1e-12.

        NaN where no ray maps there: a polynomial folds back beyond the field it was fitted on.
        """
        if not self.distortion:
            return distorted
        ideal = distorted.astype(np.float64, copy=True)
        for _ in range(_INVERSION_STEPS):
            step = distorted - self.distort(ideal)
            ideal = np.clip(ideal + step, -_WIDEST_RAY, _WIDEST_RAY)
            if np.abs(step).max(initial=0.0) < _INVERSION_TOLERANCE:
                return ideal
        lost = np.abs(distorted - self.distort(ideal)).max(axis=-1) > _LOST_RESIDUAL
        ideal[lost] = np.nan
        return ideal

    def project(self, points_cam_m: NDArray[np.float64]) -> NDArray[np.float64]:
        """Project points (..., 3), metres, camera frame, z > 0, to pixels (..., 2)."""
        normalised = points_cam_m[..., :2] / points_cam_m[..., 2:]
        focal, centre = [self.fx_px, self.fy_px], [self.cx_px, self.cy_px]
        pixels: NDArray[np.float64] = self.distort(normalised) * focal + centre
        return pixels

    def unproject(self, pixels: NDArray[np.float64]) -> NDArray[np.float64]:
        """Map pixels (..., 2) to ideal normalised coordinates (..., 2): the ray (x, y, 1)."""
        normalised = (pixels - [self.cx_px, self.cy_px]) / [self.fx_px, self.fy_px]
        return self.undistort(normalised)

    def rays(self) -> NDArray[np.float64]:
        """Ideal normalised coordinates of every pixel, (H, W, 2)."""
        u, v = np.meshgrid(np.arange(self.width_px), np.arange(self.height_px))
        return self.unproject(np.stack([u, v], axis=-1).astype(np.float64))

    def scaled(self, factor: float) -> "CameraModel":
        """Return the camera of the image resized by `factor`, pixel areas kept aligned.

        ``x' = (x + 0.5) · factor - 0.5``, which is what cv2.resize does. The size is rounded.
        """
        return replace(
            self,
            width_px=round(self.width_px * factor),
            height_px=round(self.height_px * factor),
            fx_px=self.fx_px * factor,
            fy_px=self.fy_px * factor,
            cx_px=(self.cx_px + 0.5) * factor - 0.5,
            cy_px=(self.cy_px + 0.5) * factor - 0.5,
        )

    def without_distortion(self) -> "CameraModel":
        """Return the ideal camera whose image is this camera's undistorted image."""
        return replace(self, distortion=())
