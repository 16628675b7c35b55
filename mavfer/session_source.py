"""A recorded session as a source of aligned crops."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from datetime import date
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from calibration.registration import undistort_color_px
from calibration.rig import RigCalibration
from capture.errors import RecordingError
from capture.frame import Image
from capture.recorded_stream import RecordedStream
from capture.session import Session, open_session

from .alignment import EYE_DISTANCE
from .crops import (
    crop_color,
    crop_depth,
    crop_rig,
    crop_thermal,
    median_depth_mm,
    shows_face,
)
from .errors import DatasetError
from .face_detector import face_box
from .face_identity import Descriptor
from .faces import FaceTracker, Sighting
from .infrared_faces import carry_to_color, infrared_to_grey
from .landmarks import LandmarkCount
from .moments import match_moments
from .sources import FaceTrack
from .store_schema import (
    ANOTHER_PERSON,
    FACE_IN_COLOR,
    FACE_IN_INFRARED,
    IMPLAUSIBLE,
    NO_DETECTION,
    NO_SEQ,
    STREAMS,
    UNREADABLE,
    StoreModality,
    VideoKind,
)
from .store_writer import FrameCrops
from .thermal_freezes import frozen_frames

_INFRARED_SEARCH_HEIGHTS_PX = (720,)
"""A face before a Kinect measures some 70 px in infrared: too small for a coarse search."""
_SEGMENT_ROWS, _CROP_ROWS = 128, 32
_LIGHT = "light "
_OUTER_EYE_DISTANCE_MM = 90.0
"""Between the outer corners of the eyes of a grown-up (means 88 to 91 mm, Farkas 1994): how far
a face is until depth has told."""


class SessionSource:
    """The moments of one session, on an even grid from its start.

    Frames of other streams are those nearest in time to the color frame. The face is looked for
    in color and, where color fails, in infrared.
    """

    kind: VideoKind = "session"
    segment_rows = _SEGMENT_ROWS
    crop_rows = _CROP_ROWS

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
        consent = manifest.consent
        if consent is not None and not consent.record:
            raise DatasetError(
                f"{path}: subject {manifest.subject} does not agree to be recorded",
                remedy="leave it out and delete the recording",
            )
        if consent is not None and consent.ended(date.today()):  # noqa: DTZ011 - their calendar day
            raise DatasetError(
                f"{path}: the consent of subject {manifest.subject} ended on {consent.until}",
                remedy="leave it out and delete the recording",
            )
        if missing := sorted({*modalities} - session.streams.keys()):
            raise DatasetError(
                f"{path} has no stream {', '.join(missing)}, only {', '.join(session.streams)}",
                remedy="name the modalities to store with --modalities",
            )
        self.id = session.id
        self.subject = manifest.subject
        self.origin = manifest.uuid
        self.notes: Mapping[str, Any] = {
            "consent": None if consent is None else asdict(consent),
            "session_status": manifest.status,
            **_light(manifest.rig),
            "damage": [
                f"{name}.mcap breaks off or is damaged: {recording.damage}"
                for name, recording in session.recordings.items()
                if not recording.complete
            ],
            **_stages(session),
        }
        self._rig = rig
        self._modalities = modalities
        self._streams: dict[str, RecordedStream] = {
            s: session.streams[s] for s in STREAMS if s in session.streams
        }
        _require_rig(session, rig)
        moments = match_moments(
            "color",
            {name: stream.capture_time_ns for name, stream in self._streams.items()},
            start_ns=session.start_time_ns,
            rate_hz=rate_hz,
            tolerance_ns=tolerance_ns,
        )
        self.time_ns = moments.time_ns
        self.residual_ns = moments.residual_ns
        self._frame = moments.frame
        self.seq: Mapping[str, NDArray[np.int64]] = {
            name: np.where(frame >= 0, self._streams[name].seq[frame], NO_SEQ)
            for name, frame in moments.frame.items()
            if len(self._streams[name])
        }
        thermal = self._streams.get("thermal")
        self._frozen = None if thermal is None else frozen_frames(thermal, session.events)

    def grey(self, row: int) -> NDArray[np.uint8] | None:
        """Return the brightness of the color image of `row`, (H, W); None where there is none.

        Raises
        ------
        RecordingError
            The image is damaged.
        """
        index = self._frame["color"][row]
        return None if index < 0 else self._streams["color"].read_grey(int(index))

    def find_faces(
        self, rows: range, count: LandmarkCount, subject: Descriptor | None
    ) -> FaceTrack:
        """Find the subject's face in consecutive rows, in color or else in infrared."""
        track = FaceTrack.empty(len(rows), count)
        in_color = FaceTracker(count, subject=subject)
        in_infrared = FaceTracker(count, search_heights_px=_INFRARED_SEARCH_HEIGHTS_PX)
        for at, row in enumerate(rows):
            try:
                grey = self.grey(row)
            except RecordingError:
                track.reason[at] = UNREADABLE
                continue
            if grey is None:
                continue
            sighting = in_color.look(grey)
            found = sighting.landmarks_px
            if found is not None:
                track.note(at, sighting, FACE_IN_COLOR, undistort_color_px(found, self._rig))
                continue
            track.note(at, sighting, FACE_IN_COLOR, None)
            if sighting.reason in (NO_DETECTION, IMPLAUSIBLE, ANOTHER_PERSON):
                self._look_in_infrared(at, row, in_infrared, in_color, track, sighting)
        return track

    def crops(
        self, rows: range, T_crop_color: NDArray[np.float64], *, crop_px: int
    ) -> Iterator[FrameCrops]:
        """Yield the crops of consecutive rows."""
        eye_distance_mm = _OUTER_EYE_DISTANCE_MM
        for row, T in zip(rows, T_crop_color, strict=True):
            color = self._image("color", row) if np.isfinite(T[0, 0]) else None
            if color is None:
                yield FrameCrops({})
                continue
            mm_per_eyes = self._rig.cameras["color"].fx_px / _eye_distance_px(T, crop_px)
            crops = self._crops_of(row, color, T, crop_px, eye_distance_mm * mm_per_eyes)
            if np.isfinite(crops.face_depth_mm):
                eye_distance_mm = crops.face_depth_mm / mm_per_eyes
            yield crops

    def _crops_of(
        self, row: int, color: Image, T: NDArray[np.float64], crop_px: int, expected_mm: float
    ) -> FrameCrops:
        self._rig.require_size("color", color)
        color = cast(NDArray[np.uint8], color)
        images: dict[str, Image] = {
            "color": crop_color(color, T, crop_px=crop_px, camera=self._rig.cameras["color"])
        }
        if self._modalities == ("color",):
            return FrameCrops(images)
        valid: dict[str, bool] = {}
        rig_of_crop = crop_rig(self._rig, T, crop_px=crop_px)
        depth = cast(NDArray[np.uint16] | None, self._image("depth", row))
        surface = np.zeros((crop_px, crop_px), np.uint16)
        if depth is not None:
            surface = crop_depth(depth, rig_of_crop)
        known = shows_face(surface)
        face_depth_mm = median_depth_mm(surface) if known else float("nan")
        if depth is not None and "depth" in self._modalities:
            images["depth"], valid["depth"] = surface, known
        thermal = cast(NDArray[np.uint16] | None, self._image("thermal", row))
        by_plane = frozen = False
        if thermal is not None and "thermal" in self._modalities:
            by_plane = not known
            if by_plane:
                surface = np.full_like(surface, round(min(expected_mm, 65_535)))
            counts = crop_thermal(thermal, surface, rig_of_crop)
            frozen = self._is_frozen(row)
            images["thermal"], valid["thermal"] = counts, shows_face(counts) and not frozen
        return FrameCrops(images, valid, face_depth_mm, by_plane, frozen)

    def _look_in_infrared(
        self,
        at: int,
        row: int,
        tracker: FaceTracker,
        in_color: FaceTracker,
        track: FaceTrack,
        seen: Sighting,
    ) -> None:
        """Look for the face that color does not show; enter it as row `at` of `track`.

        `seen` is what color shows. Where that is another person, a face in infrared is the
        subject's only if it is somewhere else, and doubtful: infrared does not tell who it is.
        """
        infrared, depth = self._image("infrared", row), self._image("depth", row)
        if infrared is None or depth is None:
            return
        sighting, carried = tracker.look(infrared_to_grey(cast(NDArray[np.uint16], infrared))), None
        if sighting.landmarks_px is not None:
            depth_mm = cast(NDArray[np.uint16], depth)
            carried = carry_to_color(sighting.landmarks_px, depth_mm, self._rig)
        if seen.reason == ANOTHER_PERSON:
            if carried is None or seen.shows_stranger(face_box(carried, tracker.count)):
                return
            sighting = replace(sighting, several_faces=True, identity_switch=True)
        elif carried is None and sighting.landmarks_px is not None:
            sighting = replace(sighting, reason=IMPLAUSIBLE)
        track.note(at, sighting, FACE_IN_INFRARED, carried)
        if carried is not None:
            in_color.expect(carried)

    def _is_frozen(self, row: int) -> bool:
        index = int(self._frame["thermal"][row])
        if self._frozen is not None and self._frozen[index]:
            return True
        try:
            return self._streams["thermal"].repeats(index)
        except RecordingError:
            return False  # the frame before is damaged: nothing to compare with

    def _image(self, stream: str, row: int) -> Image | None:
        """Return the image of a row; None where there is none or it is damaged."""
        index = self._frame[stream][row] if stream in self._frame else -1
        if index < 0:
            return None
        try:
            return self._streams[stream].read(int(index)).image
        except RecordingError:
            return None


