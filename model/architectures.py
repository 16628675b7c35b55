"""From a name to a network. A new one is a class, a line here and one in `model.catalogue`."""

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import nn

from .catalogue import Architecture
from .config import ModelConfig
from .evidence_network import AttendedEvidenceNetwork, EvidenceNetwork
from .head_network import FrameHeadNetwork, HeadNetwork
from .khorrami import KhorramiNetwork
from .lgbp_network import LgbpTopNetwork
from .network import RecurrentAttentionNetwork
from .prediction import Network
from .resnet import ResnetNetwork
from .ridge import RidgeRegression
from .vgg import VggMemoryNetwork, VggNetwork

_Network = TypeVar("_Network", bound=Network)
_BUILDERS: dict[Architecture, Callable[[ModelConfig], Network]] = {
    "mran": RecurrentAttentionNetwork,
    "uran": RecurrentAttentionNetwork,
    "spatial": RecurrentAttentionNetwork,
    "cnn2d": FrameHeadNetwork,
    "cnn3d": HeadNetwork,
    "no_attention": HeadNetwork,
    "early_fusion": HeadNetwork,
    "evidence": EvidenceNetwork,
    "evidence_attended": AttendedEvidenceNetwork,
    "khorrami_cnn": KhorramiNetwork,
    "khorrami_cnn_rnn": lambda config: KhorramiNetwork(config, memory="rnn"),
    "cnn_lstm": lambda config: KhorramiNetwork(config, memory="lstm"),
    "vgg16": VggNetwork,
    "vgg_face": VggNetwork,
    "vgg_face_lstm": lambda config: VggMemoryNetwork(config, memory="lstm"),
    "affwildnet": lambda config: VggMemoryNetwork(config, memory="gru"),
    "resnet50": ResnetNetwork,
    "lgbp_top_lstm": lambda config: LgbpTopNetwork(config, memory="lstm"),
    "lgbp_top_bilstm": lambda config: LgbpTopNetwork(config, memory="bilstm"),
    "ridge": RidgeRegression,
}


def construct(config: ModelConfig) -> Network:
    """Return the config's network with torch's own initial weights.

    To train, use `model.initialise.build_network`; this is for weights that are loaded next.
    """
    return laid_out(_BUILDERS[config.architecture](config))


def laid_out(network: _Network) -> _Network:
    """Give the weights of convolutions the memory format in which CPUs and GPUs are fastest.

    Linear layers and the per-pixel peepholes are not images and stay as they are.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv3d):
            module.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]  # torch's stub knows only channels_last
        elif isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # as above
    return network
