"""Clips: windows over the frames of a video. Frames are stored once, clips are an index."""

from dataclasses import dataclass

from .errors import DatasetError


@dataclass(frozen=True, slots=True, order=True)
class ClipRef:
    """Where a clip starts; its length is the store's ``clip_length``.

    Attributes
    ----------
    video_id : str
    start : int
        Row of the clip's first frame in the video.
    """

    video_id: str
    start: int


def clip_starts(n_frames: int, clip_length: int, *, stride_frames: int) -> tuple[int, ...]:
    """List the first rows of the windows that cover a video.

    The last window is shifted back to end with the video, so that every frame lies in at least
    one window and none is padded. A video shorter than one window has none.

    Parameters
    ----------
    n_frames, clip_length, stride_frames : int

    Raises
    ------
    DatasetError
        `clip_length` or `stride_frames` is below 1, or a stride above the clip length would
        leave frames out.
    """
    if clip_length < 1 or stride_frames < 1:
        raise DatasetError(
            f"clip length {clip_length} and stride {stride_frames}: both must be at least 1 frame"
        )
    if stride_frames > clip_length:
        raise DatasetError(
            f"a stride of {stride_frames} frames skips frames between clips of {clip_length}",
            remedy=f"use a stride of at most {clip_length}",
        )
    last = n_frames - clip_length
    if last < 0:
        return ()
    starts = list(range(0, last + 1, stride_frames))
    if starts[-1] != last:
        starts.append(last)
    return tuple(starts)
