"""The pieces of work that a build consists of; each reads finished files and writes one.

Every piece is a pure function of its source and the plan, whoever runs it, in whatever order:
the rows a segment holds do not depend on the number of workers, and nothing is handed on from one
segment to the next but through the files.
"""

import json
import logging
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from capture.errors import MavferError, RecordingError

from .alignment import align, smooth_alignment
from .face_identity import find_subject
from .labelling import Labelling
from .part import BuildPlan, PartReport, SourceFile, open_source
from .sources import FaceTrack, Source
from .store_schema import (
    FACE_IN_INFRARED,
    FACE_INTERPOLATED,
    NO_COLOR_FRAME,
    NO_FACE,
    REASONS,
    ROW_FLAGS,
    UNREADABLE,
    StoreModality,
    crop_dtype,
    crop_shape,
)
from .store_writer import FrameCrops, VideoEntry, write_part
from .work_folder import SourceFolder, finished_file, load_arrays, save_arrays

logger = logging.getLogger(__name__)

JobKind = Literal["open", "faces", "align", "crops", "store"]
JOB_KINDS: tuple[JobKind, ...] = ("open", "faces", "align", "crops", "store")

_ROWS_PER_SAMPLE = 64
_MOST_SAMPLES = 9
_SOURCES_KEPT = 2


@dataclass(frozen=True, slots=True)
class Job:
    """One piece of work.

    Attributes
    ----------
    kind : {"open", "faces", "align", "crops", "store"}
    source : int
        Number of the source in the build.
    segment : int
        Of "faces" and "crops".
    """

    kind: JobKind
    source: int
    segment: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class JobCall:
    """A piece of work with all it takes to run it in another process or on another machine.

    Attributes
    ----------
    job : Job
    file : SourceFile
    folder : SourceFolder
        On a disk that all workers share.
    plan : BuildPlan
        Without labels where they are not needed: they may be large.
    plan_key : str
        Equal keys mean equal plans: the rig's lookup tables are costly and kept with the first.
    """

    job: Job
    file: SourceFile
    folder: SourceFolder
    plan: BuildPlan
    plan_key: str


@dataclass(frozen=True, slots=True)
class JobResult:
    """What a piece of work has to tell.

    Attributes
    ----------
    job : Job
    cpu_s : float
    error : str or None
    """

    job: Job
    cpu_s: float = 0.0
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Segments:
    """How the rows of a source are divided.

    Attributes
    ----------
    n_rows, segment_rows : int
    """

    n_rows: int
    segment_rows: int

    def __len__(self) -> int:
        return max(math.ceil(self.n_rows / self.segment_rows), 1)

    def rows(self, segment: int) -> range:
        """Rows of one segment."""
        first = segment * self.segment_rows
        return range(first, min(first + self.segment_rows, self.n_rows))

    @classmethod
    def load(cls, folder: SourceFolder) -> "Segments":
        """Read what the job "open" found."""
        arrays = load_arrays(folder.rows)
        return cls(int(arrays["n_rows"]), int(arrays["segment_rows"]))


def run_job(call: JobCall) -> JobResult:
    """Run one piece of work; a failure becomes the result's error, so that the others go on."""
    started_s = time.thread_time()
    with _one_at_a_time:  # dlib's detector and the open sources are not for several threads
        cv2.setNumThreads(1)
        try:
            _RUN[call.job.kind](replace(call, plan=_kept_plan(call)))
        except (MavferError, OSError) as error:
            return JobResult(call.job, error=str(error))
        except Exception as error:
            logger.exception("unexpected failure in %s", call.file.path)
            return JobResult(call.job, error=f"unexpected {type(error).__name__}: {error}")
    return JobResult(call.job, cpu_s=time.thread_time() - started_s)


def load_report(folder: SourceFolder, path: Path) -> PartReport:
    """Read the report that the job "store" left."""
    values = json.loads(folder.report.read_text(encoding="utf-8"))
    return PartReport(**{**values, "path": path, "damage": tuple(values["damage"])})


def _open(call: JobCall) -> None:
    source = _source(call)
    n_rows, count = len(source.time_ns), call.plan.layout.landmarks
    subject = None
    if call.plan.identity:
        n_samples = int(np.clip(math.ceil(n_rows / _ROWS_PER_SAMPLE), 1, _MOST_SAMPLES))
        sampled = [int((i + 0.5) * n_rows / n_samples) for i in range(n_samples)]
        subject = find_subject(_greys(source, sampled), count)
    segment_rows = call.plan.segment_rows or source.segment_rows
    arrays = {"n_rows": np.array(n_rows), "segment_rows": np.array(segment_rows)}
    if subject is not None:
        arrays["subject"] = subject
    save_arrays(call.folder.rows, arrays)


