"""Several files of one daemon in one session: their streams, one after the other."""

from collections.abc import Sequence
from dataclasses import fields, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import RecordingError
from .frame import Image
from .recorded_stream import ImageReader, RecordedStream
from .recording import Recording


def join_parts(recordings: Sequence[Recording]) -> dict[str, RecordedStream]:
    """Return the streams of one daemon's recordings of a session, each in capture-time order.

    Parameters
    ----------
    recordings : sequence of Recording
        In any order; a daemon that was lost and came back has left more than one.

    Raises
    ------
    RecordingError
        Two parts hold the same time, or pictures of different sizes or kinds.
    """
    names = dict.fromkeys(name for recording in recordings for name in recording.streams)
    return {name: _join(name, [r for r in recordings if name in r.streams]) for name in names}


def _join(name: str, recordings: Sequence[Recording]) -> RecordedStream:
    parts = [r for r in recordings if len(r.streams[name])]
    if len(parts) < 2:
        return (parts or recordings)[0].streams[name]
    parts = sorted(parts, key=lambda r: int(r.streams[name].capture_time_ns[0]))
    for one, other in pairwise(parts):
        _check(name, one, other)
    streams = [recording.streams[name] for recording in parts]
    ends = np.cumsum([len(stream) for stream in streams]).tolist()
    joined: dict[str, Any] = {
        field.name: np.concatenate([getattr(stream, field.name) for stream in streams])
        for field in fields(RecordedStream)
        if isinstance(getattr(streams[0], field.name), np.ndarray)
    }
    # What holds for a whole stream, such as the device's clock, is the longest part's.
    longest = max(streams, key=len)
    return replace(
        longest, **joined, part_starts=(0, *ends[:-1]), images=_JoinedImages(streams, ends)
    )


class _JoinedImages:
    """The images of several parts under one numbering."""

    def __init__(self, streams: Sequence[RecordedStream], ends: Sequence[int]) -> None:
        self._streams, self._ends = streams, ends

    def read(self, index: int) -> Image:
        images, inside = self._find(index)
        return images.read(inside)

    def read_grey(self, index: int) -> NDArray[np.uint8]:
        images, inside = self._find(index)
        return images.read_grey(inside)

    def encoded(self, index: int) -> bytes:
        images, inside = self._find(index)
        return images.encoded(inside)

    def _find(self, index: int) -> tuple[ImageReader, int]:
        part = int(np.searchsorted(self._ends, index, side="right"))
        return self._streams[part].images, index - (self._ends[part - 1] if part else 0)


def _check(name: str, one: Recording, other: Recording) -> None:
    before, after = one.streams[name], other.streams[name]
    if before.spec != after.spec:
        raise RecordingError(
            f"{one.path} and {other.path.name}: {name} is {before.spec.shape} "
            f"{before.spec.pixel_format} in one, {after.spec.shape} {after.spec.pixel_format} in "
            "the other",
            remedy="move one of them elsewhere and use the parts one by one",
        )
    overlap_ns = int(before.capture_time_ns[-1] - after.capture_time_ns[0])
    if overlap_ns >= 0:
        raise RecordingError(
            f"{one.path} and {other.path.name} both hold {name} for {overlap_ns * 1e-9:.3f} s",
            remedy="one is a copy, or of a clock never probed: move the one you do not want away",
        )
