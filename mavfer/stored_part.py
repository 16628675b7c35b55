"""The last piece of work on a source: its crops, columns and labels become one HDF5 part."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .division import Division
from .part import BuildPlan, PartReport, SourceFile
from .sources import Source
from .store_schema import (
    FACE_IN_INFRARED,
    FACE_INTERPOLATED,
    NO_FACE,
    REASONS,
    ROW_FLAGS,
    StoreModality,
)
from .store_writer import FrameCrops, VideoEntry, write_part
from .work_folder import SourceFolder, finished_file, load_arrays

_FLAGS_OF_CROPS = ("thermal_by_plane", "thermal_frozen")
_COLUMNS = (
    *("face_source", "reason", "confidence", "landmarks_px", "T_crop_color"),
    *("several_faces", "identity_switch", *_FLAGS_OF_CROPS),
)


def store_part(file: SourceFile, source: Source, plan: BuildPlan, folder: SourceFolder) -> None:
    """Write the part and the report of a source whose crops are all cut; remove the crops."""
    files = [folder.crops(k) for k in range(len(Division.load(folder).crops))]
    told = [load_arrays(path, *_COLUMNS) for path in files]
    column = {name: np.concatenate([arrays[name] for arrays in told]) for name in _COLUMNS}
    labels = plan.labelling.columns(source.id, source.time_ns)
    entry = VideoEntry(
        id=source.id,
        subject=source.subject,
        source=source.origin,
        kind=source.kind,
        time_ns=source.time_ns,
        valence=labels["valence"],
        arousal=labels["arousal"],
        face_source=column["face_source"],
        landmarks_px=column["landmarks_px"].astype(np.float32),
        T_crop_color=column["T_crop_color"].astype(np.float32),
        crops=_crops(files, plan.layout.modalities),
        notes=source.notes,
        reason=column["reason"],
        confidence=column["confidence"],
        seq=source.seq,
        residual_ns=source.residual_ns,
        flags={name: column[name] for name in ("several_faces", "identity_switch")},
        traces=plan.labelling.traces(source.id),
        label_lag_ns=plan.labelling.lag_ns,
        category=plan.labelling.categories.get(source.id, ""),
    )
    with finished_file(folder.part) as partial:
        write_part(partial, entry, plan.layout)
        flags = {name: column[name] for name in ROW_FLAGS}
        report = asdict(_report(file, entry, column["reason"], flags))
        with finished_file(folder.report) as text:
            text.write_text(json.dumps({**report, "path": ""}), encoding="utf-8")
    for path in files:
        path.unlink(missing_ok=True)  # the disk needs to hold them once only


def _crops(files: list[Path], modalities: tuple[StoreModality, ...]) -> Iterator[FrameCrops]:
    """Yield the crops of all segments, one segment in memory."""
    names = (*modalities, *(f"valid_{m}" for m in modalities), *_FLAGS_OF_CROPS, "face_depth_mm")
    for path in files:
        arrays = load_arrays(path, *names)
        for at in range(len(arrays["face_depth_mm"])):
            yield FrameCrops(
                images={m: arrays[m][at] for m in modalities},
                valid={m: bool(arrays[f"valid_{m}"][at]) for m in modalities},
                face_depth_mm=float(arrays["face_depth_mm"][at]),
                thermal_by_plane=bool(arrays["thermal_by_plane"][at]),
                thermal_frozen=bool(arrays["thermal_frozen"][at]),
            )


def _report(
    file: SourceFile,
    entry: VideoEntry,
    reasons: NDArray[np.uint8],
    flags: Mapping[str, NDArray[Any]],
) -> PartReport:
    face = entry.face_source
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
        flags={name: n for name, rows in flags.items() if (n := int(rows.sum()))},
        damage=tuple(entry.notes.get("damage", ())),
    )