def _greys(source: Source, rows: list[int]) -> Iterator[NDArray[np.uint8]]:
    for row in rows:
        try:
            grey = source.grey(row)
        except RecordingError:
            continue
        if grey is not None:
            yield grey


def _faces(call: JobCall) -> None:
    subject = load_arrays(call.folder.rows).get("subject")
    rows = Segments.load(call.folder).rows(call.job.segment)
    track = _source(call).find_faces(rows, call.plan.layout.landmarks, subject)
    save_arrays(
        call.folder.faces(call.job.segment), {f.name: getattr(track, f.name) for f in fields(track)}
    )


def _align(call: JobCall) -> None:
    source, layout = _source(call), call.plan.layout
    segments = [
        load_arrays(call.folder.faces(segment))
        for segment in range(len(Segments.load(call.folder)))
    ]
    track = FaceTrack(
        **{f.name: np.concatenate([s[f.name] for s in segments]) for f in fields(FaceTrack)}
    )
    aligned = np.full((len(source.time_ns), 2, 3), np.nan)
    for row in np.flatnonzero(track.face_source != NO_FACE):
        aligned[row] = align(track.landmarks_px[row], layout.landmarks, crop_px=layout.crop_px)
    T_crop_color = smooth_alignment(
        aligned, source.time_ns, crop_px=layout.crop_px, fill_gaps_s=call.plan.fill_gaps_s
    )
    imageless = np.isin(track.reason, (NO_COLOR_FRAME, UNREADABLE))
    T_crop_color[imageless] = np.nan  # nothing to cut from
    filled = np.isfinite(T_crop_color[:, 0, 0]) & (track.face_source == NO_FACE)
    track.face_source[filled] = FACE_INTERPOLATED
    _interpolate_landmarks(track, filled, source.time_ns)
    arrays = {f.name: getattr(track, f.name) for f in fields(track)}
    save_arrays(call.folder.alignment, {**arrays, "T_crop_color": T_crop_color})


def _interpolate_landmarks(
    track: FaceTrack, filled: NDArray[np.bool_], time_ns: NDArray[np.int64]
) -> None:
    found = np.flatnonzero(np.isfinite(track.landmarks_px[:, 0, 0]))
    for row in np.flatnonzero(filled):
        after = int(np.searchsorted(found, row))
        a, b = found[after - 1], found[after]
        share = (time_ns[row] - time_ns[a]) / (time_ns[b] - time_ns[a])
        between = (1 - share) * track.landmarks_px[a] + share * track.landmarks_px[b]
        track.landmarks_px[row] = between


def _crops(call: JobCall) -> None:
    layout = call.plan.layout
    rows = Segments.load(call.folder).rows(call.job.segment)
    T_crop_color = load_arrays(call.folder.alignment)["T_crop_color"][rows.start : rows.stop]
    n_rows = len(rows)
    arrays: dict[str, NDArray[Any]] = {
        m: np.zeros((n_rows, *crop_shape(m, layout.crop_px)), crop_dtype(m))
        for m in layout.modalities
    }
    arrays |= {f"valid_{m}": np.zeros(n_rows, np.bool_) for m in layout.modalities}
    arrays |= {"thermal_by_plane": np.zeros(n_rows, np.bool_)}
    arrays |= {"thermal_frozen": np.zeros(n_rows, np.bool_)}
    arrays |= {"face_depth_mm": np.full(n_rows, np.nan)}
    crops = _source(call).crops(rows, T_crop_color, crop_px=layout.crop_px)
    for at, cut in enumerate(crops):
        for modality, image in cut.images.items():
            arrays[modality][at] = image
            arrays[f"valid_{modality}"][at] = cut.valid.get(modality, True)
        arrays["thermal_by_plane"][at] = cut.thermal_by_plane
        arrays["thermal_frozen"][at] = cut.thermal_frozen
        arrays["face_depth_mm"][at] = cut.face_depth_mm
    save_arrays(call.folder.crops(call.job.segment), arrays)


