"""What a model card says of a network besides numbers, as far as its configuration tells."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, cast

from mavfer.store import ClipStore

from .checkpoint import CheckpointInfo
from .clip_rate import clip_rate_hz
from .config import ModelConfig
from .presets import PRESETS, Preset, preset

_PRESETS = {
    "small": "Preset small: narrow layers, small crops and a training that differ from the "
    "paper's on purpose. Its figures say that the method learns, not how well a network of the "
    "paper's size does.",
    "recommended": "Preset recommended: the paper's size; attention, normalisation and "
    "initialisation differ from it.",
}
_OF_THE_PAPER = "the paper's network and hyper-parameters, where it leaves no choice"
_NOT_OF_THE_PAPER = "the paper's sizes and hyper-parameters; the network is none of the paper's"
_SAME_LEARNING = {"seed", "pretrained", "cache", "checkpointing"}
"""Fields that make no other network and no other way of training."""


def predicted(model: ModelConfig) -> str:
    """Name what is predicted."""
    if model.categorical:
        return f"the emotion category ({', '.join(model.categories)})"
    return " and ".join(model.outputs)


def weights_of(info: CheckpointInfo) -> str:
    """Say how far training had come."""
    if info.model.facts.closed_form:
        return f"solved in closed form, seed {info.train.seed}"
    most = info.train.most_steps
    of = f"{most}" if most == info.train.max_steps else f"at most {most}"
    return f"step {info.step} of {of}, seed {info.train.seed}"


def origin(info: CheckpointInfo) -> str:
    """Say which preset it is, and what of it was changed."""
    if info.preset not in PRESETS:
        return ""
    changed = _changed(info)
    if info.preset == "paper":
        own = _OF_THE_PAPER if info.model.facts.rows else _NOT_OF_THE_PAPER
        if not changed:
            return f"Preset paper: {own}."
        return f"Preset paper, changed: {changed}. The rest is {own}."
    return _PRESETS[info.preset] + (f" Changed from it: {changed}." if changed else "")


def _changed(info: CheckpointInfo) -> str:
    model, train = preset(
        cast(Preset, info.preset),
        architecture=info.model.architecture,
        modalities=info.model.modalities,
        outputs=info.model.outputs,
        categories=info.model.categories,
    )
    before: Mapping[str, Any] = asdict(model) | asdict(train)
    after: Mapping[str, Any] = asdict(info.model) | asdict(info.train)
    return ", ".join(
        f"{name}={value:g}" if isinstance(value, float) else f"{name}={value}"
        for name, value in after.items()
        if value != before[name] and name not in _SAME_LEARNING
    )


def intended_use(model: ModelConfig, store: ClipStore) -> str:
    """Say what the network is for."""
    if model.categorical:
        about = f"{predicted(model)}, as those who labelled the data named it"
    else:
        about = f"dimensional affect ({predicted(model)}, as raters perceive it)"
    # Sittings at the rig look like this; films show whatever they show.
    sittings = all(video.kind == "session" for video in store.videos.values())
    scene = " (one person, seated, frontal, the same cameras)" if sittings else ""
    return (
        f"Research on {about} in faces recorded as the training data were{scene} and rated in the "
        "same way. Comparing methods on the same people. Nothing else has been tested."
    )


def limits(info: CheckpointInfo) -> str:
    """List what the network cannot do."""
    model = info.model
    lines = [
        "It predicts what raters see in a face, not what a person feels. People smile without joy.",
        "It has learned the raters and the people named above. Other ages, skin tones, cultures, "
        "glasses, beards, illnesses of the face and other cameras are not covered unless they are "
        "among them.",
        "Scores of a few people are mostly about who they are; look at the worst subject, not "
        "the mean.",
        _resolution(info),
        _carriers(model),
    ]
    return "\n".join(f"- {line}" for line in lines)


def _resolution(info: CheckpointInfo) -> str:
    n = info.model.clip_length
    rate_hz = clip_rate_hz(info.rate_hz, info.model)
    length = (
        f"{n} frames of each film"
        if rate_hz is None
        else (f"{n / rate_hz:.3g} s: {n} frames at {rate_hz:g} Hz")
    )
    if info.model.label == "frames":
        return f"Frames get scores of their own, from what is in the same clip ({length})."
    return f"A clip gets one score: what is shorter than a clip ({length}) is not resolved."


def _carriers(model: ModelConfig) -> str:
    carry = (model.target,) if model.guides or len(model.modalities) == 1 else model.modalities
    if model.guides:
        said = (
            f"Features come from {model.target} alone; {_and(model.guides)} only "
            f"guide{'s' if len(model.guides) == 1 else ''} the attention."
        )
    elif len(carry) == 1:
        said = f"It sees {model.target} alone."
    else:
        said = f"Features come from {_and(carry)} together."
    if carry == ("color",):
        said += " In the dark there is little in color to recognise from."
    return said


def _and(names: tuple[str, ...]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
