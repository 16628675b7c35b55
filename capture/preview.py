"""Small pictures of what a sensor sees, for people; nothing of it is ever recorded."""

import cv2
import numpy as np
from numpy.typing import NDArray

from .codec import decode_jpeg, encode_jpeg
from .errors import ControlError
from .frame import Image

WIDTH_PX = 320
_QUALITY = 70
_PNG_MAGIC = b"\x89PNG"
_FASTEST = [cv2.IMWRITE_PNG_COMPRESSION, 1]


def encode_preview(image: Image) -> bytes:
    """Shrink to at most 320 pixels wide: color as JPEG, 16-bit images as PNG with their values.

    Values are picked, not averaged: a mean of depths with "no depth" would be nobody's depth.
    """
    height_px, width_px = image.shape[:2]
    scale = min(1.0, WIDTH_PX / width_px)
    size = (max(1, round(width_px * scale)), max(1, round(height_px * scale)))
    if image.dtype == np.uint16:
        small = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_NEAREST))
        _, data = cv2.imencode(".png", small, _FASTEST)
        return bytes(data)
    small = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA))
    return encode_jpeg(small.astype(np.uint8, copy=False), quality=_QUALITY)


def full_size_px(
    pixels: NDArray[np.float64], *, size_px: tuple[int, int], full_px: tuple[int, int], picked: bool
) -> NDArray[np.float64]:
    """Map positions (..., 2) in a preview to the frame it was made of.

    Parameters
    ----------
    size_px, full_px : tuple of int
        Width and height of preview and frame.
    picked : bool
        Values were picked (16-bit streams), not averaged: a preview pixel is then one pixel of
        the frame, the upper left one of those it stands for.
    """
    ratio = np.array(full_px) / np.array(size_px)
    full: NDArray[np.float64] = (pixels + 0.5) * ratio - 0.5
    if not picked:
        return full
    for axis in (0, 1):
        own = np.arange(size_px[axis])
        full[..., axis] = np.interp(pixels[..., axis], own, np.floor(own * ratio[axis]))
    return full


def decode_preview(data: bytes) -> Image:
    """Decode what `encode_preview` made.

    Returns
    -------
    (H, W, 3) uint8 BGR or (H, W) uint16

    Raises
    ------
    ControlError
        Neither a JPEG nor a 16-bit PNG of that size.
    """
    if not data.startswith(_PNG_MAGIC):
        return decode_jpeg(data)
    if int.from_bytes(data[16:20]) > WIDTH_PX or int.from_bytes(data[20:24]) > 16 * WIDTH_PX:
        raise ControlError("a preview that is too large")
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None or image.dtype != np.uint16 or image.ndim != 2:
        raise ControlError("a damaged preview")
    return np.asarray(image, np.uint16)
