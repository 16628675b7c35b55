"""Virtual board sessions, and simulated raters for sessions whose truth is known."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from annotation.simulated_raters import draw_profile, rate
from annotation.trace import DIMENSIONS, Trace
from capture.session import Session, open_session
from capture.simulation.device import TRUTH_EVENT
from capture.terminal import OnProgress

from .errors import DatasetError

REDUCED_SCALE: Mapping[str, float] = {"color": 0.45, "infrared": 0.6, "thermal": 0.45}
"""Sizes at which a face still fills a 96 px crop and a moment renders in some 0.1 s."""

_BOARD_RATE_HZ = 10.0
_HOLD_S = 0.5
_MAX_RATERS = 100
_FROZEN_SHARE = 0.5
MAX_SEED = 1_000_000_000


def camera_scale(scale: float | None) -> dict[str, float]:
    """Return the scale of each camera: `scale` for all, or the reduced defaults."""
    if scale is None:
        return dict(REDUCED_SCALE)
    if not 0.1 <= scale <= 1.0:
        raise DatasetError(f"scale is {scale:g}, expected 0.1 to 1")
    return dict.fromkeys(REDUCED_SCALE, scale)


def write_board(
    root: Path,
    *,
    n_views: int,
    scale: float | None = None,
    seed: int = 0,
    on_progress: OnProgress | None = None,
) -> Path:
    """Write a session of the checkerboard, held still in `n_views` poses, into `root`.

    Returns
    -------
    Path
        The session's folder.
    """
    from capture.simulation.board import BoardScene
    from capture.simulation.rig import kinect2_rig
    from capture.simulation.virtual_session import write_virtual_session

    if not 1 <= n_views <= 1000:
        raise DatasetError(f"{n_views} views asked for, expected 1 to 1000")
    if not 0 <= seed <= MAX_SEED:
        raise DatasetError(f"seed is {seed}, expected 0 to {MAX_SEED}")
    rig = kinect2_rig(scale=camera_scale(scale))
    scene = BoardScene(rig, n_views=n_views, seed=seed, hold_s=_HOLD_S, rate_hz=_BOARD_RATE_HZ)
    return write_virtual_session(
        root,
        scene,
        subject="BOARD",
        rate_hz=_BOARD_RATE_HZ,
        n_frames=round(n_views * _HOLD_S * _BOARD_RATE_HZ),
        kind="board",
        on_progress=on_progress,
    )


def rate_sessions(
    sessions: Sequence[Path],
    *,
    n_raters: int,
    seed: int,
    lag_s: float,
    noise: float,
    rate_hz: float,
    missing_share: float = 0.0,
    n_frozen: int = 0,
    on_progress: OnProgress | None = None,
) -> list[Trace]:
    """Let simulated raters judge simulated sessions.

    Parameters
    ----------
    sessions : sequence of Path
    n_raters : int
    seed : int
        Who the raters are.
    lag_s, noise, rate_hz : float
        See `draw_profile` and `rate`.
    missing_share : float
        Share of the time in which a rater says nothing.
    n_frozen : int
        Raters, the last ones, whose slider stands still in the second half of every session.
    on_progress : callable, optional

    Returns
    -------
    list of Trace
        For each session, rater and dimension; the raters are the same in all sessions.

    Raises
    ------
    DatasetError
        A session of real people, or of a board: nobody knows its truth.
    """
    if not 1 <= n_raters <= _MAX_RATERS:
        raise DatasetError(f"{n_raters} raters asked for, expected 1 to {_MAX_RATERS}")
    if not 0 <= n_frozen <= n_raters:
        raise DatasetError(f"{n_frozen} frozen raters of {n_raters}, expected 0 to {n_raters}")
    profiles = [
        draw_profile(
            f"R{number}",
            seed=seed,
            lag_s=lag_s,
            noise=noise,
            missing_share=missing_share,
            frozen_share=_FROZEN_SHARE if number > n_raters - n_frozen else 0.0,
        )
        for number in range(1, n_raters + 1)
    ]
    traces: list[Trace] = []
    for done, path in enumerate(sessions, start=1):
        for truth in read_truth(open_session(path)):
            traces += [rate(truth, who, seed=seed, rate_hz=rate_hz) for who in profiles]
        if on_progress:
            on_progress(done, len(sessions))
    return traces


def read_truth(session: Session) -> list[Trace]:
    """Read what the simulated sensors say the subject felt, valence and arousal in [-1, 1].

    The truth reaches to the last color frame: a recording can end between a frame and its event,
    and what was felt then is held.
    """
    events = [
        event
        for event in session.events
        if event.kind == TRUTH_EVENT and event.capture_time_ns >= session.start_time_ns
    ]
    if not events:
        raise DatasetError(
            f"{session.path} holds no truth: only simulated subjects can be rated by machine",
            remedy="have people rate it",
        )
    time_ns = np.array([e.capture_time_ns - session.start_time_ns for e in events], dtype=np.int64)
    time_ns, first = np.unique(time_ns, return_index=True)
    color = session.streams.get("color")
    last_ns = int(color.capture_time_ns[-1]) - session.start_time_ns if color else 0
    if last_ns > time_ns[-1]:
        time_ns, first = np.append(time_ns, last_ns), np.append(first, first[-1])
    truths = []
    for dimension in DIMENSIONS:
        try:
            value = np.array([float(events[i].data[dimension]) for i in first])
        except (KeyError, TypeError, ValueError):
            raise DatasetError(
                f"{session.path}: a {TRUTH_EVENT} event has no number for {dimension}"
            ) from None
        truths.append(Trace(session.id, "truth", dimension, time_ns, value))
    return truths
