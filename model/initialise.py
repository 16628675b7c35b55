"""Initial weights as a function of the seed."""

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from .config import ModelConfig
from .network import RecurrentAttentionNetwork
from .recurrent import ConvLSTM

_SMALLEST_SD = 1e-3


def build_network(
    config: ModelConfig,
    *,
    seed: int,
    initialisation: Literal["xavier", "he", "standardised"] = "xavier",
    output_gain: float = 1.0,
) -> RecurrentAttentionNetwork:
    """Build a network with weights that depend on `seed` only.

    Parameters
    ----------
    config : ModelConfig
    seed : int
        The global random state is left as it was.
    initialisation : {"xavier", "he", "standardised"}
        ``xavier`` (the paper's): Xavier-uniform weights, zero biases. ``he``: He-normal where a
        ReLU follows; the recurrent layers, whose nonlinearities saturate, keep Xavier.
        ``standardised``: as ``he``; the caller goes on with `standardise_activations`.
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
                if initialisation != "xavier" and rectified:
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


@torch.no_grad()
def standardise_activations(
    network: RecurrentAttentionNetwork, clips: Mapping[str, Tensor]
) -> None:
    """Rescale every layer before a ReLU so that its outputs over `clips` have mean 0 and sd 1.

    Max pooling of rectified noise gives features whose mean dwarfs what tells one clip from
    another, and a head that sees constants learns a constant for hundreds of steps. Centring each
    channel once, at the start, removes that; training then goes on as with any other weights.
    (Data-dependent initialisation: Krähenbühl et al., ICLR 2016.)

    Parameters
    ----------
    clips : mapping of modality to (T, B, C, H, W) float
        Some dozen training clips, prepared.
    """

    def rescale(layer: nn.Module, _: object, output: Tensor) -> Tensor:
        assert isinstance(layer, nn.Conv2d | nn.Conv3d | nn.Linear)  # noqa: S101 - hooked below
        axes = [axis for axis in range(output.ndim) if axis != 1]
        sd, mean = torch.std_mean(output, axes, correction=0)
        gain = 1 / sd.clamp_min(_SMALLEST_SD)
        layer.weight.mul_(gain.reshape(-1, *[1] * (layer.weight.ndim - 1)))
        if layer.bias is not None:
            layer.bias.sub_(mean).mul_(gain)
        shape = [-1 if axis == 1 else 1 for axis in range(output.ndim)]
        return (output - mean.reshape(shape)) * gain.reshape(shape)

    encoders = [network.target.encoder, *(s.encoder for s in network.guide_streams())]
    layers: list[nn.Module] = [network.features, network.head.fc1]
    for stage in (*encoders, network.head.features):
        layers += [layer for layer in stage if isinstance(layer, nn.Conv2d | nn.Conv3d)]
    hooks = [layer.register_forward_hook(rescale) for layer in layers]
    try:
        network.eval()(clips)
    finally:
        for hook in hooks:
            hook.remove()
