"""What a prediction costs, whatever the machine: multiplications of a clip."""

from functools import lru_cache

import torch
from torch.utils.flop_counter import FlopCounterMode

from .config import CHANNELS, ModelConfig
from .initialise import build_network


@lru_cache(maxsize=64)
def multiplications(config: ModelConfig) -> int:
    """Count the multiply-adds of convolutions and linear layers for one clip.

    Elementwise work (gates, activations, normalisation) is not counted, as is usual.
    """
    network = build_network(config, initialisation="he").eval()
    clip = {
        name: torch.zeros(config.clip_length, 1, CHANNELS[name], config.input_px, config.input_px)
        for name in config.modalities
    }
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        network(clip)
    return int(counter.get_total_flops()) // 2
