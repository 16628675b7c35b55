"""From events to one value a frame: what the slider said last while the frame was on the screen.

A take is one run of the video, from ``play`` to ``pause``. In it every frame from the first to
the last one seen takes the slider's position; a later take replaces an earlier one where both
wrote. Frames that no take wrote are missing, never zero.

``static/ratings.js`` is the same in the page; both are tested against the same vectors.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..trace import Dimension
from .event import Event


@dataclass(frozen=True, slots=True, eq=False)
class Derived:
    """What events say of every frame of one video in one dimension.

    Attributes
    ----------
    value : (N,) float64
        -10 to 10; NaN where missing.
    by_hand : (N,) bool
        The rater moved the slider while this frame was shown; elsewhere it was held.
    """

    value: NDArray[np.float64]
    by_hand: NDArray[np.bool_]


class _Writer:
    """One dimension of the take in progress."""

    def __init__(self, n_frames: int) -> None:
        self.value = np.full(n_frames, np.nan)
        self.by_hand = np.zeros(n_frames, dtype=np.bool_)
        self.slider: int | None = None

    def fill(self, first: int, last: int) -> None:
        """Hold the slider over these frames, if it says anything; none if `last` < `first`."""
        if self.slider is not None:
            self.value[first : last + 1] = self.slider
            self.by_hand[first : last + 1] = False


def derive(
    pages: Iterable[Sequence[Event]], *, n_frames: int, dimensions: Sequence[Dimension]
) -> dict[Dimension, Derived]:
    """Play all events again.

    Parameters
    ----------
    pages : iterable of sequence of Event
        Events of each page that was loaded, in its order; pages from the oldest to the newest.
    n_frames : int
    dimensions : sequence of {"valence", "arousal"}
        What the task asks for; anything else is passed over.
    """
    writers = {dimension: _Writer(n_frames) for dimension in dimensions}
    for events in pages:
        _play(events, writers, n_frames)
    return {name: Derived(writer.value, writer.by_hand) for name, writer in writers.items()}


def _play(events: Sequence[Event], writers: dict[Dimension, _Writer], n_frames: int) -> None:
    at: int | None = None
    for writer in writers.values():
        writer.slider = None
    for event in events:
        frame = min(event.frame, n_frames - 1)
        if event.kind == "play":
            at = frame
            for writer in writers.values():
                writer.slider = None
            continue
        if at is None or event.kind in ("comment", "note"):
            continue
        if frame < at:
            at = frame  # a video does not run backwards: the page must have missed a jump
        for dimension, writer in writers.items():
            if event.kind == "set" and event.dimension == dimension:
                writer.fill(at + 1, frame - 1)
                writer.slider = event.value
                writer.fill(frame, frame)
                if event.value is not None:
                    writer.by_hand[frame] = event.hand
            else:
                writer.fill(at + 1, frame)
        at = frame
        if event.kind == "pause":
            at = None
