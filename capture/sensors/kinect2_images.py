"""What a Kinect delivers, made into frames: numbers and times unwrapped, images as stored."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

TICK_NS = 125_000
"""A timestamp counts eighths of a millisecond: 266 or 267 between frames at 30 Hz."""
_WRAP, _HALF = 1 << 32, 1 << 31
_MAX = 65535


class Counter32:
    """A counter of 32 bits that wraps, as one that does not.

    One that goes back (the device began anew) is passed on as it is: it then goes back here, too,
    and the recorder begins a new segment.
    """

    def __init__(self) -> None:
        self._last: int | None = None
        self._value = 0

    def unwrap(self, raw: int) -> int:
        """Return the counter's value, the first one as it is."""
        if self._last is None:
            self._value = raw
        else:
            step = (raw - self._last) % _WRAP
            self._value = self._value + step if step < _HALF else raw
        self._last = raw
        return self._value


def color_image(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Turn BGRX (H, W, 4), mirrored as the device delivers it, into BGR (H, W, 3)."""
    return np.asarray(cv2.flip(cv2.cvtColor(pixels, cv2.COLOR_BGRA2BGR), 1))


def count_image(values: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Round infrared counts or millimetres (H, W), mirrored, to uint16; what is none becomes 0.

    No depth is 0, NaN or infinite in the library; here it is 0.
    """
    valid = np.isfinite(values) & (values > 0)
    rounded = np.rint(np.where(valid, np.minimum(values, _MAX), 0)).astype(np.uint16)
    return np.ascontiguousarray(rounded[:, ::-1])


def exposure_us(milliseconds: float) -> float | None:
    """Return the exposure of a color frame; None where the device does not say."""
    return milliseconds * 1000.0 if math.isfinite(milliseconds) and milliseconds > 0 else None


def gain_or_none(gain: float) -> float | None:
    """Return the gain of a color frame; None where the device does not say."""
    return gain if math.isfinite(gain) and gain > 0 else None
