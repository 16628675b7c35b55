"""What every network is to the rest of the package: clips in, scores out."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from .config import ModelConfig


class Prediction(NamedTuple):
    """What a network says about a batch.

    Attributes
    ----------
    score : (B, K) float, or (B, T, K) where the config's label is ``frames``
        K outputs in [-1, 1], or the logits of K categories.
    attention : (T, B, 1, H, W) float or None
        One map a frame, at the input's resolution; None without an attention branch.
    own : (B, M, K) or (B, M, T, K) float, or None
        What each modality says by itself, NaN where a clip lacks it; None where it says nothing.
    """

    score: Tensor
    attention: Tensor | None = None
    own: Tensor | None = None


class Network(nn.Module):
    """A network of the catalogue; `model.initialise.build_network` makes one.

    Attributes
    ----------
    config : ModelConfig
    checkpointing : bool
        Training computes activations again backwards instead of keeping them: less memory, more
        time, equal values.
    n_own : int
        Modalities with scores of their own (`Prediction.own`), 0 in most networks.

    Parameters
    ----------
    config : ModelConfig
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.checkpointing = False
        self.n_own = 0

    def kept_small(self, part: Callable[..., Any], *inputs: Any) -> Any:
        """Call a part of the network, which keeps only its inputs where `checkpointing` is set."""
        if self.checkpointing and torch.is_grad_enabled():
            return checkpoint(part, *inputs, use_reentrant=False)
        return part(*inputs)

    @property
    @abstractmethod
    def output_layers(self) -> tuple[nn.Linear, ...]:
        """The layers whose outputs, through tanh or as logits, are the scores."""

    @abstractmethod
    def forward(self, clips: Mapping[str, Tensor]) -> Prediction:
        """Predict a batch.

        Parameters
        ----------
        clips : mapping of modality to (T, B, C, H, W) float
            Normalised by `model.preprocess`; time first, so that a step of all clips is contiguous.
        """


class AttentionNetwork(Network):
    """A network that multiplies features with an attention cube."""

    @abstractmethod
    def attend(self, clips: Mapping[str, Tensor]) -> Tensor:
        """Return the attention cube (T, B, 1, H, W) of clips as `forward` takes them."""

    @abstractmethod
    def recognise(self, clips: Mapping[str, Tensor], attention: Tensor) -> Tensor:
        """Return scores from clips as `forward` takes them and an attention cube."""
