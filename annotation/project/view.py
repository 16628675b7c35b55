"""How a stream looks to a rater: color as it is, the others in shades that show a face."""

from collections.abc import Callable
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from capture.frame import Image, Modality
from capture.recorded_stream import RecordedStream

_N_LOOKED_AT = 9
_PERCENTILES = (1.0, 99.0)
_COLORMAPS = {
    "thermal": cv2.COLORMAP_INFERNO,
    "depth": cv2.COLORMAP_BONE,
    "infrared": None,
}

View = Callable[[Image], NDArray[np.uint8]]


def make_view(stream: RecordedStream, modality: Modality) -> View:
    """Return what turns an image of `stream` into (H, W, 3) uint8 BGR.

    The range of the shades is fixed for the whole stream, from a few of its frames, so that
    nothing flickers. Depth is dark where far and black where unknown.
    """
    if modality == "color":
        return lambda image: image.astype(np.uint8, copy=False)
    chosen = np.unique(np.linspace(0, len(stream) - 1, _N_LOOKED_AT).astype(int))
    sample = np.concatenate([stream.read(int(i)).image.ravel() for i in chosen])
    known = sample[sample > 0] if modality == "depth" else sample
    low, high = np.percentile(known, _PERCENTILES) if len(known) else (0.0, 1.0)
    span = max(float(high - low), 1.0)
    colormap = _COLORMAPS[modality]

    def render(image: Image) -> NDArray[np.uint8]:
        shade = np.clip((image.astype(np.float32) - low) * (255.0 / span), 0, 255).astype(np.uint8)
        if modality == "depth":
            shade = np.where(image > 0, 255 - shade, 0).astype(np.uint8)
        if colormap is None:
            return cast(NDArray[np.uint8], cv2.cvtColor(shade, cv2.COLOR_GRAY2BGR))
        return cast(NDArray[np.uint8], cv2.applyColorMap(shade, colormap))

    return render
