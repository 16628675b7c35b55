"""Which frames belong together: matching of capture times, arrays in, arrays out."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class StreamMatch:
    """Which frames of several streams saw the same moment.

    Attributes
    ----------
    reference : str
    index : mapping of stream name to (N,) int64
        For each of the N reference frames the frame of that stream, -1 where there is none.
    gap_ns : mapping of stream name to (N,) int64
        Capture time of that frame minus that of the reference frame; 0 where there is none.
    n_unused : mapping of stream name to int
        Frames of that stream that no reference frame took.
    """

    reference: str
    index: Mapping[str, NDArray[np.int64]]
    gap_ns: Mapping[str, NDArray[np.int64]]
    n_unused: Mapping[str, int]

    def n_unmatched(self, name: str) -> int:
        """Return how many reference frames have no frame of stream `name`."""
        return int((self.index[name] < 0).sum())


def match_streams(
    capture_times_ns: Mapping[str, NDArray[np.int64]],
    *,
    reference: str,
    max_gap_ns: Mapping[str, int],
) -> StreamMatch:
    """Pair every frame of one stream with the nearest of each other; no frame is used twice.

    Parameters
    ----------
    capture_times_ns : mapping of stream name to (N,) int64
        Non-decreasing, on one clock.
    reference : str
        One of them; best the slowest.
    max_gap_ns : mapping of stream name to int
        By how much a frame of each other stream may be off; half of its period is natural.

    Raises
    ------
    ValueError
        Times that decrease.
    """
    at_ns = capture_times_ns[reference]
    index, gap_ns, n_unused = {}, {}, {}
    for name, other_ns in capture_times_ns.items():
        if name == reference:
            continue
        found = match_nearest(at_ns, other_ns, max_gap_ns=max_gap_ns[name])
        gap = np.zeros(len(at_ns), np.int64)
        gap[found >= 0] = other_ns[found[found >= 0]] - at_ns[found >= 0]
        index[name], gap_ns[name] = found, gap
        n_unused[name] = len(other_ns) - int((found >= 0).sum())
    return StreamMatch(reference, index, gap_ns, n_unused)


def match_nearest(
    reference_ns: NDArray[np.int64],
    other_ns: NDArray[np.int64],
    *,
    max_gap_ns: int,
    reuse: bool = False,
) -> NDArray[np.int64]:
    """Find for every reference time the nearest other time.

    Parameters
    ----------
    reference_ns : (N,) int64, non-decreasing
    other_ns : (M,) int64, non-decreasing
    max_gap_ns : int
        Pairs further apart stay unmatched.
    reuse : bool
        Allow one other frame to serve several reference frames. Without it the nearest reference
        (the earlier of two equally near) gets it and the rest stay unmatched: a pair says "these
        two saw the same moment", so no frame is handed on as second best.

    Returns
    -------
    (N,) int64
        Index into `other_ns`, -1 where unmatched. Of two equally near frames the earlier is taken.

    Raises
    ------
    ValueError
        Times that decrease.
    """
    for name, times in (("reference_ns", reference_ns), ("other_ns", other_ns)):
        if times.ndim != 1 or (np.diff(times) < 0).any():
            raise ValueError(f"{name} must be one-dimensional and must not decrease")
    if not len(other_ns):
        return np.full(len(reference_ns), -1, np.int64)
    right = np.searchsorted(other_ns, reference_ns)
    left = np.maximum(right - 1, 0)
    right = np.minimum(right, len(other_ns) - 1)
    gap_left = np.abs(reference_ns - other_ns[left])
    gap_right = np.abs(other_ns[right] - reference_ns)
    index = np.where(gap_left <= gap_right, left, right).astype(np.int64)
    gap = np.minimum(gap_left, gap_right)
    index[gap > max_gap_ns] = -1
    if not reuse:
        _keep_nearest(index, gap)
    return index


def _keep_nearest(index: NDArray[np.int64], gap: NDArray[np.int64]) -> None:
    """Leave each non-negative value of `index` only where `gap` is smallest; in place.

    Both sides are in order, so equal values stand in runs.
    """
    matched = np.flatnonzero(index >= 0)
    if not len(matched):
        return
    first_of_run = _differs_from_previous(index[matched])
    run = np.cumsum(first_of_run) - 1
    least = np.minimum.reduceat(gap[matched], np.flatnonzero(first_of_run))
    nearest = np.flatnonzero(gap[matched] == least[run])
    kept = nearest[_differs_from_previous(run[nearest])]
    losers = np.ones(len(matched), np.bool_)
    losers[kept] = False
    index[matched[losers]] = -1


def _differs_from_previous(values: NDArray[np.int64]) -> NDArray[np.bool_]:
    differs = np.ones(len(values), np.bool_)
    differs[1:] = values[1:] != values[:-1]
    return differs
