"""What is on disk delivered in real time, as a free-running camera would."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from types import TracebackType
from typing import Self

from ..errors import SensorError
from ..frame import DeviceEvent, Frame
from ..sensor import SensorInfo

Due = tuple[int, Frame | DeviceEvent]
"""Nanoseconds after the start of streaming, and what is delivered then."""


class PlayedSensor:
    """Delivers items when they are due; satisfies `capture.sensor.Sensor`.

    Nothing is ever left out: on a machine too slow for it, frames come late.

    Parameters
    ----------
    name : str
        For messages.
    info : SensorInfo
    play : callable
        Given the host time at which streaming starts, yields what is due, in order; host times of
        the items are filled in here, at delivery.
    """

    def __init__(self, name: str, info: SensorInfo, play: Callable[[int], Iterable[Due]]) -> None:
        self._name, self._info, self._play = name, info, play
        self._stopped = threading.Event()
        self._closed = False

    @property
    def info(self) -> SensorInfo:
        """What is played."""
        return self._info

    def frames(self) -> Iterator[Frame | DeviceEvent]:
        """Deliver until `stop`, which may come before this is called.

        Raises
        ------
        SensorError
            What is played has ended, cannot be read, or the sensor is closed.
        """
        if self._closed:
            raise SensorError(f"{self._name} is closed", remedy="open it again")
        start_ns = time.monotonic_ns()
        for due_ns, item in self._play(start_ns):
            while (left_ns := start_ns + due_ns - time.monotonic_ns()) > 0:
                if self._stopped.wait(left_ns * 1e-9):
                    return
            if self._stopped.is_set():
                return
            yield replace(item, host_time_ns=time.monotonic_ns())
        raise SensorError(f"{self._name}: all has been played", remedy="set loop = true")

    def stop(self) -> None:
        """End `frames` soon; from any thread."""
        self._stopped.set()

    def close(self) -> None:
        """End `frames` for good; may be called twice."""
        self._closed = True
        self._stopped.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
