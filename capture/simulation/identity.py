"""Who a virtual subject is: a seed becomes tone, hair, face shape and habits of expression."""

from dataclasses import dataclass

import numpy as np

from .expression import ACTION_UNITS, ActionUnits

Rgb = tuple[float, float, float]

# sRGB anchors of the six Fitzpatrick types, 0..255; an interpolation, not a colorimetric claim
FITZPATRICK_SRGB = (
    (244, 208, 177),
    (231, 184, 150),
    (212, 160, 125),
    (182, 124, 88),
    (138, 88, 60),
    (82, 54, 42),
)
_HAIR_COLORS: tuple[Rgb, ...] = (  # linear RGB: black, brown, auburn, blond, grey
    (0.030, 0.022, 0.020),
    (0.110, 0.060, 0.035),
    (0.240, 0.130, 0.060),
    (0.480, 0.340, 0.170),
    (0.300, 0.285, 0.270),
)
_IRIS_COLORS: tuple[Rgb, ...] = (  # linear RGB: brown, dark brown, blue, green
    (0.090, 0.050, 0.028),
    (0.050, 0.028, 0.018),
    (0.160, 0.240, 0.310),
    (0.130, 0.180, 0.110),
)
_DARK_FROM_TONE = 2.6


@dataclass(frozen=True, slots=True)
class Identity:
    """One virtual subject.

    Attributes
    ----------
    seed : int
    tone : float
        Skin tone in [0, 5]: Fitzpatrick I to VI, continuous.
    width, length, jaw, nose, lips, brow, eye : float
        Shape factors about 1.
    hair, iris, cloth : (r, g, b)
        Linear RGB albedo.
    hairline_m : float
        Height of the hairline above the eyes at the middle of the forehead.
    parting_m : float
        Where the hair is parted, x.
    long_hair : bool
    beard : float
        0 none to 1 full.
    age : float
        0 young to 1 old: depth of folds.
    warmth_c : float
        Offset of this subject's skin temperature.
    au_gain : ActionUnits
        How strongly this subject shows each action unit.
    au_rest : ActionUnits
        What this subject's neutral face already shows.
    glasses : bool
        Dark frames; glass is as cool as the room to the thermal camera and clear to the others.
        Depth does not see them.
    """

    seed: int
    tone: float
    width: float
    length: float
    jaw: float
    nose: float
    lips: float
    brow: float
    eye: float
    hair: Rgb
    iris: Rgb
    cloth: Rgb
    hairline_m: float
    parting_m: float
    long_hair: bool
    beard: float
    age: float
    warmth_c: float
    au_gain: ActionUnits
    au_rest: ActionUnits
    glasses: bool = False

    @property
    def fitzpatrick(self) -> int:
        """Nearest skin type, 1 to 6."""
        return round(self.tone) + 1


def identity_from_seed(
    seed: int,
    *,
    tone: float | None = None,
    gain_range: tuple[float, float] = (0.7, 1.15),
    rest_sd: float = 0.05,
) -> Identity:
    """Draw a subject; the same seed is the same person everywhere.

    Parameters
    ----------
    seed : int
        Any integer >= 0.
    tone : float, optional
        Skin tone in [0, 5] instead of the drawn one; everything else stays.
    gain_range : (low, high)
        Between which this subject shows each action unit.
    rest_sd : float
        How far resting faces differ from a neutral one.
    """
    rng = np.random.default_rng([seed, 2])
    drawn = float(rng.uniform(0, 5))
    tone = drawn if tone is None else tone
    dark = tone > _DARK_FROM_TONE
    n_hair, n_iris = (1, 2) if dark else (len(_HAIR_COLORS), len(_IRIS_COLORS))
    long_hair = bool(rng.random() < 0.5)
    red, green, blue = rng.uniform(0.04, 0.5, 3)
    return Identity(
        seed=seed,
        tone=tone,
        width=float(rng.normal(1.0, 0.035)),
        length=float(rng.normal(1.0, 0.03)),
        jaw=float(rng.normal(1.0, 0.045)),
        nose=float(rng.normal(1.0, 0.11)),
        lips=float(rng.normal(0.98 + 0.05 * tone, 0.12)),
        brow=float(rng.normal(1.05, 0.15)),
        eye=float(rng.normal(1.0, 0.06)),
        hair=_HAIR_COLORS[int(rng.integers(n_hair))],
        iris=_IRIS_COLORS[int(rng.integers(n_iris))],
        cloth=(float(red), float(green), float(blue)),
        hairline_m=float(rng.uniform(0.056, 0.072)),
        parting_m=float(rng.uniform(-0.045, 0.045)),
        long_hair=long_hair,
        beard=0.0 if long_hair else float(np.clip(rng.uniform(-0.9, 0.7), 0, 1)),
        age=float(rng.random()),
        warmth_c=float(rng.normal(0, 0.25)),
        au_gain=ActionUnits(*(float(g) for g in rng.uniform(*gain_range, len(ACTION_UNITS)))),
        au_rest=ActionUnits(*(float(r) for r in np.abs(rng.normal(0, rest_sd, len(ACTION_UNITS))))),
    )
