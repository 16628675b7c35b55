"""What the finished work on a source depends on: another source, plan or software, other work."""

import hashlib
from dataclasses import asdict
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from calibration.rig import RigCalibration
from capture.errors import RecordingError
from capture.manifest import read_manifest

from .part import BuildPlan, SourceFile


def source_identity(file: SourceFile, plan: BuildPlan, *, today: date) -> dict[str, Any]:
    """Describe all that the part of a source follows from, as JSON values.

    Files are told by size and time of change: hashing hours of recording would take minutes.
    `today` tells whether a consent has ended since: finished work is then of no use any more.
    """
    labelling = plan.labelling
    return {
        "source": str(file.path),
        "files": _file_stamps(file.path),
        "consent_ended": not file.is_video and _consent_ended(file.path, today),
        "id": file.id,
        "subject": file.subject,
        "frame_rate_hz": file.frame_rate_hz,
        "landmarks": None if file.landmarks is None else _file_stamps(file.landmarks),
        "layout": asdict(plan.layout),
        "tolerance_ns": plan.tolerance_ns,
        "fill_gaps_s": plan.fill_gaps_s,
        "identity": plan.identity,
        "segment_rows": plan.segment_rows,
        "rig": None if plan.rig is None else _rig_digest(plan.rig),
        "labels": _digest([asdict(trace) for trace in labelling.traces(file.id)]),
        "label_lag_ns": labelling.lag_ns,
        "category": labelling.categories.get(file.id, ""),
        "software": _software_digest(),
    }


def _consent_ended(session: Path, today: date) -> bool | None:
    try:
        consent = read_manifest(session).consent
    except RecordingError:
        return None  # the job that opens it will say what is wrong
    return consent is not None and consent.ended(today)


def _file_stamps(path: Path) -> list[tuple[str, int, int]]:
    try:
        files = sorted(p for p in path.iterdir() if p.is_file()) if path.is_dir() else [path]
        return [(p.name, p.stat().st_size, p.stat().st_mtime_ns) for p in files]
    except OSError:
        return []  # the job that opens it will say what is wrong


def _rig_digest(rig: RigCalibration) -> str:
    transforms = [rig.T_color_infrared, rig.T_color_thermal]
    values = [
        {name: asdict(camera) for name, camera in sorted(rig.cameras.items())},
        [(t.rotation.tolist(), t.translation_m.tolist()) for t in transforms],
        (rig.depth_scale, rig.depth_shift_mm),
    ]
    return _digest(values)


def _digest(values: Any) -> str:
    def text(value: Any) -> str:
        if isinstance(value, np.ndarray):
            return f"{value.dtype}{value.shape}{hashlib.sha256(value.tobytes()).hexdigest()}"
        if isinstance(value, dict):
            return "{" + ",".join(f"{k}:{text(v)}" for k, v in sorted(value.items())) + "}"
        if isinstance(value, (list, tuple)):
            return "[" + ",".join(text(v) for v in value) + "]"
        return repr(value)

    return hashlib.sha256(text(values).encode()).hexdigest()


@cache
def _software_digest() -> str:
    """Hash of the code that work is done with: an update never goes on with older work."""
    digest = hashlib.sha256()
    here = Path(__file__).resolve().parent
    for package in ("mavfer", "annotation", "calibration", "capture"):
        for path in sorted((here.parent / package).glob("*.py")):
            digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()
