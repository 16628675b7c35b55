"""From valence and arousal to the muscles of a face.

The mapping is an assumption of ours for test material, after the circumplex picture (pleasant:
smile, unpleasant: frown, aroused: wide eyes and open mouth). It is no psychological model.
"""

from dataclasses import dataclass, fields

import numpy as np


@dataclass(frozen=True, slots=True)
class ActionUnits:
    """Intensities 0..1 of the facial action units (FACS names) that the head can show."""

    inner_brow_raiser: float = 0.0  # AU1
    outer_brow_raiser: float = 0.0  # AU2
    brow_lowerer: float = 0.0  # AU4
    cheek_raiser: float = 0.0  # AU6
    lip_corner_puller: float = 0.0  # AU12
    lip_corner_depressor: float = 0.0  # AU15
    lip_stretcher: float = 0.0  # AU20
    lips_part: float = 0.0  # AU25
    jaw_drop: float = 0.0  # AU26

    def as_tuple(self) -> tuple[float, ...]:
        """Return the intensities in the order of `ACTION_UNITS`."""
        return tuple(getattr(self, name) for name in ACTION_UNITS)


ACTION_UNITS = tuple(field.name for field in fields(ActionUnits))


@dataclass(frozen=True, slots=True)
class Expression:
    """What a face shows at one moment.

    Attributes
    ----------
    units : ActionUnits
    lid_opening : float
        0 closed, 1 neutral, up to 1.4 wide.
    gaze_m : (x, y)
        Displacement of the irises on the eyeballs, metres, x to the viewer's right, y up.
    fullness : float
        -1 hollow to 1 full cheeks.
    """

    units: ActionUnits
    lid_opening: float = 1.0
    gaze_m: tuple[float, float] = (0.0, 0.0)
    fullness: float = 0.0


def units_from_affect(valence: float, arousal: float) -> ActionUnits:
    """Map (valence, arousal) in [-1, 1] to action units."""
    pleased, displeased = max(valence, 0.0), max(-valence, 0.0)
    aroused, calm = max(arousal, 0.0), max(-arousal, 0.0)
    sad_brow = 0.9 * displeased * (1 - aroused) * (0.4 + calm)
    raised = 0.95 * aroused * (1 - displeased)
    drop = 0.85 * max(aroused - 0.25, 0) / 0.75
    drop *= (1 - 0.55 * pleased) * (1 - 0.8 * displeased)
    values = (
        sad_brow + raised * (1 - 0.6 * pleased),
        raised * (1 - 0.5 * pleased),
        0.95 * displeased * (0.35 + aroused),
        0.85 * pleased,
        pleased * (0.75 + 0.25 * aroused),
        0.9 * displeased * (1 - 0.5 * aroused),
        0.5 * displeased * aroused,
        0.9 * pleased * (0.35 + aroused) + 0.5 * aroused,
        drop,
    )
    return ActionUnits(*(float(np.clip(value, 0, 1)) for value in values))


def lid_from_affect(valence: float, arousal: float) -> float:
    """Map (valence, arousal) in [-1, 1] to the opening of the lids."""
    wide, sleepy = max(arousal, 0.0), max(-arousal, 0.0)
    return float(np.clip(1 + 0.35 * wide - 0.30 * sleepy - 0.25 * max(valence, 0.0), 0.2, 1.4))


def combine(felt: ActionUnits, gain: ActionUnits, rest: ActionUnits) -> ActionUnits:
    """Return what a subject with `gain` and resting face `rest` shows when feeling `felt`."""
    pairs = zip(felt.as_tuple(), gain.as_tuple(), rest.as_tuple(), strict=True)
    return ActionUnits(*(min(max(f * g + r, 0.0), 1.15) for f, g, r in pairs))


def with_speech(shown: ActionUnits, opening: float) -> ActionUnits:
    """Add a talking mouth: `opening` 0..1 parts the lips and drops the jaw."""
    parts = {name: getattr(shown, name) for name in ACTION_UNITS}
    parts["lips_part"] = min(parts["lips_part"] + 0.7 * opening, 1.15)
    parts["jaw_drop"] = min(parts["jaw_drop"] + 0.35 * opening, 1.15)
    return ActionUnits(**parts)
