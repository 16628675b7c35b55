"""A trained network as an ONNX file, checked against torch before it is kept.

The file takes normalised clips (`model.preprocess.prepare`), (B, T, C, H, W) float32 by the name
of their modality, any number of clips, and gives ``score`` and, with an attention branch,
``attention`` (B, T, 1, H, W). Its metadata hold what the checkpoint says of itself.
"""

import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from capture.files import atomic_output

from .checkpoint import CheckpointInfo
from .config import CHANNELS
from .errors import ModelError
from .prediction import Network

_TOLERANCE = 1e-4
_OPSET = 18


@dataclass(frozen=True, slots=True)
class ExportCheck:
    """How well the file agrees with the network.

    Attributes
    ----------
    score, attention : float
        Largest differences on random clips, relative to the largest value where that is above 1;
        0 without attention.
    n_clips : tuple of int
        Batch sizes tried.
    """

    score: float
    attention: float
    n_clips: tuple[int, ...]


class _ClipsFirst(nn.Module):
    """The network with clips before steps and positional inputs, as other runtimes have them."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, *clips: Tensor) -> tuple[Tensor, ...]:
        names = self.network.config.modalities
        by_name = {name: clip.transpose(0, 1) for name, clip in zip(names, clips, strict=True)}
        prediction = self.network(by_name)
        if prediction.attention is None:
            return (prediction.score,)
        return prediction.score, prediction.attention.transpose(0, 1)


def export_onnx(
    network: Network, info: CheckpointInfo, path: Path, *, overwrite: bool = False
) -> ExportCheck:
    """Write the network to `path` and compare both on random clips.

    Parameters
    ----------
    network : Network
        In evaluation mode, on the CPU.
    info : CheckpointInfo
    path : Path
    overwrite : bool

    Raises
    ------
    ModelError
        The extra ``onnx`` is not installed; the network cannot be expressed; the file computes
        something else (it is then not kept).
    """
    onnx = _onnx()
    module = _ClipsFirst(network.cpu()).eval()
    example = _random_clips(network, 2)
    with atomic_output(path, overwrite=overwrite) as partial:
        program = _program(module, network, example)
        proto = program.model_proto
        entry = proto.metadata_props.add()
        entry.key, entry.value = "mavfer", json.dumps(info.to_object(), allow_nan=False)
        onnx.save(proto, str(partial))
        return _checked(module, network, partial)


def _program(module: nn.Module, network: Network, example: tuple[Tensor, ...]) -> Any:
    refused = ModelError(
        f"{network.config.architecture} cannot be expressed in ONNX",
        remedy="use it from Python: model.checkpoint.load_checkpoint reads it",
    )
    try:
        with _quiet():
            program = torch.onnx.export(
                module,
                example,
                dynamo=True,
                optimize=False,  # runtimes do it on loading
                verbose=False,
                opset_version=_OPSET,
                input_names=list(network.config.modalities),
                output_names=["score", "attention"][: 1 + network.config.facts.attention],
                dynamic_shapes=(tuple({0: torch.export.Dim("clips")} for _ in example),),
            )
    except torch.onnx.OnnxExporterError as error:
        # Layers that ONNX has no word for, as the histograms of LGBP-TOP.
        raise refused from error
    if program is None:
        raise refused
    return program


def _checked(module: nn.Module, network: Network, path: Path) -> ExportCheck:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    worst, batches = [0.0, 0.0], (1, 3)
    for n_clips in batches:
        clips = _random_clips(network, n_clips)
        feed = dict(zip(network.config.modalities, (clip.numpy() for clip in clips), strict=True))
        with torch.inference_mode():
            expected = module(*clips)
        for k, (ours, theirs) in enumerate(zip(expected, session.run(None, feed), strict=True)):
            difference = float(np.abs(ours.numpy() - theirs).max())
            worst[k] = max(worst[k], difference / max(1.0, float(ours.abs().max())))
    if not max(worst) < _TOLERANCE:
        raise ModelError(
            f"the exported file differs from the network by {worst[0]:.2g} in scores and "
            f"{worst[1]:.2g} in attention, at most {_TOLERANCE:g} is expected; it was not kept",
            remedy="use the versions in constraints.txt",
        )
    return ExportCheck(worst[0], worst[1], batches)


def _random_clips(network: Network, n_clips: int) -> tuple[Tensor, ...]:
    config = network.config
    generator = torch.Generator().manual_seed(n_clips)
    size = (config.input_px, config.input_px)
    return tuple(
        torch.randn(n_clips, config.clip_length, CHANNELS[name], *size, generator=generator)
        for name in config.modalities
    )


def _onnx() -> Any:
    try:
        import onnx
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ModelError(
            f"export needs the extra onnx ({error.name} is missing)",
            remedy="pip install 'mavfer[onnx]'",
        ) from error
    return onnx


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence what the exporter says about itself; what is wrong with the file is checked."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
