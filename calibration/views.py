"""From a board session to views: still intervals, averaged frames, corners per camera."""

import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from os import cpu_count

import cv2
import numpy as np
from numpy.typing import NDArray

from capture.recorded_stream import RecordedEvent, RecordedStream
from capture.session import Session
from capture.terminal import OnProgress

from .board import BoardSpec
from .detect import Detection, find_board, place_corners
from .errors import CalibrationError
from .motion import StillInterval, block_roots, moved, still_intervals

logger = logging.getLogger(__name__)

STREAMS = ("color", "infrared", "thermal")
_WATCHED = "infrared"
"""Stream whose images show motion: independent of room light, and 16 bit."""
_MAX_FRAMES = {"color": 4, "infrared": 12, "depth": 12, "thermal": 12}
"""Frames averaged per view; color is costly to decode and quiet."""
_MIN_VALID_SHARE = 0.5
MAX_DRIFT_PX = 0.3
"""Corners may shift this much together between the halves of a still interval."""
_NUC_FREEZE_NS = 1_000_000_000
"""Thermal frames this soon after a non-uniformity correction began may show the past."""


@dataclass(frozen=True, slots=True, eq=False)
class BoardView:
    """One still moment of the board.

    Attributes
    ----------
    start_ns, stop_ns : int
        Capture times of its first and last watched frame.
    frames : mapping of stream name to tuple of int
        Frames averaged.
    detections : mapping of camera name to Detection
        Cameras that see the whole board.
    depth_mm : (H, W) float32
        Mean of the valid frames as measured; 0 where fewer than half are valid.
    infrared : (H, W) float32
        Mean image: how bright what depth measured was.
    problem : str or None
        Why the view must not be used, if so.
    saturated : mapping of camera name to float
        Share of the pixels at the image's ceiling, of cameras that did not find the board.
    """

    start_ns: int
    stop_ns: int
    frames: Mapping[str, tuple[int, ...]]
    detections: Mapping[str, Detection]
    depth_mm: NDArray[np.float32]
    infrared: NDArray[np.float32]
    problem: str | None = None
    saturated: Mapping[str, float] = field(default_factory=dict)


def collect_views(
    session: Session, board: BoardSpec, *, on_progress: OnProgress = lambda done, total: None
) -> list[BoardView]:
    """Find the still moments of a board session and the board's corners in every camera.

    Parameters
    ----------
    session : Session
        Streams "color", "depth", "infrared" and "thermal".
    board : BoardSpec
    on_progress : callable
        Told (views done, views in all).

    Raises
    ------
    CalibrationError
        A stream is missing or empty, or nothing ever held still.
    """
    for name in (*STREAMS, "depth"):
        if name not in session.streams or not len(session.streams[name]):
            raise CalibrationError(
                f"{session.path}: no frames of stream {name!r}: "
                f"calibration needs {', '.join((*STREAMS, 'depth'))}",
                remedy="record a board session with all sensors of the rig",
            )
    intervals = find_still(session.streams[_WATCHED])
    if not intervals:
        raise CalibrationError(
            f"{session.path}: the board never held still for two frames in a row",
            remedy="hold each view for a second",
        )
    views: list[BoardView] = []
    n_threads = cv2.getNumThreads()
    cv2.setNumThreads(1)  # there is a view for each core already
    try:
        with ThreadPoolExecutor(max_workers=cpu_count()) as pool:
            for view in pool.map(lambda interval: _read_view(session, interval, board), intervals):
                views.append(view)
                on_progress(len(views), len(intervals))
    finally:
        cv2.setNumThreads(n_threads)
    return views


def find_still(stream: RecordedStream) -> list[StillInterval]:
    """Return the intervals of a stream in which nothing moved."""
    moving = np.zeros(len(stream), np.bool_)
    before: NDArray[np.float32] | None = None
    for index in range(len(stream)):
        roots = block_roots(stream.read(index).image.astype(np.uint16, copy=False))
        moving[index] = before is not None and moved(before, roots)
        before = roots
    return still_intervals(moving)


