"""Color video files: frame times from the container, frames decoded one after the other."""

from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from av.error import FFmpegError
from numpy.typing import NDArray

from annotation.strict_csv import MAX_TIME_S

from .errors import DatasetError
from .moments import match_moments

_MISSING_TAIL_S = 1.0
_MISSING_TAIL_SHARE = 0.01


class VideoFile:
    """A video file with the rows asked of it.

    Attributes
    ----------
    path : Path
    time_ns : (N,) int64
        Time of every row since the first frame, from presentation timestamps: variable frame
        rates and dropped frames keep their times.
    frame, residual_ns : (N,) int64
        Number of each row's frame in the file and its time minus the grid's (0 without a grid);
        -1 and the smallest int64 where no frame was near enough.
    native_rate_hz : float
        Measured: frames over their span.
    """

    def __init__(self, path: Path, *, rate_hz: float | None) -> None:
        """Read the timestamps of `path`.

        Parameters
        ----------
        path : Path
        rate_hz : float, optional
            Grid to resample on, each time taking the nearest frame. None: every frame.

        Raises
        ------
        DatasetError
            Missing, no video, no timestamps, times that span days, or damaged.
        """
        self.path = path
        pts, time_base = _timestamps(path)
        times_ns = np.array([round(p * time_base * 10**9) for p in pts], np.int64)
        times_ns -= times_ns[0]
        self._first_pts = pts[0]
        span_s = times_ns[-1] / 1e9
        self.native_rate_hz = (len(pts) - 1) / span_s if span_s > 0 else 0.0
        if rate_hz is None:
            self.frame, self.time_ns = np.arange(len(pts), dtype=np.int64), times_ns
            self.residual_ns = np.zeros(len(pts), np.int64)
        else:
            moments = match_moments(
                "color", {"color": times_ns}, start_ns=0, rate_hz=rate_hz, tolerance_ns=0
            )
            self.frame, self.time_ns = moments.frame["color"], moments.time_ns
            self.residual_ns = moments.residual_ns["color"]
        self._pts = [pts[f] if f >= 0 else None for f in self.frame]

    def __len__(self) -> int:
        return len(self.time_ns)

    def frames(self, rows: range | None = None) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """Yield (row, image (H, W, 3) uint8 BGR) in order; rows without a frame are left out.

        Parameters
        ----------
        rows : range, optional
            Consecutive rows; decoding starts at the key frame before them. All by default.

        Raises
        ------
        DatasetError
            The file breaks off or cannot be decoded.
        """
        chosen = range(len(self)) if rows is None else rows
        waiting = {pts: row for row in chosen if (pts := self._pts[row]) is not None}
        n_wanted, at_s = len(waiting), 0.0
        if not waiting:
            return
        try:
            with av.open(str(self.path)) as container:
                stream = container.streams.video[0]
                for frame in self._decoded(container, stream, min(waiting)):
                    row = None if frame.pts is None else waiting.pop(frame.pts, None)
                    at_s = frame.time or at_s
                    if row is not None:
                        yield row, _upright(frame)
                    if not waiting:
                        return
        except FFmpegError as error:
            raise DatasetError(
                f"{self.path}: decoding failed after {at_s:.1f} s: {error}"
            ) from error
        raise DatasetError(
            f"{self.path}: {len(waiting)} of {n_wanted} frames could not be decoded, the last "
            f"good one at {at_s:.1f} s: damaged or truncated",
            remedy="repair or re-encode the file",
        )

    def _decoded(self, container: Any, stream: Any, first_pts: int) -> Iterator[Any]:
        """Decode from the key frame before `first_pts`, or from the start if that fails."""
        if first_pts > self._first_pts:
            with suppress(FFmpegError):  # not every container can seek
                container.seek(first_pts, stream=stream, backward=True)
                frames = container.decode(stream)
                first = next(frames, None)
                if first is not None and first.pts is not None and first.pts <= first_pts:
                    yield first
                    yield from frames
                    return
            container.seek(self._first_pts, stream=stream, backward=True)
        yield from container.decode(stream)


def _timestamps(path: Path) -> tuple[list[int], Fraction]:
    """Presentation timestamps of all frames, sorted, and their unit in seconds."""
    if path.is_dir():
        raise DatasetError(
            f"{path} is a folder, expected a video file",
            remedy=f"for all films of a folder: mavfer import folder {path} -o OUT.h5",
        )
    if not path.is_file():
        raise DatasetError(f"no video file at {path}")
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise DatasetError(f"{path} has no video stream")
            stream = container.streams.video[0]
            time_base = stream.time_base
            pts = {p.pts for p in container.demux(stream) if p.pts is not None and p.size > 0}
            claimed_s = _claimed_duration_s(container, stream)
    except FFmpegError as error:
        raise DatasetError(f"{path} cannot be read as video: {error}") from error
    if time_base is None or not pts:
        raise DatasetError(
            f"{path} has no frame times",
            remedy="put it into a container that has them (ffmpeg -i in.h264 -r 25 out.mp4)",
        )
    span_s = float((max(pts) - min(pts)) * time_base)
    if span_s > MAX_TIME_S:
        raise DatasetError(
            f"{path}: its frame times span {span_s:.0f} s, expected at most {MAX_TIME_S:.0f} s",
            remedy="repair its timestamps, or re-encode it",
        )
    # Containers count the duration from their zero or from the first frame.
    seen_s = float((max(pts) - min(min(pts), 0)) * time_base)
    if claimed_s - seen_s > max(_MISSING_TAIL_S, _MISSING_TAIL_SHARE * claimed_s):
        raise DatasetError(
            f"{path} breaks off after {seen_s:.1f} s of {claimed_s:.1f} s: truncated",
            remedy="copy it again; if it is whole, ffmpeg -i IN -c copy OUT mends the duration",
        )
    return sorted(pts), time_base


def _claimed_duration_s(container: Any, stream: Any) -> float:
    """Duration the container promises for the video; 0 if it does not."""
    if stream.duration is not None:
        return float(stream.duration * stream.time_base)
    if container.duration is not None and len(container.streams) == 1:
        return float(container.duration / av.time_base)
    return 0.0


def _upright(frame: Any) -> NDArray[np.uint8]:
    """Image of a decoded frame, turned as the container says (phones film sideways)."""
    image = cast(NDArray[np.uint8], frame.to_ndarray(format="bgr24"))
    quarter_turns = round(frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(image, quarter_turns)) if quarter_turns else image
