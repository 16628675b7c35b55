"""A network of ours: every modality gives evidence of its own, and says how far to trust it.

MRAN's features come from color alone; what depth and thermal show must pass through one attention
map. Here each modality has features. What they say is added as evidence is added about one
unknown number: docs/decisions/0108 has the reasons, docs/reference/evidence.md what it is.
"""

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from .attention import SpatialSoftmax
from .config import CHANNELS, ModelConfig
from .encoder import SpatialEncoder
from .head import conv_stages, scores_of
from .prediction import AttentionNetwork, Network, Prediction
from .recurrent import ConvLSTM

_FC_SHARE = 4
"""A stream has a quarter of the config's fc units: fc1 is what most of a head's weights are."""
_MAP_UNITS = 16
_MAP_REDUCTION = 8


class EvidenceStream(nn.Module):
    """X' and the 3D-CNN head of the paper for one modality, with a smaller fc1.

    Parameters
    ----------
    config : ModelConfig
    modality : str
    """

    def __init__(self, config: ModelConfig, modality: str) -> None:
        super().__init__()
        self.features = nn.Conv3d(CHANNELS[modality], config.channels(32), 3, padding=1)
        self.stages, n_features = conv_stages(config)
        units = max(1, config.fc_units // _FC_SHARE)
        self.fc1 = nn.Linear(n_features, units)
        self.dropout = nn.Dropout(config.dropout)
        frames = config.clip_length if config.label == "frames" else 1
        self.output = nn.Linear(units, 2 * frames * config.n_scores)

    def forward(self, clip: Tensor, attention: Tensor | None) -> Tensor:
        """Return what the modality says, before it is split into evidence and precision.

        Parameters
        ----------
        clip : (T, B, C, H, W) float
        attention : (T, B, 1, H, W) float or None
            Multiplies X'.

        Returns
        -------
        (B, 2·K) float, or (B, 2·T·K) where every frame has a label
        """
        x = torch.relu(self.features(clip.permute(1, 2, 0, 3, 4)))  # (B, 32, 16, 96, 96)
        if attention is not None:
            x = x * attention.permute(1, 2, 0, 3, 4).to(x.dtype)
        # contiguous(): fc1's weights are laid out for channels first whatever the memory format.
        flat = self.stages(x).contiguous().flatten(1)  # (B, 9216)
        said: Tensor = self.output(self.dropout(torch.relu(self.fc1(flat))))
        return said


class EvidenceNetwork(Network):
    """Adds the evidence of all modalities: an estimate of each, weighted by its precision.

    A modality gives e and p >= 0. Alone its score is tanh(e / (1 + p)); together it is
    tanh(sum of e / (1 + sum of p)), as for independent normal observations of one number with a
    normal prior about 0 of precision 1. A modality whose clip is 0 everywhere is missing: its e
    and p are 0.

    Parameters
    ----------
    config : ModelConfig
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        self.n_own = len(config.modalities)
        self.streams = nn.ModuleDict({m: EvidenceStream(config, m) for m in config.modalities})

    @property
    def output_layers(self) -> tuple[nn.Linear, ...]:
        """The last layer of every stream."""
        return tuple(cast(EvidenceStream, stream).output for stream in self.streams.values())

    def forward(self, clips: Mapping[str, Tensor]) -> Prediction:
        """Predict a batch of clips (T, B, C, H, W)."""
        return self._weigh(clips, None)

    def _weigh(self, clips: Mapping[str, Tensor], attention: Tensor | None) -> Prediction:
        evidence, precision, present = [], [], []
        for name, stream in self.streams.items():
            e, p = self._evidence(self.kept_small(stream, clips[name], attention))
            here = is_present(clips[name]).reshape(-1, *(1,) * (e.dim() - 1))
            evidence.append(e * here)
            precision.append(p * here)
            present.append(here)
        e, p, here = torch.stack(evidence, 1), torch.stack(precision, 1), torch.stack(present, 1)
        own = torch.where(here, scores_of(e / (1 + p), self.config), torch.nan)  # (B, M, [T,] K)
        counted = self._with_dropout(here)
        total, weight = (e * counted).sum(1), (p * counted).sum(1)
        return Prediction(scores_of(total / (1 + weight), self.config), attention, own)

    def _evidence(self, said: Tensor) -> tuple[Tensor, Tensor]:
        """Return e and p, each (B, K), or (B, T, K) where every frame has a label."""
        config = self.config
        values = said.to(torch.promote_types(said.dtype, torch.float32))
        if config.label == "frames":
            values = torch.unflatten(values, 1, (config.clip_length, -1))
        e, p = values.chunk(2, -1)
        if config.precision_weights:
            return e, functional.softplus(p)
        return e, torch.ones_like(p)

    def _with_dropout(self, present: Tensor) -> Tensor:
        """While training, leave modalities of single clips out of the sum, never the last one.

        Parameters
        ----------
        present : (B, M, ...) bool
        """
        rate = self.config.modality_dropout
        if not self.training or not rate:
            return present
        draws = torch.rand(present.shape[:2], device=present.device)
        draws = draws.masked_fill(~present.flatten(2).any(2), -1.0)
        kept = (draws >= rate) | (draws == draws.amax(1, keepdim=True))
        return present & kept.reshape(*kept.shape, *(1,) * (present.dim() - 2))


class AttendedEvidenceNetwork(EvidenceNetwork, AttentionNetwork):
    """`EvidenceNetwork` whose features are all multiplied with one recurrent attention map.

    The map is made of all modalities: one encoder on their stacked channels, one ConvLSTM at an
    eighth of the size, interpolated.

    Parameters
    ----------
    config : ModelConfig
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        first, second, third = (config.channels(_MAP_UNITS * k) for k in (1, 2, 2))
        inputs = sum(CHANNELS[name] for name in config.modalities)
        self.encoder = SpatialEncoder(inputs, (first, second, third))
        self.memory = ConvLSTM(
            third,
            config.channels(_MAP_UNITS),
            size_px=config.hidden_px,
            peephole=config.peephole,
        )
        self.to_map = nn.Conv2d(config.channels(_MAP_UNITS), 1, 1, bias=False)
        self.softmax = SpatialSoftmax(config.attention, config.attention_gain)

    def attend(self, clips: Mapping[str, Tensor]) -> Tensor:
        """Return the attention cube (T, B, 1, H, W) of normalised clips."""
        stacked = torch.cat([clips[name] for name in self.config.modalities], 2)
        attention: Tensor = self.kept_small(self._attend, stacked)
        return attention

    def _attend(self, stacked: Tensor) -> Tensor:
        encoded = torch.unflatten(self.encoder(stacked.flatten(0, 1)), 0, stacked.shape[:2])
        logits = self.to_map(self.memory(encoded).flatten(0, 1))  # (T·B, 1, 12, 12)
        logits = functional.interpolate(
            logits, scale_factor=float(_MAP_REDUCTION), mode="bilinear", align_corners=False
        )
        return cast(Tensor, self.softmax(torch.unflatten(logits, 0, stacked.shape[:2])))

    def recognise(self, clips: Mapping[str, Tensor], attention: Tensor) -> Tensor:
        """Return scores (B, K) or (B, T, K) from clips and an attention cube."""
        return self._weigh(clips, attention).score

    def forward(self, clips: Mapping[str, Tensor]) -> Prediction:
        """Predict a batch of clips (T, B, C, H, W)."""
        return self._weigh(clips, self.attend(clips))


def is_present(clip: Tensor) -> Tensor:
    """Tell which clips of (T, B, C, H, W) hold anything, (B,) bool: 0 is what blank clips are."""
    return (clip != 0).flatten(2).any(2).any(0)
