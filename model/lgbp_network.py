"""Recurrent networks on LGBP-TOP features (Table VIII).

Chen and Jin (2015) and Chao et al. (2015) use an LSTM, He et al. (2015) a bidirectional one, on the
features that the AV+EC challenge gives: LGBP-TOP reduced by PCA to 84 numbers. Here a linear layer
is learned in the place of the PCA. Units and layers are our choice.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from .config import CHANNELS, ModelConfig
from .count_cache import CountCache
from .frames import FrameNetwork
from .khorrami import grey
from .lgbp_top import N_FEATURES, gabor_bank, shares, window_counts

_N_COMPONENTS = 84
KNOWN_COUNTS = CountCache(2**30)
"""Of this process: training, evaluation and the next run see the same clips."""


class LgbpTopNetwork(FrameNetwork):
    """LGBP-TOP of every frame's window, 84 linear combinations, LSTM layers.

    Parameters
    ----------
    config : ModelConfig
    memory : {"lstm", "bilstm"}
    """

    bank: Tensor

    def __init__(self, config: ModelConfig, *, memory: Literal["lstm", "bilstm"]) -> None:
        super().__init__(config, n_features=_N_COMPONENTS, memory=memory)
        self.components = nn.Linear(N_FEATURES, _N_COMPONENTS)
        # Derived, so no part of a checkpoint.
        self.register_buffer("bank", gabor_bank().float(), persistent=False)

    def describe(self, images: Tensor) -> Tensor:
        """Describe the frames of one clip, (T, C, H, W), by (T, 84)."""
        grey_images = grey(images) if CHANNELS[self.config.target] > 1 else images
        # Patterns compare neighbours: half precision would make ties of differences.
        with torch.autocast(images.device.type, enabled=False):
            known = grey_images.to(self.bank.dtype)
            counts = KNOWN_COUNTS.counts(known, lambda clip: window_counts(clip, self.bank))
            described = shares(counts, known.dtype)
        features: Tensor = self.components(described)
        return features

    def describe_clip(self, clip: Tensor) -> Tensor:
        """Map a clip (T, B, C, H, W) to features (T, B, 84)."""
        return torch.stack([self.describe(single) for single in clip.unbind(1)], 1)