def frames_within(
    stream: RecordedStream, start_ns: int, stop_ns: int, *, skip: Sequence[RecordedEvent] = ()
) -> NDArray[np.int64]:
    """Return frames captured in [start, stop], without those a correction may have frozen."""
    times_ns = stream.capture_time_ns
    inside = (times_ns >= start_ns) & (times_ns <= stop_ns)
    for event in skip:
        begun_ns = times_ns - event.capture_time_ns
        inside &= (begun_ns < 0) | (begun_ns > _NUC_FREEZE_NS)
    return np.flatnonzero(inside)


def spread_out(indices: NDArray[np.int64], limit: int) -> tuple[int, ...]:
    """Pick at most `limit` of the indices, evenly."""
    if len(indices) <= limit:
        return tuple(indices.tolist())
    picked = np.linspace(0, len(indices) - 1, limit).round().astype(np.int64)
    return tuple(indices[picked].tolist())


def saturated_share(image: NDArray[np.generic]) -> float:
    """Return the share of an image's pixels that have its highest value: next to none by chance.

    That needs no knowledge of how many bits the sensor has.
    """
    highest = image.max()
    return float((image == highest).mean()) if highest > 0 else 0.0


def mean_image(stream: RecordedStream, frames: Sequence[int]) -> NDArray[np.float32]:
    """Average frames of a still scene, (H, W[, 3]) float32: noise falls with their square root."""
    total = np.zeros(stream.spec.shape, np.float32)
    for index in frames:
        total += stream.read(index).image
    return total / np.float32(len(frames))


def mean_depth(stream: RecordedStream, frames: Sequence[int]) -> NDArray[np.float32]:
    """Average the valid depths of each pixel, (H, W) float32, mm; 0 where most are invalid."""
    total = np.zeros(stream.spec.shape, np.float32)
    valid = np.zeros(stream.spec.shape, np.float32)
    for index in frames:
        image = stream.read(index).image
        total += image
        valid += image > 0
    enough = valid > _MIN_VALID_SHARE * len(frames) if frames else valid > 0
    mean: NDArray[np.float32] = np.where(enough, total / np.maximum(valid, 1), 0)
    return mean.astype(np.float32)


def _read_view(session: Session, interval: StillInterval, board: BoardSpec) -> BoardView:
    watched = session.streams[_WATCHED]
    start_ns = int(watched.capture_time_ns[interval.first])
    stop_ns = int(watched.capture_time_ns[interval.last])
    corrections = {
        name: [e for e in session.events if e.stream == name and e.kind == "nuc"]
        for name in session.streams
    }
    # A frame of another camera may be stamped a little before or after the watched ones.
    slack_ns = (stop_ns - start_ns) // max(1, interval.last - interval.first) // 2
    frames = {
        name: spread_out(
            frames_within(
                session.streams[name],
                start_ns - slack_ns,
                stop_ns + slack_ns,
                skip=corrections[name],
            ),
            _MAX_FRAMES[name],
        )
        for name in (*STREAMS, "depth")
    }
    infrared = mean_image(watched, frames[_WATCHED])
    detections, saturated = {}, {}
    for name in STREAMS:
        if not frames[name]:
            continue
        seen = name == _WATCHED
        image = infrared if seen else mean_image(session.streams[name], frames[name])
        found = find_board(image, board)
        if found is not None:
            detections[name] = found
        else:
            saturated[name] = saturated_share(session.streams[name].read(frames[name][0]).image)
    problem = None
    if _WATCHED in detections:
        problem = _drift(watched, frames[_WATCHED], detections[_WATCHED], board)
    return BoardView(
        start_ns=start_ns,
        stop_ns=stop_ns,
        frames=frames,
        detections=detections,
        depth_mm=mean_depth(session.streams["depth"], frames["depth"]),
        infrared=infrared,
        problem=problem,
        saturated=saturated,
    )


def _drift(
    stream: RecordedStream, frames: Sequence[int], found: Detection, board: BoardSpec
) -> str | None:
    """Compare the corners of the interval's halves: slow motion escapes neighbouring images."""
    half = len(frames) // 2
    if half == 0:
        return None
    early_px, late_px = (
        place_corners(mean_image(stream, part), found.corners_px, board)[0]
        for part in (frames[:half], frames[half:])
    )
    shift_px = float(np.linalg.norm(np.median(late_px - early_px, axis=0)))
    if shift_px <= MAX_DRIFT_PX:
        return None
    return f"the board moved by {shift_px:.2f} px in the {stream.spec.name} image"
