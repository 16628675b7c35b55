"""The surface of a head, painted in the space of grid indices so that it follows every motion.

Four maps at several texels a grid cell: linear RGB albedo, albedo at 850 nm, temperature and
material. Melanin hardly absorbs in the near infrared: faces of all tones look alike there.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from .glasses import paint_glasses
from .head_grid import (
    CLOTH,
    COLLAR_Y_M,
    EYE_HALF_WIDTH_M,
    EYE_X_M,
    EYEBALL,
    HAIR,
    MOUTH,
    MOUTH_HALF_WIDTH_M,
    MOUTH_Y_M,
    SKIN,
    Array,
    bump,
    head_grid,
    step,
    twin_bump,
)
from .head_shape import HeadShape
from .identity import FITZPATRICK_SRGB, Identity
from .srgb import linear_from_srgb

TEXELS_PER_CELL = 4
_GRAIN_M = 0.0005
_GRAIN_SIZE = 512
_CANONICAL_RADIUS_M = 0.075
MOUTH_CAVITY_C = 34.6
EYEBALL_C = 34.6
EYEBALL_INFRARED = 0.45


@dataclass(frozen=True, slots=True, eq=False)
class Skin:
    """Texture maps (h, w), texel (r * n, c * n) over grid vertex (r, c), n = TEXELS_PER_CELL.

    Attributes
    ----------
    rgb : (h, w, 3) float32
        Linear albedo.
    infrared : (h, w) float32
        Albedo at 850 nm.
    temperature_c : (h, w) float32
        Without the nose's response.
    nose : (h, w) float32
        Share of the nose tip, whose temperature follows arousal and breath.
    cheeks, around_eyes : (h, w) float32
        Shares of the parts that flush and that warm.
    material : (h, w) uint8
        SKIN, EYEBALL, MOUTH, HAIR or CLOTH.
    """

    rgb: Array
    infrared: Array
    temperature_c: Array
    nose: Array
    cheeks: Array
    around_eyes: Array
    material: NDArray[np.uint8]


def brow_height(x_m: Array | np.float32) -> Array:
    """Height of the middle of the brow over |x|, canonical metres."""
    along = np.abs(x_m)
    rise = 0.0045 * np.sin(np.clip((along - 0.013) / 0.034, 0, 1) * 2.3)
    out: Array = 0.0195 + rise - 0.0035 * step(0.038, 0.050, along)
    return out


def upper_lip_edge(x_m: Array | np.float32, lips: float) -> Array:
    """Height of the upper border of the lips, with cupid's bow."""
    across = np.maximum(1 - (x_m / MOUTH_HALF_WIDTH_M) ** 2, 0)
    bow = 1 - 0.22 * np.exp(-((x_m / 0.0035) ** 2))
    out: Array = np.asarray(MOUTH_Y_M + 0.0076 * lips * across**0.8 * bow, np.float32)
    return out


def lower_lip_edge(x_m: Array | np.float32, lips: float) -> Array:
    """Height of the lower border of the lips."""
    across = np.maximum(1 - (x_m / MOUTH_HALF_WIDTH_M) ** 2, 0)
    out: Array = np.asarray(MOUTH_Y_M - 0.0098 * lips * across**0.7, np.float32)
    return out


