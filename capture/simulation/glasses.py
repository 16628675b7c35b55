"""Glasses, painted onto the head: frames for all cameras, glass for the thermal one alone."""

from dataclasses import dataclass

import numpy as np

from .head_grid import EYE_X_M, Array, step

GLASS_C = 27.0
"""Glass is opaque at 10 micrometres and lies between the skin's and the room's temperature."""

_CENTRE_Y_M = -0.003
_HALF_WIDTH_M, _HALF_HEIGHT_M = 0.0235, 0.0190
_FRAME_M = 0.0018
_BRIDGE_Y_M, _TEMPLE_Y_M = 0.003, 0.006
_FRAME_RGB, _FRAME_INFRARED = 0.03, 0.15
_TINT = 0.94


@dataclass(frozen=True, slots=True, eq=False)
class Glasses:
    """Where they cover the skin, (h, w) float32 shares.

    Attributes
    ----------
    frame, cover : (h, w) float32
        Of the frame; of frame and glass.
    """

    frame: Array
    cover: Array

    def put_on(
        self, rgb: Array, infrared: Array, temperature_c: Array
    ) -> tuple[Array, Array, Array]:
        """Return the maps of a skin with these glasses before it."""
        frame, cover = self.frame, self.cover
        tinted = rgb * (1 - (1 - _TINT) * cover)[..., None]
        with_frame = tinted * (1 - frame)[..., None] + _FRAME_RGB * frame[..., None]
        return (
            np.ascontiguousarray(with_frame, np.float32),
            np.ascontiguousarray(infrared * (1 - frame) + _FRAME_INFRARED * frame, np.float32),
            np.ascontiguousarray(temperature_c * (1 - cover) + GLASS_C * cover, np.float32),
        )


def paint_glasses(x_m: Array, y_m: Array, front: Array) -> Glasses:
    """Place glasses on canonical coordinates (h, w) of a face."""
    side = np.abs(x_m)
    # a superellipse: rounder than a box, squarer than an ellipse
    out = (np.abs(side - EYE_X_M) / _HALF_WIDTH_M) ** 3
    out = out + (np.abs(y_m - _CENTRE_Y_M) / _HALF_HEIGHT_M) ** 3
    radius = np.cbrt(out)
    thick = _FRAME_M / _HALF_HEIGHT_M
    inside = step(1 + thick, 1 + 0.6 * thick, radius)
    rim = inside * step(1 - 0.4 * thick, 1.0, radius)
    bridge = _bar(y_m - _BRIDGE_Y_M) * step(EYE_X_M - _HALF_WIDTH_M, 0.0, side)
    outside = EYE_X_M + _HALF_WIDTH_M
    temple = _bar(y_m - _TEMPLE_Y_M) * step(outside - 0.001, outside + 0.001, side)
    frame = np.clip(np.maximum(np.maximum(rim, bridge), temple), 0, 1) * (front > 0)
    cover = np.clip(np.maximum(frame, inside * (front > 0)), 0, 1)
    return Glasses(frame.astype(np.float32), cover.astype(np.float32))


def _bar(from_middle_m: Array) -> Array:
    return step(_FRAME_M, 0.6 * _FRAME_M, np.abs(from_middle_m))
