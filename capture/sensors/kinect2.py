"""The Kinect v2 through libfreenect2: color, depth and infrared.

libfreenect2 hands frames to a listener that keeps the latest of each type. With one listener for
color and one for infrared with depth, neither waits for the other; each has a thread that copies
the images out at once. What is overwritten before that shows as a gap in the device's numbers.
"""

import queue
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import numpy as np

from ..errors import ConfigError, SensorError
from ..frame import DeviceEvent, Frame, Modality, StreamSpec
from ..sensor import SensorConfig, SensorInfo
from ..structure import decode, encode
from .kinect2_images import (
    TICK_NS,
    Counter32,
    color_image,
    count_image,
    exposure_us,
    gain_or_none,
)
from .kinect2_library import (
    HOW_TO,
    Pipeline,
    choose_device,
    device_texts,
    factory_parameters,
    load_library,
    make_pipeline,
)

_WAIT_MS = 200
_JOIN_TIMEOUT_S = 3.0
_BACKLOG = 16
"""Frames that may wait for the recorder, half a second of the fastest stream."""
_KINDS: dict[str, tuple[str, ...]] = {"color": ("color",), "depth": ("ir", "depth")}
_STREAMS: dict[str, Modality] = {"color": "color", "ir": "infrared", "depth": "depth"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Kinect2Options:
    """Options of the kind ``kinect2``.

    Attributes
    ----------
    serial : str or None
        Which Kinect; None: the only one there is.
    pipeline : {"auto", "cuda", "opencl", "opengl", "cpu"}
        Who computes depth; "auto" takes the first of them that works. "cpu" needs a fast core.
    first_frame_s : float
        How long the device may take to deliver after it was started.
    silence_s : float
        After this time without any frame the device counts as lost.
    """

    serial: str | None = None
    pipeline: Pipeline = "auto"
    first_frame_s: float = 10.0
    silence_s: float = 3.0

    def __post_init__(self) -> None:
        for name in ("first_frame_s", "silence_s"):
            if not 0.5 <= getattr(self, name) <= 60:
                raise ConfigError(f"{name} is {getattr(self, name):g}, expected 0.5 to 60")


def open_kinect2(config: SensorConfig) -> "Kinect2Sensor":
    """Open a Kinect v2 and wait until it delivers.

    Parameters
    ----------
    config : SensorConfig
        Options: those of `Kinect2Options`.

    Raises
    ------
    ConfigError
        Unknown option or a value that cannot be meant.
    SensorError
        No library, no device, no pipeline, or a device that delivers nothing.
    """
    options = decode(Kinect2Options, config.options, where=f"sensor {config.name!r}")
    library = load_library()
    context = library.Freenect2()
    serial = choose_device(context, options.serial)
    name, pipeline = make_pipeline(library, options.pipeline)
    device = context.openDevice(serial.encode(), pipeline=pipeline)
    sensor = Kinect2Sensor(config.name, library, (context, pipeline), device, options)
    try:
        sensor.begin(name)
    except BaseException:
        sensor.close()
        raise
    return sensor


class Kinect2Sensor:
    """Satisfies `capture.sensor.Sensor`.

    Parameters
    ----------
    name : str
    library : module
        pylibfreenect2.
    alive : tuple
        What the device needs to exist for as long as it does.
    device : Freenect2Device
    options : Kinect2Options
    """

    def __init__(
        self, name: str, library: Any, alive: tuple[Any, ...], device: Any, options: Kinect2Options
    ) -> None:
        self._name, self._alive, self._device, self._options = name, alive, device, options
        types = library.FrameType
        self._listeners = {
            "color": library.SyncMultiFrameListener(int(types.Color)),
            "depth": library.SyncMultiFrameListener(int(types.Ir) | int(types.Depth)),
        }
        self._arrived: queue.Queue[Future[list[Frame]]] = queue.Queue(_BACKLOG)
        self._arriving = threading.Lock()
        self._numbers = {kind: (Counter32(), Counter32()) for kind in _STREAMS}
        self._wanted, self._stopped = threading.Event(), threading.Event()
        self._closed = threading.Event()
        self._delivering = {pair: threading.Event() for pair in _KINDS}
        self._threads: list[threading.Thread] = []
        self._info: SensorInfo | None = None

    @property
    def info(self) -> SensorInfo:
        """What the device delivers."""
        if self._info is None:
            raise SensorError(f"{self._name} has not begun")
        return self._info

    def begin(self, pipeline: str) -> None:
        """Start the device and wait for its first frames.

        Raises
        ------
        SensorError
            It delivers nothing: the library's start says nothing when it fails.
        """
        self._device.setColorFrameListener(self._listeners["color"])
        self._device.setIrAndDepthFrameListener(self._listeners["depth"])
        self._device.start()
        for pair in _KINDS:
            thread = threading.Thread(
                target=self._read, args=(pair,), name=f"mavfer-kinect2-{pair}", daemon=True
            )
            self._threads.append(thread)
            thread.start()
        deadline_s = time.monotonic() + self._options.first_frame_s
        for pair, delivering in self._delivering.items():
            if not delivering.wait(max(0.0, deadline_s - time.monotonic())):
                raise SensorError(
                    f"{self._name}: no {pair} within {self._options.first_frame_s:g} s of starting",
                    remedy=f"another USB 3 port or pipeline, its power supply: see {HOW_TO}",
                )
        serial, firmware = device_texts(self._device)
        self._info = SensorInfo(
            vendor="Microsoft",
            model="Kinect v2",
            serial=serial,
            firmware=firmware,
            streams=(
                StreamSpec("color", "color", 1920, 1080, "BGR8", None, 30.0),
                StreamSpec("depth", "depth", 512, 424, "Mono16", "mm", 30.0),
                StreamSpec("infrared", "infrared", 512, 424, "Mono16", None, 30.0),
            ),
            parameters={
                "pipeline": pipeline,
                "requested": encode(self._options),
                "mirroring": "undone; factory parameters are of the mirrored images",
                "depth_timestamp": "of the packet that follows: late by a constant",
                **factory_parameters(self._device),
            },
        )

    def frames(self) -> Iterator[Frame | DeviceEvent]:
        """Yield what arrives from now on until `stop`, which may come before this is called.

        Raises
        ------
        SensorError
            The device is lost, or closed.
        """
        if self._closed.is_set():
            raise SensorError(f"{self._name}: closed already", remedy="open it again")
        self._wanted.set()
        heard_s = time.monotonic()
        try:
            while not self._stopped.is_set():
                try:
                    arrival = self._arrived.get(timeout=_WAIT_MS / 1000)
                except queue.Empty:
                    silent_s = time.monotonic() - heard_s
                    if silent_s > self._options.silence_s:
                        raise SensorError(
                            f"{self._name}: nothing for {silent_s:.1f} s: it is unplugged or hangs",
                            remedy="check cable and power, then restart the sensor",
                        ) from None
                    continue
                yield from arrival.result()
                heard_s = time.monotonic()
        finally:
            self._wanted.clear()

    def stop(self) -> None:
        """End `frames` soon; from any thread."""
        self._stopped.set()

    def close(self) -> None:
        """Release the device; may be called twice."""
        self._stopped.set()
        if self._closed.is_set():
            return
        self._closed.set()
        for thread in self._threads:
            thread.join(_JOIN_TIMEOUT_S)
        # Also where a thread did not end: a library built without threading waits for ever.
        self._device.stop()
        self._device.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _read(self, pair: str) -> None:
        """Copy frames out of one listener until the sensor is closed: a thread of its own."""
        listener = self._listeners[pair]
        while not self._closed.is_set():
            frames = listener.waitForNewFrame(milliseconds=_WAIT_MS)
            if frames is None:
                continue
            arrival: Future[list[Frame]] = Future()
            with self._arriving:  # queued in order of arrival, whichever is copied sooner
                host_ns = time.monotonic_ns()
                if self._wanted.is_set():
                    self._put(arrival)
            try:
                taken = [self._frame(kind, frames[kind], host_ns) for kind in _KINDS[pair]]
            except Exception as error:  # noqa: BLE001 - told by `frames`, in the recorder's thread
                text = f"{self._name}: {type(error).__name__}: {error}"
                arrival.set_exception(SensorError(text))
            else:
                arrival.set_result(taken)
            finally:
                listener.release(frames)
            self._delivering[pair].set()

    def _put(self, arrival: "Future[list[Frame]]") -> None:
        """Hand on; a recorder that does not take it makes the listener overwrite, which shows."""
        while not self._stopped.is_set():
            try:
                self._arrived.put(arrival, timeout=_WAIT_MS / 1000)
            except queue.Full:
                continue
            return

    def _frame(self, kind: str, raw: Any, host_ns: int) -> Frame:
        sequence, ticks = self._numbers[kind]
        seq = sequence.unwrap(int(raw.sequence))
        device_ns = ticks.unwrap(int(raw.timestamp)) * TICK_NS
        stream = _STREAMS[kind]
        if kind == "color":
            image = color_image(raw.asarray(np.uint8))
            exposure, gain = exposure_us(float(raw.exposure)), gain_or_none(float(raw.gain))
            return Frame(stream, seq, device_ns, host_ns, image, exposure, gain)
        return Frame(stream, seq, device_ns, host_ns, count_image(raw.asarray(np.float32)))
