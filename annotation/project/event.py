"""What a rating page reports, one thing after the other; ratings are derived from nothing else."""

from dataclasses import dataclass
from typing import Literal

from capture.errors import ConfigError

from ..trace import Dimension

Kind = Literal["play", "set", "seen", "pause", "comment", "note"]
MAX_VALUE = 10
"""The paper's slider runs from -10 to 10 in steps of 1 (section IV-C)."""
_MAX_SEQ = 10_000_000
_MAX_AT_US = 10**15
MAX_DETAIL = 4000


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened in a rating page.

    Attributes
    ----------
    seq : int
        Counts from 0 in every page that was loaded; with the page's name it is the event's key.
    kind : {"play", "set", "seen", "pause", "comment", "note"}
        ``play`` begins a take at `frame`; ``set`` moves a slider; ``seen`` says how far the take
        has come; ``pause`` ends it at `frame`. ``comment`` replaces the rater's comment,
        ``note`` is for the record only.
    frame : int
        The frame that was on the screen.
    at_us : int
        The page's own steady clock.
    dimension : {"valence", "arousal"} or None
    value : int or None
        -10 to 10; None in a ``set``: from here on what was rated before is left as it is.
    hand : bool
        The rater moved the slider; otherwise its position is carried on.
    speed : float
        Of playback; 0 where single frames are stepped through.
    detail : str
        Comment, reason of a pause, or what a note says.
    """

    seq: int
    kind: Kind
    frame: int
    at_us: int
    dimension: Dimension | None = None
    value: int | None = None
    hand: bool = False
    speed: float = 1.0
    detail: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.seq <= _MAX_SEQ:
            raise ConfigError(f"seq is {self.seq}, expected 0 to {_MAX_SEQ}")
        if self.frame < 0:
            raise ConfigError(f"frame is {self.frame}, expected 0 or more")
        if not 0 <= self.at_us <= _MAX_AT_US:
            raise ConfigError(f"at_us is {self.at_us}, expected 0 to {_MAX_AT_US}")
        if self.value is not None and abs(self.value) > MAX_VALUE:
            raise ConfigError(f"value is {self.value}, expected -{MAX_VALUE} to {MAX_VALUE}")
        if self.kind == "set" and self.dimension is None:
            raise ConfigError("a set event needs its dimension")
        if not 0 <= self.speed <= 1:
            raise ConfigError(f"speed is {self.speed}, expected 0 to 1: faster skips frames")
        if len(self.detail) > MAX_DETAIL:
            raise ConfigError(f"detail has {len(self.detail)} characters, at most {MAX_DETAIL}")
