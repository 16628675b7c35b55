"""What is built and how: the plan, its sources, and the report on each."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py

from calibration.rig import RigCalibration

from .errors import DatasetError
from .labelling import Labelling
from .splits import SplitPlan
from .store_writer import StoreLayout
from .work_folder import SourceFolder

MAX_FILLED_GAP_S = 5.0


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A session folder or video file to build from.

    Attributes
    ----------
    path : Path
    subject : str, optional
        Of a video file; a session knows its own.
    is_video : bool
    name : str, optional
        What the video is called in the store instead of by its path.
    frame_rate_hz : float, optional
        The video is a folder of images that follow at this rate.
    landmarks : Path, optional
        AFEW-VA's JSON with the face's 68 points in every image of the folder.
    """

    path: Path
    subject: str | None = None
    is_video: bool = False
    name: str | None = None
    frame_rate_hz: float | None = None
    landmarks: Path | None = None

    @property
    def id(self) -> str:
        """What the video is called in the store: folder name, or file name without ending."""
        if self.name is not None:
            return self.name
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
    fill_gaps_s : float
        Rows without a face between two faces at most this far apart get crops at the
        interpolated place, marked as such; 0 fills nothing.
    identity : bool
        Tell the subject from other people by dlib's face descriptor.
    segment_rows : int, optional
        Rows of a piece of work; the source's own choice by default.
    """

    layout: StoreLayout
    split: SplitPlan
    tolerance_ns: int = 60_000_000
    rig: RigCalibration | None = None
    labelling: Labelling = field(default_factory=Labelling)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    fill_gaps_s: float = 0.0
    identity: bool = True
    segment_rows: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.fill_gaps_s <= MAX_FILLED_GAP_S:
            raise DatasetError(
                f"gaps of up to {self.fill_gaps_s:g} s to fill: expected 0 to {MAX_FILLED_GAP_S:g}"
            )
        if self.segment_rows is not None and self.segment_rows < 1:
            raise DatasetError(f"segments of {self.segment_rows} rows: expected at least 1")


def require_session_options(plan: BuildPlan) -> RigCalibration:
    """Return the calibration that sessions need, refusing a plan that cannot be for them.

    Raises
    ------
    DatasetError
        No calibration, or the native rate.
    """
    if plan.rig is None:
        raise DatasetError("sessions need a calibration", remedy="pass --calibration rig.yaml")
    if not plan.layout.rate_hz:
        raise DatasetError(
            "the native rate is for video files: streams of a session have different ones",
            remedy="name a rate in Hz",
        )
    return plan.rig


@dataclass(frozen=True, slots=True)
class PartReport:
    """What became of one source.

    Attributes
    ----------
    path : Path
    id, subject : str
    n_frames, n_faces, n_faces_infrared, n_interpolated, n_labelled : int
    missing : mapping of str to int
        Rows without a face by reason.
    flags : mapping of str to int
        Rows by flag.
    damage : tuple of str
        What of the source could not be read, although the rest could.
    cpu_s : float
        Of this run; what an earlier one had finished costs nothing.
    error : str or None
        Why it is not in the store.
    """

    path: Path
    id: str = ""
    subject: str = ""
    n_frames: int = 0
    n_faces: int = 0
    n_faces_infrared: int = 0
    n_interpolated: int = 0
    n_labelled: int = 0
    missing: Mapping[str, int] = field(default_factory=dict)
    flags: Mapping[str, int] = field(default_factory=dict)
    damage: tuple[str, ...] = ()
    cpu_s: float = 0.0
    error: str | None = None


def is_stored(folder: SourceFolder) -> bool:
    """Tell whether a source has become a part with its report, neither damaged since."""
    try:
        load_report(folder, folder.part)
        with h5py.File(folder.part, "r") as file:
            return "content_sha256" in file["video"].attrs
    except (OSError, RuntimeError, ValueError, TypeError, KeyError):
        return False  # not there, or nothing that it could have been written as


def load_report(folder: SourceFolder, path: Path) -> PartReport:
    """Read the report that was left beside the part of the source at `path`."""
    values = json.loads(folder.report.read_text(encoding="utf-8"))
    return PartReport(**{**values, "path": path, "damage": tuple(values["damage"])})
