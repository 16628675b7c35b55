"""What a pixel that sees the mesh measures: light, infrared return, depth, temperature.

Each kernel cuts the pixel's ray with the triangle it sees (Moeller and Trumbore, 1997) and
interpolates there: exact depth, texture that follows the skin.
"""

import numpy as np
from numpy.typing import NDArray

from ..jit import jit

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

_SKIN, _EYEBALL, _HAIR = 0, 1, 3
_WRAP = 0.22  # light reaching round the terminator of skin
_IRIS_M, _PUPIL_M = 0.0060, 0.0023


@jit
def _hit(rx: float, ry: float, points: F64, a: int, b: int, c: int) -> tuple[float, float, float]:
    """Cut the ray (rx, ry, 1) with a triangle: depth z, barycentrics of b and c."""
    ax, ay, az = points[a, 0], points[a, 1], points[a, 2]
    e1x, e1y, e1z = points[b, 0] - ax, points[b, 1] - ay, points[b, 2] - az
    e2x, e2y, e2z = points[c, 0] - ax, points[c, 1] - ay, points[c, 2] - az
    px, py, pz = ry * e2z - e2y, e2x - rx * e2z, rx * e2y - ry * e2x
    determinant = e1x * px + e1y * py + e1z * pz
    if abs(determinant) < 1e-14:
        return az, 0.0, 0.0
    inverse = 1.0 / determinant
    wb = -(ax * px + ay * py + az * pz) * inverse
    qx, qy, qz = az * e1y - ay * e1z, ax * e1z - az * e1x, ay * e1x - ax * e1y
    wc = (rx * qx + ry * qy + qz) * inverse
    z = (e2x * qx + e2y * qy + e2z * qz) * inverse
    wb = min(max(wb, 0.0), 1.0)
    wc = min(max(wc, 0.0), 1.0 - wb)
    return z, wb, wc


@jit
def _sample(texture: F32, row: float, col: float) -> float:
    i = min(int(row), texture.shape[0] - 2)
    j = min(int(col), texture.shape[1] - 2)
    v, u = row - i, col - j
    top = texture[i, j] * (1 - u) + texture[i, j + 1] * u
    bottom = texture[i + 1, j] * (1 - u) + texture[i + 1, j + 1] * u
    value: float = top * (1 - v) + bottom * v
    return value


