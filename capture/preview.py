"""Small pictures of what a sensor sees, for people; nothing of it is ever recorded."""

import cv2
import numpy as np

from .codec import encode_jpeg
from .frame import Image

_WIDTH_PX = 320
_QUALITY = 70
_PERCENTILES = (1, 99)


def preview_jpeg(image: Image) -> bytes:
    """Shrink to at most 320 pixels wide; stretch the contrast of 16-bit images."""
    height_px, width_px = image.shape[:2]
    scale = min(1.0, _WIDTH_PX / width_px)
    size = (max(1, round(width_px * scale)), max(1, round(height_px * scale)))
    small = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA))
    if small.dtype == np.uint16:
        seen = small[small > 0]
        low, high = np.percentile(seen, _PERCENTILES) if seen.size else (0.0, 1.0)
        scaled = (small.astype(np.float32) - low) * (255 / max(high - low, 1.0))
        small = np.repeat(np.clip(scaled, 0, 255).astype(np.uint8)[..., None], 3, axis=2)
    return encode_jpeg(small.astype(np.uint8, copy=False), quality=_QUALITY)
