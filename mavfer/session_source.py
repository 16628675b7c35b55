"""A recorded session as a source of aligned crops."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from calibration.registration import undistort_color_px
from calibration.rig import RigCalibration
from capture.frame import Image
from capture.session import open_session

from .crops import crop_color, crop_depth, crop_rig, crop_thermal, shows_face
from .errors import DatasetError
from .faces import FaceTracker
from .infrared_faces import carry_to_color, infrared_to_grey
from .landmarks import LandmarkCount
from .moments import match_moments
from .sources import FaceTrack, OnFrame
from .store_schema import FACE_IN_COLOR, FACE_IN_INFRARED, StoreModality, VideoKind
from .store_writer import FrameCrops

_INFRARED_SEARCH_HEIGHTS_PX = (720,)
"""A face before a Kinect measures some 70 px in infrared: too small for a coarse search."""


class SessionSource:
    """The moments of one session, on an even grid from its start.

    Frames of other streams are those nearest in time to the color frame. The face is looked for
    in color and, where color fails, in infrared.
    """

    kind: VideoKind = "session"

    def __init__(
        self,
        path: Path,
        rig: RigCalibration,
        *,
        modalities: tuple[StoreModality, ...],
        rate_hz: float,
        tolerance_ns: int,
    ) -> None:
        """Open the session at `path` and match its frames.

        Raises
        ------
        DatasetError
            Not a subject's session, no consent, or a stream of `modalities` is missing.
        RecordingError
            The session cannot be read.
        """
        session = open_session(path)
        manifest = session.manifest
        if manifest.kind != "subject":
            raise DatasetError(
                f"{path} is a {manifest.kind} session: there is no subject's face in it",
                remedy="leave it out",
            )
        if not manifest.consent.record:
            raise DatasetError(
                f"{path}: subject {manifest.subject} does not agree to be recorded",
                remedy="leave it out and delete the recording",
            )
        if manifest.consent.ended(date.today()):  # noqa: DTZ011 - the subject's calendar day
            raise DatasetError(
                f"{path}: the consent of subject {manifest.subject} ended on "
                f"{manifest.consent.until}",
                remedy="leave it out and delete the recording",
            )
        # Thermal is looked up through depth, and infrared finds faces that color does not.
        needed = {*modalities, "depth"} if "thermal" in modalities else {*modalities}
        if missing := sorted(needed - session.streams.keys()):
            raise DatasetError(
                f"{path} has no stream {', '.join(missing)}, only {', '.join(session.streams)}",
                remedy="name the modalities to store with --modalities",
            )
        self.id = session.id
        self.subject = manifest.subject
        self.origin = manifest.uuid
        self.notes: Mapping[str, Any] = {
            "consent": asdict(manifest.consent),
            "session_status": manifest.status,
            "damage": [
                f"{name}.mcap breaks off or is damaged: {recording.damage}"
                for name, recording in session.recordings.items()
                if not recording.complete
            ],
        }
        self._rig = rig
        self._modalities = modalities
        used = ("color", "depth", "infrared", "thermal")
        self._streams = {name: session.streams[name] for name in used if name in session.streams}
        moments = match_moments(
            "color",
            {name: stream.capture_time_ns for name, stream in self._streams.items()},
            start_ns=session.start_time_ns,
            rate_hz=rate_hz,
            tolerance_ns=tolerance_ns,
        )
        self.time_ns = moments.time_ns
        self._frame = moments.frame

    def find_faces(self, count: LandmarkCount, *, on_frame: OnFrame) -> FaceTrack:
        """Find the face in every row, in color or else in infrared."""
        track = FaceTrack.empty(len(self.time_ns), count)
        in_color = FaceTracker(count)
        in_infrared = FaceTracker(count, search_heights_px=_INFRARED_SEARCH_HEIGHTS_PX)
        for row in range(len(self.time_ns)):
            image = self._color(row)
            if image is not None:
                self._rig.require_size("color", image)
                grey = cast(NDArray[np.uint8], cv2.cvtColor(image, cv2.COLOR_BGR2GRAY))
                found = in_color.find(grey)
                if found is not None:
                    track.landmarks_px[row] = undistort_color_px(found, self._rig)
                    track.face_source[row] = FACE_IN_COLOR
                elif (carried := self._face_in_infrared(row, in_infrared)) is not None:
                    track.landmarks_px[row] = carried
                    track.face_source[row] = FACE_IN_INFRARED
                    in_color.expect(carried)
            on_frame()
        return track

    def crops(
        self, T_crop_color: NDArray[np.float64], *, crop_px: int, on_frame: OnFrame
    ) -> Iterator[FrameCrops]:
        """Yield the crops of every row."""
        for row, T in enumerate(T_crop_color):
            yield self._crops_of(row, T, crop_px)
            on_frame()

    def _crops_of(self, row: int, T: NDArray[np.float64], crop_px: int) -> FrameCrops:
        color = self._color(row) if np.isfinite(T[0, 0]) else None
        if color is None:
            return FrameCrops({})
        images: dict[str, Image] = {
            "color": crop_color(color, T, crop_px=crop_px, camera=self._rig.cameras["color"])
        }
        valid = {}
        depth = self._raw("depth", row)
        if depth is not None and len(self._modalities) > 1:
            rig_of_crop = crop_rig(self._rig, T, crop_px=crop_px)
            surface = crop_depth(depth, rig_of_crop)
            thermal = self._raw("thermal", row)
            if "depth" in self._modalities:
                images["depth"], valid["depth"] = surface, shows_face(surface)
            if thermal is not None and "thermal" in self._modalities:
                counts = crop_thermal(thermal, surface, rig_of_crop)
                images["thermal"], valid["thermal"] = counts, shows_face(counts)
        return FrameCrops(images, valid)

    def _face_in_infrared(self, row: int, tracker: FaceTracker) -> NDArray[np.float64] | None:
        infrared, depth = self._raw("infrared", row), self._raw("depth", row)
        if infrared is None or depth is None:
            return None
        found = tracker.find(infrared_to_grey(infrared))
        return None if found is None else carry_to_color(found, depth, self._rig)

    def _color(self, row: int) -> NDArray[np.uint8] | None:
        return cast(NDArray[np.uint8] | None, self._image("color", row))

    def _raw(self, stream: str, row: int) -> NDArray[np.uint16] | None:
        return cast(NDArray[np.uint16] | None, self._image(stream, row))

    def _image(self, stream: str, row: int) -> Image | None:
        index = self._frame[stream][row] if stream in self._frame else -1
        return None if index < 0 else self._streams[stream].read(int(index)).image
