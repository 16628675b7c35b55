"""A sensor without a camera: test images at given rates, to try network, disk and rig files.

Frame `seq` of every stream is the same image rolled by `seq` columns, its first pixel holding
`seq`, so that a recording can be checked frame by frame.
"""

import heapq
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigError, SensorError
from ..frame import MODALITIES, DeviceEvent, Frame, Image, Modality, StreamSpec
from ..sensor import SensorConfig, SensorInfo
from ..structure import decode
from ..terminal import OnProgress

_BUFFERED_PERIODS = 10
_BUFFERED_NS = 1_000_000_000
"""A host that is late by no more gets every frame, as from the buffers of a camera's driver."""


@dataclass(frozen=True, slots=True)
class PatternOptions:
    """Options of the kind ``test-pattern``.

    Attributes
    ----------
    streams : tuple of modality names
        A stream is called like its modality.
    width_px, height_px : int
    rate_hz : float
    device_offset_s, device_skew_ppm : float
        Of the device's clock against the host's.
    jitter_ms : float
        Mean of the exponential delivery delay.
    drop_every : int
        Leave out every n-th frame; 0: none.
    open_s : float
        How long opening takes.
    fail_open : bool
        Refuse to open.
    fail_after_s : float
        Report the device as lost after this time; 0: never.
    stall_after_s : float
        Deliver nothing after this time; 0: never.
    """

    streams: tuple[Modality, ...] = ("color",)
    width_px: int = 160
    height_px: int = 120
    rate_hz: float = 30.0
    device_offset_s: float = 1000.0
    device_skew_ppm: float = 0.0
    jitter_ms: float = 0.0
    drop_every: int = 0
    open_s: float = 0.0
    fail_open: bool = False
    fail_after_s: float = 0.0
    stall_after_s: float = 0.0

    def __post_init__(self) -> None:
        if not self.streams or len(set(self.streams)) != len(self.streams):
            raise ConfigError(f"streams are {self.streams}, expected some of {MODALITIES}, once")
        if min(self.width_px, self.height_px) < 1 or not 0 < self.rate_hz <= 1000:
            raise ConfigError("width_px and height_px must be positive, rate_hz within 0 to 1000")
        if self.drop_every == 1:
            raise ConfigError("drop_every = 1 would drop every frame")


def open_test_pattern(
    config: SensorConfig, *, on_progress: OnProgress | None = None
) -> "PatternSensor":
    """Open the kind ``test-pattern``."""
    options = decode(PatternOptions, config.options, where=f"options of sensor {config.name!r}")
    steps = round(options.open_s / 0.1)
    for done in range(steps):
        if on_progress is not None:
            on_progress(done, steps)
        time.sleep(0.1)
    if options.fail_open:
        raise SensorError("the test pattern is set to fail", remedy="set fail_open = false")
    return PatternSensor(config.name, options)


class PatternSensor:
    """Satisfies `capture.sensor.Sensor`."""

    def __init__(self, name: str, options: PatternOptions) -> None:
        self._options = options
        self._ended = threading.Event()
        self._closed = False
        self._delay = np.random.default_rng(0)
        specs = tuple(_spec(modality, options) for modality in options.streams)
        self._bases = {spec.name: _base_image(spec) for spec in specs}
        self._info = SensorInfo("mavfer", "test pattern", name, "1", specs)

    @property
    def info(self) -> SensorInfo:
        """What the pattern delivers."""
        return self._info

    def frames(self) -> Iterator[Frame | DeviceEvent]:
        """Yield frames at the set rate until `stop`."""
        if self._closed:
            raise SensorError(f"sensor {self._info.serial!r} is closed")
        options = self._options
        period_ns = round(1e9 / options.rate_hz)
        buffered_ns = max(_BUFFERED_PERIODS * period_ns, _BUFFERED_NS)
        start_ns = time.monotonic_ns()
        due = [(start_ns, 0, spec.name) for spec in self._info.streams]
        heapq.heapify(due)
        while True:
            due_ns, seq, stream = heapq.heappop(due)
            late_ns = time.monotonic_ns() - due_ns
            missed = late_ns // period_ns if late_ns > buffered_ns else 0
            due_ns, seq = due_ns + missed * period_ns, seq + missed
            heapq.heappush(due, (due_ns + period_ns, seq + 1, stream))
            if options.drop_every and seq % options.drop_every == options.drop_every - 1:
                continue
            delay_s = self._delay.exponential(options.jitter_ms * 1e-3)
            wait_s = (due_ns - time.monotonic_ns()) * 1e-9 + delay_s
            elapsed_s = (due_ns - start_ns) * 1e-9
            if options.stall_after_s and elapsed_s >= options.stall_after_s:
                wait_s = threading.TIMEOUT_MAX
            if self._ended.wait(max(0.0, wait_s)):
                return
            if options.fail_after_s and elapsed_s >= options.fail_after_s:
                raise SensorError(
                    f"sensor {self._info.serial!r} was unplugged", remedy="plug it in again"
                )
            device_ns = round(due_ns * (1 + options.device_skew_ppm * 1e-6))
            yield Frame(
                stream=stream,
                seq=seq,
                device_time_ns=device_ns + round(options.device_offset_s * 1e9),
                host_time_ns=time.monotonic_ns(),
                image=_pattern(self._bases[stream], seq),
            )

    def stop(self) -> None:
        """End `frames`."""
        self._ended.set()

    def close(self) -> None:
        """End `frames` for good."""
        self._ended.set()
        self._closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _spec(modality: Modality, options: PatternOptions) -> StreamSpec:
    color = modality == "color"
    unit = {"depth": "mm", "thermal": "0.04 K"}.get(modality)
    return StreamSpec(
        name=modality,
        modality=modality,
        width_px=options.width_px,
        height_px=options.height_px,
        pixel_format="BGR8" if color else "Mono16",
        unit=unit,
        nominal_rate_hz=options.rate_hz,
    )


def _base_image(spec: StreamSpec) -> NDArray[np.uint8] | NDArray[np.uint16]:
    ramp = np.linspace(0, np.iinfo(spec.dtype).max, spec.width_px).astype(spec.dtype)
    rows = np.broadcast_to(ramp, (spec.height_px, spec.width_px))
    if spec.pixel_format == "BGR8":
        rows = np.stack([rows, rows[:, ::-1], np.roll(rows, spec.width_px // 2, axis=1)], axis=-1)
    return np.ascontiguousarray(rows)


def _pattern(base: Image, seq: int) -> Image:
    image = np.roll(base, seq, axis=1)
    image[0, 0] = seq % (int(np.iinfo(base.dtype).max) + 1)
    return image
