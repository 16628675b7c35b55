"""Which thermal frames show an old image: those recorded while the camera's shutter was closed."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from capture.recorded_stream import RecordedEvent, RecordedStream

FREEZE_EVENTS = ("nuc", "frozen")


def frozen_frames(stream: RecordedStream, events: Iterable[RecordedEvent]) -> NDArray[np.bool_]:
    """Mark the frames that the events of a session call frozen.

    An event names the frames (``first_seq``, ``last_seq``; without the last one the recording
    ended first), or says how long the freeze lasts (``duration_s``). Frames that repeat the one
    before them without an event are told by `RecordedStream.repeats`.

    Parameters
    ----------
    stream : RecordedStream
    events : iterable of RecordedEvent
        Of any stream and kind.

    Returns
    -------
    (N,) bool
    """
    frozen = np.zeros(len(stream), np.bool_)
    for event in events:
        if event.kind not in FREEZE_EVENTS or event.stream != stream.spec.name:
            continue
        first, last = _number(event.data.get("first_seq")), _number(event.data.get("last_seq"))
        duration_s = _number(event.data.get("duration_s"))
        if last is not None and first is not None:
            frozen |= (stream.seq >= first) & (stream.seq <= last)
        elif first is not None:  # its end, if there is one, says the same and more
            if not _ends(event, events):
                frozen |= stream.seq >= first
        elif duration_s is not None:
            since_ns = stream.capture_time_ns - event.capture_time_ns
            frozen |= (since_ns >= 0) & (since_ns < duration_s * 1e9)
    return frozen


def _ends(begin: RecordedEvent, events: Iterable[RecordedEvent]) -> bool:
    return any(
        event.kind == begin.kind
        and event.data.get("first_seq") == begin.data["first_seq"]
        and "last_seq" in event.data
        for event in events
    )


def _number(value: object) -> float | None:
    """Return a finite number of an event's data, None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not np.isfinite(value):
        return None
    return float(value)
