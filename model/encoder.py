"""The spatial encoder of one stream and the upsampling between its recurrent layers."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional


class SpatialEncoder(nn.Sequential):
    """Three times 3x3 convolution, ReLU and 2x2 max pooling (Table I, conv1 to pool3).

    Shared by all frames of a stream, not between streams. The pool comes before the ReLU: both
    orders give the same values, this one rectifies a quarter of them.

    Parameters
    ----------
    in_channels : int
    channels : tuple of int
        Outputs of conv1, conv2 and conv3.
    """

    def __init__(self, in_channels: int, channels: tuple[int, int, int]) -> None:
        layers: list[nn.Module] = []
        for inputs, outputs in zip((in_channels, *channels), channels, strict=False):
            layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.MaxPool2d(2), nn.ReLU()]
        super().__init__(*layers)


class Upsampling(nn.Module):
    """Double height and width: the deconvolution of Table I, or a 1x1 convolution, interpolated.

    The 1x1 convolution commutes with both interpolations, so it runs on the smaller image.

    Parameters
    ----------
    channels : int
    kind : {"deconvolution", "bilinear", "nearest"}
    bias : bool
        False before a softmax over space, which no constant can change.
    learnable : bool
        False drops the 1x1 convolution: before a standardisation its single weight has no effect.
    """

    def __init__(
        self,
        channels: int,
        kind: Literal["deconvolution", "bilinear", "nearest"],
        *,
        bias: bool = True,
        learnable: bool = True,
    ) -> None:
        super().__init__()
        self.kind = kind
        self.layer: nn.Module = nn.Identity()
        if kind == "deconvolution":
            self.layer = nn.ConvTranspose2d(channels, channels, 2, stride=2, bias=bias)
        elif learnable:
            self.layer = nn.Conv2d(channels, channels, 1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map (T, B, C, H, W) to (T, B, C, 2H, 2W)."""
        y: Tensor = self.layer(x.flatten(0, 1))
        if self.kind == "bilinear":
            y = functional.interpolate(y, scale_factor=2.0, mode="bilinear", align_corners=False)
        elif self.kind == "nearest":
            y = functional.interpolate(y, scale_factor=2.0, mode="nearest")
        return torch.unflatten(y, 0, x.shape[:2])
