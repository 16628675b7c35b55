"""What cards say must be true of the network at hand, not of the paper's."""

from dataclasses import replace
from typing import Any

import pytest

from mavfer.store import ClipStore
from model.card_statements import intended_use, limits, origin, weights_of
from model.catalogue import Architecture
from model.checkpoint import CheckpointInfo
from model.presets import Preset, preset

ALL = ("color", "depth", "thermal")


def info(
    architecture: Architecture,
    modalities: tuple[str, ...],
    *,
    name: Preset = "paper",
    rate_hz: float | None = 4.0,
    **changes: Any,
) -> CheckpointInfo:
    model, train = preset(name, architecture=architecture, modalities=modalities)
    own = {key: value for key, value in changes.items() if hasattr(model, key)}
    rest = {key: value for key, value in changes.items() if key not in own}
    return CheckpointInfo(
        replace(model, **own), replace(train, **rest), name, {}, "x", 40, {}, rate_hz=rate_hz
    )


@pytest.mark.parametrize(
    ("architecture", "modalities", "said"),
    [
        ("mran", ALL, "come from color alone; depth and thermal only guide the attention"),
        ("mran", ("thermal", "color"), "come from thermal alone; color only guides the attention"),
        ("spatial", ("depth",), "sees depth alone"),
        ("early_fusion", ALL, "come from color, depth and thermal together"),
        ("ridge", ("color", "depth"), "come from color and depth together"),
        ("evidence_attended", ALL, "come from color, depth and thermal together"),
        ("uran", ("thermal",), "sees thermal alone"),
    ],
)
def test_where_features_come_from(
    architecture: Architecture, modalities: tuple[str, ...], said: str
) -> None:
    text = limits(info(architecture, modalities))
    assert said in text
    only_color = "color alone" in said
    assert ("In the dark" in text) == only_color


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "4 s: 16 frames at 4 Hz"),
        ({"clip_length": 4}, "1 s: 4 frames at 4 Hz"),
        ({"rate_hz": 10.0}, "4 s: 16 frames at 4 Hz"),
        ({"rate_hz": 10.0, "rate": "native"}, "1.6 s: 16 frames at 10 Hz"),
        ({"rate_hz": 2.0}, "8 s: 16 frames at 2 Hz"),
        ({"rate_hz": None}, "4 s: 16 frames at 4 Hz"),
        ({"rate_hz": None, "rate": "native"}, "16 frames of each film"),
        ({"label": "frames"}, "Frames get scores of their own"),
    ],
)
def test_how_long_a_clip_is(changes: dict[str, Any], said: str) -> None:
    assert said in limits(info("uran", ("color",), **changes))


def test_what_was_changed_from_the_preset_is_listed() -> None:
    assert origin(info("uran", ("color",))).startswith("Preset paper: the paper's network")
    changed = origin(info("uran", ("color",), attention="standardise", width=0.05, seed=3))
    assert "Preset paper, changed: width=0.05, attention=standardise." in changed
    assert "seed" not in changed
    assert "none of the paper's" in origin(info("early_fusion", ALL))
    small = origin(info("uran", ("color",), name="small", max_steps=800))
    assert "Changed from it: max_steps=800." in small
    assert origin(replace(info("uran", ("color",)), preset="of my own")) == ""


def test_what_it_is_for_depends_on_what_it_predicts(store: ClipStore) -> None:
    model = info("uran", ("color",)).model
    assert "dimensional affect (valence, as raters perceive it)" in intended_use(model, store)
    assert "one person, seated, frontal" in intended_use(model, store)
    emotions = replace(model, outputs=("category",), categories=("angry", "happy"))
    store.videos = {name: replace(v, kind="video") for name, v in store.videos.items()}
    text = intended_use(emotions, store)
    assert "the emotion category (angry, happy)" in text
    assert "valence" not in text
    assert "seated" not in text


def test_how_far_training_came() -> None:
    assert weights_of(info("uran", ("color",), max_steps=50)) == "step 40 of 50, seed 0"
    longer = info("uran", ("color",), max_steps=30, steps_past_plateau=20)
    assert weights_of(longer) == "step 40 of at most 50, seed 0"
    assert weights_of(info("ridge", ("color",))) == "solved in closed form, seed 0"
