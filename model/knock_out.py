"""Controls for what attention and guides contribute: the same weights with one input spoiled.

Without them a table of modalities reads differences between runs as the work of a modality
(docs/how-to/train.md). Each leaves the network as it is and changes what reaches it.
"""

from collections.abc import Mapping
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from .config import ModelConfig
from .errors import ModelError

KnockOut = Literal["shuffle-guides", "zero-guides", "mean-attention", "uniform-attention"]
KNOCK_OUTS: tuple[KnockOut, ...] = get_args(KnockOut)
_GUIDE_KNOCK_OUTS = ("shuffle-guides", "zero-guides")


def check_knock_out(knock_out: KnockOut | None, config: ModelConfig) -> None:
    """Refuse a guide knock-out of a network without guides."""
    if knock_out in _GUIDE_KNOCK_OUTS and not config.guides:
        raise ModelError(f"{knock_out}: a {config.architecture} has no guides to knock out")


def guide_partners(n_clips: int, *, seed: int = 0) -> list[int]:
    """Return for every clip another clip, whose guides it gets; no clip keeps its own.

    A random cycle through all clips: nobody is their own successor, everybody is somebody's.
    """
    if n_clips < 2:
        raise ModelError(f"shuffle-guides needs at least 2 clips, got {n_clips}")
    order = np.random.default_rng(seed).permutation(n_clips)
    partners = np.empty(n_clips, np.int64)
    partners[order] = np.roll(order, 1)
    return [int(partner) for partner in partners]


def zero_guides(clips: Mapping[str, Tensor], config: ModelConfig) -> dict[str, Tensor]:
    """Return `clips` with guides that say nothing: 0 is the neutral value of every modality."""
    return {
        name: torch.zeros_like(clip) if name in config.guides else clip
        for name, clip in clips.items()
    }


def uniform_attention(like: Tensor, config: ModelConfig) -> Tensor:
    """Return attention that prefers no pixel, of the shape and scale of `like`."""
    pixels = like.shape[-1] * like.shape[-2]
    return torch.full_like(like, 1 / pixels if config.attention == "literal" else 1.0)
