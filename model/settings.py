"""From a configuration file and command-line options to configurations: a preset, refined."""

import argparse
import dataclasses
import difflib
import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast, get_args, get_type_hints

from .catalogue import FACTS, Architecture
from .config import CATEGORY, DIMENSIONS, MODALITIES, ModelConfig, TrainConfig
from .errors import ModelError
from .presets import Preset, preset
from .run_folder import RunFolder

_NOT_SETTABLE = {"architecture", "modalities", "outputs", "categories"}
"""Fields with an option of their own."""
_FIXED_OPTIONS = (
    "checkpointing",
    *("model", "preset", "modalities", "target", "seed", "config"),
    *("batch_size", "learning_rate", "validate_every", "set"),
)
_DEFAULTS = {"model": "mran", "preset": "small", "target": "valence"}
_LARGEST_CONFIG_BYTES = 1 << 20


def chosen_configs(
    args: argparse.Namespace,
    store_modalities: Sequence[str],
    store_categories: Sequence[str] = (),
) -> tuple[str, ModelConfig, TrainConfig]:
    """Return preset and configurations that the options of ``mavfer-train`` ask for.

    The preset is refined by the configuration file, that by the options, those by ``--set``.

    Parameters
    ----------
    args : Namespace
        config, preset, model, modalities, target, seed, steps, batch_size, learning_rate,
        validate_every and ``set``, a list of KEY=VALUE.
    store_modalities : sequence of str
        Used where nothing names modalities.
    store_categories : sequence of str
        Of its training videos, used where nothing names categories.
    """
    file = read_config(args.config) if args.config else ConfigFile()
    name = args.preset or file.preset or _DEFAULTS["preset"]
    architecture = args.model or file.model.get("architecture") or _DEFAULTS["model"]
    outputs = _outputs(args, file)
    model, train = preset(
        cast(Preset, name),
        architecture=cast(Architecture, architecture),
        modalities=_modalities(args, file, architecture, store_modalities),
        outputs=outputs,
        categories=_categories(args, file, outputs, store_categories),
    )
    options = {
        "seed": args.seed,
        "max_steps": args.steps,
        "batch_size": args.batch_size,
        "learning_rate": args.learning_rate,
        "validate_every": args.validate_every,
    }
    changes = {key: value for key, value in options.items() if value is not None}
    if args.checkpointing:
        changes["checkpointing"] = True
    changes |= assignments(args.set)
    own = {field.name for field in dataclasses.fields(ModelConfig)}
    of_file = {k: v for k, v in file.model.items() if k not in _NOT_SETTABLE}
    of_model = of_file | {k: v for k, v in changes.items() if k in own}
    of_train = dict(file.train) | {k: v for k, v in changes.items() if k not in own}
    where = f"{args.config} and options" if args.config else "--set"
    return (
        name,
        ModelConfig.from_object(model.to_object() | of_model, where=where),
        TrainConfig.from_object(train.to_object() | of_train, where=where),
    )


@dataclasses.dataclass(frozen=True, slots=True)
class ConfigFile:
    """What a configuration file says; it need not say everything.

    Attributes
    ----------
    preset : str or None
    model, train : mapping of field to value
    """

    preset: str | None = None
    model: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    train: Mapping[str, Any] = dataclasses.field(default_factory=dict)


