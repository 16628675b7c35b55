"""Checkpoints: weights in safetensors, everything needed to use them in its JSON metadata.

Nothing in a checkpoint is executed on loading. Format: docs/formats/checkpoint.md.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from capture.files import atomic_output

from .architectures import construct
from .config import ModelConfig, TrainConfig
from .errors import CheckpointError, ModelError
from .prediction import Network
from .preprocess import Stats, check_stats

FORMAT = "mavfer-checkpoint"
SCHEMA_VERSION = 1
_METADATA_KEY = "mavfer"
_REMEDY = "train it again with mavfer-train, or take an undamaged copy"


@dataclass(frozen=True, slots=True, eq=False)
class CheckpointInfo:
    """What is known about the weights of a checkpoint.

    Attributes
    ----------
    model : ModelConfig
    train : TrainConfig
    preset : str
        Where the configurations started from.
    stats : mapping
        Mean and sd per modality with which the inputs were normalised, in stored units.
    store_fingerprint : str
        Of the clip store it was trained on.
    step : int
        Training steps taken.
    validation : mapping of str to float or None
        Metrics of these weights on the validation split; empty without one.
    software_version : str
    validation_subjects : tuple of str
        Who chose these weights; nobody of them was learned from.
    rate_hz : float or None
        Frame rate of the clips learned from; None: that of each film.
    """

    model: ModelConfig
    train: TrainConfig
    preset: str
    stats: Stats
    store_fingerprint: str
    step: int
    validation: Mapping[str, float | None]
    software_version: str = version("mavfer")
    validation_subjects: tuple[str, ...] = ()
    rate_hz: float | None = None

    def to_object(self) -> dict[str, Any]:
        """Return the JSON object kept in the metadata."""
        return {
            "format": FORMAT,
            "schema_version": SCHEMA_VERSION,
            "software_version": self.software_version,
            "preset": self.preset,
            "model": self.model.to_object(),
            "train": self.train.to_object(),
            "stats": {name: dict(entry) for name, entry in self.stats.items()},
            "store_fingerprint": self.store_fingerprint,
            "step": self.step,
            "validation": dict(self.validation),
            "validation_subjects": list(self.validation_subjects),
            "rate_hz": self.rate_hz,
        }

    @classmethod
    def from_object(cls, value: object, *, where: str) -> "CheckpointInfo":
        """Read the JSON object of the metadata; `CheckpointError` names what is wrong."""
        if not isinstance(value, dict) or value.get("format") != FORMAT:
            raise CheckpointError(f"{where} is not a mavfer checkpoint")
        if value.get("schema_version") != SCHEMA_VERSION:
            raise CheckpointError(
                f"{where} has checkpoint schema {value.get('schema_version')!r}, this software "
                f"reads {SCHEMA_VERSION}",
                remedy=f"use the software version {value.get('software_version')!r}",
            )
        step, stats, validation = (value.get(k) for k in ("step", "stats", "validation"))
        if not isinstance(step, int) or step < 0:
            raise CheckpointError(f"{where}: step is {step!r}", remedy=_REMEDY)
        if not isinstance(stats, dict) or not all(isinstance(s, dict) for s in stats.values()):
            raise CheckpointError(f"{where}: stats are damaged", remedy=_REMEDY)
        if not isinstance(validation, dict) or not all(
            v is None or isinstance(v, int | float) for v in validation.values()
        ):
            raise CheckpointError(f"{where}: validation is damaged", remedy=_REMEDY)
        subjects, rate_hz = value.get("validation_subjects", []), value.get("rate_hz")
        if not isinstance(subjects, list) or not all(isinstance(s, str) for s in subjects):
            raise CheckpointError(f"{where}: validation_subjects are damaged", remedy=_REMEDY)
        if rate_hz is not None and not (isinstance(rate_hz, int | float) and 0 < rate_hz < 1000):
            raise CheckpointError(f"{where}: rate_hz is {rate_hz!r}", remedy=_REMEDY)
        model = ModelConfig.from_object(value.get("model"), where=f"{where}: model")
        if model.normalisation == "store":
            check_stats(stats, model)
        return cls(
            model=model,
            train=TrainConfig.from_object(value.get("train"), where=f"{where}: train"),
            preset=str(value.get("preset")),
            stats=stats,
            store_fingerprint=str(value.get("store_fingerprint")),
            step=step,
            validation=validation,
            software_version=str(value.get("software_version")),
            validation_subjects=tuple(subjects),
            rate_hz=rate_hz,
        )


def save_checkpoint(
    path: Path,
    network: Network,
    info: CheckpointInfo,
    *,
    extra: Mapping[str, Tensor] | None = None,
    overwrite: bool = False,
) -> None:
    """Write weights and `info` to `path`, whole or not at all.

    Parameters
    ----------
    extra : mapping of str to tensor, optional
        Further tensors beside the weights (an optimiser's state).
    """
    tensors = {f"model.{name}": t for name, t in network.state_dict().items()} | dict(extra or {})
    # Channels-last weights are stored in the plain order; loading lays them out again.
    plain = {name: t.detach().cpu().contiguous() for name, t in tensors.items()}
    metadata = {_METADATA_KEY: json.dumps(info.to_object(), allow_nan=False)}
    with atomic_output(path, overwrite=overwrite) as partial:
        try:
            save_file(plain, partial, metadata=metadata)
        except SafetensorError as error:
            raise CheckpointError(
                f"{path} cannot be written: {error}",
                remedy="free some space, then go on with --resume",
            ) from error


def read_info(path: Path) -> CheckpointInfo:
    """Read what a checkpoint says about itself, without its weights."""
    if not path.is_file():
        raise CheckpointError(f"no checkpoint at {path}")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
        value = json.loads(metadata.get(_METADATA_KEY, "null"))
    except (SafetensorError, OSError, ValueError, RecursionError) as error:
        raise CheckpointError(
            f"{path} cannot be read as safetensors: damaged, truncated or something else ({error})",
            remedy=_REMEDY,
        ) from error
    return CheckpointInfo.from_object(value, where=str(path))


def load_checkpoint(
    path: Path, *, device: torch.device | str = "cpu"
) -> tuple[Network, CheckpointInfo]:
    """Read a network in evaluation mode.

    Returns
    -------
    (Network, CheckpointInfo)

    Raises
    ------
    CheckpointError
        Missing, damaged, no mavfer checkpoint, weights missing, of another shape or not finite.
    """
    network, info, _ = load_tensors(path, device=device)
    return network.eval(), info


def load_tensors(
    path: Path, *, device: torch.device | str = "cpu"
) -> tuple[Network, CheckpointInfo, dict[str, Tensor]]:
    """Read a network, its info and the tensors stored beside the weights."""
    info = read_info(path)
    # On the meta device a network costs nothing: a config that asks for terabytes is compared
    # with the file and refused before anything is allocated.
    try:
        with torch.device("meta"):
            expected = construct(info.model).state_dict()
    except (RuntimeError, OverflowError, ModelError) as error:
        raise CheckpointError(f"{path}: no such network can be built ({error})") from error
    with safe_open(path, framework="pt", device=str(device)) as file:
        names = set(file.keys())
        for name, tensor in expected.items():
            key = f"model.{name}"
            if key not in names:
                raise CheckpointError(f"{path}: weight {name} is missing", remedy=_REMEDY)
            found = file.get_slice(key)
            if found.get_shape() != list(tensor.shape) or found.get_dtype() != "F32":
                raise CheckpointError(
                    f"{path}: weight {name} is {found.get_shape()} {found.get_dtype()}, expected "
                    f"{list(tensor.shape)} F32",
                    remedy=_REMEDY,
                )
        weights = {name: file.get_tensor(f"model.{name}") for name in expected}
        others = sorted(names - {f"model.{name}" for name in expected})
        if unknown := [name for name in others if name.startswith("model.")]:
            raise CheckpointError(f"{path}: unknown weight {unknown[0]}", remedy=_REMEDY)
        extra = {name: file.get_tensor(name) for name in others}
    for name, tensor in weights.items():
        if not torch.isfinite(tensor).all():
            raise CheckpointError(f"{path}: weight {name} holds values that are not finite")
    with torch.random.fork_rng(devices=[]):
        network = construct(info.model).to(device)
    network.load_state_dict(weights)
    return network, info, extra
