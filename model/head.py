"""Emotion recognition: 3D convolutions over the attended features of the target modality."""

import itertools

import torch
from torch import Tensor, nn

_STAGES = 4


class RecognitionHead(nn.Module):
    """Four times 3x3x3 convolution, ReLU and 2x2x2 pooling, then fc1, ReLU, dropout, fc2, tanh.

    Table I prints 256/256 for conv4 although pool3 gives 128 channels; fc1's 9216 inputs fix its
    outputs at 256, so conv4 is read as 128/256. A clip that has become one frame is pooled in
    space only.

    Parameters
    ----------
    channels : tuple of int
        Inputs of conv1 and outputs of conv1 to conv4: (32, 32, 64, 128, 256) in the paper.
    clip_length, size_px : int
    fc_units : int
    n_outputs : int
    dropout : float
    """

    def __init__(
        self,
        channels: tuple[int, int, int, int, int],
        *,
        clip_length: int,
        size_px: int,
        fc_units: int,
        n_outputs: int,
        dropout: float,
    ) -> None:
        super().__init__()
        stages: list[nn.Module] = []
        length = clip_length
        for inputs, outputs in itertools.pairwise(channels):
            pool = (2 if length > 1 else 1, 2, 2)
            stages += [nn.Conv3d(inputs, outputs, 3, padding=1), nn.MaxPool3d(pool), nn.ReLU()]
            length = max(1, length // 2)
        self.features = nn.Sequential(*stages)
        side = size_px // 2**_STAGES
        self.fc1 = nn.Linear(channels[-1] * length * side * side, fc_units)
        self.dropout = nn.Dropout(dropout)
        self.fc2 = nn.Linear(fc_units, n_outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Map attended features (B, C, T, H, W) to scores (B, n_outputs) in [-1, 1]."""
        # contiguous(): fc1's weights are laid out for channels first whatever the memory format.
        flat = self.features(x).contiguous().flatten(1)  # (B, 9216)
        hidden = self.dropout(torch.relu(self.fc1(flat)))  # (B, 1024)
        return torch.tanh(self.fc2(hidden))
