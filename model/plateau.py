"""The plateau: how long a network predicts almost a constant, and what a run does about it."""

from collections.abc import Mapping, Sequence
from typing import Any

from .config import TrainConfig

PLATEAU_CCC = 0.3
"""Validation CCC above which a network is held to say something about what it is shown."""

Curve = Sequence[tuple[int, float]]
"""Step and validation CCC, one pair a validation."""


def curve_of_metrics(lines: Sequence[Mapping[str, Any]]) -> Curve:
    """Return the mean CCC over outputs of each line of the metrics; categories have 0."""
    scored = [(int(line["step"]), line["validation"].values()) for line in lines]
    return [
        (step, sum(s.get("ccc") or 0.0 for s in scores) / len(scores))
        for step, scores in scored
        if scores
    ]


def plateau_left(curve: Curve) -> int | None:
    """Return the step of the first validation above `PLATEAU_CCC`; None if there was none."""
    return next((step for step, value in curve if value > PLATEAU_CCC), None)


def last_step(config: TrainConfig, left: int | None) -> int:
    """Return the step after which a run ends that left the plateau at step `left`.

    ``max_steps``, or later where ``steps_past_plateau`` asks for it; a run that is on the plateau
    until ``max_steps`` ends there.
    """
    if config.steps_past_plateau is None or left is None or left > config.max_steps:
        return config.max_steps
    return max(config.max_steps, left + config.steps_past_plateau)
