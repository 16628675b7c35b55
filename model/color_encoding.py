"""Color as luminance and two opponent channels: what flushes stands apart from what is lit.

The three channels of a face are nearly the same picture. Their differences are smaller, and a
network that starts from RGB has to find them first: docs/decisions/0111. Opponent channels go back
to Hering (1878), their axes to Krauskopf et al. (Vision Research 1982); the plain sums here are a
choice of ours.
"""

import torch
from torch import Tensor

_CHROMA_GAIN = 2.5
"""Brings chroma to about the spread of luminance; set once, by the lit validation clips."""
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
