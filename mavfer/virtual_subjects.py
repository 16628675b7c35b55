"""Short sessions of many virtual subjects, light cycled over the clips of each."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from capture.terminal import OnProgress

from .errors import DatasetError
from .simulate import MAX_SEED, camera_scale
from .virtual_sessions import VirtualSession, WrittenSessions, write_sessions

LIGHTS = ("normal", "side", "dim", "near-dark")
"""Cycled over the clips of every subject, so that light says nothing about who it is."""


@dataclass(frozen=True, slots=True)
class SubjectsPlan:
    """What is to be simulated; a folder holds the sessions of one plan.

    Attributes
    ----------
    n_subjects, n_clips, n_frames : int
        People, sessions of each, frames of each session.
    rate_hz : float
        Frames a second.
    scale : float or None
        Size of the cameras; None for the reduced defaults.
    seed : int
    """

    n_subjects: int = 18
    n_clips: int = 12
    n_frames: int = 16
    rate_hz: float = 4.0
    scale: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        limits = {"n_subjects": 999, "n_clips": 999, "n_frames": 100_000}
        for name, limit in limits.items():
            value = getattr(self, name)
            if not 1 <= value <= limit:
                raise DatasetError(f"{name[2:]}: {value} asked for, expected 1 to {limit}")
        if not 0.1 <= self.rate_hz <= 60.0:
            raise DatasetError(f"rate_hz is {self.rate_hz:g}, expected 0.1 to 60")
        if not 0 <= self.seed <= MAX_SEED:
            raise DatasetError(f"seed is {self.seed}, expected 0 to {MAX_SEED}")
        camera_scale(self.scale)

    def sessions(self) -> Iterator[VirtualSession]:
        """List the sessions: ``V01_clip01`` and so on."""
        for subject in range(self.n_subjects):
            who = self.seed * 1000 + subject
            for clip in range(self.n_clips):
                yield VirtualSession(
                    name=f"V{subject + 1:02d}_clip{clip + 1:02d}",
                    subject=f"V{subject + 1:02d}",
                    subject_seed=who,
                    trace_seed=who * 1000 + clip,
                    lights=((0.0, LIGHTS[clip % len(LIGHTS)]),),
                    n_frames=self.n_frames,
                    rate_hz=self.rate_hz,
                    scale=self.scale,
                )


def write_subjects(
    root: Path,
    plan: SubjectsPlan,
    *,
    n_workers: int | None = None,
    on_progress: OnProgress | None = None,
) -> WrittenSessions:
    """Write the sessions of `plan` into `root`; run again to go on after an interruption."""
    return write_sessions(
        root, tuple(plan.sessions()), asdict(plan), n_workers=n_workers, on_progress=on_progress
    )
