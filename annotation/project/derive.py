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


class Derivation:
    """Plays events one after the other and knows at any time what they said so far.

    Parameters
    ----------
    n_frames : int
    dimensions : sequence of {"valence", "arousal"}
        What the task asks for; anything else is passed over.
    """

    def __init__(self, n_frames: int, dimensions: Sequence[Dimension]) -> None:
        self._n_frames = n_frames
        self._writers = {dimension: _Writer(n_frames) for dimension in dimensions}
        self._at: int | None = None

    def begin_page(self) -> None:
        """Go on with a page that was loaded later: it begins in no take."""
        self._at = None
        self._let_go()

    def play(self, events: Iterable[Event]) -> None:
        """Go on with events of the same page, in its order."""
        for event in events:
            frame = min(event.frame, self._n_frames - 1)
            if event.kind == "play":
                self._at = frame
                self._let_go()
            elif self._at is not None and event.kind in ("set", "seen", "pause"):
                # A video does not run backwards: the page must have missed a jump.
                self._go_on(event, min(self._at, frame), frame)
                self._at = None if event.kind == "pause" else frame

    @property
    def derived(self) -> dict[Dimension, Derived]:
        """What was said of every frame so far; a copy."""
        return {
            name: Derived(writer.value.copy(), writer.by_hand.copy())
            for name, writer in self._writers.items()
        }

    def _let_go(self) -> None:
        for writer in self._writers.values():
            writer.slider = None

    def _go_on(self, event: Event, at: int, frame: int) -> None:
        for dimension, writer in self._writers.items():
            if event.kind == "set" and event.dimension == dimension:
                writer.fill(at + 1, frame - 1)
                writer.slider = event.value
                writer.fill(frame, frame)
                if event.value is not None:
                    writer.by_hand[frame] = event.hand
            else:
                writer.fill(at + 1, frame)


class _Writer:
    """One dimension: what is written, and the slider of the take in progress."""

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
    """
    derivation = Derivation(n_frames, dimensions)
    for events in pages:
        derivation.begin_page()
        derivation.play(events)
    return derivation.derived
