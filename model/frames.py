"""Networks that describe each frame on its own, and then score it, with or without a memory."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from .config import ModelConfig
from .head import scores_of
from .prediction import Network, Prediction

Memory = Literal["rnn", "lstm", "gru", "bilstm"]


class FrameNetwork(Network):
    """Frame-wise features, optionally a recurrent network over them, and a linear layer.

    Every frame gets a score; the config's label says what a clip's is: their mean, the one of the
    last or middle frame, or all.

    Parameters
    ----------
    config : ModelConfig
    n_features : int
        Length of what `describe` returns.
    memory : {"rnn", "lstm", "gru", "bilstm"}, optional
        ``rnn`` is Elman's with ReLU. Layers and units are the config's.
    """

    def __init__(
        self, config: ModelConfig, *, n_features: int, memory: Memory | None = None
    ) -> None:
        super().__init__(config)
        self.memory: nn.RNNBase | None = None
        if memory is not None:
            self.memory = _recurrent(memory, n_features, config)
            n_features = config.recurrent_units * (2 if memory == "bilstm" else 1)
        self.output = nn.Linear(n_features, config.n_scores)

    @property
    def output_layers(self) -> tuple[nn.Linear, ...]:
        """The layer behind features or memory."""
        return (self.output,)

    @abstractmethod
    def describe(self, images: Tensor) -> Tensor:
        """Map images (N, C, H, W) to features (N, n_features)."""

    def describe_clip(self, clip: Tensor) -> Tensor:
        """Map a clip (T, B, C, H, W) to features (T, B, n_features)."""
        features: Tensor = torch.unflatten(self.describe(clip.flatten(0, 1)), 0, clip.shape[:2])
        return features

    def forward(self, clips: Mapping[str, Tensor]) -> Prediction:
        """Predict a batch of clips (T, B, C, H, W)."""
        features = self.kept_small(self.describe_clip, clips[self.config.target])
        if self.memory is not None:
            features, _ = self.memory(features)
        return Prediction(read_out(scores_of(self.output(features), self.config), self.config))


def read_out(scores: Tensor, config: ModelConfig) -> Tensor:
    """Reduce scores of frames (T, B, K) to those of clips, (B, K), or give all as (B, T, K)."""
    if config.label == "frames":
        return scores.transpose(0, 1)
    if config.label == "mean":
        return scores.mean(0)
    return scores[-1 if config.label == "last" else len(scores) // 2]


def _recurrent(memory: Memory, n_features: int, config: ModelConfig) -> nn.RNNBase:
    sizes = (n_features, config.recurrent_units, config.recurrent_layers)
    if memory == "rnn":
        return nn.RNN(*sizes, nonlinearity="relu")
    if memory == "gru":
        return nn.GRU(*sizes)
    return nn.LSTM(*sizes, bidirectional=memory == "bilstm")