@jit
def shade_color(
    seen: NDArray[np.int32],
    rays: F32,
    in_camera: F64,
    points: F64,
    normals: F32,
    model: F32,
    triangles: NDArray[np.int32],
    n_cols: int,
    texels: int,
    rgb: F32,
    cheeks: F32,
    flush: np.float32,
    material: NDArray[np.uint8],
    eyes: F64,
    lamps: F64,
    ambient: F64,
    viewpoint: F64,
    box: NDArray[np.int64],
    light: F32,
) -> None:
    """Write the linear RGB light (H, W, 3) of the mesh inside `box` (x0, y0, x1, y1).

    `eyes` is (centre x, centre y, gaze x, gaze y, iris r, g, b); `lamps` (L, 6) position and
    RGB intensity; points, normals, lamps and viewpoint share the infrared frame. Blood takes the
    share `flush` of green and blue from where `cheeks` is 1: only texels that are seen are
    reddened, since a map of them all would take longer than the rest of the picture.
    """
    for v in range(box[1], box[3]):
        for u in range(box[0], box[2]):
            k = seen[v, u]
            if k < 0:
                continue
            a, b, c = triangles[k, 0], triangles[k, 1], triangles[k, 2]
            _, wb, wc = _hit(rays[v, u, 0], rays[v, u, 1], in_camera, a, b, c)
            wa = 1 - wb - wc
            row = (wa * (a // n_cols) + wb * (b // n_cols) + wc * (c // n_cols)) * texels
            col = (wa * (a % n_cols) + wb * (b % n_cols) + wc * (c % n_cols)) * texels
            kind = material[int(row + 0.5), int(col + 0.5)]
            gloss = 0.03 if kind == _SKIN else 0.006
            if kind == _EYEBALL:
                mx = wa * model[a, 0] + wb * model[b, 0] + wc * model[c, 0]
                my = wa * model[a, 1] + wb * model[b, 1] + wc * model[c, 1]
                ex = mx - (eyes[0] if mx > 0 else -eyes[0])
                ey = my - eyes[1]
                out = np.sqrt((ex - eyes[2]) ** 2 + (ey - eyes[3]) ** 2)
                iris = min(max((_IRIS_M - out) / 0.0005, 0.0), 1.0)
                pupil = min(max((_PUPIL_M - out) / 0.0004, 0.0), 1.0)
                rim = 0.45 if out > 0.0052 else 1.0
                corner = 0.5 + 0.5 * min(1.0, 2 * max(0.0, 1 - abs(ex) / 0.0160))
                shade = min(1.0, max(0.35, 0.35 + 0.65 * (0.0052 - ey) / 0.0035))
                white = 0.40 * corner * shade
                red = (white * (1 - iris) + eyes[4] * rim * iris) * (1 - pupil) + 0.004
                green = (white * 0.92 * (1 - iris) + eyes[5] * rim * iris) * (1 - pupil) + 0.004
                blue = (white * 0.87 * (1 - iris) + eyes[6] * rim * iris) * (1 - pupil) + 0.004
                gloss = 0.5
            else:
                i = min(int(row), rgb.shape[0] - 2)
                j = min(int(col), rgb.shape[1] - 2)
                fv, fu = row - i, col - j
                w00, w01 = (1 - fv) * (1 - fu), (1 - fv) * fu
                w10, w11 = fv * (1 - fu), fv * fu
                p, q, r, s = rgb[i, j], rgb[i, j + 1], rgb[i + 1, j], rgb[i + 1, j + 1]
                red = p[0] * w00 + q[0] * w01 + r[0] * w10 + s[0] * w11
                if flush != 0:
                    w00 *= 1 - flush * cheeks[i, j]
                    w01 *= 1 - flush * cheeks[i, j + 1]
                    w10 *= 1 - flush * cheeks[i + 1, j]
                    w11 *= 1 - flush * cheeks[i + 1, j + 1]
                green = p[1] * w00 + q[1] * w01 + r[1] * w10 + s[1] * w11
                blue = p[2] * w00 + q[2] * w01 + r[2] * w10 + s[2] * w11
            nx = wa * normals[a, 0] + wb * normals[b, 0] + wc * normals[c, 0]
            ny = wa * normals[a, 1] + wb * normals[b, 1] + wc * normals[c, 1]
            nz = wa * normals[a, 2] + wb * normals[b, 2] + wc * normals[c, 2]
            inverse = 1 / np.sqrt(nx * nx + ny * ny + nz * nz + 1e-12)
            nx, ny, nz = nx * inverse, ny * inverse, nz * inverse
            x = wa * points[a, 0] + wb * points[b, 0] + wc * points[c, 0]
            y = wa * points[a, 1] + wb * points[b, 1] + wc * points[c, 1]
            z = wa * points[a, 2] + wb * points[b, 2] + wc * points[c, 2]
            sx, sy, sz = viewpoint[0] - x, viewpoint[1] - y, viewpoint[2] - z
            inverse = 1 / np.sqrt(sx * sx + sy * sy + sz * sz)
            sx, sy, sz = sx * inverse, sy * inverse, sz * inverse
            sky = 0.75 - 0.25 * ny
            out_red = red * ambient[0] * sky
            out_green = green * ambient[1] * sky
            out_blue = blue * ambient[2] * sky
            wrap = _WRAP if kind == _SKIN else 0.0
            for n in range(lamps.shape[0]):
                lx, ly, lz = lamps[n, 0] - x, lamps[n, 1] - y, lamps[n, 2] - z
                squared = lx * lx + ly * ly + lz * lz
                inverse = 1 / np.sqrt(squared)
                lx, ly, lz = lx * inverse, ly * inverse, lz * inverse
                facing = nx * lx + ny * ly + nz * lz
                diffuse = max((facing + wrap) / (1 + wrap), 0.0)
                shine = 0.0
                if facing > 0:
                    hx, hy, hz = lx + sx, ly + sy, lz + sz
                    half = (nx * hx + ny * hy + nz * hz) ** 2 / (hx * hx + hy * hy + hz * hz)
                    half = half * half * half
                    half = half * half * half  # cos^18
                    if kind == _EYEBALL:
                        half = half * half * half
                        half = half * half * half  # cos^162
                    shine = gloss * half
                power = 1 / squared
                out_red += (red * diffuse + shine) * lamps[n, 3] * power
                out_green += (green * diffuse + shine) * lamps[n, 4] * power
                out_blue += (blue * diffuse + shine) * lamps[n, 5] * power
            light[v, u, 0], light[v, u, 1], light[v, u, 2] = out_red, out_green, out_blue


@jit
def shade_scalar(
    seen: NDArray[np.int32],
    rays: F32,
    in_camera: F64,
    normals: F32,
    triangles: NDArray[np.int32],
    n_cols: int,
    texels: int,
    texture: F32,
    material: NDArray[np.uint8],
    eyeball: float,
    box: NDArray[np.int64],
    value: F32,
    depth_m: F32,
    cosine: F32,
) -> None:
    """Write `texture` as seen (H, W), depth and cosine of incidence, for the camera at `rays`.

    `normals` must be in this camera's frame. Used for the infrared albedo and, with depth and
    cosine as by-products, for temperature.
    """
    for v in range(box[1], box[3]):
        for u in range(box[0], box[2]):
            k = seen[v, u]
            if k < 0:
                continue
            a, b, c = triangles[k, 0], triangles[k, 1], triangles[k, 2]
            rx, ry = rays[v, u, 0], rays[v, u, 1]
            z, wb, wc = _hit(rx, ry, in_camera, a, b, c)
            wa = 1 - wb - wc
            row = (wa * (a // n_cols) + wb * (b // n_cols) + wc * (c // n_cols)) * texels
            col = (wa * (a % n_cols) + wb * (b % n_cols) + wc * (c % n_cols)) * texels
            if material[int(row + 0.5), int(col + 0.5)] == _EYEBALL:
                value[v, u] = eyeball
            else:
                value[v, u] = _sample(texture, row, col)
            depth_m[v, u] = z
            nx = wa * normals[a, 0] + wb * normals[b, 0] + wc * normals[c, 0]
            ny = wa * normals[a, 1] + wb * normals[b, 1] + wc * normals[c, 1]
            nz = wa * normals[a, 2] + wb * normals[b, 2] + wc * normals[c, 2]
            length = (rx * rx + ry * ry + 1) * (nx * nx + ny * ny + nz * nz) + 1e-12
            cosine[v, u] = max(-(nx * rx + ny * ry + nz) / np.sqrt(length), 0.0)
