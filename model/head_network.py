"""The recognition networks without attention: in 3D, in 2D, and on stacked modalities."""

import itertools
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from .config import CHANNELS, ModelConfig
from .frames import FrameNetwork
from .head import RecognitionHead
from .prediction import Network, Prediction

_STAGES = 4


class HeadNetwork(Network):
    """X' of section III.B.3 fed into the 3D-CNN head as it is (Tables V and VI, row 2).

    ``early_fusion`` stacks the channels of all modalities before X'; the others see one modality.

    Parameters
    ----------
    config : ModelConfig
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        inputs = sum(CHANNELS[name] for name in config.modalities)
        self.features = nn.Conv3d(inputs, config.channels(32), 3, padding=1)
        self.head = RecognitionHead(config)

    @property
    def output_layers(self) -> tuple[nn.Linear, ...]:
        """fc2."""
        return (self.head.fc2,)

    def forward(self, clips: Mapping[str, Tensor]) -> Prediction:
        """Predict a batch of clips (T, B, C, H, W)."""
        stacked = torch.cat([clips[name] for name in self.config.modalities], 2)
        volume = stacked.permute(1, 2, 0, 3, 4)  # (B, C, T, H, W)
        return Prediction(self.kept_small(self._recognise, volume))

    def _recognise(self, volume: Tensor) -> Tensor:
        score: Tensor = self.head(torch.relu(self.features(volume)))
        return score


class FrameHeadNetwork(FrameNetwork):
    """The head with all 3D replaced by 2D, shared over time (Tables V and VI, row 1).

    Widths, pools, fc1 and dropout are the 3D head's; its temporal pools have no counterpart.
    Frames are scored one by one; how their scores become one is the config's label.

    Parameters
    ----------
    config : ModelConfig
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config, n_features=config.fc_units)
        channels = [config.channels(paper) for paper in (32, 32, 64, 128, 256)]
        layers: list[nn.Module] = [
            nn.Conv2d(CHANNELS[config.target], channels[0], 3, padding=1),
            nn.ReLU(),
        ]
        for inputs, outputs in itertools.pairwise(channels):
            layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.MaxPool2d(2), nn.ReLU()]
        side = config.input_px // 2**_STAGES
        self.convolutions = nn.Sequential(*layers)
        self.fc1 = nn.Linear(channels[-1] * side * side, config.fc_units)
        self.dropout = nn.Dropout(config.dropout)

    def describe(self, images: Tensor) -> Tensor:
        """Map images (N, C, H, W) to features (N, fc_units)."""
        flat = self.convolutions(images).contiguous().flatten(1)
        features: Tensor = self.dropout(torch.relu(self.fc1(flat)))
        return features
