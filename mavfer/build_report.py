"""What a build says at its end, for people and as JSON."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .part import PartReport


def report_document(reports: "Sequence[PartReport]") -> dict[str, Any]:
    """Say what became of the sources, as JSON values."""
    good = [report for report in reports if report.error is None]
    n_frames = sum(report.n_frames for report in good)
    return {
        "frames": n_frames,
        "face_percent": _percent(sum(report.n_faces for report in good), n_frames),
        "cpu_ms_per_frame": round(1000 * sum(r.cpu_s for r in good) / max(n_frames, 1), 2),
        "videos": {
            report.id: {
                "subject": report.subject,
                "frames": report.n_frames,
                "face_percent": _percent(report.n_faces, report.n_frames),
                "face_from_infrared": report.n_faces_infrared,
                "interpolated": report.n_interpolated,
                "missing": dict(report.missing),
                "flags": dict(report.flags),
                "labelled_frames": report.n_labelled,
                "damage": list(report.damage),
            }
            for report in good
        },
        "failed": {str(report.path): report.error for report in reports if report.error},
    }


def report_text(result: dict[str, Any]) -> list[str]:
    """Lay `report_document`, with the store it became, out in lines."""
    lines = [
        f"{name:32}  {video['subject']:12} {video['frames']:6} frames  "
        f"face {video['face_percent']:5.1f} %  labelled {video['labelled_frames']}"
        for name, video in result["videos"].items()
    ]
    shares = ", ".join(
        f"{split} {share['subjects']} subjects {share['clips']} clips"
        for split, share in result["splits"].items()
    )
    for name, video in result["videos"].items():
        lines += [f"incomplete: {name}: {what}" for what in video["damage"]]
        if told := {**video["missing"], **video["flags"]}:
            counts = ", ".join(f"{what.replace('_', ' ')} {n}" for what, n in told.items())
            lines.append(f"rows of {name}: {counts}")
    lines += [f"not stored: {path}: {error}" for path, error in result["failed"].items()]
    return [
        *lines,
        f"{result['store']}: {result['frames']} frames of {len(result['videos'])} videos, "
        f"face in {result['face_percent']:.1f} %, in {result['elapsed_s']:.1f} s",
        f"split: {shares}",
    ]


def _percent(part: int, whole: int) -> float:
    return round(100 * part / whole, 2) if whole else 0.0
