"""From a posed mesh to "which triangle does this pixel see": projection and z-buffer.

Vertices are distorted before they are rasterised; the shading kernels then cut the pixel's true
ray with the winning triangle, so that depth is exact under distortion whatever the triangles'
size.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ..camera import CameraModel
from ..jit import jit

_INVERSION_STEPS = 40


def intrinsics_vector(camera: CameraModel) -> NDArray[np.float64]:
    """Flatten a camera for the kernels: fx, fy, cx, cy, k1, k2, p1, p2, k3, (9,) float64.

    Raises
    ------
    ValueError
        The camera has more than five distortion coefficients.
    """
    distortion = camera.distortion or (0.0,) * 5
    if len(distortion) != 5:
        raise ValueError(f"simulated cameras have 5 distortion coefficients, not {len(distortion)}")
    focal = (camera.fx_px, camera.fy_px, camera.cx_px, camera.cy_px)
    return np.array([*focal, *distortion], np.float64)


@jit
def _invert_distortion(
    intrinsics: NDArray[np.float64], n_steps: int, rays: NDArray[np.float32]
) -> None:
    fx, fy, cx, cy, k1, k2, p1, p2, k3 = intrinsics
    for v in range(rays.shape[0]):
        for u in range(rays.shape[1]):
            xd, yd = (u - cx) / fx, (v - cy) / fy
            x, y = xd, yd
            for _ in range(n_steps):
                r2 = x * x + y * y
                radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
                dx = xd - (x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x))
                dy = yd - (y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y)
                x += dx
                y += dy
                if abs(dx) + abs(dy) < 1e-9:
                    break
            rays[v, u, 0] = x
            rays[v, u, 1] = y


@lru_cache(maxsize=12)
def _rays(width_px: int, height_px: int, intrinsics: tuple[float, ...]) -> NDArray[np.float32]:
    rays = np.empty((height_px, width_px, 2), np.float32)
    _invert_distortion(np.array(intrinsics), _INVERSION_STEPS, rays)
    rays.setflags(write=False)
    return rays


def camera_rays(camera: CameraModel) -> NDArray[np.float32]:
    """Ideal normalised coordinates of every pixel, (H, W, 2) float32; kept for the process."""
    return _rays(camera.width_px, camera.height_px, tuple(intrinsics_vector(camera).tolist()))


@jit
def pose_vertices(
    vertices: NDArray[np.float32],
    torso: NDArray[np.float32],
    head: NDArray[np.float64],
    rest: NDArray[np.float64],
    posed: NDArray[np.float64],
) -> None:
    """Blend each vertex (N, 3) between the head's pose and the torso's, (3, 4) matrices each."""
    for i in range(vertices.shape[0]):
        w = torso[i]
        x, y, z = vertices[i, 0], vertices[i, 1], vertices[i, 2]
        for k in range(3):
            moved = head[k, 0] * x + head[k, 1] * y + head[k, 2] * z + head[k, 3]
            if w > 0.0:
                still = rest[k, 0] * x + rest[k, 1] * y + rest[k, 2] * z + rest[k, 3]
                moved = moved * (1 - w) + still * w
            posed[i, k] = moved


@jit
def vertex_normals(
    points: NDArray[np.float64], n_rows: int, n_cols: int, normals: NDArray[np.float32]
) -> None:
    """Compute normals (N, 3) float32 of a grid mesh by central differences, outwards."""
    for r in range(n_rows):
        above, below = max(r - 1, 0) * n_cols, min(r + 1, n_rows - 1) * n_cols
        for c in range(n_cols):
            left = r * n_cols + (c - 1 if c > 0 else n_cols - 2)
            right = r * n_cols + (c + 1 if c < n_cols - 1 else 1)
            ax = points[right, 0] - points[left, 0]
            ay = points[right, 1] - points[left, 1]
            az = points[right, 2] - points[left, 2]
            bx = points[below + c, 0] - points[above + c, 0]
            by = points[below + c, 1] - points[above + c, 1]
            bz = points[below + c, 2] - points[above + c, 2]
            nx, ny, nz = by * az - bz * ay, bz * ax - bx * az, bx * ay - by * ax
            inverse = 1 / (np.sqrt(nx * nx + ny * ny + nz * nz) + 1e-12)
            i = r * n_cols + c
            normals[i, 0], normals[i, 1], normals[i, 2] = nx * inverse, ny * inverse, nz * inverse


@jit
def project_vertices(
    points: NDArray[np.float64],
    pose: NDArray[np.float64],
    intrinsics: NDArray[np.float64],
    in_camera: NDArray[np.float64],
    pixels: NDArray[np.float32],
) -> None:
    """Move points (N, 3) into a camera by `pose` (3, 4) and project them with distortion."""
    fx, fy, cx, cy, k1, k2, p1, p2, k3 = intrinsics
    for i in range(points.shape[0]):
        px, py, pz = points[i, 0], points[i, 1], points[i, 2]
        for k in range(3):
            in_camera[i, k] = pose[k, 0] * px + pose[k, 1] * py + pose[k, 2] * pz + pose[k, 3]
        x, y = in_camera[i, 0] / in_camera[i, 2], in_camera[i, 1] / in_camera[i, 2]
        r2 = x * x + y * y
        radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
        pixels[i, 0] = fx * (x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x)) + cx
        pixels[i, 1] = fy * (y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y) + cy


@jit
def rasterise(
    pixels: NDArray[np.float32],
    in_camera: NDArray[np.float64],
    triangles: NDArray[np.int32],
    nearness: NDArray[np.float32],
    seen: NDArray[np.int32],
) -> None:
    """Fill `seen` (H, W) with triangle numbers; `nearness` (H, W) is the z-buffer of 1/z.

    With y down, front faces have negative area; a pixel exactly on a shared edge belongs to
    both triangles, so that no gap opens.
    """
    height, width = seen.shape
    for k in range(triangles.shape[0]):
        a, b, c = triangles[k, 0], triangles[k, 1], triangles[k, 2]
        ax, ay = pixels[a, 0], pixels[a, 1]
        bx, by = pixels[b, 0] - ax, pixels[b, 1] - ay
        cx, cy = pixels[c, 0] - ax, pixels[c, 1] - ay
        area = bx * cy - by * cx
        if area >= -1e-9:
            continue
        left = max(int(np.ceil(ax + min(0.0, bx, cx))), 0)
        right = min(int(np.floor(ax + max(0.0, bx, cx))), width - 1)
        top = max(int(np.ceil(ay + min(0.0, by, cy))), 0)
        bottom = min(int(np.floor(ay + max(0.0, by, cy))), height - 1)
        if left > right or top > bottom:
            continue
        scale = 1.0 / area
        za = 1.0 / in_camera[a, 2]
        zb, zc = 1.0 / in_camera[b, 2] - za, 1.0 / in_camera[c, 2] - za
        for v in range(top, bottom + 1):
            y = v - ay
            for u in range(left, right + 1):
                x = u - ax
                wb = (x * cy - y * cx) * scale
                wc = (bx * y - by * x) * scale
                if wb < -1e-4 or wc < -1e-4 or wb + wc > 1.0001:
                    continue
                near = za + wb * zb + wc * zc
                if near > nearness[v, u]:
                    nearness[v, u] = near
                    seen[v, u] = k
