"""Color as luminance and two opponent channels: what flushes stands apart from what is lit.

The three channels of a face are nearly the same picture. Their differences vary less than half as
much between clips, and a network that starts from RGB has to find them first: docs/decisions/0111
has the figures. Opponent channels are what the retina sends (Hering 1878; Krauskopf et al., Vision
Research 1982); the plain sums here are a choice of ours.
"""

import torch
from torch import Tensor

_CHROMA_GAIN = 2.5
"""Brings a pixel's sd between clips of the simulated benchmark to that of luminance."""
_FROM_RGB = (
    (1 / 3, 1 / 3, 1 / 3),
    (_CHROMA_GAIN, -_CHROMA_GAIN, 0.0),
    (_CHROMA_GAIN / 2, _CHROMA_GAIN / 2, -_CHROMA_GAIN),
)


def opponent(rgb: Tensor) -> Tensor:
    """Map normalised R, G, B in dimension -3 to luminance, red - green and yellow - blue.

    Parameters
    ----------
    rgb : (..., 3, H, W) float

    Returns
    -------
    (..., 3, H, W) float
        (R + G + B) / 3, 2.5 (R - G), 2.5 ((R + G) / 2 - B).
    """
    matrix = torch.tensor(_FROM_RGB, dtype=rgb.dtype, device=rgb.device)
    return torch.einsum("oc,...chw->...ohw", matrix, rgb)
