"""The FLIR A65 (and the other cameras of its family): thermal images in counts of 0.04 K."""

import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Any, Self

from ..errors import SensorError
from ..frame import DeviceEvent, Frame, StreamSpec
from ..sensor import SensorConfig, SensorInfo
from ..structure import decode, encode
from .a65_acquisition import Acquisition, Observed, decimation, observe
from .a65_aravis import open_aravis
from .a65_numbering import FrameIds, Freeze, FreezeWatch, decimated
from .a65_pyspin import open_pyspin
from .a65_setup import A65Options, set_up
from .a65_transport import CameraLostError, RawBuffer, Selection, Transport

STREAM = "thermal"
NUC_ACTION = "nuc-action"
"""Kind of the event where the camera was told to correct itself during a take."""
_SECOND_NS = 1_000_000_000
_STATISTICS_NS = 5 * _SECOND_NS
_TEMPERATURES = ("SensorTemperature", "HousingTemperature")


def open_a65(config: SensorConfig) -> "A65Sensor":
    """Open an A65, set it up for temperatures and let it correct itself.

    Parameters
    ----------
    config : SensorConfig
        Options: those of `A65Options`.

    Raises
    ------
    ConfigError
        Unknown option or a value that cannot be meant.
    SensorError
        No library, no camera, or a setting that the camera does not accept.
    """
    options = decode(A65Options, config.options, where=f"sensor {config.name!r}")
    transport = _connect(options)
    try:
        setup = set_up(transport, options)
        observed = observe(transport, options)
        every = decimation(observed.rate_hz, options.rate_hz)
    except BaseException as error:
        _release(transport, lost=isinstance(error, CameraLostError))
        raise
    return A65Sensor(config.name, transport, options, setup, observed, every)


def _connect(options: A65Options) -> Transport:
    selection = Selection(options.serial, options.ip, options.packet_size_bytes, options.n_buffers)
    missing = []
    if options.transport in ("auto", "aravis"):
        try:
            return open_aravis(selection)
        except ImportError as error:
            missing.append(str(error))
    if options.transport in ("auto", "pyspin"):
        try:
            return open_pyspin(selection)
        except ImportError as error:
            missing.append(f"PySpin cannot be loaded ({error}); its wheel comes with the SDK")
    raise SensorError(
        f"no library for GigE Vision cameras: {'; '.join(missing)}",
        remedy="install one of them: docs/how-to/sensor-a65.md",
    )


def _release(transport: Transport, *, lost: bool) -> None:
    """Leave corrections to the camera again and let it go."""
    if not lost:
        with suppress(SensorError):
            transport.stop()
            transport.set("NUCMode", "Automatic")
    transport.close(lost=lost)


