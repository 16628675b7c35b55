"""How long a source goes on, as its header or manifest says: no frame of it is decoded."""

from pathlib import Path

from capture.errors import RecordingError
from capture.manifest import read_manifest

from .errors import DatasetError
from .part import SourceFile


def duration_s(source: SourceFile) -> float | None:
    """Return how long a source goes on; None where nothing says it, or it cannot be read."""
    if not source.is_video:
        return _session_s(source.path)
    if source.frame_rate_hz is None:
        return film_s(source.path)
    from .frame_folder import FrameFolder  # reads pictures: most builds have none

    try:
        frames = FrameFolder(source.path, frame_rate_hz=source.frame_rate_hz, rate_hz=None)
    except (DatasetError, OSError):
        return None
    return float(frames.time_ns[-1]) / 1e9


def film_s(path: Path) -> float | None:
    """Return how long a video file goes on; None where it does not say, or is none."""
    if not path.is_file():
        return None
    import av  # the command that hands sessions out to its workers has no need of it
    from av.error import FFmpegError

    try:
        with av.open(str(path)) as container:
            return None if not container.duration else container.duration / 1e6
    except (FFmpegError, OSError, ValueError):
        return None


def _session_s(path: Path) -> float | None:
    try:
        manifest = read_manifest(path)
    except RecordingError:
        return None
    if manifest.start_time_ns is None or manifest.stop_time_ns is None:
        return None
    return (manifest.stop_time_ns - manifest.start_time_ns) / 1e9
