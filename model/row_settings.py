"""What a row's networks are set to: by the scale, by the row itself, by whoever asks."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from .config import ModelConfig, TrainConfig
from .errors import ModelError
from .experiments import Row

Scale = Literal["small", "recommended", "paper"]
_SMALL_STEPS, _SMALL_STEPS_PAST_PLATEAU = 1500, 1000
"""Most seeds leave the plateau early; who leaves it late is given as long after it."""
_SMALL_CLIP_LENGTH = 8
"""2 s of the simulated datasets."""


def check_settings(name: str, rows: Sequence[Row], settings: Mapping[str, Any]) -> None:
    """Refuse settings that would take from rows what they are called after.

    Parameters
    ----------
    name : str
        Of the experiment.
    rows : sequence of Row
        Those that are wanted.
    settings : mapping
        For every row.

    Raises
    ------
    ModelError
        A row sets one of these fields itself.
    """
    for row in rows:
        if own := [field for field in settings if field in row.model or field in row.train]:
            value = {**row.model, **row.train}[own[0]]
            raise ModelError(
                f"{name}: --set {own[0]}={settings[own[0]]} for every row, but {row.label!r} is "
                f"the row with {own[0]}={value}",
                remedy="leave it out, or choose rows without it with --rows",
            )


def refined(
    model: ModelConfig,
    train: TrainConfig,
    row: Row,
    *,
    scale: Scale,
    steps: int | None,
    settings: Mapping[str, Any],
) -> tuple[ModelConfig, TrainConfig]:
    """Refine a scale's configurations by those of a row, these by steps and further fields.

    Raises
    ------
    ModelError
        The row's network cannot be so.
    """
    of_model, of_train = dict(row.model), dict(row.train)
    if scale == "small":
        of_model = {"clip_length": _SMALL_CLIP_LENGTH} | of_model
        of_train |= {
            "max_steps": _SMALL_STEPS,
            "steps_past_plateau": None if model.categorical else _SMALL_STEPS_PAST_PLATEAU,
        }
    if steps is not None:
        of_train |= {"max_steps": steps, "steps_past_plateau": None}
    own = set(model.to_object())
    for name, value in settings.items():
        (of_model if name in own else of_train)[name] = value
    return (
        ModelConfig.from_object(model.to_object() | of_model, where=row.label),
        TrainConfig.from_object(train.to_object() | of_train, where=row.label),
    )
