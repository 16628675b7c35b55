"""Moments: which frames of a session's streams show the same instant, on an even time grid."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from capture.sync import match_nearest

from .errors import DatasetError
from .store_schema import NO_RESIDUAL_NS

MAX_MOMENTS = 10_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """The rows of a video and the frames behind them.

    Attributes
    ----------
    time_ns : (N,) int64
        Since the start: capture time of the reference frame, grid time where there is none.
    frame : mapping of stream to (N,) int64
        Index of the frame in the stream, -1 where none was near enough.
    residual_ns : mapping of stream to (N,) int64
        Capture time of that frame minus the row's time, of the reference stream minus the grid's;
        ``NO_RESIDUAL_NS`` where there is no frame.
    """

    time_ns: NDArray[np.int64]
    frame: Mapping[str, NDArray[np.int64]]
    residual_ns: Mapping[str, NDArray[np.int64]]

    def __len__(self) -> int:
        return len(self.time_ns)


def match_moments(
    reference: str,
    capture_time_ns: Mapping[str, NDArray[np.int64]],
    *,
    start_ns: int,
    rate_hz: float,
    tolerance_ns: int,
) -> Moments:
    """Lay a grid from `start_ns` over the session and find the frames of every grid time.

    A grid time takes the nearest frame of the reference stream within half a grid step; frames
    of the other streams are matched to that frame's own capture time, not to the grid.

    Parameters
    ----------
    reference : str
        Stream that sees the face best: color.
    capture_time_ns : mapping of stream to (M,) int64, increasing
    start_ns : int
        Time zero, same clock.
    rate_hz : float
    tolerance_ns : int
        Largest distance between the reference frame and a frame of another stream.

    Raises
    ------
    DatasetError
        The reference stream has no frame after the start, or the times make no sense.
    """
    reference_ns = capture_time_ns[reference]
    if not len(reference_ns) or reference_ns[-1] < start_ns:
        raise DatasetError(f"stream {reference} has no frame after the session's start")
    period_ns = 1e9 / rate_hz
    n_moments = int((reference_ns[-1] - start_ns) / period_ns + 0.5) + 1
    if n_moments > MAX_MOMENTS:
        raise DatasetError(
            f"{(reference_ns[-1] - start_ns) / 3.6e12:.1f} h at {rate_hz} Hz are {n_moments} "
            f"moments, at most {MAX_MOMENTS} make sense",
            remedy="check the capture times of the session",
        )
    grid_ns = start_ns + np.round(np.arange(n_moments) * period_ns).astype(np.int64)
    frame = {reference: match_nearest(grid_ns, reference_ns, max_gap_ns=int(period_ns / 2))}
    found = frame[reference] >= 0
    time_ns = grid_ns.copy()
    time_ns[found] = reference_ns[frame[reference][found]]
    for stream, times_ns in capture_time_ns.items():
        if stream == reference:
            continue
        frame[stream] = np.full(n_moments, -1, np.int64)
        # One depth frame may serve two moments: at a dropped frame the neighbour still shows them.
        frame[stream][found] = match_nearest(
            time_ns[found], times_ns, max_gap_ns=tolerance_ns, reuse=True
        )
    residual_ns = {
        stream: _residual_ns(grid_ns if stream == reference else time_ns, times_ns, frame[stream])
        for stream, times_ns in capture_time_ns.items()
    }
    return Moments(time_ns - start_ns, frame, residual_ns)


def _residual_ns(
    at_ns: NDArray[np.int64], times_ns: NDArray[np.int64], frame: NDArray[np.int64]
) -> NDArray[np.int64]:
    residual_ns = np.full(len(at_ns), NO_RESIDUAL_NS, np.int64)
    found = frame >= 0
    residual_ns[found] = times_ns[frame[found]] - at_ns[found]
    return residual_ns
