"""Tell still moments of a board recording from moving ones by comparing neighbouring images."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_BLOCKS_ACROSS = 64
_CHANGE_SHARE = 0.015
"""Change of a block's square root, as a share of the bright parts', that counts as motion."""
_NOISE_SIGMAS = 6.0
_MIN_BLOCKS = 3


@dataclass(frozen=True, slots=True)
class StillInterval:
    """Frames `first` to `last` (inclusive) of the watched stream, between which nothing moved."""

    first: int
    last: int


def block_roots(image: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Return square roots of block means, about 64 blocks across.

    Photon noise of a square root does not depend on brightness, so one threshold serves the
    whole image.
    """
    side = max(2, image.shape[1] // _BLOCKS_ACROSS)
    rows, columns = image.shape[0] // side, image.shape[1] // side
    cut = image[: rows * side, : columns * side].reshape(rows, side, columns, side)
    roots: NDArray[np.float32] = np.sqrt(cut.mean(axis=(1, 3), dtype=np.float32))
    return roots


def moved(before: NDArray[np.float32], after: NDArray[np.float32]) -> bool:
    """Say whether something moved between two images given as `block_roots`."""
    change = np.abs(after - before)
    noise = 1.4826 * float(np.median(change))
    bright = float(np.percentile(after, 95))
    return bool((change > max(_CHANGE_SHARE * bright, _NOISE_SIGMAS * noise)).sum() >= _MIN_BLOCKS)


def still_intervals(
    moved_since_last: NDArray[np.bool_], *, min_frames: int = 2
) -> list[StillInterval]:
    """Split a stream at its moving frames.

    Parameters
    ----------
    moved_since_last : (N,) bool
        Whether something moved between frame i - 1 and frame i; the first value is ignored.
    min_frames : int
        Shorter intervals are dropped. From intervals of five frames on, the first and the last
        one are left out: motion may have begun or ended within them.
    """
    if not len(moved_since_last):
        return []
    starts = np.concatenate([[0], np.flatnonzero(moved_since_last[1:]) + 1])
    stops = np.concatenate([starts[1:], [len(moved_since_last)]])
    found = []
    for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
        trim = 1 if stop - start >= 5 else 0
        if stop - start >= min_frames:
            found.append(StillInterval(start + trim, stop - 1 - trim))
    return found
