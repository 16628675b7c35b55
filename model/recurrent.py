"""The recurrent layers of eq. 1 (A-LSTM) and eq. 2 (AG-LSTM): convolutional LSTMs over a clip.

Only what depends on the previous step stays in the loop over time. The input convolution of all
steps, and the contribution of the guides (whose hidden states are complete before the target's
stream starts), are one convolution over T·B images.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from .convlstm import Peephole, scan


class ConvLSTM(nn.Module):
    """One A-LSTM layer, or an AG-LSTM layer where `n_guides` > 0; 3x3 kernels, zero padding.

    Weights are fused over the gates in the order i, f, o, candidate.

    Parameters
    ----------
    in_channels, hidden_channels : int
    size_px : int
        Side of the feature maps: Hadamard peepholes have a weight for each pixel.
    n_guides : int
        Guiding streams; each has `hidden_channels` channels of the same size.
    peephole : {"paper", "hadamard", "none"}
    guide_step : {"previous", "same"}
        See `model.config.ModelConfig`.
    """

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int,
        *,
        size_px: int,
        n_guides: int = 0,
        peephole: Literal["paper", "hadamard", "none"] = "paper",
        guide_step: Literal["previous", "same"] = "previous",
    ) -> None:
        super().__init__()
        self.hidden_channels = hidden_channels
        self._guide_step = guide_step
        gates = 4 * hidden_channels
        self.weight_x = nn.Parameter(torch.empty(gates, in_channels, 3, 3))
        self.weight_h = nn.Parameter(torch.empty(gates, hidden_channels, 3, 3))
        self.weight_guides = nn.ParameterList(
            nn.Parameter(torch.empty(gates, hidden_channels, 3, 3)) for _ in range(n_guides)
        )
        self.bias = nn.Parameter(torch.zeros(gates))
        # Zero, as usual for Hadamard peepholes: the cell starts as one without them.
        hadamard_gates = {"paper": 1, "hadamard": 3, "none": 0}[peephole]
        self.weight_peephole = (
            nn.Parameter(torch.zeros(hadamard_gates, hidden_channels, size_px, size_px))
            if hadamard_gates
            else None
        )
        self.weight_c = (
            nn.Parameter(torch.empty(2 * hidden_channels, hidden_channels, 3, 3))
            if peephole == "paper"
            else None
        )

    def forward(
        self, x: Tensor, guides: Sequence[Tensor] = (), forget_x: Tensor | None = None
    ) -> Tensor:
        """Run the layer over a clip.

        Parameters
        ----------
        x : (T, B, in_channels, H, W)
        guides : sequence of (T, B, hidden_channels, H, W)
            Hidden states of the guiding streams; step t uses those of step t - 1, or of t.
        forget_x : (T, B, in_channels, H, W), optional
            Input of the forget gate where it is not `x`.

        Returns
        -------
        (T, B, hidden_channels, H, W)
            h[t] of every step.
        """
        hidden = self.hidden_channels
        weights = [self.weight_x, *self.weight_guides]
        entering = (
            [_delayed(guide) for guide in guides] if self._guide_step == "previous" else guides
        )
        gates = _convolved(torch.cat([x, *entering], 2), torch.cat(weights, 1), self.bias)
        if forget_x is not None:
            forget = slice(hidden, 2 * hidden)
            own = _convolved(
                torch.cat([forget_x, *entering], 2),
                torch.cat(weights, 1)[forget],
                self.bias[forget],
            )
            i, _, rest = torch.split(gates, [hidden, hidden, 2 * hidden], 2)
            gates = torch.cat([i, own, rest], 2)
        return scan(gates, self.weight_h, Peephole(self.weight_c, self.weight_peephole))


class Convolution(nn.Module):
    """What stands for a recurrent layer where there is no recurrence (Tables V and VI, row 3).

    ``tanh(w_x * x_t + sum over guides of w_g * h_t^g + b)``: the input and guide terms of eq. 2's
    candidate, so that the range stays (-1, 1) and guides enter as they do there. The paper says
    only that the A-LSTM modules are replaced with 2D convolutions; tanh is our choice.

    Parameters
    ----------
    in_channels, hidden_channels : int
    n_guides : int
    """

    def __init__(self, in_channels: int, hidden_channels: int, *, n_guides: int = 0) -> None:
        super().__init__()
        inputs = in_channels + n_guides * hidden_channels
        self.layer = nn.Conv2d(inputs, hidden_channels, 3, padding=1)

    def forward(
        self, x: Tensor, guides: Sequence[Tensor] = (), forget_x: Tensor | None = None
    ) -> Tensor:
        """Map (T, B, in_channels, H, W) and guides to (T, B, hidden_channels, H, W)."""
        del forget_x  # there is no forget gate
        images: Tensor = self.layer(torch.cat([x, *guides], 2).flatten(0, 1))
        return torch.unflatten(torch.tanh(images), 0, x.shape[:2])


def _delayed(hidden: Tensor) -> Tensor:
    """Shift (T, B, C, H, W) by one step: zero first, the last state unused."""
    return torch.cat([torch.zeros_like(hidden[:1]), hidden[:-1]])


def _convolved(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Convolve the images of all steps, (T, B, C, H, W), at once."""
    images = functional.conv2d(x.flatten(0, 1), weight, bias, padding=1)
    return torch.unflatten(images, 0, x.shape[:2])