class _Canvas:
    """The coordinates of every texel and noise on the surface of the head."""

    def __init__(self, who: Identity, shape: HeadShape) -> None:
        grid, n = head_grid(), TEXELS_PER_CELL
        self.row = np.linspace(0, grid.n_rows - 1, (grid.n_rows - 1) * n + 1, dtype=np.float32)
        self.col = np.linspace(0, grid.n_cols - 1, (grid.n_cols - 1) * n + 1, dtype=np.float32)
        self.size = (len(self.row), len(self.col))
        self.x, self.y = self.upsample(shape.x_m), self.upsample(shape.y_m)
        self.hair, self.front = self.upsample(shape.hair), self.upsample(shape.front)
        columns = np.arange(grid.n_cols, dtype=np.float32)
        self.theta = np.interp(self.col, columns, grid.theta_rad).astype(np.float32)[None]
        rows = np.arange(grid.n_rows, dtype=np.float32)
        self.slit = np.interp(self.row, rows, grid.slit_position).astype(np.float32)[:, None]
        self.kind = grid.kind[np.rint(self.row).astype(int)][:, None]
        self.rng = np.random.default_rng([who.seed, 77])
        # by arc length, not by column: columns widen towards the back and would streak
        arc = np.broadcast_to((self.theta + 4) * (_CANONICAL_RADIUS_M / _GRAIN_M), self.size)
        self._arc = np.mod(arc, _GRAIN_SIZE).astype(np.float32)
        self._height = np.mod((self.y + 0.7) / _GRAIN_M, _GRAIN_SIZE).astype(np.float32)

    def upsample(self, values: Array) -> Array:
        """Interpolate a map on the grid to texels."""
        r = np.minimum(self.row.astype(int), values.shape[0] - 2)
        c = np.minimum(self.col.astype(int), values.shape[1] - 2)
        v, u = (self.row - r)[:, None], (self.col - c)[None]
        rows = values[r] * (1 - v) + values[r + 1] * v
        out: Array = rows[:, c] * (1 - u) + rows[:, c + 1] * u
        return out

    def grain(self, sigma_texel: float) -> Array:
        """Noise of standard deviation 1 with grains of about `sigma_texel` half millimetres."""
        white = self.rng.standard_normal((_GRAIN_SIZE, _GRAIN_SIZE), dtype=np.float32)
        pad = min(int(4 * sigma_texel) + 1, _GRAIN_SIZE // 2)
        wrapped = np.pad(white, pad, mode="wrap")
        smooth = cv2.GaussianBlur(wrapped, (0, 0), sigma_texel)[pad:-pad, pad:-pad]
        smooth = smooth / smooth.std()
        noise = cv2.remap(
            smooth, self._arc, self._height, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP
        )
        return noise.astype(np.float32, copy=False)


def paint_skin(who: Identity, shape: HeadShape) -> Skin:
    """Paint the head of `who`."""
    canvas = _Canvas(who, shape)
    folds = _folds(canvas, who)
    lips = _lips(canvas, who)
    brows = _brows(canvas, who)
    glasses = paint_glasses(canvas.x, canvas.y, canvas.front) if who.glasses else None
    collar = step(COLLAR_Y_M + 0.003, COLLAR_Y_M - 0.003, canvas.y)
    rgb = _rgb(canvas, who, folds, lips, brows, collar)
    mouth, teeth = canvas.kind == MOUTH, _teeth(canvas)
    infrared = _infrared(canvas, who, rgb, folds, brows, collar, teeth)
    temperature_c = _temperature(canvas, who, lips, brows, collar)
    around_eyes = _around_eyes(canvas)
    if glasses is not None:
        rgb, infrared, temperature_c = glasses.put_on(rgb, infrared, temperature_c)
        around_eyes *= 1 - glasses.cover
    return Skin(
        rgb=rgb,
        infrared=infrared,
        temperature_c=temperature_c,
        nose=bump(canvas.x, canvas.y, (0, -0.043), (0.0125, 0.0130)) * (canvas.front > 0),
        cheeks=_cheeks(canvas),
        around_eyes=around_eyes,
        material=np.select(
            [canvas.kind == EYEBALL, mouth, collar > 0.5, canvas.hair > 0.5],
            [EYEBALL, MOUTH, CLOTH, HAIR],
            SKIN,
        ).astype(np.uint8),
    )


def skin_albedo(tone: float) -> Array:
    """Return the linear RGB albedo (3,) of a skin tone in [0, 5]."""
    anchors = linear_from_srgb(np.array(FITZPATRICK_SRGB) / 255.0)
    out: Array = np.array(
        [np.interp(tone, np.arange(6), anchors[:, k]) for k in range(3)], np.float32
    )
    return out


def _cheeks(canvas: _Canvas) -> Array:
    out = twin_bump(canvas.x, canvas.y, (0.043, -0.032), (0.016, 0.015))
    return (out * (canvas.front > 0) * (1 - canvas.hair)).astype(np.float32)


def _around_eyes(canvas: _Canvas) -> Array:
    out = twin_bump(canvas.x, canvas.y, (0.024, 0.004), (0.016, 0.012))
    return (out * (canvas.front > 0) * (1 - canvas.hair)).astype(np.float32)


def _folds(canvas: _Canvas, who: Identity) -> Array:
    """How much of the light the folds and hollows of a face swallow."""
    x, y = canvas.x, canvas.y
    side = np.abs(x)
    out = 0.40 * twin_bump(x, y, (0.0165, 0.003), (0.006, 0.009))
    out += 0.28 * twin_bump(x, y, (EYE_X_M, 0.0085), (0.017, 0.0030))
    out += 0.22 * (0.4 + who.age) * twin_bump(x, y, (EYE_X_M, -0.009), (0.014, 0.004))
    out += 0.75 * twin_bump(x, y, (0.0068, -0.0535), (0.0042, 0.0020))
    out += 0.35 * bump(x, y, (0, -0.0570), (0.016, 0.0028))
    out += 0.25 * twin_bump(x, y, (0.0185, -0.049), (0.0022, 0.006))
    cheek_line = 0.018 + (-0.046 - y) * 0.55
    nasolabial = np.exp(-0.5 * ((side - cheek_line) / 0.0022) ** 2)
    nasolabial *= step(-0.072, -0.062, y) * step(-0.044, -0.050, y)
    out += 0.16 * (0.5 + who.age) * nasolabial
    out += 0.30 * bump(x, y, (0, -0.0875), (0.014, 0.0030))
    out += 0.50 * step(-0.117, -0.124, y) * step(COLLAR_Y_M, -0.13, y)
    wrinkles = np.sin(y * 900) > 0.6
    out += 0.06 * who.age * wrinkles * bump(x, y, (0, 0.045), (0.03, 0.009))
    return out


def _lips(canvas: _Canvas, who: Identity) -> Array:
    x, y = canvas.x, canvas.y
    inside = np.abs(x) < MOUTH_HALF_WIDTH_M
    below_top = step(0, 0.0008, upper_lip_edge(x, who.lips) - y)
    above_bottom = step(0, 0.0008, y - lower_lip_edge(x, who.lips))
    out: Array = below_top * above_bottom * inside
    return out


def _brows(canvas: _Canvas, who: Identity) -> Array:
    x, y, along = canvas.x, canvas.y, np.abs(canvas.x)
    thickness = 0.0040 * who.brow * step(0.051, 0.030, along) + 0.0006
    stroke = np.exp(-(np.abs((y - brow_height(x)) / thickness) ** 3))
    stroke *= step(0.010, 0.0135, along) * step(0.0525, 0.048, along)
    out: Array = stroke * np.clip(0.95 + 0.22 * canvas.grain(1.0), 0.55, 1) * canvas.front
    return out


def _teeth(canvas: _Canvas) -> Array:
    gaps = 1 - 0.35 * (np.abs(np.sin(canvas.x / 0.0075 * np.pi)) < 0.12)
    out: Array = step(0.50, 0.42, canvas.slit) * step(0.018, 0.014, np.abs(canvas.x)) * gaps
    return out


def _blend(base: Array, share: Array, over: Array) -> Array:
    weight = share[..., None]
    out: Array = base * (1 - weight) + over * weight
    return out


def _rgb(
    canvas: _Canvas, who: Identity, folds: Array, lips: Array, brows: Array, collar: Array
) -> Array:
    x, y = canvas.x, canvas.y
    skin = skin_albedo(who.tone)
    mottle = 1 + 0.03 * canvas.grain(1) + 0.03 * canvas.grain(4) + 0.04 * canvas.grain(16)
    blush = 0.22 * twin_bump(x, y, (0.040, -0.030), (0.014, 0.014))
    blush += 0.20 * bump(x, y, (0, -0.043), (0.011, 0.009))
    blush += 0.10 * bump(x, y, (0, -0.10), (0.012, 0.01))
    out = skin * mottle[..., None] * (1 - blush[..., None] * np.array([0, 0.45, 0.45], np.float32))
    out = out * (1 - np.clip(folds, 0, 0.85))[..., None]
    out = _blend(out, 0.6 * who.beard * _beard(canvas), np.array(who.hair, np.float32) * 0.8)
    lip = skin * np.array([0.78, 0.42, 0.42], np.float32) + np.array([0.05, 0.008, 0.012])
    lip = lip.astype(np.float32) * np.where(y > MOUTH_Y_M, 0.70, 0.86)[..., None]
    out = _blend(out, 0.88 * lips, lip)
    brow_color = np.minimum(np.array(who.hair, np.float32) * 0.6, skin * 0.30)
    out = _blend(out, 0.92 * brows, brow_color)
    out = _draw_lines(out, canvas)
    strands = cv2.GaussianBlur(
        canvas.rng.standard_normal(canvas.size, dtype=np.float32), (0, 0), 0.6, sigmaY=9
    )
    shine = np.clip(1 + 2.2 * strands, 0.25, 2)[..., None]
    out = _blend(out, canvas.hair, np.array(who.hair, np.float32) * shine)
    weave = (1 + 0.05 * canvas.grain(1.5))[..., None]
    out = _blend(out, collar, np.array(who.cloth, np.float32) * weave)
    inside = np.array([0.62, 0.58, 0.50], np.float32) * _teeth(canvas)[..., None]
    inside += np.array([0.055, 0.012, 0.012], np.float32) * (1 - _teeth(canvas)[..., None])
    out = np.where((canvas.kind == MOUTH)[..., None], inside, out)
    return np.ascontiguousarray(np.clip(out, 0.004, 0.95), np.float32)


def _beard(canvas: _Canvas) -> Array:
    x, y = canvas.x, canvas.y
    side = np.abs(x)
    sideburn = np.float32(0.25) * np.maximum(np.float32(0.045) - side, 0)
    jaw = step(-0.052 - sideburn, -0.072 - sideburn, y)
    moustache = bump(x, y, (0, -0.0605), (0.020, 0.0045))
    mouth = bump(x, y, (0, MOUTH_Y_M), (0.024, 0.008))
    area = np.clip(np.maximum(jaw, moustache), 0, 1) * step(-0.128, -0.118, y) * canvas.front
    out: Array = area * np.clip(1 - mouth, 0, 1) * np.clip(0.8 + 0.3 * canvas.grain(1), 0, 1)
    return out


def _draw_lines(rgb: Array, canvas: _Canvas) -> Array:
    """Draw the dark lines of lashes, lid crease and closed lips that make a face a face."""
    grid, x, y, row = head_grid(), canvas.x, canvas.y, canvas.row[:, None]
    side = np.abs(x)
    across = np.minimum(np.abs(side - EYE_X_M) / EYE_HALF_WIDTH_M, 1)
    at_eye = (across < 1) & (canvas.front > 0.5)
    lashes = at_eye & (row <= grid.lid_upper) & (row > grid.lid_upper - 1.9)
    lower_lashes = at_eye & (row >= grid.lid_lower) & (row < grid.lid_lower + 0.8)
    lip_line = ((row <= grid.lip_upper) & (row > grid.lip_upper - 1.6)) | (
        (row >= grid.lip_lower) & (row < grid.lip_lower + 1.1)
    )
    lip_line = lip_line & (side < MOUTH_HALF_WIDTH_M * 1.08) & (canvas.front > 0.5)
    out = np.where(lashes[..., None], np.array([0.012, 0.009, 0.008], np.float32), rgb)
    out = out * np.where(lower_lashes, 0.40, 1)[..., None]
    out = out * np.where(lip_line, 0.30, 1)[..., None]
    crease = np.exp(-0.5 * ((y - 0.0105 + 0.003 * across**2) / 0.0008) ** 2)
    lines = out * (1 - 0.35 * crease * (across < 1) * canvas.front)[..., None]
    return lines.astype(np.float32)


def _infrared(
    canvas: _Canvas,
    who: Identity,
    rgb: Array,
    folds: Array,
    brows: Array,
    collar: Array,
    teeth: Array,
) -> Array:
    brightness = rgb.mean(-1) / max(float(skin_albedo(who.tone).mean()), 0.02) - 1
    out = 0.62 - 0.035 * who.tone + 0.08 * np.clip(brightness, -1, 0.3)
    out = np.where(canvas.hair > 0.5, 0.22 + 0.25 * float(np.mean(who.hair)), out)
    out = out * (1 - 0.30 * np.clip(folds, 0, 1)) * (1 - 0.45 * brows)
    out = np.where(collar > 0.5, 0.5, out)
    out = np.where(canvas.kind == MOUTH, 0.10 + 0.5 * teeth, out)
    return np.ascontiguousarray(np.clip(out, 0.03, 1), np.float32)


def _temperature(canvas: _Canvas, who: Identity, lips: Array, brows: Array, collar: Array) -> Array:
    """Skin temperature, Celsius: warm canthi and temples, cool nose, cheeks, chin and ears."""
    x, y = canvas.x, canvas.y
    out = 33.3 + 1.1 * bump(x, y, (0, 0.045), (0.040, 0.020))
    out += 2.3 * twin_bump(x, y, (0.0165, 0.0), (0.0055, 0.0055))
    out += 0.7 * twin_bump(x, y, (EYE_X_M, 0.0), (0.016, 0.009))
    out += 0.4 * lips - 0.5 * twin_bump(x, y, (0.042, -0.03), (0.016, 0.016))
    out += 0.8 * twin_bump(x, y, (0.066, 0.012), (0.012, 0.02))
    out -= 1.1 * bump(x, y, (0, -0.104), (0.018, 0.012))
    out += 1.4 * step(-0.112, -0.130, y)
    ear = bump(np.broadcast_to(np.abs(canvas.theta), canvas.size), y, (1.62, -0.006), (0.16, 0.02))
    out -= 1.6 * ear
    out += 0.15 * canvas.grain(20) - 0.5 * brows - 0.4 * who.beard * _beard(canvas)
    out = out * (1 - canvas.hair) + (28.8 + 0.4 * canvas.grain(5)) * canvas.hair
    out = out * (1 - collar) + (27.6 + 0.5 * canvas.grain(12)) * collar
    out = np.where(canvas.kind == MOUTH, MOUTH_CAVITY_C, out)
    return np.ascontiguousarray(out + who.warmth_c, np.float32)