def _store(call: JobCall) -> None:
    source, plan, folder = _source(call), call.plan, call.folder
    n_segments = len(Segments.load(folder))
    aligned = load_arrays(folder.alignment)
    labels = plan.labelling.columns(source.id, source.time_ns)
    flagged = {name: aligned[name].copy() for name in ("several_faces", "identity_switch")}
    entry = VideoEntry(
        id=source.id,
        subject=source.subject,
        source=source.origin,
        kind=source.kind,
        time_ns=source.time_ns,
        valence=labels["valence"],
        arousal=labels["arousal"],
        face_source=aligned["face_source"],
        landmarks_px=aligned["landmarks_px"].astype(np.float32),
        T_crop_color=aligned["T_crop_color"].astype(np.float32),
        crops=_stored_crops(folder, n_segments, plan.layout.modalities, flagged),
        notes=source.notes,
        reason=aligned["reason"],
        confidence=aligned["confidence"],
        seq=source.seq,
        residual_ns=source.residual_ns,
        flags={name: aligned[name] for name in ("several_faces", "identity_switch")},
        traces=plan.labelling.traces(source.id),
        label_lag_ns=plan.labelling.lag_ns,
        category=plan.labelling.categories.get(source.id, ""),
    )
    with finished_file(folder.part) as partial:
        write_part(partial, entry, plan.layout)
        report = asdict(_report(call.file, entry, flagged))
        with finished_file(folder.report) as text:
            text.write_text(json.dumps({**report, "path": ""}), encoding="utf-8")
    for segment in range(n_segments):
        folder.crops(segment).unlink(missing_ok=True)  # the disk needs to hold them once only


def _stored_crops(
    folder: SourceFolder,
    n_segments: int,
    modalities: tuple[StoreModality, ...],
    flagged: dict[str, NDArray[np.bool_]],
) -> Iterator[FrameCrops]:
    """Yield the crops of all segments, one segment in memory; their flags go into `flagged`."""
    told: dict[str, list[NDArray[np.bool_]]] = {"thermal_by_plane": [], "thermal_frozen": []}
    for segment in range(n_segments):
        arrays = load_arrays(folder.crops(segment))
        for name, values in told.items():
            values.append(arrays[name])
        for at in range(len(arrays["face_depth_mm"])):
            yield FrameCrops(
                images={m: arrays[m][at] for m in modalities},
                valid={m: bool(arrays[f"valid_{m}"][at]) for m in modalities},
                face_depth_mm=float(arrays["face_depth_mm"][at]),
                thermal_by_plane=bool(arrays["thermal_by_plane"][at]),
                thermal_frozen=bool(arrays["thermal_frozen"][at]),
            )
    flagged.update({name: np.concatenate(values) for name, values in told.items()})


def _report(
    file: SourceFile, entry: VideoEntry, flagged: Mapping[str, NDArray[np.bool_]]
) -> PartReport:
    face = entry.face_source
    reasons = np.zeros(len(face), np.uint8) if entry.reason is None else entry.reason
    labelled = np.isfinite(entry.valence) | np.isfinite(entry.arousal)
    return PartReport(
        file.path,
        id=entry.id,
        subject=entry.subject,
        n_frames=len(entry.time_ns),
        n_faces=int((face != NO_FACE).sum()),
        n_faces_infrared=int((face == FACE_IN_INFRARED).sum()),
        n_interpolated=int((face == FACE_INTERPOLATED).sum()),
        n_labelled=int(labelled.sum()),
        missing={
            reason: n
            for number, reason in enumerate(REASONS)
            if number and (n := int(((reasons == number) & (face == NO_FACE)).sum()))
        },
        flags={name: n for name in ROW_FLAGS if (n := int(flagged[name].sum()))},
        damage=tuple(entry.notes.get("damage", ())),
    )


_RUN = {"open": _open, "faces": _faces, "align": _align, "crops": _crops, "store": _store}
_one_at_a_time = threading.Lock()
_plans: dict[str, BuildPlan] = {}
_sources: OrderedDict[tuple[str, Path], Source] = OrderedDict()


def _kept_plan(call: JobCall) -> BuildPlan:
    """Return the first plan of this key that this process saw, labelled as this call says."""
    if call.plan_key not in _plans:
        _plans.clear()
        _sources.clear()
    plan = _plans.setdefault(call.plan_key, replace(call.plan, labelling=Labelling()))
    return replace(plan, labelling=call.plan.labelling)


def _source(call: JobCall) -> Source:
    """Open the call's source, or take it from those this process has open."""
    key = (call.plan_key, call.file.path)
    if key not in _sources:
        _sources[key] = open_source(call.file, call.plan)
        while len(_sources) > _SOURCES_KEPT:
            _sources.popitem(last=False)
    _sources.move_to_end(key)
    return _sources[key]
