"""MRAN and URAN assembled (section III of the paper, Table I), and both without recurrence."""

from collections.abc import Mapping
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from .attention import SpatialSoftmax
from .config import CHANNELS, ModelConfig
from .encoder import SpatialEncoder, Upsampling
from .head import RecognitionHead
from .prediction import AttentionNetwork, Prediction
from .recurrent import ConvLSTM, Convolution

_LSTM_LAYERS = 3


class Stream(nn.Module):
    """Encoder and recurrent decoder of one modality; a guided stream borrows the guides' states.

    Parameters
    ----------
    config : ModelConfig
    modality : str
    n_guides : int
        0 makes the recurrent layers A-LSTMs, more makes them AG-LSTMs.
    """

    def __init__(self, config: ModelConfig, modality: str, *, n_guides: int = 0) -> None:
        super().__init__()
        c32, c64, c128 = (config.channels(paper) for paper in (32, 64, 128))
        widths = ((c128, c64), (c64, c32), (c32, 1))
        self.encoder = SpatialEncoder(CHANNELS[modality], (c32, c64, c128))
        self.lstms = nn.ModuleList(
            Convolution(inputs, hidden, n_guides=n_guides)
            if config.architecture == "spatial"
            else ConvLSTM(
                inputs,
                hidden,
                size_px=config.hidden_px * 2**layer,
                n_guides=n_guides,
                peephole=config.peephole,
                guide_step=config.guide_step,
            )
            for layer, (inputs, hidden) in enumerate(widths)
        )
        self.ups = nn.ModuleList(Upsampling(channels, config.upsampling) for channels in (c64, c32))

    def encode(self, x: Tensor) -> Tensor:
        """Map frames (T, B, C, H, W) to features (T, B, 128, H/8, W/8)."""
        features: Tensor = self.encoder(x.flatten(0, 1))
        return torch.unflatten(features, 0, x.shape[:2])

    def layer_input(self, layer: int, features: Tensor, states: list[Tensor]) -> Tensor:
        """Return the input of a recurrent layer: the features, or the layer below upsampled."""
        entering: Tensor = features if layer == 0 else self.ups[layer - 1](states[layer - 1])
        return entering


class RecurrentAttentionNetwork(AttentionNetwork):
    """MRAN, or URAN where the config names one modality; ``spatial``: either without recurrence.

    The guides never depend on the target, so their streams run first for the whole clip and their
    contribution to the target's gates is part of one convolution over all steps.

    Parameters
    ----------
    config : ModelConfig
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        n_guides = len(config.guides)
        self.target = Stream(config, config.target, n_guides=n_guides)
        self.guides = nn.ModuleDict({name: Stream(config, name) for name in config.guides})
        standardised = config.attention == "standardise"
        self.up3 = Upsampling(1, config.upsampling, bias=False, learnable=not standardised)
        self.softmax = SpatialSoftmax(config.attention, config.attention_gain)
        self.features = nn.Conv3d(CHANNELS[config.target], config.channels(32), 3, padding=1)
        self.head = RecognitionHead(config)

    @property
    def output_layers(self) -> tuple[nn.Linear, ...]:
        """fc2."""
        return (self.head.fc2,)

    def attend(self, clips: Mapping[str, Tensor]) -> Tensor:
        """Return the attention cube (T, B, 1, H, W) of normalised clips.

        Parameters
        ----------
        clips : mapping of modality to (T, B, C, H, W) float
        """
        guide_states = {name: self._guide_states(name, clips[name]) for name in self.guides}
        forget = None
        if self.config.forget_input == "thermal":
            forget = guide_states["thermal"]
        features = self.kept_small(self.target.encode, clips[self.config.target])
        states: list[Tensor] = []
        for layer in range(_LSTM_LAYERS):
            x = self.target.layer_input(layer, features, states)
            states.append(
                self.kept_small(
                    self.target.lstms[layer],
                    x,
                    [entries[layer].state for entries in guide_states.values()],
                    None if forget is None else forget[layer].entering,
                )
            )  # (T, B, 64, 12, 12), (T, B, 32, 24, 24), (T, B, 1, 48, 48)
        attention: Tensor = self.softmax(self.up3(states[-1]))  # (T, B, 1, 96, 96)
        return attention

    def _guide_states(self, name: str, clip: Tensor) -> list["_GuideLayer"]:
        stream = cast(Stream, self.guides[name])
        features = self.kept_small(stream.encode, clip)
        layers: list[_GuideLayer] = []
        for layer in range(_LSTM_LAYERS):
            x = stream.layer_input(layer, features, [entry.state for entry in layers])
            layers.append(_GuideLayer(x, self.kept_small(stream.lstms[layer], x)))
        return layers

    def recognise(self, clips: Mapping[str, Tensor], attention: Tensor) -> Tensor:
        """Return scores (B, K) or (B, T, K) from the target's clip and an attention cube.

        Parameters
        ----------
        clips : mapping of modality to (T, B, C, H, W) float
            Only the target's is looked at.
        attention : (T, B, 1, H, W) float
        """
        target = clips[self.config.target]
        score: Tensor = self.kept_small(self._recognise, target, attention)
        return score

    def _recognise(self, clip: Tensor, attention: Tensor) -> Tensor:
        volume = clip.permute(1, 2, 0, 3, 4)  # (B, 3, 16, 96, 96)
        x = torch.relu(self.features(volume))  # X', (B, 32, 16, 96, 96)
        attended = x * attention.permute(1, 2, 0, 3, 4).to(x.dtype)  # X'' (eq. 4)
        score: Tensor = self.head(attended)
        return score

    def forward(self, clips: Mapping[str, Tensor]) -> Prediction:
        """Predict a batch.

        Parameters
        ----------
        clips : mapping of modality to (T, B, C, H, W) float
            Normalised by `model.preprocess`; time first, so that a step of all clips is contiguous.
        """
        attention = self.attend(clips)
        return Prediction(self.recognise(clips, attention), attention)


class _GuideLayer(NamedTuple):
    entering: Tensor
    state: Tensor
