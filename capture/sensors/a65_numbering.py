"""Numbers of a GigE Vision camera's frames: unwrapped, decimated, and which are frozen."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_LAST_16_BIT = 0xFFFF


class FrameIds:
    """Unwraps frame ids in order of arrival.

    GigE Vision 1.x counts 1 … 65535, 1 …; 2.x has 64 bits and never wraps. A camera that sends
    an id 0 counts 0 … 65535. An id from before the last one gives a smaller number.
    """

    def __init__(self) -> None:
        self._last: int | None = None
        self._number = 0
        self._period = _LAST_16_BIT

    def unwrap(self, frame_id: int) -> int:
        """Return the number of the frame; the first one keeps its id."""
        if frame_id == 0:
            self._period = _LAST_16_BIT + 1
        if self._last is None:
            self._number = frame_id
        elif max(frame_id, self._last) > _LAST_16_BIT:
            self._number += frame_id - self._last
        else:
            step = (frame_id - self._last) % self._period
            self._number += step - self._period if step > self._period // 2 else step
        self._last = frame_id
        return self._number


def decimated(number: int, every: int) -> int | None:
    """Return the ``seq`` of the frame that has this unwrapped number; None: not kept.

    The frames kept are those whose number is a multiple of `every`, so that a kept frame that is
    lost leaves a gap of one, and a lost frame that nobody wanted leaves none.
    """
    return None if number % every else number // every


@dataclass(frozen=True, slots=True)
class Freeze:
    """A run of images that repeat the one before.

    Attributes
    ----------
    first, last : int
        Unwrapped numbers of the repeated images.
    first_device_ns, last_device_ns : int
    """

    first: int
    last: int
    first_device_ns: int
    last_device_ns: int


class FreezeWatch:
    """Notices repeated images: the sensor's noise makes no two alike, a closed shutter does.

    Attributes
    ----------
    current : Freeze or None
        The freeze in progress.
    """

    def __init__(self) -> None:
        self.current: Freeze | None = None
        self._image: NDArray[np.uint16] | None = None

    def see(self, number: int, device_ns: int, image: NDArray[np.uint16]) -> Freeze | None:
        """Take in the next image; returns the freeze that it ended."""
        same = self._image is not None and np.array_equal(image, self._image)
        self._image = image
        if not same:
            ended, self.current = self.current, None
            return ended
        begun = self.current or Freeze(number, number, device_ns, device_ns)
        self.current = Freeze(begun.first, number, begun.first_device_ns, device_ns)
        return None
