"""Doing the pieces of work that a build consists of: each reads finished files and writes one."""

import logging
import math
import threading
import time
from collections import OrderedDict
from contextlib import suppress
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from capture.errors import MavferError, RecordingError

from .aligned_faces import align_faces, join_tracks, reach_ns, rows_of_track
from .division import Division, divide
from .face_detector import load_detector
from .face_identity import Descriptor, People, choose_subject, describe_people, load_network
from .jobs import JobCall, JobResult
from .labelling import Labelling
from .landmarks import load_predictor
from .opened_source import open_source
from .part import BuildPlan
from .sources import FaceTrack, Source
from .store_schema import crop_dtype, crop_shape
from .stored_part import store_part
from .work_folder import load_arrays, save_arrays

logger = logging.getLogger(__name__)

_ROWS_PER_SAMPLE = 64
_MOST_SAMPLES = 9
_SOURCES_KEPT = 2


def run(call: JobCall) -> JobResult:
    """Do one piece of work; a failure becomes the result's error."""
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


def warm_up(call: JobCall) -> JobResult:
    """Load what every piece of work of this plan needs, while there is none to do yet."""
    started_s = time.thread_time()
    with _one_at_a_time, suppress(Exception):  # the piece of work that needs it will tell
        load_detector()
        load_predictor(call.plan.layout.landmarks)
        if call.plan.identity:
            load_network()
    return JobResult(call.job, cpu_s=time.thread_time() - started_s)


def _open(call: JobCall) -> None:
    source, plan = _source(call), call.plan
    n_rows = len(source.time_ns)
    n_samples = int(np.clip(math.ceil(n_rows / _ROWS_PER_SAMPLE), 1, _MOST_SAMPLES))
    face_rows = plan.segment_rows or source.segment_rows
    divide(
        source.time_ns,
        n_samples=n_samples if plan.identity and n_rows else 0,
        face_rows=face_rows,
        crop_rows=min(face_rows, source.crop_rows),
        reach_ns=reach_ns(plan.fill_gaps_s),
    ).save(call.folder)


def _people(call: JobCall) -> None:
    division = Division.load(call.folder)
    people = People.nobody()
    with suppress(RecordingError):  # a damaged image tells nothing; its row will be marked
        grey = _source(call).grey(division.sample_row(call.job.segment))
        if grey is not None:
            # Somebody seen once and alone cannot be confused with anybody.
            worth = 2 if division.n_samples == 1 else 1
            people = describe_people(grey, call.plan.layout.landmarks, at_least=worth)
    save_arrays(
        call.folder.people(call.job.segment),
        {"descriptors": people.descriptors, "sides_px": people.sides_px},
    )


def _subject(call: JobCall, division: Division) -> Descriptor | None:
    samples = [load_arrays(call.folder.people(sample)) for sample in range(division.n_samples)]
    return choose_subject([People(**arrays) for arrays in samples])


def _faces(call: JobCall) -> None:
    division = Division.load(call.folder)
    rows = division.faces.rows(call.job.segment)
    subject = _subject(call, division)
    track = _source(call).find_faces(rows, call.plan.layout.landmarks, subject)
    save_arrays(call.folder.faces(call.job.segment), _columns(track))


def _crops(call: JobCall) -> None:
    source, layout, division = _source(call), call.plan.layout, Division.load(call.folder)
    segment = call.job.segment
    rows = division.crops.rows(segment)
    track, T_crop_color = _aligned(call, source, division)
    n_rows = len(rows)
    arrays: dict[str, NDArray[Any]] = {
        m: np.zeros((n_rows, *crop_shape(m, layout.crop_px)), crop_dtype(m))
        for m in layout.modalities
    }
    arrays |= {f"valid_{m}": np.zeros(n_rows, np.bool_) for m in layout.modalities}
    arrays |= {"thermal_by_plane": np.zeros(n_rows, np.bool_)}
    arrays |= {"thermal_frozen": np.zeros(n_rows, np.bool_)}
    arrays |= {"face_depth_mm": np.full(n_rows, np.nan)}
    crops = source.crops(rows, T_crop_color, crop_px=layout.crop_px)
    for at, cut in enumerate(crops):
        for modality, image in cut.images.items():
            arrays[modality][at] = image
            arrays[f"valid_{modality}"][at] = cut.valid.get(modality, True)
        arrays["thermal_by_plane"][at] = cut.thermal_by_plane
        arrays["thermal_frozen"][at] = cut.thermal_frozen
        arrays["face_depth_mm"][at] = cut.face_depth_mm
    arrays |= {**_columns(track), "T_crop_color": T_crop_color}
    save_arrays(call.folder.crops(segment), arrays)


def _aligned(
    call: JobCall, source: Source, division: Division
) -> tuple[FaceTrack, NDArray[np.float64]]:
    """Align the rows of a segment of crops from the faces round it."""
    rows = division.crops.rows(call.job.segment)
    context = division.context_rows(call.job.segment)
    needed = division.faces_needed(call.job.segment)
    known = join_tracks(
        [FaceTrack(**load_arrays(call.folder.faces(segment))) for segment in needed]
    )
    known_from = division.faces.rows(needed.start).start
    track, T_crop_color = align_faces(
        rows_of_track(known, slice(context.start - known_from, context.stop - known_from)),
        source.time_ns[context.start : context.stop],
        call.plan.layout,
        fill_gaps_s=call.plan.fill_gaps_s,
    )
    own = slice(rows.start - context.start, rows.stop - context.start)
    return rows_of_track(track, own), T_crop_color[own]


def _columns(track: FaceTrack) -> dict[str, NDArray[Any]]:
    return {f.name: getattr(track, f.name) for f in fields(track)}


def _store(call: JobCall) -> None:
    store_part(call.file, _source(call), call.plan, call.folder)


_RUN = {"open": _open, "people": _people, "faces": _faces, "crops": _crops, "store": _store}
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
