"""Initial weights as a function of the seed."""

from typing import Literal

import torch
from torch import nn

from .config import ModelConfig
from .network import RecurrentAttentionNetwork
from .recurrent import ConvLSTM


def build_network(
    config: ModelConfig,
    *,
    seed: int,
    initialisation: Literal["xavier", "he"] = "xavier",
    output_gain: float = 1.0,
) -> RecurrentAttentionNetwork:
    """Build a network with weights that depend on `seed` only.

    Parameters
    ----------
    config : ModelConfig
    seed : int
        The global random state is left as it was.
    initialisation : {"xavier", "he"}
        ``xavier`` (the paper's): Xavier-uniform weights, zero biases. ``he``: He-normal where a
        ReLU follows; the recurrent layers, whose nonlinearities saturate, keep Xavier.
    output_gain : float
        Scales fc2.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = RecurrentAttentionNetwork(config)
        for module in network.modules():
            if isinstance(module, ConvLSTM):
                _initialise_gates(module)
            elif isinstance(module, nn.Conv2d | nn.Conv3d | nn.ConvTranspose2d | nn.Linear):
                # Convolutions of one pixel upsample, without a ReLU behind them.
                convolution = isinstance(module, nn.Conv2d | nn.Conv3d)
                rectified = convolution and module.weight.shape[-1] > 1
                if initialisation == "he" and rectified:
                    nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                else:
                    nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        with torch.no_grad():
            network.head.fc2.weight.mul_(output_gain)
    return network


def _initialise_gates(layer: ConvLSTM) -> None:
    """Xavier for each gate on its own: the fused weight's fan-out would be four times too large."""
    weights = [layer.weight_x, layer.weight_h, *layer.weight_guides]
    if layer.weight_c is not None:
        weights.append(layer.weight_c)
    for weight in weights:
        for gate in weight.data.split(layer.hidden_channels):
            nn.init.xavier_uniform_(gate)
