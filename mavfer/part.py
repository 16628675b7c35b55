"""From one source to one part of a store: faces, alignment, labels, crops."""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from calibration.rig import RigCalibration
from capture.errors import MavferError
from capture.terminal import OnProgress

from .alignment import align, smooth_alignment
from .errors import DatasetError
from .labelling import Labelling
from .session_source import SessionSource
from .sources import Source
from .splits import SplitPlan
from .store_schema import FACE_IN_INFRARED
from .store_writer import StoreLayout, VideoEntry, write_part
from .video_source import VideoSource

logger = logging.getLogger(__name__)

SendProgress = Callable[[int, int, int], None]
"""Called with the source's number, frames done and frames in all."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A session folder or video file to build from.

    Attributes
    ----------
    path : Path
    subject : str, optional
        Of a video file; a session knows its own.
    is_video : bool
    """

    path: Path
    subject: str | None = None
    is_video: bool = False

    @property
    def id(self) -> str:
        """What the video is called in the store: folder name, or file name without ending."""
        return self.path.stem if self.is_video else self.path.resolve().name


@dataclass(frozen=True, slots=True, eq=False)
class BuildPlan:
    """What to build and how.

    Attributes
    ----------
    layout : StoreLayout
        A rate of 0 takes the frames of video files as they come.
    split : SplitPlan
    tolerance_ns : int
        Largest time between the color frame of a moment and the frames of the other streams.
    rig : RigCalibration, optional
        Needed for sessions.
    labelling : Labelling
        Gold labels, ratings and categories of the sources.
    provenance : mapping
        Hashes of calibration and labels, and what else the caller knows.
    """

    layout: StoreLayout
    split: SplitPlan
    tolerance_ns: int = 60_000_000
    rig: RigCalibration | None = None
    labelling: Labelling = field(default_factory=Labelling)
    provenance: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PartReport:
    """What became of one source.

    Attributes
    ----------
    path : Path
    id, subject : str
    n_frames, n_faces, n_faces_infrared, n_labelled : int
    cpu_s : float
    damage : tuple of str
        What of the source could not be read, although the rest could.
    error : str or None
        Why it is not in the store.
    """

    path: Path
    id: str = ""
    subject: str = ""
    n_frames: int = 0
    n_faces: int = 0
    n_faces_infrared: int = 0
    n_labelled: int = 0
    cpu_s: float = 0.0
    damage: tuple[str, ...] = ()
    error: str | None = None


def build_entry(
    source: Source, plan: BuildPlan, *, on_progress: OnProgress | None = None
) -> VideoEntry:
    """Find the faces of `source`, align them and return the video, its crops still to be cut."""
    n_rows = len(source.time_ns)
    done = 0

    def on_frame() -> None:
        nonlocal done
        done += 1
        if on_progress is not None:
            on_progress(done, 2 * n_rows)

    crop_px = plan.layout.crop_px
    track = source.find_faces(plan.layout.landmarks, on_frame=on_frame)
    aligned = np.full((n_rows, 2, 3), np.nan)
    for row in np.flatnonzero(track.face_source):
        aligned[row] = align(track.landmarks_px[row], plan.layout.landmarks, crop_px=crop_px)
    T_crop_color = smooth_alignment(aligned, source.time_ns, crop_px=crop_px)
    labels = plan.labelling.columns(source.id, source.time_ns)
    return VideoEntry(
        id=source.id,
        subject=source.subject,
        source=source.origin,
        kind=source.kind,
        time_ns=source.time_ns,
        valence=labels["valence"],
        arousal=labels["arousal"],
        face_source=track.face_source,
        landmarks_px=track.landmarks_px.astype(np.float32),
        T_crop_color=T_crop_color.astype(np.float32),
        crops=source.crops(T_crop_color, crop_px=crop_px, on_frame=on_frame),
        notes=source.notes,
        traces=plan.labelling.traces(source.id),
        label_lag_ns=plan.labelling.lag_ns,
        category=plan.labelling.categories.get(source.id, ""),
    )


def open_source(file: SourceFile, plan: BuildPlan) -> Source:
    """Open a session or video file as `plan` wants it."""
    rate_hz = plan.layout.rate_hz
    if file.is_video:
        return VideoSource(
            file.path, subject=file.subject or file.path.stem, rate_hz=rate_hz or None
        )
    if plan.rig is None:
        raise DatasetError("sessions need a calibration", remedy="pass --calibration rig.yaml")
    if not rate_hz:
        raise DatasetError(
            "the native rate is for video files: streams of a session have different ones",
            remedy="name a rate in Hz",
        )
    return SessionSource(
        file.path,
        plan.rig,
        modalities=plan.layout.modalities,
        rate_hz=rate_hz,
        tolerance_ns=plan.tolerance_ns,
    )


def build_part(
    index: int, file: SourceFile, part: Path, plan: BuildPlan, send: SendProgress
) -> PartReport:
    """Build one part; a failure becomes the report's error, so that the others go on."""
    started_s = time.process_time()
    try:
        source = open_source(file, plan)
        entry = build_entry(source, plan, on_progress=lambda done, total: send(index, done, total))
        write_part(part, entry, plan.layout)
    except (MavferError, OSError) as error:
        return PartReport(file.path, error=str(error))
    except Exception as error:
        logger.exception("unexpected failure in %s", file.path)
        return PartReport(file.path, error=f"unexpected {type(error).__name__}: {error}")
    labelled = np.isfinite(entry.valence) | np.isfinite(entry.arousal)
    return PartReport(
        file.path,
        id=entry.id,
        subject=entry.subject,
        n_frames=len(entry.time_ns),
        n_faces=int((entry.face_source > 0).sum()),
        n_faces_infrared=int((entry.face_source == FACE_IN_INFRARED).sum()),
        n_labelled=int(labelled.sum()),
        cpu_s=time.process_time() - started_s,
        damage=tuple(source.notes.get("damage", ())),
    )
