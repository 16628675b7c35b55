"""Sessions on disk, in the few figures an operator looks at."""

from datetime import datetime
from pathlib import Path
from typing import Any

from ..errors import MavferError
from ..live import session_lines
from ..manifest import MANIFEST_NAME, Manifest, read_manifest
from ..names import check_name
from ..session_folders import is_left_open

N_SHOWN = 30


def past_sessions(root: Path) -> list[dict[str, Any]]:
    """Describe the newest sessions in `root`, newest first."""
    found = [p.parent for p in root.glob(f"*/{MANIFEST_NAME}") if not p.parent.name.startswith(".")]
    newest = sorted(found, key=lambda path: path.name, reverse=True)[:N_SHOWN]
    return [_describe(path) for path in newest]


def session_report(root: Path, name: str) -> list[str]:
    """Tell all about one session.

    Raises
    ------
    ConfigError
        Not a name that a session can have: nothing outside `root` is ever looked at.
    RecordingError
        There is no such session.
    """
    path = root / check_name(name, what="session")
    return session_lines(path, read_manifest(path))


def _describe(path: Path) -> dict[str, Any]:
    try:
        manifest = read_manifest(path)
    except MavferError as error:
        return {"name": path.name, "status": "unreadable", "error": str(error)}
    streams = [s for r in manifest.recordings.values() for s in r.streams.values()]
    n_frames = sum(stream.n_frames for stream in streams)
    n_dropped = sum(s.n_dropped_sensor + s.n_dropped_recorder + s.n_lost for s in streams)
    worst_ns = max(
        (s.uncertainty_ns for s in streams if s.uncertainty_ns is not None), default=None
    )
    return {
        "name": path.name,
        "subject": manifest.subject,
        "created": _local_time(manifest.created),
        "status": manifest.status,
        "error": manifest.error,
        "duration_s": _duration_s(manifest),
        "n_frames": n_frames,
        "n_dropped": n_dropped,
        "uncertainty_ms": None if worst_ns is None else worst_ns * 1e-6,
        "n_warnings": len(manifest.warnings),
        "left_open": is_left_open(path, manifest),
    }


def _local_time(created: str) -> str:
    try:
        return f"{datetime.fromisoformat(created).astimezone():%Y-%m-%d %H:%M}"
    except ValueError:
        return created


def _duration_s(manifest: Manifest) -> float | None:
    first_ns, last_ns = manifest.start_achieved_ns, manifest.stop_achieved_ns
    return None if first_ns is None or last_ns is None else (last_ns - first_ns) * 1e-9
