"""Signs in a task's events that no value shows: speed of the video, a clock that ran backwards."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from ..quality import Flag, QualityRules, flag_order, flag_playback
from .event import Event

_US_TO_NS = 1000


def flag_conduct(
    pages: Iterable[Sequence[Event]],
    frame_ns: NDArray[np.int64],
    *,
    rules: QualityRules | None = None,
) -> tuple[Flag, ...]:
    """Look at how a video was played, page by page.

    Parameters
    ----------
    pages : iterable of sequence of Event
        Events of each page that was loaded, in its order.
    frame_ns : (N,) int64
        Time of every frame of the video, from its start.
    rules : QualityRules, optional

    Returns
    -------
    tuple of Flag
        Takes played slower or faster than allowed, where they began in the video; single frames
        that are stepped through have no speed. Events of a page whose own steady clock says that
        they came before the one they follow: no browser does that, so somebody else wrote them.
    """
    flags: list[Flag] = []
    for events in pages:
        takes = [event for event in events if event.kind == "play" and event.speed > 0]
        for take in takes:
            start_ns = frame_ns[[min(take.frame, len(frame_ns) - 1)]]
            flags += flag_playback(start_ns, [take.speed], rules=rules)
        clock_ns = np.array([event.at_us for event in events], dtype=np.int64) * _US_TO_NS
        flags += flag_order(clock_ns, strict=False)
    return tuple(flags)