def read_config(path: Path) -> ConfigFile:
    """Read ``[model]`` and ``[train]`` of a TOML file, or the ``config.json`` of a run.

    Raises
    ------
    ModelError
        Unreadable, or a key that no configuration has; the nearest one is named.
    """
    try:
        if path.stat().st_size > _LARGEST_CONFIG_BYTES:
            raise ModelError(f"{path} has {path.stat().st_size} bytes: no configuration")
        text = path.read_text(encoding="utf-8")
        value = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path} cannot be read as a configuration: {error}") from error
    if not isinstance(value, dict):
        raise ModelError(f"{path} holds no configuration")
    if path.suffix == ".json":  # of a run, whose other keys tell what became of it
        if not {"preset", "model", "train"} <= value.keys():
            raise ModelError(f"{path} is not the config.json of a run")
        value = {key: value[key] for key in ("preset", "model", "train") if key in value}
    _check_keys(value, ("preset", "model", "train"), where=f"{path}")
    for table, kind in (("model", ModelConfig), ("train", TrainConfig)):
        if not isinstance(value.get(table, {}), dict):
            raise ModelError(f"{path}: {table} is no table")
        known = [field.name for field in dataclasses.fields(kind)]
        _check_keys(value.get(table, {}), known, where=f"{path}: [{table}]")
    if not isinstance(value.get("preset", ""), str):
        raise ModelError(f"{path}: preset is {value['preset']!r}, expected a name")
    return ConfigFile(value.get("preset"), value.get("model", {}), value.get("train", {}))


def _check_keys(value: Mapping[str, Any], known: Sequence[str], *, where: str) -> None:
    for key in value:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            raise ModelError(
                f"{where}: unknown key {key!r}",
                remedy=f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}",
            )


def _modalities(
    args: argparse.Namespace, file: ConfigFile, architecture: str, store: Sequence[str]
) -> tuple[str, ...]:
    if args.modalities:
        return tuple(name.strip() for name in args.modalities.split(","))
    if args.model is None and (named := file.model.get("modalities")) is not None:
        if not isinstance(named, list) or not all(isinstance(name, str) for name in named):
            raise ModelError(f"{args.config}: modalities is {named!r}, expected a list of names")
        return tuple(named)
    if architecture in FACTS and FACTS[architecture].modalities == "one":
        return ("color",)
    return tuple(name for name in MODALITIES if name in store)


def _categories(
    args: argparse.Namespace, file: ConfigFile, outputs: Sequence[str], store: Sequence[str]
) -> tuple[str, ...]:
    if tuple(outputs) != (CATEGORY,):
        return ()
    named = file.model.get("categories") or list(store)
    if not isinstance(named, list) or not all(isinstance(name, str) for name in named):
        raise ModelError(f"{args.config}: categories is {named!r}, expected a list of names")
    if len(named) < 2:
        raise ModelError(
            f"the training videos have {len(named)} categories, expected at least 2",
            remedy="build the store with --categories, or learn valence",
        )
    return tuple(named)


def _outputs(args: argparse.Namespace, file: ConfigFile) -> tuple[str, ...]:
    if args.target is None and (named := file.model.get("outputs")) is not None:
        if not isinstance(named, list) or not all(isinstance(name, str) for name in named):
            raise ModelError(f"{args.config}: outputs is {named!r}, expected a list of names")
        return tuple(named)
    target = args.target or _DEFAULTS["target"]
    return DIMENSIONS if target == "both" else (target,)


def default_output(model: ModelConfig, train: TrainConfig) -> Path:
    """Return the run folder of those who name none."""
    return Path("runs") / f"{model.architecture}-{'+'.join(model.modalities)}-seed{train.seed}"


def resumed_configs(args: argparse.Namespace) -> tuple[str, ModelConfig, TrainConfig]:
    """Return preset and configurations of the run that ``--resume`` goes on with.

    Only the number of steps can be given anew; any other option would make it another run.
    """
    given = [
        f"--{name.replace('_', '-')}"
        for name in _FIXED_OPTIONS
        if (getattr(args, name) or getattr(args, name) == 0) and getattr(args, name) is not False
    ]
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


def assignments(words: Sequence[str]) -> dict[str, Any]:
    """Read ``--set``: KEY=VALUE of any field that has no option of its own."""
    hints = get_type_hints(ModelConfig) | get_type_hints(TrainConfig)
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
        # rate=4 is the word, not the number: fields of words come first.
        changes[key] = text if text in get_args(hints[key]) else _value(text)
    return changes


def _value(text: str) -> Any:
    """Read a number, true, false or null; anything else is a word."""
    try:
        return json.loads(text)
    except ValueError:
        return text
