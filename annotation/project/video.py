"""Videos of a project as the database knows them."""

import sqlite3
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Role = Literal["rating", "practice"]


@dataclass(frozen=True, slots=True)
class Video:
    """One video as it is shown: constant rate, first frame at 0.

    Attributes
    ----------
    id : int
    name : str
        Name of the session's folder, or of the file without its ending.
    role : {"rating", "practice"}
    file : str
        Name in the project's ``videos`` folder.
    sha256 : str
    n_bytes : int
    codec : {"h264", "vp9", "av1"}
    width_px, height_px, n_frames : int
    rate_hz : Fraction
    start_ns : int
        Time of frame 0 since the session's start.
    """

    id: int
    name: str
    role: Role
    file: str
    sha256: str
    n_bytes: int
    codec: str
    width_px: int
    height_px: int
    n_frames: int
    rate_hz: Fraction
    start_ns: int

    @property
    def duration_s(self) -> float:
        """From the first frame's beginning to the last one's end."""
        return float(self.n_frames / self.rate_hz)

    @property
    def time_ns(self) -> NDArray[np.int64]:
        """Time of every frame since the session's start, (N,) int64."""
        step_ns = 10**9 / self.rate_hz
        return np.array([self.start_ns + round(k * step_ns) for k in range(self.n_frames)])


def videos(db: sqlite3.Connection) -> list[Video]:
    """Return all videos, by name."""
    return [_video(row) for row in db.execute("SELECT * FROM video ORDER BY name")]


def find_video(db: sqlite3.Connection, video: int) -> Video:
    """Return the video with this id."""
    return _video(db.execute("SELECT * FROM video WHERE id = ?", (video,)).fetchone())


def _video(row: sqlite3.Row) -> Video:
    return Video(
        id=row["id"],
        name=row["name"],
        role=row["role"],
        file=row["file"],
        sha256=row["sha256"],
        n_bytes=row["n_bytes"],
        codec=row["codec"],
        width_px=row["width_px"],
        height_px=row["height_px"],
        n_frames=row["n_frames"],
        rate_hz=Fraction(row["rate_num"], row["rate_den"]),
        start_ns=row["start_ns"],
    )
