"""A camera through OpenCV, read in a thread that may block without harm."""

import queue
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from types import TracebackType
from typing import Any, Self, cast

import cv2

from ..errors import SensorError
from ..frame import DeviceEvent, Frame, Image
from ..sensor import SensorInfo
from .opencv_connect import Camera, driver_time_ns

_QUEUE_FRAMES = 8
_POLL_S = 0.1
_SILENT_S = 10.0
_CLOSE_S = 1.0
_LATE_PERIODS = 1.5


class CameraSensor:
    """Satisfies `capture.sensor.Sensor`.

    OpenCV's `grab` may block for ten seconds and cannot be interrupted: only the reading thread
    calls it, and that thread, the last user of the camera, releases it.
    """

    def __init__(self, name: str, stream: str, camera: Camera) -> None:
        self._name, self._stream, self._camera = name, stream, camera
        self._spec = camera.info.streams[0]
        self._late_ns = round(_LATE_PERIODS * 1e9 / self._spec.nominal_rate_hz)
        self._stopped = threading.Event()
        self._closed = False
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    @property
    def info(self) -> SensorInfo:
        """What the camera is and accepted."""
        return self._camera.info

    def frames(self) -> Iterator[Frame | DeviceEvent]:
        """Read until `stop`, which may come before this is called.

        Raises
        ------
        SensorError
            The camera is lost, or closed.
        """
        arrived: queue.Queue[Frame | DeviceEvent | SensorError] = queue.Queue(_QUEUE_FRAMES)
        with self._lock:
            if self._closed:
                raise SensorError(f"{self._name} is closed", remedy="open it again")
            if self._thread is not None:
                raise SensorError(f"{self._name} is being read already", remedy="open it again")
            self._thread = threading.Thread(
                target=self._read, args=(arrived,), name=f"mavfer-{self._name}-grab", daemon=True
            )
            self._thread.start()
        heard_s = time.monotonic()
        while not self._stopped.is_set():
            try:
                item = arrived.get(timeout=_POLL_S)
            except queue.Empty:
                if time.monotonic() - heard_s > _SILENT_S:
                    raise self._lost(f"no image for {_SILENT_S:g} s") from None
                continue
            heard_s = time.monotonic()
            if isinstance(item, SensorError):
                raise item
            yield item

    def stop(self) -> None:
        """End `frames` soon; from any thread."""
        self._stopped.set()

    def close(self) -> None:
        """Release the camera; may be called twice."""
        self._stopped.set()
        with self._lock:
            if self._closed:
                return
            self._closed = True
            thread = self._thread
        if thread is None:
            self._camera.capture.release()
        else:
            thread.join(_CLOSE_S)  # if it hangs, it releases the camera when the driver returns

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _lost(self, why: str) -> SensorError:
        return SensorError(f"{self._name}: {why}", remedy="check cable and power, then arm again")

    def _read(self, arrived: "queue.Queue[Frame | DeviceEvent | SensorError]") -> None:
        """Grab and number images until stopped: the reading thread."""
        capture = self._camera.capture
        try:
            seq, last_ns = 0, None
            while not self._stopped.is_set():
                if not capture.grab():
                    self._hand_over(arrived, self._lost("the camera does not deliver any more"))
                    return
                host_ns = time.monotonic_ns()
                device_ns = driver_time_ns(capture) if self._camera.has_driver_time else host_ns
                item = self._item(seq, device_ns, host_ns, last_ns)
                if isinstance(item, Frame):
                    if last_ns is not None and device_ns - last_ns > self._late_ns:
                        self._offer(arrived, self._gap(device_ns, host_ns, last_ns))
                    last_ns = device_ns
                self._offer(arrived, item)
                seq += 1
        except cv2.error as error:
            self._hand_over(arrived, self._lost(str(error)))
        finally:
            capture.release()

    def _item(
        self, seq: int, device_ns: int, host_ns: int, last_ns: int | None
    ) -> Frame | DeviceEvent:
        data: dict[str, Any] = {"seq": seq, "reason": "its time does not increase"}
        if last_ns is None or device_ns > last_ns:
            ok, image = self._camera.capture.retrieve()
            if ok and image.shape == self._spec.shape:
                return Frame(self._stream, seq, device_ns, host_ns, cast(Image, image))
            data["reason"] = "cannot be decoded" if not ok else f"its shape is {image.shape}"
        return DeviceEvent(self._stream, "drop", device_ns, host_ns, data)

    def _gap(self, device_ns: int, host_ns: int, last_ns: int) -> DeviceEvent:
        data = {"interval_ms": round((device_ns - last_ns) * 1e-6, 3)}
        return DeviceEvent(self._stream, "gap", device_ns, host_ns, data)

    def _offer(
        self, arrived: "queue.Queue[Frame | DeviceEvent | SensorError]", item: Frame | DeviceEvent
    ) -> None:
        # A reader that is too slow loses frames, whose numbers tell; the camera is never held up.
        with suppress(queue.Full):
            arrived.put_nowait(item)

    def _hand_over(
        self, arrived: "queue.Queue[Frame | DeviceEvent | SensorError]", error: SensorError
    ) -> None:
        while not self._stopped.is_set():
            with suppress(queue.Full):
                arrived.put(error, timeout=_POLL_S)
                return
