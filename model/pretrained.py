"""Published weights of VGG-16, ResNet-50 and VGG-Face, from a file of the user's.

State dicts of torchvision (``features.0.weight``, ``layer1.0.conv1.weight``) and of the public
conversions of VGG-Face (``conv1_1.weight``, ``fc6.weight``) are understood. Nothing is downloaded.
"""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from .config import ModelConfig, TrainConfig
from .errors import ModelError
from .prediction import Network

_BACKBONE = "backbone."
_VGG_CONVOLUTIONS = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
_VGG_BLOCKS = (2, 2, 3, 3, 3)
_VGG_LINEAR = {"fc6": 0, "fc7": 3}


def check_pretrained(model: ModelConfig, train: TrainConfig) -> None:
    """Refuse a run that asks for published weights without a file, or has one and no use for it."""
    if train.initialisation == "pretrained":
        if not model.facts.pretrained:
            raise ModelError(
                f"{model.architecture} has no published weights to start from",
                remedy="use initialisation=he or xavier",
            )
        if train.pretrained is None:
            raise ModelError(
                f"{model.architecture} starts from {model.facts.pretrained} weights and no file "
                "with them was given",
                remedy="set pretrained=FILE (safetensors or a torch state dict), or "
                "initialisation=he for random weights, and say so with the results",
            )
        if model.width != 1:
            raise ModelError(f"published weights fit width 1, got {model.width}")
    elif train.pretrained is not None:
        raise ModelError(
            f"weights {train.pretrained} with initialisation {train.initialisation}",
            remedy="set initialisation=pretrained, or leave the file out",
        )


def load_pretrained(network: Network, path: Path) -> list[str]:
    """Put published weights into the network's trunk.

    Parameters
    ----------
    network : Network
        One with a trunk, at width 1.
    path : Path
        A ``.safetensors`` file, or a state dict written by ``torch.save``, read without
        unpickling anything but tensors.

    Returns
    -------
    list of str
        Weights of the trunk that keep their initial values because the input's size gives them
        another shape: of networks that are meant to (`model.catalogue.Facts.other_input`) only.

    Raises
    ------
    ModelError
        No such file, no state dict, weights missing or of another shape.
    """
    found = {_translated(name): tensor for name, tensor in _read(path).items()}
    own = network.get_submodule(_BACKBONE[:-1]).state_dict()
    resized = [
        name
        for name in own
        if network.config.facts.other_input
        and name.startswith("classifier.")
        and _another_input(own[name], found.get(name))
    ]
    if resized:
        resized += [name.replace("weight", "bias") for name in resized]
    wanted = {name: tensor for name, tensor in own.items() if name not in resized}
    if missing := [name for name in wanted if name not in found]:
        raise ModelError(
            f"{path}: {len(missing)} weights of {network.config.architecture} are missing, "
            f"{missing[0]} the first",
            remedy="give a state dict of the same architecture, named as torchvision names it",
        )
    for name, tensor in wanted.items():
        if found[name].shape != tensor.shape:
            raise ModelError(
                f"{path}: {name} is {list(found[name].shape)}, "
                f"{network.config.architecture} has {list(tensor.shape)}",
                remedy="give a state dict of the same architecture",
            )
        if not torch.isfinite(found[name]).all():
            raise ModelError(f"{path}: {name} holds values that are not finite")
    with torch.no_grad():
        for name, tensor in wanted.items():
            tensor.copy_(found[name])
    return sorted(resized)


def _another_input(own: Tensor, found: Tensor | None) -> bool:
    return (
        found is not None
        and own.ndim == found.ndim == 2
        and own.shape[0] == found.shape[0]
        and own.shape[1] != found.shape[1]
    )


def _read(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise ModelError(f"no pretrained weights at {path}")
    value: Any
    try:
        if path.suffix == ".safetensors":
            value = load_file(path)
        else:
            value = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(
            f"{path} cannot be read as weights ({first})",
            remedy="give a safetensors file or a plain state dict saved by torch.save",
        ) from error
    if isinstance(value, dict) and isinstance(value.get("state_dict"), dict):
        value = value["state_dict"]
    if not isinstance(value, dict) or not all(
        isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in value.items()
    ):
        raise ModelError(f"{path} holds no state dict, expected names and tensors")
    return {name.removeprefix("module."): tensor.float() for name, tensor in value.items()}


def _translated(name: str) -> str:
    """Return torchvision's name of a parameter."""
    layer, _, kind = name.partition(".")
    if layer in _VGG_LINEAR:
        return f"classifier.{_VGG_LINEAR[layer]}.{kind}"
    block, sign, number = layer.removeprefix("conv").partition("_")
    if layer.startswith("conv") and sign and block.isdigit() and number.isdigit():
        position = sum(_VGG_BLOCKS[: int(block) - 1]) + int(number) - 1
        if position < len(_VGG_CONVOLUTIONS):
            return f"features.{_VGG_CONVOLUTIONS[position]}.{kind}"
    return name
