"""What comes between a feeling and its pictures.

By default a virtual face shows all that is felt and nothing else, in every modality, which makes
depth and thermal far too telling. Here each modality gets a cue of its own that follows the
feeling only in part, besides a face whose muscles do so in part, and errors of its own. All of
this is made up, so that no modality suffices and none is useless: nothing learned from it is a
finding about people.
"""

import math
from dataclasses import dataclass, fields

import cv2
import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigError
from .affect import AffectTrace
from .counter import between, uniform

F32 = NDArray[np.float32]
_STREAM = 40
_SHADOW_EVERY_S = 3.0


@dataclass(frozen=True, slots=True)
class Confounders:
    """How much of a feeling shows where, and what else disturbs.

    A cue of correlation r is ``r * felt + sqrt(1 - r^2) * other``, with another independent
    trace of the same kind for each cue.

    Attributes
    ----------
    display : float
        Correlation of what the muscles show, valence and arousal, with what is felt: seen by
        all modalities.
    flush : float
        Correlation with valence of the redness of the cheeks: color alone.
    fullness : float
        Correlation with valence of how full the cheeks are: depth, and a little of color's
        shading.
    warmth : float
        Correlation with valence of the temperature around the eyes: thermal alone.
    shadow : float
        Share of the light that moving shadows take, 0..1: color alone.
    depth_error_mm : float
        Standard deviation of a smooth error of depth that is fixed for a session.
    skin_error_k : float
        Standard deviation of a smooth pattern of skin temperature that is fixed for a session.
    """

    display: float = 0.7
    flush: float = 0.6
    fullness: float = 0.6
    warmth: float = 0.6
    shadow: float = 0.5
    depth_error_mm: float = 3.0
    skin_error_k: float = 0.4

    def __post_init__(self) -> None:
        limits = {"depth_error_mm": 20.0, "skin_error_k": 5.0}
        for field in fields(self):
            value, limit = getattr(self, field.name), limits.get(field.name, 1.0)
            if not 0 <= value <= limit:
                raise ConfigError(f"{field.name} is {value:g}, expected 0 to {limit:g}")


@dataclass(frozen=True, slots=True)
class Cues:
    """What shows at one moment; all in -1..1, 0 at rest.

    Attributes
    ----------
    valence, arousal : float
        What the muscles show.
    flush, fullness, warmth : float
    """

    valence: float
    arousal: float
    flush: float = 0.0
    fullness: float = 0.0
    warmth: float = 0.0


def cues_at(felt: AffectTrace, time_s: float, confounders: Confounders | None) -> Cues:
    """Return what a feeling shows at `time_s`; all of it by the muscles without confounders."""
    valence, arousal = felt.at(time_s)
    if confounders is None:
        return Cues(valence, arousal)

    def other(k: int) -> tuple[float, float]:
        return AffectTrace(felt.seed * 8 + k, felt.period_s).at(time_s + 1000 * k)

    shown = other(1)
    return Cues(
        _mix(confounders.display, valence, shown[0]),
        _mix(confounders.display, arousal, shown[1]),
        _mix(confounders.flush, valence, other(2)[0]),
        _mix(confounders.fullness, valence, other(3)[0]),
        _mix(confounders.warmth, valence, other(4)[0]),
    )


def _mix(correlation: float, felt: float, other: float) -> float:
    mixed = correlation * felt + math.sqrt(1 - correlation**2) * other
    return min(max(mixed, -1.0), 1.0)


def smooth_field(height: int, width: int, *, grain: float, seed: int, stream: int) -> F32:
    """Draw a smooth random field of standard deviation 1, (height, width) float32.

    Parameters
    ----------
    grain : float
        Standard deviation of the smoothing, in elements.
    seed, stream : int
    """
    rng = np.random.default_rng([seed, _STREAM, stream])
    pad = int(3 * grain) + 1
    white = rng.standard_normal((height + 2 * pad, width + 2 * pad), dtype=np.float32)
    smooth = cv2.GaussianBlur(white, (0, 0), grain)[pad:-pad, pad:-pad]
    # the field's own deviation varies with the draw; the process's does not
    return np.ascontiguousarray(smooth * np.float32(2 * math.sqrt(math.pi) * grain))


def shadow_at(
    time_s: float,
    *,
    share: float,
    centre_px: tuple[float, float],
    radius_px: float,
    seed: int,
    box: NDArray[np.int64],
) -> F32:
    """Return what a passing shadow leaves of the light in a window, (h, w, 1) float32 in 0..1.

    A soft edge at a slope of its own crosses the face, another one in each slot of 3 s.

    Parameters
    ----------
    centre_px, radius_px : where the face is in the image
    box : (4,) int64
        x0, y0, x1, y1 of the window.
    """
    slot = math.floor(time_s / _SHADOW_EVERY_S)
    phase = time_s / _SHADOW_EVERY_S - slot
    angle = between(0, 2 * math.pi, seed, _STREAM, 10, slot)
    soft_px = radius_px * between(0.05, 0.4, seed, _STREAM, 11, slot)
    dark = share * uniform(seed, _STREAM, 12, slot) * math.sin(math.pi * phase)
    at_px = radius_px * (2.4 * phase - 1.2)
    u = np.arange(box[0], box[2], dtype=np.float32)[None] - np.float32(centre_px[0])
    v = np.arange(box[1], box[3], dtype=np.float32)[:, None] - np.float32(centre_px[1])
    across = u * np.float32(math.cos(angle)) + v * np.float32(math.sin(angle))
    covered = np.clip((across - at_px) / soft_px + 0.5, 0, 1)
    left: F32 = (1 - dark * covered)[..., None].astype(np.float32)
    return left
