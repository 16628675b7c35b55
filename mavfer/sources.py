"""What a video is built from, whatever it came from: times, faces and crops."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .face_identity import Descriptor
from .faces import Sighting
from .landmarks import LandmarkCount
from .store_schema import FOUND, NO_COLOR_FRAME, NO_FACE, VideoKind
from .store_writer import FrameCrops


@dataclass(frozen=True, slots=True, eq=False)
class FaceTrack:
    """Where the face is in consecutive rows.

    Attributes
    ----------
    landmarks_px : (N, 68 or 5, 2) float64
        Undistorted color pixels; NaN where no face was found.
    face_source, reason : (N,) uint8
        Indices into ``FACE_SOURCES`` and ``REASONS``.
    confidence : (N,) float32
        0 to 1, NaN where no face was found.
    several_faces, identity_switch : (N,) bool
        As the flags of the store.
    """

    landmarks_px: NDArray[np.float64]
    face_source: NDArray[np.uint8]
    reason: NDArray[np.uint8]
    confidence: NDArray[np.float32]
    several_faces: NDArray[np.bool_]
    identity_switch: NDArray[np.bool_]

    @classmethod
    def empty(cls, n_rows: int, count: LandmarkCount) -> "FaceTrack":
        """Return a track of rows without frames, to be filled."""
        return cls(
            landmarks_px=np.full((n_rows, count, 2), np.nan),
            face_source=np.full(n_rows, NO_FACE, np.uint8),
            reason=np.full(n_rows, NO_COLOR_FRAME, np.uint8),
            confidence=np.full(n_rows, np.nan, np.float32),
            several_faces=np.zeros(n_rows, np.bool_),
            identity_switch=np.zeros(n_rows, np.bool_),
        )

    def note(
        self,
        row: int,
        sighting: Sighting,
        face_source: int,
        landmarks_px: NDArray[np.float64] | None,
    ) -> None:
        """Enter a sighting; its landmarks in undistorted color pixels."""
        self.several_faces[row] = sighting.several_faces
        self.identity_switch[row] = sighting.identity_switch
        self.identity_switch[max(row - sighting.doubtful_images, 0) : row] |= bool(
            sighting.doubtful_images
        )
        self.reason[row] = sighting.reason
        if landmarks_px is not None:
            self.reason[row] = FOUND
            self.face_source[row] = face_source
            self.landmarks_px[row] = landmarks_px
            self.confidence[row] = sighting.confidence


class Source(Protocol):
    """One session or video file; any stretch of its rows can be worked on by itself.

    Frames are read twice, for the faces and for the crops: an alignment smoothed over time needs
    the frames that follow, and frames of a whole video do not fit into memory.
    """

    id: str
    subject: str
    kind: VideoKind
    origin: str
    time_ns: NDArray[np.int64]
    seq: Mapping[str, NDArray[np.int64]]
    residual_ns: Mapping[str, NDArray[np.int64]]
    segment_rows: int
    """Rows that make a piece of work of some seconds."""
    crop_rows: int
    """Rows whose crops make a piece of work: fewer where any row is read at once, so that no
    worker is left with much at the end."""

    @property
    def notes(self) -> Mapping[str, Any]:
        """What else is known of the video, as JSON values."""

    def grey(self, row: int) -> NDArray[np.uint8] | None:
        """Return the brightness of the color image of `row`, (H, W); None where there is none."""

    def find_faces(
        self, rows: range, count: LandmarkCount, subject: Descriptor | None
    ) -> FaceTrack:
        """Find the subject's face in consecutive rows."""

    def crops(
        self, rows: range, T_crop_color: NDArray[np.float64], *, crop_px: int
    ) -> Iterator[FrameCrops]:
        """Yield the crops of consecutive rows; empty ones where `T_crop_color` (N, 2, 3) is NaN.

        `T_crop_color` belongs to `rows`, not to all rows of the source.
        """
