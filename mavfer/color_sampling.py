"""The kernel that samples a color crop straight from the distorted image."""

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from capture.camera import CameraModel
from capture.jit import jit


@lru_cache(maxsize=8)
def lens_parameters(camera: CameraModel) -> NDArray[np.float64]:
    """Return fx, fy, cx, cy and k1, k2, p1, p2, k3, k4, k5, k6 of a camera, (12,)."""
    pinhole = (camera.fx_px, camera.fy_px, camera.cx_px, camera.cy_px)
    return np.array([*pinhole, *(*camera.distortion, *(0.0,) * 8)[:8]])


@jit
def sample_color(
    image_bgr: NDArray[np.uint8],
    T_color_crop: NDArray[np.float64],
    lens: NDArray[np.float64],
    samples: int,
    crop_rgb: NDArray[np.uint8],
) -> None:
    """Fill `crop_rgb` (h, w, 3): each pixel the mean of `samples` x `samples` bilinear samples.

    Parameters
    ----------
    image_bgr : (H, W, 3) uint8
        As recorded; black is beyond it.
    T_color_crop : (2, 3) float64
        Crop pixels to undistorted color pixels.
    lens : (12,) float64
        Of `lens_parameters`.
    samples : int
        Along each side of a crop pixel.
    crop_rgb : (h, w, 3) uint8
        Overwritten.
    """
    height_px, width_px = image_bgr.shape[:2]
    fx, fy, cx, cy = lens[0], lens[1], lens[2], lens[3]
    k1, k2, p1, p2, k3, k4, k5, k6 = lens[4:12]
    weight = 1.0 / (samples * samples)
    for row in range(crop_rgb.shape[0]):
        for column in range(crop_rgb.shape[1]):
            blue = green = red = 0.0
            for i in range(samples):
                v_crop = row + (i + 0.5) / samples - 0.5
                for j in range(samples):
                    u_crop = column + (j + 0.5) / samples - 0.5
                    u = T_color_crop[0, 0] * u_crop + T_color_crop[0, 1] * v_crop
                    v = T_color_crop[1, 0] * u_crop + T_color_crop[1, 1] * v_crop
                    x = (u + T_color_crop[0, 2] - cx) / fx
                    y = (v + T_color_crop[1, 2] - cy) / fy
                    r2 = x * x + y * y
                    radial = (1 + r2 * (k1 + r2 * (k2 + r2 * k3))) / (
                        1 + r2 * (k4 + r2 * (k5 + r2 * k6))
                    )
                    x_seen = x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x)
                    y_seen = y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y
                    u, v = fx * x_seen + cx, fy * y_seen + cy
                    left, top = math.floor(u), math.floor(v)
                    across, down = u - left, v - top
                    for di in range(2):
                        y_px = top + di
                        if y_px < 0 or y_px >= height_px:
                            continue
                        share_y = down if di else 1 - down
                        for dj in range(2):
                            x_px = left + dj
                            if x_px < 0 or x_px >= width_px:
                                continue
                            share = share_y * (across if dj else 1 - across)
                            blue += share * image_bgr[y_px, x_px, 0]
                            green += share * image_bgr[y_px, x_px, 1]
                            red += share * image_bgr[y_px, x_px, 2]
            crop_rgb[row, column, 0] = np.uint8(red * weight + 0.5)
            crop_rgb[row, column, 1] = np.uint8(green * weight + 0.5)
            crop_rgb[row, column, 2] = np.uint8(blue * weight + 0.5)
