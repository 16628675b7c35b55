"""Opening what a store is built from."""

from .frame_folder import FrameFolder
from .part import BuildPlan, SourceFile, require_session_options
from .session_source import SessionSource
from .sources import Source
from .video import VideoFile
from .video_source import VideoSource


def open_source(file: SourceFile, plan: BuildPlan) -> Source:
    """Open a session or video file as `plan` wants it."""
    rate_hz = plan.layout.rate_hz
    if file.is_video:
        frames: VideoFile | FrameFolder
        if file.frame_rate_hz is None:
            frames = VideoFile(file.path, rate_hz=rate_hz or None)
        else:
            frames = FrameFolder(
                file.path, frame_rate_hz=file.frame_rate_hz, rate_hz=rate_hz or None
            )
        return VideoSource(
            frames, id=file.id, subject=file.subject or file.id, landmarks=file.landmarks
        )
    return SessionSource(
        file.path,
        require_session_options(plan),
        modalities=plan.layout.modalities,
        rate_hz=rate_hz,
        tolerance_ns=plan.tolerance_ns,
    )
