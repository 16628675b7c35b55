"""VGG-16, its weights for faces, and the recurrent networks on top of it (Table VII).

Configuration D of Simonyan and Zisserman (2015); parameters are named as torchvision names them,
so that its state dict fits. VGG-Face (Parkhi et al. 2015) has the same layers and other weights.
AffWildNet as in its authors' public code (D. Kollias et al., IJCV 2019: the convolutions of
VGG-Face on 96x96 frames, one layer of 4096 units with ReLU, two GRU layers of 128, no landmarks);
theirs ends linearly, ours in the tanh of all networks here.
"""

import itertools
from collections.abc import Sequence
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional

from .config import ModelConfig
from .frames import FrameNetwork

_BLOCKS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
_REDUCTION = 32
_CLASSIFIER_PX = 7
_CLASSIFIER_UNITS = 4096


def resized(images: Tensor, size_px: int) -> Tensor:
    """Resize images (N, C, H, W) bilinearly to what a trunk was made for."""
    if images.shape[-1] == size_px:
        return images
    shrinking = images.shape[-1] > size_px
    return functional.interpolate(
        images, size=(size_px, size_px), mode="bilinear", align_corners=False, antialias=shrinking
    )


def convolutions(config: ModelConfig) -> nn.Sequential:
    """Return the 13 convolutions, numbered as in torchvision's ``features``."""
    layers: list[nn.Module] = []
    inputs = 3
    for block in _BLOCKS:
        for paper in block:
            outputs = config.channels(paper)
            layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU()]
            inputs = outputs
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers)


def fully_connected(sizes: Sequence[int], dropout: float) -> nn.Sequential:
    """Return linear layers with ReLU and dropout, numbered as in torchvision's ``classifier``."""
    layers: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), nn.ReLU(), nn.Dropout(dropout)]
    return nn.Sequential(*layers)


class _Trunk(nn.Module):
    def __init__(self, features: nn.Sequential, classifier: nn.Sequential) -> None:
        super().__init__()
        self.features, self.classifier = features, classifier


class VggNetwork(FrameNetwork):
    """VGG-16 or VGG-Face on each frame, its last layer replaced.

    Parameters
    ----------
    config : ModelConfig
    """

    def __init__(self, config: ModelConfig) -> None:
        units = config.channels(_CLASSIFIER_UNITS)
        super().__init__(config, n_features=units)
        inputs = config.channels(_BLOCKS[-1][-1]) * _CLASSIFIER_PX**2
        self.backbone = _Trunk(
            convolutions(config), fully_connected((inputs, units, units), config.dropout)
        )

    def describe(self, images: Tensor) -> Tensor:
        """Map color images (N, 3, H, W) to features (N, 4096)."""
        maps = self.backbone.features(resized(images, self.config.backbone_px))
        pooled = functional.adaptive_avg_pool2d(maps, _CLASSIFIER_PX)
        features: Tensor = self.backbone.classifier(pooled.contiguous().flatten(1))
        return features


class VggMemoryNetwork(FrameNetwork):
    """The convolutions of VGG-Face, one fully connected layer, and a recurrent network.

    ``vgg_face_lstm``: "one fully-connected layer and two hidden layers with 128 units" (section
    V.B), taken for VGG-Face up to fc6 and two LSTM layers. ``affwildnet``: GRU layers instead.

    Parameters
    ----------
    config : ModelConfig
    memory : {"lstm", "gru"}
    """

    def __init__(self, config: ModelConfig, *, memory: Literal["lstm", "gru"]) -> None:
        super().__init__(config, n_features=config.fc_units, memory=memory)
        side = config.backbone_px // _REDUCTION
        inputs = config.channels(_BLOCKS[-1][-1]) * side**2
        self.backbone = _Trunk(
            convolutions(config), fully_connected((inputs, config.fc_units), config.dropout)
        )

    def describe(self, images: Tensor) -> Tensor:
        """Map color images (N, 3, H, W) to features (N, fc_units)."""
        maps = self.backbone.features(resized(images, self.config.backbone_px))
        features: Tensor = self.backbone.classifier(maps.contiguous().flatten(1))
        return features
