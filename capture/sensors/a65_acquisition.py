"""Buffers of a running acquisition, and what is learnt of the camera before a take."""

import math
import statistics
import time
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from ..errors import SensorError
from .a65_numbering import FrameIds, FreezeWatch
from .a65_setup import A65Options
from .a65_transport import CameraLostError, RawBuffer, Transport

_POLL_S = 0.1
_SILENT_NS = 2_000_000_000
_USELESS_NS = 5_000_000_000
_N_MEASURED = 16
_RATE_TOLERANCE = 0.05
_CLOCK_RATIO = 2.0
_NANOSECONDS_HZ = 1_000_000_000
_MAX_COUNT = 1 << 14


class Acquisition:
    """One acquisition of a camera; raises when the camera has gone.

    Parameters
    ----------
    transport : Transport
        Started already.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._heard_ns = self._complete_ns = self._asked_ns = time.monotonic_ns()

    def poll(self) -> RawBuffer | None:
        """Wait shortly for the next buffer.

        Raises
        ------
        CameraLostError
            The camera does not answer.
        SensorError
            It has sent nothing of use for 5 s.
        """
        buffer = self._transport.next_buffer(_POLL_S)
        now_ns = time.monotonic_ns()
        if buffer is not None:
            self._heard_ns = now_ns
            if buffer.image is not None:
                self._complete_ns = now_ns
        if now_ns - max(self._heard_ns, self._asked_ns) > _SILENT_NS:
            if not self._transport.answers():
                raise CameraLostError(
                    "the camera is lost: no images and no answer",
                    remedy="check its power and cable, then arm again",
                )
            self._asked_ns = time.monotonic_ns()
        if now_ns - self._complete_ns > _USELESS_NS:
            if now_ns - self._heard_ns > _SILENT_NS:
                raise SensorError(
                    "the camera answers, but no images arrive",
                    remedy="open the firewall for UDP from its address",
                )
            raise SensorError(
                "only incomplete images arrive",
                remedy="use a smaller packet_size_bytes, raise net.core.rmem_max",
            )
        return buffer


@dataclass(frozen=True, slots=True)
class Observed:
    """What the camera was like before the take.

    Attributes
    ----------
    rate_hz : float
        Of its images, by its own clock.
    tick_hz : int
        Steps of the library's device time in a second.
    correction : dict or None
        The correction made while opening: when, and how many images it froze.
    """

    rate_hz: float
    tick_hz: int
    correction: dict[str, Any] | None


def observe(transport: Transport, options: A65Options) -> Observed:
    """Acquire for about a second: measure rate and clock, have the camera correct itself.

    Raises
    ------
    SensorError
        No images, no clock, or pixels that are no 14-bit counts.
    """
    transport.start()
    acquisition = Acquisition(transport)
    rate_hz, tick_hz = _measure(transport, acquisition)
    corrected = _correct(transport, acquisition, options) if options.nuc_before_take else None
    transport.stop()
    return Observed(rate_hz, tick_hz, corrected)


def decimation(device_rate_hz: float, rate_hz: float) -> int:
    """Return how many of the camera's frames make one of ours.

    Raises
    ------
    SensorError
        No whole number does.
    """
    every = max(1, round(device_rate_hz / rate_hz))
    if abs(device_rate_hz / every / rate_hz - 1) > _RATE_TOLERANCE:
        offers = ", ".join(f"{device_rate_hz / n:.3g}" for n in range(1, 5))
        raise SensorError(
            f"the camera runs at {device_rate_hz:.3g} Hz, which cannot be thinned to"
            f" {rate_hz:g} Hz",
            remedy=f"set rate_hz to one of {offers}",
        )
    return every


def _measure(transport: Transport, acquisition: Acquisition) -> tuple[float, int]:
    ids = FrameIds()
    seen: list[tuple[int, int, int]] = []
    while len(seen) < _N_MEASURED:
        buffer = acquisition.poll()
        if buffer is None or buffer.image is None:
            continue
        number = ids.unwrap(buffer.frame_id)
        seen.append((number, buffer.device_time, buffer.host_time_ns))
        if (highest := int(buffer.image.max())) >= _MAX_COUNT:
            raise SensorError(
                f"a pixel of {highest}, expected 14 bits",
                remedy="the camera does not deliver Mono14 as it says; power-cycle it",
            )
    # The first images wait for one another while the acquisition gets going.
    (n0, device0, host0), (n1, device1, host1) = seen[2], seen[-1]
    if n1 <= n0 or device1 <= device0:
        raise SensorError(
            f"the camera's clock or counter stands still: times {device0} to {device1},"
            f" frames {n0} to {n1}",
            remedy="update the camera's firmware or use the other transport",
        )
    tick_hz = _tick_hz(transport, (device1 - device0) * 1e9 / (host1 - host0))
    # The median: a camera or a host that pauses once must not pass for a slow one.
    periods = [
        (device - device_before) / (n - n_before)
        for (n_before, device_before, _), (n, device, _) in pairwise(seen[2:])
        if n > n_before
    ]
    return tick_hz / statistics.median(periods), tick_hz


def _tick_hz(transport: Transport, seen_hz: float) -> int:
    """Tell nanoseconds from ticks: what a library delivers depends on camera and version."""
    frequency = transport.get("GevTimestampTickFrequency")
    candidates = [_NANOSECONDS_HZ]
    if isinstance(frequency, int) and frequency > 0:
        candidates.append(frequency)
    for tick_hz in candidates:
        if abs(math.log(seen_hz / tick_hz)) < math.log(_CLOCK_RATIO):
            return tick_hz
    raise SensorError(
        f"the camera's clock makes {seen_hz:.3g} steps a second, expected 1e+09, or what"
        f" GevTimestampTickFrequency says: {frequency}",
        remedy="update the camera's firmware or use the other transport",
    )


def _correct(transport: Transport, acquisition: Acquisition, options: A65Options) -> dict[str, Any]:
    """Have the shutter closed once, and wait until the images move again."""
    started_ns = time.monotonic_ns()
    transport.execute("NUCAction")
    ids, watch = FrameIds(), FreezeWatch()
    until_ns = started_ns + round(options.nuc_wait_s * 1e9)
    freeze = None
    while freeze is None and time.monotonic_ns() < until_ns:
        buffer = acquisition.poll()
        if buffer is not None and buffer.image is not None:
            number = ids.unwrap(buffer.frame_id)
            freeze = watch.see(number, buffer.device_time, buffer.image)
    freeze = freeze or watch.current
    took_s = (time.monotonic_ns() - started_ns) * 1e-9
    return {
        "host_time_ns": started_ns,
        "n_frozen": 0 if freeze is None else freeze.last - freeze.first + 1,
        "took_s": round(took_s, 3),
    }
