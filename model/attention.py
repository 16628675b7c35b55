"""From hidden states to the attention cube: the spatial softmax of eq. 3 and its variants."""

from typing import Literal

import torch
from torch import Tensor, nn

_EPSILON = 1e-5


class SpatialSoftmax(nn.Module):
    """Turn logits into attention over the pixels of each frame.

    ``literal`` is eq. 3: the weights of a frame sum to 1, so at 96x96 a feature is multiplied by
    about 1/9216 and the network does not train (docs/decisions/0060). ``mean1`` multiplies by the
    number of pixels: the mean weight is 1 and the map is the same up to that constant.
    ``residual`` adds 1 to that, so that no pixel is lost and the mean weight is 2.
    ``standardise`` first gives the logits of each frame mean 0 and sd 1 and multiplies them by a
    learnable gain, so that the contrast does not depend on how much three recurrent layers damp.

    Parameters
    ----------
    kind : str
        As above.
    gain : float
        Where ``standardise`` starts; 0 is uniform attention.
    """

    def __init__(
        self, kind: Literal["mean1", "literal", "standardise", "residual"], gain: float = 0.5
    ) -> None:
        super().__init__()
        self.kind = kind
        if kind == "standardise":
            self.gain = nn.Parameter(torch.tensor(float(gain)))

    def forward(self, logits: Tensor) -> Tensor:
        """Map (T, B, 1, H, W) logits to (T, B, 1, H, W) attention, at least in float32."""
        flat = logits.flatten(2).to(torch.promote_types(logits.dtype, torch.float32))
        if self.kind == "standardise":
            centred = flat - flat.mean(-1, keepdim=True)
            variance = (centred * centred).mean(-1, keepdim=True)
            flat = self.gain * centred * torch.rsqrt(variance + _EPSILON**2)
        attention = torch.softmax(flat, -1)
        if self.kind != "literal":
            attention = attention * flat.shape[-1]
        if self.kind == "residual":
            attention = 1 + attention
        return attention.reshape(logits.shape)
