"""Real time for simulated sensors: when frames are taken, when they arrive, which get lost."""

import heapq
import logging
import math
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from ..errors import ConfigError, SensorError
from ..frame import DeviceEvent, Frame
from ..sensor import SensorInfo
from ..simulation.counter import uniform
from ..simulation.device import truth_event
from ..simulation.playback import Loop
from ..simulation.scene_options import SceneOptions

logger = logging.getLogger(__name__)

_LATENCY_NS = 4_000_000
_BACKLOG_NS = 250_000_000
"""What the device's buffers hold: frames a reader is later than this for are overwritten."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceOptions(SceneOptions):
    """Scene options plus what is particular about the device that sees it.

    Attributes
    ----------
    device_seed : int
        Keys drops and jitter.
    clock_offset_s : float
        Device time when the device is opened.
    clock_skew_ppm : float
        How much faster than the host's clock the device's runs.
    jitter_ms : float
        Mean of the exponential delay of delivery, on top of 4 ms.
    drop_rate : float
        Share of frames that the device makes but never delivers.
    start_delay_s : float
        Time from the start of streaming to the first frame.
    unplug_at_s : float or None
        Time after which the device is gone.
    """

    device_seed: int = 0
    clock_offset_s: float = 12.5
    clock_skew_ppm: float = 20.0
    jitter_ms: float = 1.0
    drop_rate: float = 0.0
    start_delay_s: float = 0.1
    unplug_at_s: float | None = None

    def __post_init__(self) -> None:
        # not super(): a dataclass with slots is a new class, which its methods do not know
        SceneOptions.__post_init__(self)
        if not 0 <= self.drop_rate < 1:
            raise ConfigError(f"drop_rate is {self.drop_rate:g}, expected 0 to below 1")
        if abs(self.clock_skew_ppm) > 1000 or min(self.jitter_ms, self.start_delay_s) < 0:
            raise ConfigError("clock_skew_ppm beyond 1000, or a negative jitter or start delay")
        if self.clock_offset_s < 0 or (self.unplug_at_s is not None and self.unplug_at_s < 0):
            raise ConfigError("clock_offset_s and unplug_at_s cannot be negative")


@dataclass(frozen=True, slots=True)
class PlayedStream:
    """One stream of a device.

    Attributes
    ----------
    name : str
    rate_hz : float
        By the device's clock.
    """

    name: str
    rate_hz: float


@dataclass(frozen=True, slots=True)
class Freezes:
    """Times at which a stream repeats one image while its shutter is closed.

    Attributes
    ----------
    first_s, every_s, duration_s : float
        After the start of streaming.
    """

    first_s: float
    every_s: float
    duration_s: float

    def begin_of(self, elapsed_s: float) -> float | None:
        """Return when the freeze in progress at `elapsed_s` began; None between freezes."""
        if elapsed_s < self.first_s:
            return None
        begin = self.first_s + math.floor((elapsed_s - self.first_s) / self.every_s) * self.every_s
        return begin if elapsed_s < begin + self.duration_s else None


class PlaybackSensor:
    """A simulated device that plays a loop; satisfies `capture.sensor.Sensor`.

    Parameters
    ----------
    name : str
        For messages.
    info : SensorInfo
    loop : Loop
    streams : sequence of PlayedStream
    options : DeviceOptions
    tick_ns : int
        Resolution of the device's clock.
    freezes : Freezes, optional
        Of all streams, reported as events of kind "nuc".
    """

    def __init__(
        self,
        name: str,
        info: SensorInfo,
        loop: Loop,
        streams: Sequence[PlayedStream],
        options: DeviceOptions,
        *,
        tick_ns: int,
        freezes: Freezes | None = None,
    ) -> None:
        self._name, self._info, self._loop = name, info, loop
        self._streams, self._options, self._tick_ns = tuple(streams), options, tick_ns
        self._freezes = freezes
        self._stopped = threading.Event()
        self._closed = False
        self._power_on_ns = time.monotonic_ns()

    @property
    def info(self) -> SensorInfo:
        """What the device is."""
        return self._info

    def frames(self) -> Iterator[Frame | DeviceEvent]:
        """Stream in real time until `stop`, which may come before this is called.

        Raises
        ------
        SensorError
            The device was unplugged, or is closed.
        """
        if self._closed:
            raise SensorError(f"{self._name} is closed")
        start_ns = time.monotonic_ns() + round(self._options.start_delay_s * 1e9)
        unplug_ns = None
        if self._options.unplug_at_s is not None:
            unplug_ns = start_ns + round(self._options.unplug_at_s * 1e9)
        due = [self._due(stream, 0, start_ns, start_ns) for stream in range(len(self._streams))]
        heapq.heapify(due)
        frozen_since_s: float | None = None
        while not self._stopped.is_set():
            arrival_ns, stream, number, taken_ns = due[0]
            if unplug_ns is not None and arrival_ns >= unplug_ns:
                self._sleep_until(unplug_ns)
                raise SensorError(
                    f"{self._name} does not answer any more", remedy="check its cable"
                )
            if not self._sleep_until(arrival_ns):
                return
            heapq.heapreplace(due, self._due(stream, number + 1, start_ns, arrival_ns))
            if self._is_lost(stream, number) or time.monotonic_ns() - arrival_ns > _BACKLOG_NS:
                continue
            shown_ns = taken_ns
            if self._freezes is not None:
                freeze_s = self._freezes.begin_of((taken_ns - start_ns) * 1e-9)
                if freeze_s is not None:
                    shown_ns = start_ns + round(freeze_s * 1e9)
                    if freeze_s != frozen_since_s:
                        yield self._nuc(stream, taken_ns, self._freezes)
                frozen_since_s = freeze_s
            yield from self._deliver(stream, number, taken_ns, self._loop.moment_at(shown_ns))

    def stop(self) -> None:
        """End `frames` soon; from any thread."""
        self._stopped.set()

    def close(self) -> None:
        """Release the device; may be called twice."""
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

    def _due(
        self, stream: int, number: int, start_ns: int, after_ns: int
    ) -> tuple[int, int, int, int]:
        """Return (arrival, stream, number, time taken) of a frame; arrivals stay in order."""
        skew = 1 + self._options.clock_skew_ppm * 1e-6
        taken_ns = start_ns + round(number * 1e9 / self._streams[stream].rate_hz / skew)
        chance = uniform(self._options.device_seed, stream, number, 1)
        jitter_ns = round(-math.log(1 - chance) * self._options.jitter_ms * 1e6)
        return max(taken_ns + _LATENCY_NS + jitter_ns, after_ns + 1), stream, number, taken_ns

    def _is_lost(self, stream: int, number: int) -> bool:
        drop = uniform(self._options.device_seed, stream, number, 2)
        return number > 0 and drop < self._options.drop_rate

    def _sleep_until(self, monotonic_ns: int) -> bool:
        """Sleep; False when stopped meanwhile."""
        while (left_ns := monotonic_ns - time.monotonic_ns()) > 0:
            if self._stopped.wait(left_ns * 1e-9):
                return False
        return not self._stopped.is_set()

    def _device_ns(self, taken_ns: int) -> int:
        elapsed_ns = (taken_ns - self._power_on_ns) * (1 + self._options.clock_skew_ppm * 1e-6)
        device_ns = round(self._options.clock_offset_s * 1e9 + elapsed_ns)
        return device_ns - device_ns % self._tick_ns

    def _nuc(self, stream: int, taken_ns: int, freezes: Freezes) -> DeviceEvent:
        name, data = self._streams[stream].name, {"duration_s": freezes.duration_s}
        return DeviceEvent(name, "nuc", self._device_ns(taken_ns), time.monotonic_ns(), data)

    def _deliver(
        self, stream: int, number: int, taken_ns: int, moment: int
    ) -> Iterator[Frame | DeviceEvent]:
        name, loop = self._streams[stream].name, self._loop
        color = name == "color"
        image = loop.image(name, moment, number=number)
        device_ns, host_ns = self._device_ns(taken_ns), time.monotonic_ns()
        affect = loop.affect(moment) if color else None
        if affect is not None:
            # first, so that no recording ends between a frame and its truth
            yield truth_event(affect, device_time_ns=device_ns, host_time_ns=host_ns)
        yield Frame(
            name,
            number,
            device_ns,
            host_ns,
            image,
            exposure_us=loop.color_exposure_us if color else None,
            gain=loop.color_gain if color else None,
        )
