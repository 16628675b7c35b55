"""At which rate clips are cut from the frames of a store."""

import warnings
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from mavfer.store import ClipStore

from .config import ModelConfig
from .errors import ModelWarning

GRID_HZ = 4.0
"""Rate of the clips of the paper: 16 frames are 4 s."""
_SAME_RATE = 1.05
"""Frames whose rate is at most so many times that of the grid are taken as they are."""
_SAME_MEDIAN = 1.25
"""The same of their median distance, which jumps where frames were taken off a finer grid."""


def clip_rate_hz(store_rate_hz: float | None, config: ModelConfig) -> float | None:
    """Return the rate of the frames of a clip.

    Parameters
    ----------
    store_rate_hz : float or None
        Rate of the store; None: that of each film.
    config : ModelConfig

    Returns
    -------
    float or None
        Hz; None: that of each film.
    """
    if config.rate == "native":
        return store_rate_hz
    if store_rate_hz is None or store_rate_hz > _SAME_RATE * GRID_HZ:
        return GRID_HZ
    return store_rate_hz


def clip_rows(time_ns: NDArray[np.int64], *, store_rate_hz: float | None) -> NDArray[np.int64]:
    """Return the rows that clips are cut from with ``rate=4``.

    Those nearest to a grid of 4 Hz where frames come faster, else all.

    Parameters
    ----------
    time_ns : (N,) int64
    store_rate_hz : float or None
        Rate of the store; None: as the times have it.
    """
    if len(time_ns) < 2:
        return np.arange(len(time_ns))
    median_hz = 1e9 / max(1.0, float(np.median(np.diff(time_ns))))
    faster = (store_rate_hz or _mean_hz(time_ns)) > _SAME_RATE * GRID_HZ
    if faster or median_hz > _SAME_MEDIAN * GRID_HZ:
        return grid_rows(time_ns, rate_hz=GRID_HZ)
    return np.arange(len(time_ns))


def grid_rows(time_ns: NDArray[np.int64], *, rate_hz: float) -> NDArray[np.int64]:
    """Rows nearest to an even grid from the first row's time to the last one's.

    Parameters
    ----------
    time_ns : (N,) int64, increasing, N >= 1
    rate_hz : float
    """
    n_moments = int((time_ns[-1] - time_ns[0]) / 1e9 * rate_hz + 0.5) + 1
    grid = time_ns[0] + np.round(np.arange(n_moments) * 1e9 / rate_hz).astype(np.int64)
    after = np.searchsorted(time_ns, grid).clip(1, max(1, len(time_ns) - 1))
    if len(time_ns) == 1:
        return np.zeros(n_moments, np.int64)
    nearer_before = grid - time_ns[after - 1] <= time_ns[after] - grid
    rows: NDArray[np.int64] = np.where(nearer_before, after - 1, after)
    return rows


def warn_of_slow_frames(store: ClipStore, video_ids: Iterable[str], config: ModelConfig) -> None:
    """Warn where ``rate=4`` asks for more frames than the store has.

    Parameters
    ----------
    store : ClipStore
    video_ids : iterable of str
        Where every film has a rate of its own, the slowest of these counts.
    config : ModelConfig

    Warns
    -----
    ModelWarning
        A clip lasts longer than it does at 4 Hz.
    """
    if config.rate != "4":
        return
    rate_hz = store.rate_hz
    if rate_hz is None:
        films = [store.time_ns(video_id) for video_id in video_ids]
        rate_hz = min((_mean_hz(film) for film in films if len(film) > 1), default=GRID_HZ)
    if rate_hz * _SAME_RATE < GRID_HZ:
        n = config.clip_length
        warnings.warn(
            f"{store.path.name} has {rate_hz:.3g} frames a second, rate=4 asks for {GRID_HZ:g}: "
            f"clips of {n} frames last {n / rate_hz:.3g} s instead of {n / GRID_HZ:.3g} s (build "
            "it with more frames, choose a smaller clip_length, or say that you mean it: "
            "rate=native)",
            ModelWarning,
            stacklevel=3,
        )


def _mean_hz(time_ns: NDArray[np.int64]) -> float:
    return float((len(time_ns) - 1) * 1e9 / max(1, int(time_ns[-1] - time_ns[0])))
