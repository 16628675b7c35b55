"""The simulated stand-ins for the MAVFER dataset: who is recorded, for how long, in which light.

``mavfer-sim`` has the size of the paper's dataset (section III): 17 people, one video of 1 to 4
minutes each, 10 frames a second, 12 people to learn from and 5 to be tested on.
``mavfer-sim-small`` has many people and short sessions, made in minutes, with 24 people to be
tested on. People, lights, glasses and talking are laid out so that none says anything about
another, nor about the split; docs/benchmark.md tells what was made to be true.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .errors import DatasetError
from .splits import Split
from .virtual_sessions import VirtualSession

VERSION = 2
"""Raised when the same preset would make other data; part of every folder's plan."""

CONFOUNDERS: Mapping[str, float] = {
    "display": 0.45,
    "flush": 0.87,
    "fullness": 0.63,
    "warmth": 0.8,
    "shadow": 0.5,
    "depth_error_mm": 4.0,
    "skin_error_k": 0.3,
}
"""Set before any network was trained; ``benchmarks confounders`` says what a ridge reads of it."""

LIGHTS = ("normal", "side", "dim", "dark")
"""In the last a face is hardly more than noise to the color camera."""

_SEED = 5_000
_GAIN_RANGE, _REST_SD = (0.5, 1.3), 0.10
_TONE_MAX = 5.0
_GLASSES_SHARE = 0.3
_TALKING_SHARE = 0.6
_LIGHT_S = 15.0


@dataclass(frozen=True, slots=True)
class Person:
    """One virtual subject of a preset.

    Attributes
    ----------
    name : str
        Pseudonym.
    seed : int
    split : {"train", "validation", "test"}
    identity : mapping
        As in `VirtualSession`.
    """

    name: str
    seed: int
    split: Split
    identity: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Preset:
    """A dataset to be simulated.

    Attributes
    ----------
    name : str
    n_train, n_validation, n_test : int
        People of each split.
    n_long_hair : int
        People with long hair (the paper's dataset has 7 women and 10 men; the simulator knows
        no sex).
    n_clips : int
        Sessions of each person; 1 with several lights in turn, else one light a session.
    seconds : (shortest, longest)
        Length of a session.
    rate_hz : float
    board_views : int
    """

    name: str
    n_train: int
    n_validation: int
    n_test: int
    n_long_hair: int
    n_clips: int
    seconds: tuple[float, float]
    rate_hz: float
    board_views: int = 40

    def people(self) -> tuple[Person, ...]:
        """Return everybody, in the order of their names."""
        counts: tuple[tuple[Split, int], ...] = (
            ("train", self.n_train),
            ("validation", self.n_validation),
            ("test", self.n_test),
        )
        splits = [split for split, count in counts for _ in range(count)]
        n = len(splits)
        rng = np.random.default_rng([_SEED, n])
        tones, ages = np.empty(n), np.empty(n)
        glasses, long_hair = np.zeros(n, bool), np.zeros(n, bool)
        for split in dict.fromkeys(splits):
            here = [k for k, other in enumerate(splits) if other == split]
            tones[here] = _TONE_MAX * rng.permutation(_spread(len(here)))
            ages[here] = rng.permutation(_spread(len(here)))
            glasses[rng.permutation(here)[: round(_GLASSES_SHARE * len(here))]] = True
            share = self.n_long_hair * len(here) / n
            long_hair[rng.permutation(here)[: round(share)]] = True
        return tuple(
            Person(
                name=f"M{k + 1:02d}",
                seed=_SEED + k,
                split=splits[k],
                identity={
                    "tone": round(float(tones[k]), 3),
                    "age": round(float(ages[k]), 3),
                    "glasses": bool(glasses[k]),
                    "long_hair": bool(long_hair[k]),
                    "gain_range": _GAIN_RANGE,
                    "rest_sd": _REST_SD,
                },
            )
            for k in range(n)
        )

    def sessions(self) -> Iterator[VirtualSession]:
        """List the sessions of everybody."""
        people = self.people()
        lengths_s = _lengths_s(self.seconds, len(people))
        for number, (who, seconds_s) in enumerate(zip(people, lengths_s, strict=True)):
            for clip in range(self.n_clips):
                rng = np.random.default_rng([who.seed, clip, 1])
                talks = rng.random() < _TALKING_SHARE
                yield VirtualSession(
                    name=f"{who.name}_{clip + 1:02d}",
                    subject=who.name,
                    subject_seed=who.seed,
                    trace_seed=who.seed * 1000 + clip,
                    lights=self._lights(seconds_s, number, clip),
                    n_frames=round(seconds_s * self.rate_hz),
                    rate_hz=self.rate_hz,
                    speech=round(float(rng.uniform(0.4, 1.0)), 3) if talks else 0.0,
                    identity=who.identity,
                    confounders=CONFOUNDERS,
                )

    def plan(self) -> dict[str, Any]:
        """Return what determines the sessions, as JSON values."""
        return {"preset": self.name, "version": VERSION, "confounders": dict(CONFOUNDERS)}

    def _lights(self, seconds_s: float, number: int, clip: int) -> tuple[tuple[float, str], ...]:
        if self.n_clips > 1:
            return ((0.0, LIGHTS[(clip + number) % len(LIGHTS)]),)
        # every light equally long, in another order each round, for as long as the video lasts
        rounds = max(1, round(seconds_s / (_LIGHT_S * len(LIGHTS))))
        each_s = seconds_s / (rounds * len(LIGHTS))
        rng = np.random.default_rng([_SEED, number, 2])
        order = [LIGHTS[k] for _ in range(rounds) for k in rng.permutation(len(LIGHTS))]
        return tuple((round(k * each_s, 3), light) for k, light in enumerate(order))


PRESETS: Mapping[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset("mavfer-sim", 10, 2, 5, 7, 1, (85.0, 240.0), 10.0),
        Preset("mavfer-sim-tiny", 1, 1, 1, 1, 2, (1.0, 1.0), 4.0, 10),  # to try the command
        Preset("mavfer-sim-small", 64, 12, 24, 41, 4, (8.0, 8.0), 4.0),
    )
}


def preset_named(name: str) -> Preset:
    """Return the preset called `name`.

    Raises
    ------
    DatasetError
        There is none.
    """
    if name not in PRESETS:
        raise DatasetError(f"preset {name!r} is not known: expected one of {', '.join(PRESETS)}")
    return PRESETS[name]


def _spread(n: int) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """N values over [0, 1], evenly, none at the ends."""
    return (np.arange(n) + 0.5) / n


def _lengths_s(seconds: Sequence[float], n: int) -> list[float]:
    """Lengths between the shortest and the longest, evenly, in whole seconds, mixed."""
    low_s, high_s = seconds
    even = np.round(low_s + (high_s - low_s) * _spread(n))
    return [float(s) for s in np.random.default_rng([_SEED, n, 3]).permutation(even)]
