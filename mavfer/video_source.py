"""A color video file as a source of aligned crops: what users of public affect corpora have."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from annotation.afew_va import N_LANDMARKS, AfewVaVideo, load_afew_va
from capture.digest import digest_file

from .crops import crop_color
from .face_detector import face_box
from .face_identity import Descriptor
from .faces import FaceTracker
from .frame_folder import FrameFolder
from .landmarks import LandmarkCount
from .sources import FaceTrack
from .store_schema import (
    FACE_GIVEN,
    FACE_IN_COLOR,
    FILE_DIGEST,
    FOUND,
    IMPLAUSIBLE,
    NO_DETECTION,
    VideoKind,
)
from .store_writer import FrameCrops
from .video import VideoFile

_SEGMENT_ROWS = 512
"""Several seconds at 25 Hz: a segment starts decoding at the key frame before it."""
_LEAST_FACE_PX, _FURTHEST_PX = 8.0, 1e5
_LEAST_WIDTH = 0.1
_PLAUSIBLE_SIZE = (0.3, 3.0)
"""Size of the face by eyes and nose, relative to that by all points: a profile is no doubt."""


class VideoSource:
    """The frames of one video file; no camera calibration, so its pixels are taken as ideal."""

    kind: VideoKind = "video"
    segment_rows = _SEGMENT_ROWS
    crop_rows = _SEGMENT_ROWS

    def __init__(
        self,
        frames: VideoFile | FrameFolder,
        *,
        id: str,
        subject: str,
        landmarks: Path | None = None,
    ) -> None:
        """Take a video file or a folder of frames.

        Parameters
        ----------
        landmarks : Path, optional
            AFEW-VA's JSON: where it knows the face, nobody looks for it.
        """
        self._video = frames
        self._given = None if landmarks is None else load_afew_va(landmarks)
        self.id = id
        self.subject = subject
        self.origin = frames.path.name
        self.time_ns = self._video.time_ns
        self.seq: Mapping[str, NDArray[np.int64]] = {"color": self._video.frame}
        self.residual_ns: Mapping[str, NDArray[np.int64]] = {"color": self._video.residual_ns}

    @cached_property
    def notes(self) -> Mapping[str, Any]:
        """Rate, and of a file its digest, which reads it once more: film of the same name or not.

        A withdrawal tells by it whose a film is.
        """
        rate: dict[str, Any] = {"native_rate_hz": round(self._video.native_rate_hz, 3)}
        is_file = isinstance(self._video, VideoFile)
        return rate | ({FILE_DIGEST: digest_file(self._video.path)} if is_file else {})

    def grey(self, row: int) -> NDArray[np.uint8] | None:
        """Return the brightness of the image of `row`, (H, W); None where there is none."""
        for _, image in self._video.frames(range(row, row + 1)):
            return _brightness(image)
        return None

    def find_faces(
        self, rows: range, count: LandmarkCount, subject: Descriptor | None
    ) -> FaceTrack:
        """Find the subject's face in consecutive rows."""
        track = FaceTrack.empty(len(rows), count)
        if self._given is not None and self._given.landmarks is not None and count == N_LANDMARKS:
            return self._given_faces(rows, track, self._given, self._given.landmarks)
        tracker = FaceTracker(count, subject=subject)
        for row, image in self._video.frames(rows):
            sighting = tracker.look(_brightness(image))
            track.note(row - rows.start, sighting, FACE_IN_COLOR, sighting.landmarks_px)
        return track

    def crops(
        self, rows: range, T_crop_color: NDArray[np.float64], *, crop_px: int
    ) -> Iterator[FrameCrops]:
        """Yield the crops of consecutive rows."""
        expected = rows.start
        for row, image in self._video.frames(rows):
            for _ in range(expected, row):  # rows of the grid that no frame was near enough to
                yield FrameCrops({})
            T = T_crop_color[row - rows.start]
            shown = bool(np.isfinite(T[0, 0]))
            yield FrameCrops({"color": crop_color(image, T, crop_px=crop_px)} if shown else {})
            expected = row + 1
        for _ in range(expected, rows.stop):
            yield FrameCrops({})

    def _given_faces(
        self,
        rows: range,
        track: FaceTrack,
        given: AfewVaVideo,
        landmarks_px: NDArray[np.float64],
    ) -> FaceTrack:
        place = {int(number): i for i, number in enumerate(given.frame)}
        size_px = next((image.shape[1::-1] for _, image in self._video.frames(rows)), (0, 0))
        for at, number in enumerate(self._video.frame[rows.start : rows.stop].tolist()):
            if number < 0:
                continue
            track.reason[at] = NO_DETECTION
            points = landmarks_px[place[number]] if number in place else None
            if points is None or not np.isfinite(points).all():
                continue
            if not _is_face(points, size_px):
                track.reason[at] = IMPLAUSIBLE
                continue
            track.landmarks_px[at] = points
            track.face_source[at], track.reason[at] = FACE_GIVEN, FOUND
            track.confidence[at] = 1.0
        return track


def _is_face(points_px: NDArray[np.float64], size_px: tuple[int, ...]) -> bool:
    """Tell whether given landmarks (68, 2) can be a face in an image of (width, height) pixels."""
    inside = ((points_px >= -0.5) & (points_px < np.array(size_px) - 0.5)).all(axis=1)
    if inside.mean() < 0.5 or np.abs(points_px).max() > _FURTHEST_PX:
        return False
    short_px, long_px = np.sort(np.ptp(points_px, axis=0))
    if long_px < _LEAST_FACE_PX or short_px < _LEAST_WIDTH * long_px:
        return False
    share = face_box(points_px, 68).side_px / long_px
    return bool(_PLAUSIBLE_SIZE[0] < share < _PLAUSIBLE_SIZE[1])


def _brightness(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return cast(NDArray[np.uint8], cv2.cvtColor(image, cv2.COLOR_BGR2GRAY))
