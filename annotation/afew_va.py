"""AFEW-VA's JSON: one file a video, valence and arousal by frame, landmarks beside them.

The same files are read and written by the frame-stepping web annotator that the AFEW-VA and
MAVFER sets were rated with: ``{"video_id": …, "frames": {"00000": {"valence": 1.0, "arousal":
-2.0, "landmarks": [[x, y], …]}, …}}``, ratings from -10 to 10, ``null`` where missing.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capture.files import write_text_atomic

from .errors import AnnotationError
from .strict_csv import MAX_TIME_S, NS_PER_S
from .strict_json import expect_list, expect_name, expect_number, expect_object, read_json
from .trace import DIMENSIONS, Dimension, Trace

N_LANDMARKS = 68
MAX_FRAME = 100_000_000
MAX_FRAME_RATE_HZ = 1000.0


@dataclass(frozen=True, slots=True, eq=False)
class AfewVaVideo:
    """What one file says.

    Attributes
    ----------
    video_id : str
    frame : (N,) int64
        Frame numbers as the file has them, increasing; AFEW-VA counts from 0.
    valence, arousal : (N,) float64
        On a scale of -10 to 10; NaN where missing.
    landmarks : (N, 68, 2) float64 or None
        x and y in pixels of the video's frames, NaN where a frame has none; None if none has any.
    extra : mapping of str to JSON values
        Everything else at the top of the file, such as ``actor`` and ``emotion``.
    """

    video_id: str
    frame: NDArray[np.int64]
    valence: NDArray[np.float64]
    arousal: NDArray[np.float64]
    landmarks: NDArray[np.float64] | None = None
    extra: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.frame)


def load_afew_va(path: Path) -> AfewVaVideo:
    """Read one AFEW-VA file completely or refuse it.

    Raises
    ------
    AnnotationError
        Missing, no valid JSON, no frames, a frame twice (``"1"`` and ``"00001"`` are the same),
        or a value that is no number; names file and frame.
    """
    path = Path(path)
    document = expect_object(read_json(path), f"{path}: the file")
    if "frames" not in document:
        raise AnnotationError(
            f"{path} has no 'frames', expected AFEW-VA's JSON (video_id, frames by number)"
        )
    entries = _frames_by_number(document["frames"], path)
    frame = np.array(sorted(entries), dtype=np.int64)
    ordered = [entries[number] for number in frame.tolist()]
    rated = {
        dimension: np.array(
            [_rating(entry, dimension, f"{path}: frame {key}") for key, entry in ordered]
        )
        for dimension in DIMENSIONS
    }
    return AfewVaVideo(
        video_id=expect_name(document.get("video_id", path.stem), f"{path}: video_id"),
        frame=frame,
        valence=rated["valence"],
        arousal=rated["arousal"],
        landmarks=_landmarks(ordered, path),
        extra={k: v for k, v in document.items() if k not in ("video_id", "frames")},
    )


def save_afew_va(path: Path, video: AfewVaVideo, *, overwrite: bool = False) -> None:
    """Write one AFEW-VA file, whole or not at all; `load_afew_va` gives the same numbers back."""
    frames: dict[str, dict[str, Any]] = {}
    for i, number in enumerate(video.frame.tolist()):
        entry: dict[str, Any] = {
            "valence": _number_or_none(video.valence[i]),
            "arousal": _number_or_none(video.arousal[i]),
        }
        if video.landmarks is not None and np.all(np.isfinite(video.landmarks[i])):
            entry["landmarks"] = video.landmarks[i].tolist()
        frames[f"{number:05d}"] = entry
    document = {**video.extra, "video_id": video.video_id, "frames": frames}
    text = json.dumps(document, allow_nan=False, ensure_ascii=False, indent=1)
    write_text_atomic(Path(path), text + "\n", overwrite=overwrite)


def afew_va_traces(
    video: AfewVaVideo,
    *,
    rate_hz: float,
    rater: str,
    session: str | None = None,
    first_frame: int = 0,
) -> tuple[Trace, ...]:
    """Place the ratings of a file in time.

    Parameters
    ----------
    video : AfewVaVideo
    rate_hz : float
        Frames a second of the video; the file does not know it.
    rater : str
        Whose ratings these are.
    session : str, optional
        Default: the file's ``video_id``.
    first_frame : int
        Number of the frame at time 0.

    Returns
    -------
    tuple of Trace
        Valence and arousal, whichever has any value; missing frames are left out.
    """
    if not (math.isfinite(rate_hz) and 0 < rate_hz <= MAX_FRAME_RATE_HZ):
        raise AnnotationError(
            f"the frame rate is {rate_hz:g} Hz, expected a number above 0, at most "
            f"{MAX_FRAME_RATE_HZ:g}"
        )
    name = session or video.video_id
    if len(video) and int(video.frame[0]) < first_frame:
        raise AnnotationError(
            f"video {name}: frame {int(video.frame[0])} comes before the first frame, {first_frame}"
        )
    time_ns = frame_times_ns(video.frame - first_frame, rate_hz)
    if len(video) and time_ns[-1] > MAX_TIME_S * NS_PER_S:
        raise AnnotationError(
            f"video {name}: frame {int(video.frame[-1])} at {rate_hz:g} Hz lies beyond "
            f"{MAX_TIME_S:.0f} s",
            remedy="check the frame rate and the frame numbers",
        )
    found = []
    for dimension, values in (("valence", video.valence), ("arousal", video.arousal)):
        known = np.isfinite(values)
        if np.any(known):
            found.append(Trace(name, rater, _dimension(dimension), time_ns[known], values[known]))
    return tuple(found)


def afew_va_video(
    traces: Sequence[Trace], *, rate_hz: float, n_frames: int | None = None, first_frame: int = 0
) -> AfewVaVideo:
    """Give every frame of a video its value: the other way round.

    Parameters
    ----------
    traces : sequence of Trace
        One session, one rater (or the gold label), each dimension at most once.
    rate_hz : float
        Frames a second of the video.
    n_frames : int, optional
        Default: up to the last rating.
    first_frame : int
        Number of the frame at time 0.

    Returns
    -------
    AfewVaVideo
        Values in between are interpolated in time; frames outside a trace are missing.
    """
    if not traces or len({(trace.session, trace.rater) for trace in traces}) > 1:
        raise AnnotationError("an AFEW-VA file holds one rater of one session")
    by_dimension = {trace.dimension: trace for trace in traces}
    if len(by_dimension) != len(traces):
        raise AnnotationError(f"{traces[0].session}: two traces of one dimension")
    last_ns = max(int(trace.time_ns[-1]) for trace in traces)
    count = n_frames or int(last_ns * rate_hz / NS_PER_S + 0.5) + 1
    frame = np.arange(count, dtype=np.int64)
    time_ns = frame_times_ns(frame, rate_hz)
    nothing = np.full(count, np.nan)
    return AfewVaVideo(
        traces[0].session,
        frame + first_frame,
        by_dimension["valence"].at(time_ns) if "valence" in by_dimension else nothing,
        by_dimension["arousal"].at(time_ns) if "arousal" in by_dimension else nothing,
    )


def frame_times_ns(frame: NDArray[np.int64], rate_hz: float) -> NDArray[np.int64]:
    """Return the times of frames of a video with a constant rate; frame 0 is at 0."""
    return np.round(frame * (NS_PER_S / rate_hz)).astype(np.int64)


def _frames_by_number(value: Any, path: Path) -> dict[int, tuple[str, dict[str, Any]]]:
    frames = expect_object(value, f"{path}: frames")
    if not frames:
        raise AnnotationError(f"{path} holds no frames")
    entries: dict[int, tuple[str, dict[str, Any]]] = {}
    for key, entry in frames.items():
        if not (key.isascii() and key.isdigit() and len(key) < 20 and int(key) <= MAX_FRAME):
            raise AnnotationError(f"{path}: frame {key[:40]!r}, expected a frame number")
        number = int(key)
        if number in entries:
            raise AnnotationError(
                f"{path}: frames {entries[number][0]!r} and {key!r} are the same frame"
            )
        entries[number] = (key, expect_object(entry, f"{path}: frame {key}"))
    return entries


def _rating(entry: dict[str, Any], dimension: Dimension, place: str) -> float:
    value = entry.get(dimension)
    return math.nan if value is None else expect_number(value, f"{place}: {dimension}")


def _landmarks(ordered: list[tuple[str, dict[str, Any]]], path: Path) -> NDArray[np.float64] | None:
    if not any(entry.get("landmarks") for _, entry in ordered):
        return None
    points = np.full((len(ordered), N_LANDMARKS, 2), np.nan)
    for i, (key, entry) in enumerate(ordered):
        listed = entry.get("landmarks")
        if not listed:
            continue
        place = f"{path}: frame {key}: landmarks"
        pairs = [expect_list(pair, place) for pair in expect_list(listed, place)]
        if len(pairs) != N_LANDMARKS or any(len(pair) != 2 for pair in pairs):
            raise AnnotationError(f"{place}: expected {N_LANDMARKS} pairs of x and y")
        points[i] = [[expect_number(number, place) for number in pair] for pair in pairs]
    return points


def _dimension(name: str) -> Dimension:
    return "valence" if name == "valence" else "arousal"


def _number_or_none(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
