"""What a video is made of: a session's stream or a file, laid on an even grid of moments."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from av.error import FFmpegError
from numpy.typing import NDArray

from capture.frame import Modality
from capture.manifest import MANIFEST_NAME, Consent
from capture.recorded_stream import RecordedStream
from capture.session import open_session
from capture.structure import encode

from ..errors import AnnotationError
from .encode import MAX_RATE_HZ
from .file_hash import sha256_of
from .view import make_view

MAX_FRAMES = 60 * 60 * MAX_RATE_HZ * 4
"""Four hours: nobody rates longer in one piece."""
_USUAL_RATES = [
    *(Fraction(n) for n in (5, 10, 12, 15, 20, 24, 25, 30, 48, 50, 60)),
    *(Fraction(n * 1000, 1001) for n in (24, 30, 60)),
]
_SNAP = 0.0004
"""Rates this near, relatively, are one of the usual ones; 30 and 29.97 are 0.001 apart."""

Images = Callable[[], Iterator[NDArray[np.uint8]]]


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """Moments of one session or file.

    Attributes
    ----------
    name : str
    rate_hz : Fraction
    start_ns : int
        Time of the first moment since the session's start; 0 for files.
    size_px : (int, int)
        Width, height.
    frame : (N,) int64
        Which frame of the source each moment shows.
    frame_time_ns : (M,) int64
        Times of the source's frames since the session's start.
    images : callable
        Yields the N images, (H, W, 3) uint8 BGR.
    sound : (Path, Fraction) or None
        File that may have sound, and its time in seconds at the first moment.
    facts : mapping
        Where it came from, as JSON values.
    """

    name: str
    rate_hz: Fraction
    start_ns: int
    size_px: tuple[int, int]
    frame: NDArray[np.int64]
    frame_time_ns: NDArray[np.int64]
    images: Images
    sound: tuple[Path, Fraction] | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


def open_source(path: Path, *, view: Modality) -> Source:
    """Open a session's folder or a video file.

    Raises
    ------
    AnnotationError
        Nothing to see there, or nothing that may be shown.
    """
    if (path / MANIFEST_NAME).is_file():
        return _session_source(path, view)
    if path.is_dir():
        raise AnnotationError(f"{path} is a folder, but no session", remedy="pass its sessions")
    if view != "color":
        raise AnnotationError(
            f"{path} is no session: it has no {view} stream", remedy="leave --view out"
        )
    return _file_source(path)


def nearest_frames(time_ns: NDArray[np.int64], rate_hz: Fraction) -> NDArray[np.int64]:
    """Lay a grid over frame times and find the frame nearest to each of its moments.

    Parameters
    ----------
    time_ns : (M,) int64
        Strictly increasing.
    rate_hz : Fraction

    Returns
    -------
    (N,) int64
        Index of the frame to show; never decreasing. The first moment is the first frame's time.
    """
    span_s = Fraction(int(time_ns[-1] - time_ns[0]), 10**9)
    n_moments = round(span_s * rate_hz) + 1
    step_ns = 10**9 / rate_hz
    moments = np.array([round(k * step_ns) for k in range(n_moments)], dtype=np.int64)
    between = (time_ns[:-1] - time_ns[0] + time_ns[1:] - time_ns[0]) / 2
    return np.searchsorted(between, moments, side="left").astype(np.int64)


def _session_source(path: Path, view: Modality) -> Source:
    session = open_session(path)
    manifest = session.manifest
    if manifest.kind != "subject":
        raise AnnotationError(f"{path} is a {manifest.kind} session: there is no face to rate")
    consent = manifest.consent or Consent()  # none on record: raters see it where it was recorded
    if not consent.record or consent.ended(date.today()):  # noqa: DTZ011 - the subject's day
        raise AnnotationError(
            f"{path}: the consent of subject {manifest.subject} has ended or was never given",
            remedy="leave it out and delete the recording",
        )
    fitting = [s for s in session.streams.values() if s.spec.modality == view and len(s)]
    if not fitting:
        raise AnnotationError(
            f"{path} has no {view} stream, only {', '.join(session.streams) or 'none'}",
            remedy="choose another --view",
        )
    stream = fitting[0]
    time_ns = stream.capture_time_ns - session.start_time_ns
    first = int(np.searchsorted(time_ns, 0))
    if first == len(time_ns):
        raise AnnotationError(f"{path}: no {view} frame after the session's start")
    time_ns = time_ns[first:]
    rate_hz = Fraction(stream.spec.nominal_rate_hz).limit_denominator(1001)
    frame = _laid_out(path, time_ns, rate_hz)
    return Source(
        name=session.id,
        rate_hz=rate_hz,
        start_ns=int(time_ns[0]),
        size_px=(stream.spec.width_px, stream.spec.height_px),
        frame=frame,
        frame_time_ns=time_ns,
        images=lambda: _stream_images(stream, frame + first, view),
        facts={
            "kind": "session",
            "origin": manifest.uuid,
            "subject": manifest.subject,
            "consent": encode(manifest.consent),
            "view": view,
        },
    )


def _stream_images(
    stream: RecordedStream, frame: NDArray[np.int64], view: Modality
) -> Iterator[NDArray[np.uint8]]:
    render = make_view(stream, view)
    shown, image = -1, np.empty(0, np.uint8)
    for index in frame.tolist():
        if index != shown:
            shown, image = index, render(stream.read(index).image)
        yield image


def _file_source(path: Path) -> Source:
    pts, time_base, size_px = _file_facts(path)
    time_ns = np.array([round((p - pts[0]) * time_base * 10**9) for p in pts], dtype=np.int64)
    rate_hz = guess_rate(time_ns)
    frame = _laid_out(path, time_ns, rate_hz)
    return Source(
        name=path.stem,
        rate_hz=rate_hz,
        start_ns=0,
        size_px=size_px,
        frame=frame,
        frame_time_ns=time_ns,
        images=lambda: _file_images(path, pts, frame),
        sound=(path, pts[0] * time_base),
        facts={"kind": "file", "origin": path.name, "sha256": sha256_of(path), "view": "color"},
    )


def guess_rate(time_ns: NDArray[np.int64]) -> Fraction:
    """Return the rate to show frames of these times at, at most 60 Hz.

    The mean rate, or where many frames were left out, that of most steps; if it is as good as
    one of the usual rates, that one.

    Parameters
    ----------
    time_ns : (N,) int64
        Strictly increasing.
    """
    if len(time_ns) < 2:
        return Fraction(30)
    steps_ns = np.diff(time_ns)
    mean = (len(time_ns) - 1) * 1e9 / float(time_ns[-1] - time_ns[0])
    usual = 1e9 / float(np.median(steps_ns))
    # Containers that round to milliseconds spoil the median by a per cent or two.
    rate = mean if abs(mean - usual) < 0.05 * usual else usual
    while rate > MAX_RATE_HZ * (1 + _SNAP):
        rate /= 2
    near = min(_USUAL_RATES, key=lambda known: abs(float(known) - rate))
    # A mean over few frames is known no better than the container's rounding.
    tolerance = max(_SNAP, 2e6 / float(time_ns[-1] - time_ns[0]))
    if abs(float(near) - rate) <= tolerance * rate:
        return near
    return max(Fraction(rate).limit_denominator(1001), Fraction(1))


def _file_facts(path: Path) -> tuple[list[int], Fraction, tuple[int, int]]:
    """Presentation times of all frames, sorted, their unit in seconds, and the upright size."""
    if not path.is_file():
        raise AnnotationError(f"no session or video file at {path}")
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise AnnotationError(f"{path} has no video stream")
            stream = container.streams.video[0]
            time_base = stream.time_base
            pts = {p.pts for p in container.demux(stream) if p.pts is not None and p.size > 0}
        with av.open(str(path)) as container:
            first = next(container.decode(video=0), None)
    except FFmpegError as error:
        raise AnnotationError(f"{path} cannot be read as video: {error}") from error
    if time_base is None or len(pts) < 2 or first is None:
        raise AnnotationError(
            f"{path} has fewer than two frames with times",
            remedy="put it into a container that has them (ffmpeg -i in.h264 -r 25 out.mp4)",
        )
    height_px, width_px = _upright(first).shape[:2]
    return sorted(pts), time_base, (width_px, height_px)


def _file_images(
    path: Path, pts: list[int], frame: NDArray[np.int64]
) -> Iterator[NDArray[np.uint8]]:
    """Decode in order, each frame as often as it is shown."""
    times = np.bincount(frame, minlength=len(pts))
    place = {p: i for i, p in enumerate(pts)}
    waiting = int(np.sum(times > 0))
    try:
        with av.open(str(path)) as container:
            for decoded in container.decode(video=0):
                index = -1 if decoded.pts is None else place.pop(decoded.pts, -1)
                if index >= 0 and times[index]:
                    waiting -= 1
                    image = _upright(decoded)
                    for _ in range(times[index]):
                        yield image
    except FFmpegError as error:
        raise AnnotationError(f"{path}: decoding failed: {error}") from error
    if waiting:
        raise AnnotationError(
            f"{path}: {waiting} frames could not be decoded: damaged or truncated",
            remedy="copy it again, or repair it",
        )


def _upright(frame: av.VideoFrame) -> NDArray[np.uint8]:
    """Image of a decoded frame, turned as the container says (phones film sideways)."""
    image = cast(NDArray[np.uint8], frame.to_ndarray(format="bgr24"))
    quarter_turns = round(frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(image, quarter_turns)) if quarter_turns else image


def _laid_out(path: Path, time_ns: NDArray[np.int64], rate_hz: Fraction) -> NDArray[np.int64]:
    span_s = float(time_ns[-1] - time_ns[0]) * 1e-9
    if span_s * float(rate_hz) > MAX_FRAMES:
        raise AnnotationError(
            f"{path} lasts {span_s / 3600:.1f} h, at most 4 h make sense",
            remedy="cut it into pieces of 5 to 10 minutes: nobody attends longer",
        )
    return nearest_frames(time_ns, rate_hz)
