"""The bounded queue between a sensor and the disk."""

import threading
from collections import deque

from .clock import ClockProbe
from .frame import DeviceEvent, Frame

Item = Frame | DeviceEvent | ClockProbe


class FrameQueue:
    """Frames wait here for the writer; what does not fit is refused, never silently lost.

    Bounded by image bytes. Events and probes are small and always accepted.

    Parameters
    ----------
    max_bytes : int
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._items: deque[Item] = deque()
        self._n_bytes = 0
        self._n_frames = 0
        self._ended = False
        self._changed = threading.Condition()

    @property
    def share(self) -> float:
        """How full the queue is, 0 to 1."""
        return min(1.0, self._n_bytes / self._max_bytes)

    @property
    def n_frames(self) -> int:
        """Frames waiting."""
        return self._n_frames

    def put(self, item: Item) -> bool:
        """Append; False when `item` is a frame and does not fit, or the queue has ended."""
        size = item.image.nbytes if isinstance(item, Frame) else 0
        with self._changed:
            if self._ended or (size and self._n_bytes and self._n_bytes + size > self._max_bytes):
                return False
            self._items.append(item)
            self._n_bytes += size
            self._n_frames += isinstance(item, Frame)
            self._changed.notify()
            return True

    def get(self, timeout_s: float) -> Item | None:
        """Remove the oldest item; None after `timeout_s`, or when ended and empty."""
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._ended, timeout_s)
            if not self._items:
                return None
            item = self._items.popleft()
            if isinstance(item, Frame):
                self._n_bytes -= item.image.nbytes
                self._n_frames -= 1
            return item

    def end(self) -> None:
        """Accept nothing more; `get` gives what is left."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    @property
    def exhausted(self) -> bool:
        """Ended and empty."""
        return self._ended and not self._items
