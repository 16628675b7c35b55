"""A color video file as a source of aligned crops: what users of public affect corpora have."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from .crops import crop_color
from .faces import FaceTracker
from .landmarks import LandmarkCount
from .sources import FaceTrack, OnFrame
from .store_schema import FACE_IN_COLOR, VideoKind
from .store_writer import FrameCrops
from .video import VideoFile


class VideoSource:
    """The frames of one video file; no camera calibration, so its pixels are taken as ideal."""

    kind: VideoKind = "video"

    def __init__(self, path: Path, *, subject: str, rate_hz: float | None) -> None:
        self._video = VideoFile(path, rate_hz=rate_hz)
        self.id = path.stem
        self.subject = subject
        self.origin = path.name
        self.notes: Mapping[str, Any] = {"native_rate_hz": round(self._video.native_rate_hz, 3)}
        self.time_ns = self._video.time_ns

    def find_faces(self, count: LandmarkCount, *, on_frame: OnFrame) -> FaceTrack:
        """Find the face in every row."""
        track = FaceTrack.empty(len(self.time_ns), count)
        tracker = FaceTracker(count)
        for row, image in self._video.frames():
            grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
            found = tracker.find(np.asarray(grey, np.uint8))
            if found is not None:
                track.landmarks_px[row] = found
                track.face_source[row] = FACE_IN_COLOR
            on_frame()
        return track

    def crops(
        self, T_crop_color: NDArray[np.float64], *, crop_px: int, on_frame: OnFrame
    ) -> Iterator[FrameCrops]:
        """Yield the crops of every row."""
        expected = 0
        for row, image in self._video.frames():
            # Rows of the grid that no frame was near enough to.
            for _ in range(expected, row):
                yield FrameCrops({})
            if np.isfinite(T_crop_color[row, 0, 0]):
                yield FrameCrops({"color": crop_color(image, T_crop_color[row], crop_px=crop_px)})
            else:
                yield FrameCrops({})
            expected = row + 1
            on_frame()
        for _ in range(expected, len(self.time_ns)):
            yield FrameCrops({})
