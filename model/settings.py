"""From command-line options to configurations: a preset, refined."""

import argparse
import dataclasses
import difflib
import json
from collections.abc import Sequence
from typing import Any

from .config import DIMENSIONS, MODALITIES, ModelConfig, TrainConfig
from .errors import ModelError
from .presets import preset
from .run_folder import RunFolder

_NOT_SETTABLE = {"architecture", "modalities", "outputs"}
"""Fields with an option of their own."""
_FIXED_OPTIONS = ("modalities", "batch_size", "learning_rate", "validate_every", "set")


def chosen_configs(
    args: argparse.Namespace, store_modalities: Sequence[str]
) -> tuple[ModelConfig, TrainConfig]:
    """Return the configurations that the options of ``mavfer-train`` ask for.

    Parameters
    ----------
    args : Namespace
        preset, model, modalities, target, seed, steps, batch_size, learning_rate,
        validate_every and ``set``, a list of KEY=VALUE.
    store_modalities : sequence of str
        Used where `modalities` is not given.
    """
    outputs = DIMENSIONS if args.target == "both" else (args.target,)
    if args.modalities:
        modalities = tuple(name.strip() for name in args.modalities.split(","))
    elif args.model == "uran":
        modalities = ("color",)
    else:
        modalities = tuple(name for name in MODALITIES if name in store_modalities)
    model, train = preset(
        args.preset, architecture=args.model, modalities=modalities, outputs=outputs
    )
    options = {
        "seed": args.seed,
        "max_steps": args.steps,
        "batch_size": args.batch_size,
        "learning_rate": args.learning_rate,
        "validate_every": args.validate_every,
    }
    changes = {name: value for name, value in options.items() if value is not None}
    changes |= _assignments(args.set)
    own = {field.name for field in dataclasses.fields(ModelConfig)}
    model_changes = {k: v for k, v in changes.items() if k in own}
    train_changes = {k: v for k, v in changes.items() if k not in own}
    return (
        ModelConfig.from_object(model.to_object() | model_changes, where="--set"),
        TrainConfig.from_object(train.to_object() | train_changes, where="--set"),
    )


def resumed_configs(args: argparse.Namespace) -> tuple[str, ModelConfig, TrainConfig]:
    """Return preset and configurations of the run that ``--resume`` goes on with.

    Only the number of steps can be given anew; any other option would make it another run.
    """
    given = [f"--{name.replace('_', '-')}" for name in _FIXED_OPTIONS if getattr(args, name)]
    if given:
        raise ModelError(
            f"{', '.join(given)} with --resume: a run goes on as it was started",
            remedy="leave them out, or start another run",
        )
    info = RunFolder(args.output).info()
    train = info.train
    if args.steps is not None:
        train = dataclasses.replace(train, max_steps=args.steps)
    return info.preset, info.model, train


def _assignments(words: Sequence[str]) -> dict[str, Any]:
    known = {
        field.name for kind in (ModelConfig, TrainConfig) for field in dataclasses.fields(kind)
    } - _NOT_SETTABLE
    changes: dict[str, Any] = {}
    for word in words:
        key, sign, text = word.partition("=")
        if not sign:
            raise ModelError(f"--set {word!r}: expected KEY=VALUE")
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            raise ModelError(
                f"--set: no field {key!r}",
                remedy=f"did you mean {near[0]}?" if near else f"known: {', '.join(sorted(known))}",
            )
        changes[key] = _value(text)
    return changes


def _value(text: str) -> Any:
    """Read a number, true, false or null; anything else is a word."""
    try:
        return json.loads(text)
    except ValueError:
        return text
