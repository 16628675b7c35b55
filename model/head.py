"""Emotion recognition: 3D convolutions over the attended features of the target modality."""

import itertools

import torch
from torch import Tensor, nn

from .config import ModelConfig

_STAGES = 4


def scores_of(values: Tensor, config: ModelConfig) -> Tensor:
    """Bound the outputs of the last layer to [-1, 1]; logits of categories stay as they are.

    Scores are float32 where autocast computed the last layer in a half type.
    """
    values = values.to(torch.promote_types(values.dtype, torch.float32))
    return values if config.categorical else torch.tanh(values)


def conv_stages(config: ModelConfig) -> tuple[nn.Sequential, int]:
    """Make conv1 to conv4 with their pooling, and tell how many numbers they leave of a clip.

    Four times 3x3x3 convolution, 2x2x2 pooling and ReLU, from 32 channels of features. A clip that
    has become one frame is pooled in space only.
    """
    # conv1's inputs, then the outputs of conv1 to conv4.
    channels = [config.channels(paper) for paper in (32, 32, 64, 128, 256)]
    stages: list[nn.Module] = []
    length = config.clip_length
    for inputs, outputs in itertools.pairwise(channels):
        pool = (2 if length > 1 else 1, 2, 2)
        stages += [nn.Conv3d(inputs, outputs, 3, padding=1), nn.MaxPool3d(pool), nn.ReLU()]
        length = max(1, length // 2)
    side = config.input_px // 2**_STAGES
    return nn.Sequential(*stages), channels[-1] * length * side * side


class RecognitionHead(nn.Module):
    """Four times 3x3x3 convolution, ReLU and 2x2x2 pooling, then fc1, ReLU, dropout, fc2, tanh.

    Table I prints 256/256 for conv4 although pool3 gives 128 channels; fc1's 9216 inputs fix its
    outputs at 256, so conv4 is read as 128/256. Where the config's label is ``frames``, fc2 has a
    set of outputs for each frame.

    Parameters
    ----------
    config : ModelConfig
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.features, n_features = conv_stages(config)
        frames = config.clip_length if config.label == "frames" else 1
        self.fc1 = nn.Linear(n_features, config.fc_units)
        self.dropout = nn.Dropout(config.dropout)
        self.fc2 = nn.Linear(config.fc_units, frames * config.n_scores)

    def forward(self, x: Tensor) -> Tensor:
        """Map attended features (B, C, T, H, W) to scores (B, K) or (B, T, K)."""
        # contiguous(): fc1's weights are laid out for channels first whatever the memory format.
        flat = self.features(x).contiguous().flatten(1)  # (B, 9216)
        hidden = self.dropout(torch.relu(self.fc1(flat)))  # (B, 1024)
        scores = scores_of(self.fc2(hidden), self.config)
        if self.config.label == "frames":
            frames: Tensor = torch.unflatten(scores, 1, (self.config.clip_length, -1))
            return frames
        return scores
