"""Raters for sessions whose truth is known: slow, biased, noisy, at times absent or asleep.

A stand-in for people in demonstrations and tests. Human raters agree less: the paper reports a
mean correlation of .42 (arousal) and .48 (valence) in Table III, and reaction times of 1 to 6 s
are usual; the defaults are milder since simulated sessions last seconds, not minutes.
"""

import hashlib
import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from .errors import AnnotationError
from .fusion import MAX_GRID_RATE_HZ
from .raters_csv import RAW_SCALE
from .strict_csv import MAX_TIME_S, NS_PER_S
from .trace import Trace, interpolate

DEFAULT_LAG_S = 0.4
DEFAULT_NOISE = 1.0
DEFAULT_RATE_HZ = 10.0
_STEP = 1.0
_LAG_SPREAD = 0.4
"""Raters' lags lie within ± this share of the mean lag."""
_GAIN_RANGE = (0.85, 1.15)
_BIAS_SD = 0.6
_NOISE_MEMORY_S = 1.5
_MISSING_MEMORY_S = 1.5


@dataclass(frozen=True, slots=True)
class RaterProfile:
    """How one simulated rater differs from the truth; the same in every session.

    Attributes
    ----------
    name : str
    lag_s : float
        Reaction time.
    gain : float
        How widely the rater uses the scale.
    bias : float
        Constant offset, in points of the scale.
    noise : float
        Standard deviation of a wandering error, in points of the scale.
    noise_memory_s : float
        Time after which the error has forgotten itself (first-order autoregression).
    missing_share : float
        Share of the time in which the rater says nothing, in stretches of seconds.
    frozen_share : float
        Share of every session, at its end, in which the slider stands still.
    """

    name: str
    lag_s: float
    gain: float
    bias: float
    noise: float
    noise_memory_s: float
    missing_share: float = 0.0
    frozen_share: float = 0.0

    def __post_init__(self) -> None:
        for what in ("missing_share", "frozen_share"):
            if not 0 <= getattr(self, what) <= 1:
                raise AnnotationError(f"{what} is {getattr(self, what):g}, expected 0 to 1")


def draw_profile(
    name: str,
    *,
    seed: int,
    lag_s: float = DEFAULT_LAG_S,
    noise: float = DEFAULT_NOISE,
    missing_share: float = 0.0,
    frozen_share: float = 0.0,
) -> RaterProfile:
    """Draw a rater: the same `seed` and `name` give the same person."""
    if not (0 <= lag_s <= MAX_TIME_S and math.isfinite(noise) and noise >= 0):
        raise AnnotationError(
            f"a rater's lag and noise must be 0 or more, got {lag_s:g} s and {noise:g}"
        )
    rng = _generator(seed, name)
    return RaterProfile(
        name,
        lag_s=lag_s * rng.uniform(1 - _LAG_SPREAD, 1 + _LAG_SPREAD),
        gain=rng.uniform(*_GAIN_RANGE),
        bias=rng.normal(0.0, _BIAS_SD),
        noise=noise,
        noise_memory_s=_NOISE_MEMORY_S,
        missing_share=missing_share,
        frozen_share=frozen_share,
    )


def rate(
    truth: Trace, profile: RaterProfile, *, seed: int, rate_hz: float = DEFAULT_RATE_HZ
) -> Trace:
    """Let a rater judge a session.

    The rater sets the slider on the still first picture and only then lets it play, so that the
    trace of one who misses nothing covers the truth from its first to its last moment; what is
    said follows what is shown by the reaction time.

    Parameters
    ----------
    truth : Trace
        Values in [-1, 1].
    profile : RaterProfile
    seed : int
        With session, dimension and rater it decides the noise.
    rate_hz : float
        How often the slider is read.

    Returns
    -------
    Trace
        On the scale of -10 to 10, in steps of 1.
    """
    if not 0 < rate_hz <= MAX_GRID_RATE_HZ:
        raise AnnotationError(
            f"rate_hz is {rate_hz:g}, expected a number above 0, at most {MAX_GRID_RATE_HZ:g}"
        )
    first_ns, last_ns = int(truth.time_ns[0]), int(truth.time_ns[-1])
    n_steps = int((last_ns - first_ns) * rate_hz / NS_PER_S)
    ticks = first_ns + np.round(np.arange(n_steps + 1) * (NS_PER_S / rate_hz)).astype(np.int64)
    time_ns = np.unique(np.append(ticks[ticks < last_ns], last_ns))

    seen_ns = np.maximum(time_ns - round(profile.lag_s * NS_PER_S), first_ns)
    seen = interpolate(seen_ns, truth.time_ns, truth.value)
    rng = _generator(seed, profile.name, truth.session, truth.dimension)
    wandering = _autoregression(rng, time_ns, profile.noise_memory_s)
    said = RAW_SCALE * profile.gain * seen + profile.bias + profile.noise * wandering
    slider = np.clip(_STEP * np.round(said / _STEP), -RAW_SCALE, RAW_SCALE) + 0.0
    moving = round((1.0 - profile.frozen_share) * (len(slider) - 1))
    slider[moving:] = slider[moving]
    kept = _attentive(truth, profile, seed, time_ns)
    return Trace(truth.session, profile.name, truth.dimension, time_ns[kept], slider[kept])


def _attentive(
    truth: Trace, profile: RaterProfile, seed: int, time_ns: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Moments at which the rater says something; one at least."""
    if profile.missing_share == 0.0:
        return np.ones(len(time_ns), dtype=np.bool_)
    rng = _generator(seed, profile.name, truth.session, truth.dimension, "attention")
    attention = _autoregression(rng, time_ns, _MISSING_MEMORY_S)
    most: NDArray[np.bool_] = attention == np.max(attention)
    if profile.missing_share == 1.0:
        return most
    return most | (attention > NormalDist().inv_cdf(profile.missing_share))


def _generator(seed: int, *names: str) -> np.random.Generator:
    """Random numbers that depend on `seed` and `names`, on nothing else and on every machine."""
    digest = hashlib.sha256("\0".join((str(seed), *names)).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "little"))


def _autoregression(
    rng: np.random.Generator, time_ns: NDArray[np.int64], memory_s: float
) -> NDArray[np.float64]:
    """Draw a stationary process of unit variance whose correlation decays with the distance."""
    kept = np.exp(-np.diff(time_ns) / (memory_s * NS_PER_S))
    fresh = rng.standard_normal(len(time_ns))
    process = fresh.copy()
    for k, share in enumerate(kept, start=1):
        process[k] = share * process[k - 1] + math.sqrt(1.0 - share * share) * fresh[k]
    return process
