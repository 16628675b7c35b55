"""ResNet-50 on each frame (Table VII), parameters named as in torchvision.

He et al. (2016) with the stride in the 3x3 convolution, which is what torchvision's weights are of.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from .config import ModelConfig
from .frames import FrameNetwork
from .vgg import resized

_STAGES = ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2))
_EXPANSION = 4
_STEM = 64


class BatchNorm(nn.Module):
    """Batch normalisation of images with float32 state only.

    torch's own also counts batches in an int64, which checkpoints here have no place for.

    Parameters
    ----------
    channels : int
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (N, C, H, W)."""
        return functional.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, training=self.training
        )


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions beside a shortcut.

    Parameters
    ----------
    inputs, channels, stride : int
        The outputs are four times `channels`.
    """

    def __init__(self, inputs: int, channels: int, stride: int) -> None:
        super().__init__()
        outputs = channels * _EXPANSION
        self.conv1 = nn.Conv2d(inputs, channels, 1, bias=False)
        self.bn1 = BatchNorm(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, stride=stride, padding=1, bias=False)
        self.bn2 = BatchNorm(channels)
        self.conv3 = nn.Conv2d(channels, outputs, 1, bias=False)
        self.bn3 = BatchNorm(outputs)
        self.downsample: nn.Module | None = None
        if stride > 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False), BatchNorm(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, inputs, H, W) to (N, 4 · channels, H / stride, W / stride)."""
        y = self.bn1(self.conv1(x)).relu()
        y = self.bn2(self.conv2(y)).relu()
        y = self.bn3(self.conv3(y))
        shortcut = x if self.downsample is None else self.downsample(x)
        joined: Tensor = (y + shortcut).relu()
        return joined


class _Trunk(nn.Module):
    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        inputs = config.channels(_STEM)
        self.conv1 = nn.Conv2d(3, inputs, 7, stride=2, padding=3, bias=False)
        self.bn1 = BatchNorm(inputs)
        for number, (paper, blocks, stride) in enumerate(_STAGES, 1):
            channels = config.channels(paper)
            stage = []
            for block in range(blocks):
                stage.append(Bottleneck(inputs, channels, 1 if block else stride))
                inputs = channels * _EXPANSION
            self.add_module(f"layer{number}", nn.Sequential(*stage))

    def forward(self, images: Tensor) -> Tensor:
        x = functional.max_pool2d(self.bn1(self.conv1(images)).relu(), 3, stride=2, padding=1)
        for number in range(1, len(_STAGES) + 1):
            x = self.get_submodule(f"layer{number}")(x)
        return x.mean((2, 3))


class ResnetNetwork(FrameNetwork):
    """ResNet-50, its last layer replaced.

    Parameters
    ----------
    config : ModelConfig
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config, n_features=config.channels(_STAGES[-1][0]) * _EXPANSION)
        self.backbone = _Trunk(config)

    def describe(self, images: Tensor) -> Tensor:
        """Map color images (N, 3, H, W) to features (N, 2048)."""
        features: Tensor = self.backbone(resized(images, self.config.backbone_px))
        return features
