"""Initial weights as a function of the seed."""

import warnings
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from .architectures import construct
from .config import ModelConfig
from .errors import ModelError, ModelWarning
from .prediction import Network
from .pretrained import load_pretrained
from .recurrent import ConvLSTM

Initialisation = Literal["xavier", "he", "pretrained"]


def build_network(
    config: ModelConfig,
    *,
    seed: int = 0,
    initialisation: Initialisation = "xavier",
    output_gain: float = 1.0,
    pretrained: Path | str | None = None,
) -> Network:
    """Build any network of the catalogue with weights that depend on `seed` only.

    Parameters
    ----------
    config : ModelConfig
    seed : int
        The global random state is left as it was.
    initialisation : {"xavier", "he", "pretrained"}
        ``xavier`` (the paper's): Xavier-uniform weights, zero biases. ``he``: He-normal where a
        ReLU follows; recurrent layers, whose nonlinearities saturate, keep Xavier.
        ``pretrained``: the trunk from a file, the rest as ``he``.
    output_gain : float
        Scales the last layer.
    pretrained : Path, optional
        The file (`model.pretrained`).

    Returns
    -------
    Network
        In training mode, on the CPU.

    Warns
    -----
    ModelWarning
        The attention is ``literal``, with which the network does not train; or weights of the
        file do not fit the size of the input and stay random.
    """
    if (initialisation == "pretrained") != (pretrained is not None):
        raise ModelError(
            f"initialisation {initialisation} with pretrained weights {pretrained}",
            remedy="give both or neither; random weights are not called pretrained",
        )
    if config.attention == "literal" and config.facts.attention:
        warnings.warn(
            "attention literal (eq. 3 as printed) multiplies features by about "
            f"1/{config.input_px**2}: the network learns a constant. mean1 gives the same map, "
            "times its number of pixels (docs/decisions/0060)",
            ModelWarning,
            stacklevel=2,
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = construct(config)
        for module in network.modules():
            _initialise(module, he=initialisation != "xavier")
        with torch.no_grad():
            for layer in network.output_layers:
                layer.weight.mul_(output_gain)
    if pretrained is not None:
        kept = load_pretrained(network, Path(pretrained))
        if kept:
            warnings.warn(
                f"{', '.join(kept)} of {config.architecture} start from random weights: those in "
                f"{pretrained} are for frames of another size than {config.backbone_px} px",
                ModelWarning,
                stacklevel=2,
            )
    return network


def _initialise(module: nn.Module, *, he: bool) -> None:
    if isinstance(module, ConvLSTM):
        _initialise_gates(module)
    elif isinstance(module, nn.RNNBase):
        _initialise_memory(module)
    elif isinstance(module, nn.Conv2d | nn.Conv3d | nn.ConvTranspose2d | nn.Linear):
        # Convolutions of one pixel upsample or join residuals, without a ReLU behind them.
        convolution = isinstance(module, nn.Conv2d | nn.Conv3d)
        if he and convolution and module.weight.shape[-1] > 1:
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        else:
            nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def _initialise_gates(layer: ConvLSTM) -> None:
    """Xavier for each gate on its own: the fused weight's fan-out would be four times too large."""
    weights = [layer.weight_x, layer.weight_h, *layer.weight_guides]
    if layer.weight_c is not None:
        weights.append(layer.weight_c)
    for weight in weights:
        for gate in weight.data.split(layer.hidden_channels):
            nn.init.xavier_uniform_(gate)


def _initialise_memory(memory: nn.RNNBase) -> None:
    for name, parameter in memory.named_parameters():
        if "bias" in name:
            nn.init.zeros_(parameter)
            continue
        for gate in torch.split(parameter.data, memory.hidden_size):
            nn.init.xavier_uniform_(gate)