class A65Sensor:
    """Satisfies `capture.sensor.Sensor`."""

    def __init__(
        self,
        name: str,
        transport: Transport,
        options: A65Options,
        setup: dict[str, Any],
        observed: Observed,
        every: int,
    ) -> None:
        self._name, self._transport, self._options = name, transport, options
        self._observed, self._every = observed, every
        self._info = _info(transport, options, setup, observed, every)
        self._ids, self._watch = FrameIds(), FreezeWatch()
        self._last_number: int | None = None
        self._device_ns = 0
        self._stopped = threading.Event()
        self._lock = threading.RLock()
        self._closed = threading.Event()
        self._lost = False

    @property
    def info(self) -> SensorInfo:
        """What the camera accepted."""
        return self._info

    def frames(self) -> Iterator[Frame | DeviceEvent]:
        """Acquire until `stop`, which may come before this is called.

        Raises
        ------
        SensorError
            The camera is lost, or closed.
        """
        with self._camera() as camera:
            if camera is None:
                raise SensorError("closed already", remedy="open it again")
            if self._stopped.is_set():
                return
            camera.start()
            acquisition = Acquisition(self._transport)
        self._ids, self._watch, self._last_number = FrameIds(), FreezeWatch(), None
        report_ns = time.monotonic_ns() + _STATISTICS_NS
        correct_s = time.monotonic() + (self._options.nuc_every_s or math.inf)
        try:
            while not self._stopped.is_set():
                with self._camera() as camera:
                    buffer = acquisition.poll() if camera is not None else None
                if buffer is not None:
                    yield from self._take(buffer)
                if time.monotonic() >= correct_s:
                    correct_s += self._options.nuc_every_s or math.inf
                    yield self._correct()
                if time.monotonic_ns() >= report_ns:
                    report_ns += _STATISTICS_NS
                    yield self._statistics()
            if self._watch.current is not None:
                yield self._frozen("end", self._watch.current, time.monotonic_ns())
            if not self._closed.is_set():
                yield self._statistics()
        finally:
            with self._lock:
                if not self._closed.is_set() and not self._lost:
                    self._transport.stop()

    def stop(self) -> None:
        """End `frames` soon; from any thread."""
        self._stopped.set()

    def close(self) -> None:
        """Release the camera; may be called twice."""
        self._stopped.set()
        with self._lock:
            if self._closed.is_set():
                return
            self._closed.set()
            _release(self._transport, lost=self._lost)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @contextmanager
    def _camera(self) -> Iterator[Transport | None]:
        """Give the camera to one thread; None when it is released. Notices when it is lost."""
        with self._lock:
            try:
                yield None if self._closed.is_set() else self._transport
            except SensorError as error:
                self._lost = isinstance(error, CameraLostError)
                raise SensorError(f"{self._name}: {error.message}", remedy=error.remedy) from error

    def _take(self, buffer: RawBuffer) -> Iterator[Frame | DeviceEvent]:
        if buffer.image is None:
            # Its frame id is no help: of a frame without leader it is that of an older one.
            yield self._drop(buffer, {"reason": buffer.status})
            return
        number = self._ids.unwrap(buffer.frame_id)
        if self._last_number is not None and number <= self._last_number:
            yield self._drop(buffer, {"reason": "late", "frame_id": buffer.frame_id})
            return
        self._last_number = number
        self._device_ns = buffer.device_time * _SECOND_NS // self._observed.tick_hz
        was_frozen = self._watch.current is not None
        ended = self._watch.see(number, self._device_ns, buffer.image)
        if ended is not None:
            yield self._frozen("end", ended, buffer.host_time_ns)
        elif self._watch.current is not None and not was_frozen:
            yield self._frozen("begin", self._watch.current, buffer.host_time_ns)
        if (seq := decimated(number, self._every)) is not None:
            yield Frame(STREAM, seq, self._device_ns, buffer.host_time_ns, buffer.image)

    def _drop(self, buffer: RawBuffer, data: dict[str, Any]) -> DeviceEvent:
        return DeviceEvent(STREAM, "drop", self._device_ns, buffer.host_time_ns, data)

    def _frozen(self, phase: str, freeze: Freeze, host_ns: int) -> DeviceEvent:
        data: dict[str, Any] = {"phase": phase, "first_seq": -(-freeze.first // self._every)}
        device_ns = freeze.first_device_ns
        if phase == "end":
            device_ns = freeze.last_device_ns
            data["last_seq"] = freeze.last // self._every
            data["n_images"] = freeze.last - freeze.first + 1
            data["duration_s"] = round((device_ns - freeze.first_device_ns) * 1e-9, 3)
        corrects = self._options.nuc == "automatic" or self._options.nuc_every_s is not None
        kind = "nuc" if corrects else "frozen"
        return DeviceEvent(STREAM, kind, device_ns, host_ns, data)

    def _correct(self) -> DeviceEvent:
        """Have the camera close its shutter once; how long it froze the freeze itself tells."""
        asked_ns = time.monotonic_ns()
        with self._camera() as camera:
            if camera is not None:
                camera.execute("NUCAction")
        return DeviceEvent(STREAM, NUC_ACTION, self._device_ns, asked_ns, {})

    def _statistics(self) -> DeviceEvent:
        data: dict[str, Any] = {}
        with self._camera() as camera:
            if camera is not None:
                data.update(camera.statistics())
                temperatures = {name: camera.get(name) for name in _TEMPERATURES}
                data.update({n: value for n, value in temperatures.items() if value is not None})
        return DeviceEvent(STREAM, "stream-statistics", self._device_ns, time.monotonic_ns(), data)


def _info(
    transport: Transport,
    options: A65Options,
    setup: dict[str, Any],
    observed: Observed,
    every: int,
) -> SensorInfo:
    def text(*names: str) -> str:
        return next((str(v) for name in names if (v := transport.get(name)) is not None), "unknown")

    spec = StreamSpec(
        STREAM,
        "thermal",
        options.width_px,
        options.height_px,
        "Mono14",
        "0.04 K",
        options.rate_hz,
    )
    return SensorInfo(
        vendor=text("DeviceVendorName"),
        model=text("DeviceModelName"),
        serial=text("DeviceSerialNumber", "DeviceID"),
        firmware=text("DeviceFirmwareVersion", "DeviceVersion"),
        streams=(spec,),
        parameters={
            "transport": transport.name,
            "requested": encode(options),
            "device_rate_hz": round(observed.rate_hz, 3),
            "keeps_one_frame_of": every,
            "device_tick_hz": observed.tick_hz,
            "correction_before_take": observed.correction,
            **setup,
        },
    )
