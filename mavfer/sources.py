"""What a video is built from, whatever it came from: times, faces and crops."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .landmarks import LandmarkCount
from .store_schema import VideoKind
from .store_writer import FrameCrops

OnFrame = Callable[[], None]
"""Called after every frame, for progress."""


@dataclass(frozen=True, slots=True, eq=False)
class FaceTrack:
    """Where the face is in every row.

    Attributes
    ----------
    landmarks_px : (N, 68 or 5, 2) float64
        Undistorted color pixels; NaN where no face was found.
    face_source : (N,) uint8
        Index into ``FACE_SOURCES``.
    """

    landmarks_px: NDArray[np.float64]
    face_source: NDArray[np.uint8]

    @classmethod
    def empty(cls, n_rows: int, count: LandmarkCount) -> "FaceTrack":
        """Return a track with no face found, to be filled."""
        return cls(np.full((n_rows, count, 2), np.nan), np.zeros(n_rows, np.uint8))


class Source(Protocol):
    """One session or video file, read twice: for the faces, then for the crops.

    Two passes, because an alignment smoothed over time needs the frames that follow, and frames
    of a whole video do not fit into memory.
    """

    id: str
    subject: str
    kind: VideoKind
    origin: str
    notes: Mapping[str, Any]
    time_ns: NDArray[np.int64]

    def find_faces(self, count: LandmarkCount, *, on_frame: OnFrame) -> FaceTrack:
        """Find the face in every row."""

    def crops(
        self, T_crop_color: NDArray[np.float64], *, crop_px: int, on_frame: OnFrame
    ) -> Iterator[FrameCrops]:
        """Yield the crops of every row; an empty one where `T_crop_color` (N, 2, 3) is NaN."""
