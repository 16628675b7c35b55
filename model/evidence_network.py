"""A network of ours: every modality gives evidence of its own, and says how far to trust it.

MRAN's features come from color alone; depth and thermal only move its attention, so it sees
nothing in the dark. Here each modality has features. What they say is added as evidence is added
about one unknown number: docs/decisions/0108 has the reasons, docs/reference/evidence.md what it
is worth.
"""

import itertools
from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from .attention import SpatialSoftmax
from .config import CHANNELS, ModelConfig
from .encoder import SpatialEncoder
from .head import scores_of
from .prediction import AttentionNetwork, Network, Prediction
from .recurrent import ConvLSTM

_STAGES = 4
_FC_SHARE = 4
"""A stream has a quarter of the config's fc units: fc1 is what most of a head's weights are."""
_MAP_UNITS = 32
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
        # X', then the outputs of conv1 to conv4.
        channels = [config.channels(paper) for paper in (32, 32, 64, 128, 256)]
        self.features = nn.Conv3d(CHANNELS[modality], channels[0], 3, padding=1)
        stages: list[nn.Module] = []
        length = config.clip_length
        for inputs, outputs in itertools.pairwise(channels):
            pool = (2 if length > 1 else 1, 2, 2)
            stages += [nn.Conv3d(inputs, outputs, 3, padding=1), nn.MaxPool3d(pool), nn.ReLU()]
            length = max(1, length // 2)
        self.stages = nn.Sequential(*stages)
        side = config.input_px // 2**_STAGES
        self.fc1 = nn.Linear(channels[-1] * length * side * side, evidence_units(config))
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, clip: Tensor, attention: Tensor | None) -> Tensor:
        """Describe a clip.

        Parameters
        ----------
        clip : (T, B, C, H, W) float
        attention : (T, B, 1, H, W) float or None
            Multiplies X'.

        Returns
        -------
        (B, U) float, at least 0
        """
        x = torch.relu(self.features(clip.permute(1, 2, 0, 3, 4)))  # (B, 32, 16, 96, 96)
        if attention is not None:
            x = x * attention.permute(1, 2, 0, 3, 4).to(x.dtype)
        # contiguous(): fc1's weights are laid out for channels first whatever the memory format.
        flat = self.stages(x).contiguous().flatten(1)  # (B, 9216)
        described: Tensor = self.dropout(torch.relu(self.fc1(flat)))
        return described


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
        frames = config.clip_length if config.label == "frames" else 1
        # Shared: all modalities give evidence of the same scale.
        self.output = nn.Linear(evidence_units(config), 2 * frames * config.n_scores)

    @property
    def output_layer(self) -> nn.Linear:
        """The layer that turns a stream's description into evidence and precision."""
        return self.output

    def forward(self, clips: Mapping[str, Tensor]) -> Prediction:
        """Predict a batch of clips (T, B, C, H, W); in training some lack a modality."""
        return self._weigh(self._with_dropout(clips), None)

    def _weigh(self, clips: Mapping[str, Tensor], attention: Tensor | None) -> Prediction:
        evidence, precision, present = [], [], []
        for name, stream in self.streams.items():
            described = self.kept_small(stream, clips[name], attention)
            e, p = self._evidence(described)
            here = is_present(clips[name]).reshape(-1, *(1,) * (e.dim() - 1))
            evidence.append(e * here)
            precision.append(p * here)
            present.append(here)
        e, p, here = torch.stack(evidence, 1), torch.stack(precision, 1), torch.stack(present, 1)
        own = scores_of(e / (1 + p), self.config)  # (B, M, [T,] K)
        return Prediction(
            scores_of(e.sum(1) / (1 + p.sum(1)), self.config),
            attention,
            torch.where(here, own, torch.nan),
        )

    def _evidence(self, described: Tensor) -> tuple[Tensor, Tensor]:
        """Return e and p, each (B, K), or (B, T, K) where every frame has a label."""
        config = self.config
        values = self.output(described)
        values = values.to(torch.promote_types(values.dtype, torch.float32))
        if config.label == "frames":
            values = torch.unflatten(values, 1, (config.clip_length, -1))
        e, p = values.chunk(2, -1)
        if config.precision_weights:
            return e, functional.softplus(p)
        return e, torch.ones_like(p)

    def _with_dropout(self, clips: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Blank whole modalities of single clips while training; one of each clip stays."""
        rate, names = self.config.modality_dropout, self.config.modalities
        if not self.training or not rate or len(names) < 2:
            return clips
        first = clips[names[0]]
        draws = torch.rand(first.shape[1], len(names) + 1, device=first.device)
        kept = draws[:, :-1] >= rate
        spared = (draws[:, -1:] * len(names)).long()
        kept = kept.scatter(1, spared, torch.ones_like(spared, dtype=torch.bool))
        return {
            name: clips[name] * kept[:, k].to(first.dtype)[None, :, None, None, None]
            for k, name in enumerate(names)
        }


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
        c8, c16, c32 = (config.channels(_MAP_UNITS * k) for k in (1, 2, 2))
        inputs = sum(CHANNELS[name] for name in config.modalities)
        self.encoder = SpatialEncoder(inputs, (c8, c16, c32))
        self.memory = ConvLSTM(
            c32,
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
        """Predict a batch of clips (T, B, C, H, W); in training some lack a modality."""
        clips = self._with_dropout(clips)
        return self._weigh(clips, self.attend(clips))


def evidence_units(config: ModelConfig) -> int:
    """Units of a stream's fc1."""
    return max(1, config.fc_units // _FC_SHARE)


def is_present(clip: Tensor) -> Tensor:
    """Tell which clips of (T, B, C, H, W) hold anything, (B,) bool: 0 is what blank clips are."""
    return (clip != 0).flatten(2).any(2).any(0)