def _require_rig(session: Session, rig: RigCalibration) -> None:
    """Refuse a calibration of other image sizes, and one that names another camera."""
    camera_of = {
        "color": "color",
        "depth": "infrared",
        "infrared": "infrared",
        "thermal": "thermal",
    }
    for name, camera in camera_of.items():
        if name in session.streams:
            spec, model = session.streams[name].spec, rig.cameras[camera]
            if (spec.width_px, spec.height_px) != (model.width_px, model.height_px):
                raise DatasetError(
                    f"{session.path}: {name} images are {spec.width_px}x{spec.height_px}, the "
                    f"calibration is for {model.width_px}x{model.height_px}",
                    remedy="use the calibration made with this rig and these image sizes",
                )
    calibrated = rig.provenance.get("devices")
    if not isinstance(calibrated, Mapping):
        return
    for recording in session.recordings.values():
        for name in recording.streams:
            serial = calibrated.get(name, recording.info.serial)
            if serial != recording.info.serial:
                raise DatasetError(
                    f"{session.path}: {name} was recorded with {recording.info.model} "
                    f"{recording.info.serial}, the calibration is of {serial}",
                    remedy="use the calibration made with this rig",
                )


def _eye_distance_px(T_crop_color: NDArray[np.float64], crop_px: int) -> float:
    """Outer corners of the eyes in the color image, which the alignment puts at fixed places."""
    return EYE_DISTANCE * crop_px / float(np.hypot(T_crop_color[0, 0], T_crop_color[1, 0]))


def _light(rig: Mapping[str, Any]) -> dict[str, str]:
    """Return the light of a simulated scene, which its rig names; nobody measured a real one's."""
    sensors = rig.get("sensor")
    listed = sensors if isinstance(sensors, list | tuple) else ()
    scenes = [rig.get("scene"), *(s.get("options") for s in listed if isinstance(s, Mapping))]
    named = [scene.get("light") for scene in scenes if isinstance(scene, Mapping)]
    told = {light for light in named if isinstance(light, str)}
    return {"light": told.pop()} if len(told) == 1 else {}


def _stages(session: Session) -> dict[str, Any]:
    """Tell a session's stages, and its light if they name one light only.

    A stage called "light X" says which light was on, whoever wrote it: a simulated session, or
    a protocol with such stages.
    """
    stages = [
        [round((mark.time_ns - session.start_time_ns) * 1e-9, 3), mark.label]
        for mark in session.manifest.marks
        if mark.kind == "stage"
    ]
    lights = {str(label)[len(_LIGHT) :] for _, label in stages if str(label).startswith(_LIGHT)}
    told: dict[str, Any] = {"stages": stages} if stages else {}
    return told | ({"light": lights.pop()} if len(lights) == 1 else {})
