"""What a rig file may say about the simulated scene; both simulated sensors share it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, TypeVar

from ..errors import ConfigError
from ..structure import decode
from .board import BoardScene
from .rig import DEFAULT_DEVICE, kinect2_rig
from .scene import SubjectScene

LOOP_RATE_HZ = 30.0
_Options = TypeVar("_Options", bound="SceneOptions")


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneOptions:
    """The simulated scene: give both sensors of a rig the same ones.

    Attributes
    ----------
    scene : {"subject", "board"}
    light : {"bright", "normal", "side", "dim", "near-dark", "dark"}
    scale : float
        Factor of all image sizes.
    device : str
        Kinect whose published calibration is used.
    noise : bool
    subject_seed : int
        Who sits there.
    trace_seed : int or None
        What is felt and how the head moves; the subject's seed when missing.
    period_s : float
        The scene repeats after this time.
    distance_m, motion, speech : float
        As in `SubjectScene`.
    board_seed, n_views, hold_s : int, int, float
        Poses of the board; the scene repeats after n_views * hold_s.
    """

    scene: Literal["subject", "board"] = "subject"
    light: Literal["bright", "normal", "side", "dim", "near-dark", "dark"] = "normal"
    scale: float = 1.0
    device: str = DEFAULT_DEVICE
    noise: bool = True
    subject_seed: int = 1
    trace_seed: int | None = None
    period_s: float = 6.0
    distance_m: float = 0.8
    motion: float = 1.0
    speech: float = 0.0
    board_seed: int = 0
    n_views: int = 20
    hold_s: float = 0.5

    def __post_init__(self) -> None:
        limits: Mapping[str, tuple[float, float]] = {
            "scale": (0.1, 1.0),
            "period_s": (1.0, 60.0),
            "distance_m": (0.5, 3.0),
            "motion": (0.0, 2.0),
            "speech": (0.0, 1.0),
            "n_views": (1, 200),
            "hold_s": (0.1, 10.0),
            "subject_seed": (0, 2**32),
        }
        for name, (low, high) in limits.items():
            if not low <= getattr(self, name) <= high:
                raise ConfigError(f"{name} is {getattr(self, name)}, expected {low:g} to {high:g}")

    @property
    def scene_part(self) -> "SceneOptions":
        """These options without those of a sensor."""
        return SceneOptions(**{f.name: getattr(self, f.name) for f in fields(SceneOptions)})

    def build(self) -> "SubjectScene | BoardScene":
        """Build the scene; one for each thread that renders."""
        rig = kinect2_rig(scale=self.scale, device=self.device)
        if self.scene == "board":
            return BoardScene(
                rig,
                n_views=self.n_views,
                seed=self.board_seed,
                hold_s=self.hold_s,
                rate_hz=LOOP_RATE_HZ,
                light=self.light,
                noise=self.noise,
            )
        return SubjectScene(
            rig,
            subject_seed=self.subject_seed,
            light=self.light,
            trace_seed=self.trace_seed,
            period_s=self.n_moments / LOOP_RATE_HZ,
            rate_hz=LOOP_RATE_HZ,
            distance_m=self.distance_m,
            motion=self.motion,
            speech=self.speech,
            noise=self.noise,
        )

    @property
    def n_moments(self) -> int:
        """Length of the loop in moments at `LOOP_RATE_HZ`."""
        if self.scene == "board":
            return self.n_views * max(1, round(self.hold_s * LOOP_RATE_HZ))
        return round(self.period_s * LOOP_RATE_HZ)

    def fingerprint(self) -> str:
        """Return a key of the rendered loop: these options and the simulation's code."""
        values: dict[str, Any] = {
            f.name: getattr(self, f.name) for f in fields(SceneOptions) if self._matters(f.name)
        }
        digest = hashlib.sha256(json.dumps(values, sort_keys=True).encode())
        for source in sorted(Path(__file__).parent.glob("*.py")):
            digest.update(source.read_bytes())
        return digest.hexdigest()[:24]

    def _matters(self, name: str) -> bool:
        of_subject = {"subject_seed", "trace_seed", "period_s", "distance_m", "motion", "speech"}
        of_board = {"board_seed", "n_views", "hold_s"}
        return name not in (of_subject if self.scene == "board" else of_board)


def parse_options(kind: type[_Options], options: Mapping[str, Any], *, where: str) -> _Options:
    """Decode the options of a sensor strictly.

    Raises
    ------
    ConfigError
        Unknown option (with the nearest valid name), wrong type or value out of range.
    """
    return decode(kind, options, where=where)
