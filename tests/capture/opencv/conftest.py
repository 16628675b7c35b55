"""A stand-in for ``cv2.VideoCapture`` on a webcam, with what the V4L2 backend is known to do.

A setting that the camera cannot do is answered with the nearest it can; the size changes when
width and height were both set; POS_MSEC is the driver's time of the last image, 0 before the first;
`grab` blocks, for good when the driver hangs, and is False when the device has gone; one program at
a time has the camera; the object belongs to the thread that uses it.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

MODES = {
    "YUYV": [(64, 48, 100.0), (128, 96, 25.0)],
    "MJPG": [(64, 48, 100.0), (128, 96, 100.0)],
}


def code(fourcc: str) -> int:
    return cv2.VideoWriter.fourcc(*fourcc)


@dataclass
class Webcam:
    """The device itself; `plug` makes what the program opens."""

    has_driver_time: bool = True
    says_rate: bool = True
    unplug_after: int | None = None
    hang_after: int | None = None
    miss: frozenset[int] = frozenset()
    bad_jpeg: frozenset[int] = frozenset()
    time_back: frozenset[int] = frozenset()
    resize_after: int | None = None
    powered: threading.Event = field(default_factory=threading.Event)
    in_use: bool = False
    n_released: int = 0

    def plug(self, device: object, api: int) -> "Capture":
        return Capture(self, device, api)


class Capture:
    def __init__(self, camera: Webcam, device: object, api: int) -> None:
        self.camera, self.api = camera, api
        self._opened = device in (0, "/dev/video0") and not camera.in_use
        camera.in_use |= self._opened
        self._fourcc, self._width_px, self._height_px, self._rate_hz = "YUYV", 64, 48, 100.0
        self._asked_width_px = 0
        self._n, self._taken_ns, self._begin_ns = 0, 0, 0
        self._using = threading.Lock()

    def isOpened(self) -> bool:
        return self._opened

    def getBackendName(self) -> str:
        return "V4L2"

    def set(self, prop: int, value: float) -> bool:
        modes = MODES[self._fourcc]
        if prop == cv2.CAP_PROP_FOURCC:
            names = {code(name): name for name in MODES}
            self._fourcc = names.get(int(value), self._fourcc)
        elif prop == cv2.CAP_PROP_FRAME_WIDTH:
            self._asked_width_px = int(value)
        elif prop == cv2.CAP_PROP_FRAME_HEIGHT and self._asked_width_px:
            near = min(modes, key=lambda m: abs(m[0] - self._asked_width_px))
            self._width_px, self._height_px, self._rate_hz = near
        elif prop == cv2.CAP_PROP_FPS:
            most = next(hz for w, _, hz in modes if w == self._width_px)
            self._rate_hz = min(value, most)
        return True

    def get(self, prop: int) -> float:
        return {
            cv2.CAP_PROP_FOURCC: float(code(self._fourcc)),
            cv2.CAP_PROP_FRAME_WIDTH: float(self._width_px),
            cv2.CAP_PROP_FRAME_HEIGHT: float(self._height_px),
            cv2.CAP_PROP_FPS: self._rate_hz if self.camera.says_rate else -1.0,
            cv2.CAP_PROP_POS_MSEC: self._taken_ns * 1e-6 if self.camera.has_driver_time else 0.0,
            cv2.CAP_PROP_EXPOSURE: 157.0,
        }.get(prop, -1.0)

    def grab(self) -> bool:
        assert self._using.acquire(blocking=False), "used by two threads"
        try:
            camera, period_ns = self.camera, round(1e9 / self._rate_hz)
            self._begin_ns = self._begin_ns or time.monotonic_ns()
            self._n += 1
            while self._n in camera.miss:
                self._n += 1
            if camera.unplug_after is not None and self._n > camera.unplug_after:
                return False
            if camera.hang_after is not None and self._n > camera.hang_after:
                camera.powered.wait()
                return False
            due_ns = self._begin_ns + self._n * period_ns
            time.sleep(max(0, due_ns - time.monotonic_ns()) * 1e-9)
            self._taken_ns = due_ns - 2_000_000
            if self._n in camera.time_back:
                self._taken_ns -= 3 * period_ns
            return True
        finally:
            self._using.release()

    def retrieve(self) -> tuple[bool, NDArray[np.uint8] | None]:
        assert self._n, "nothing was grabbed"
        if self._n in self.camera.bad_jpeg:
            return False, None
        grown = self.camera.resize_after is not None and self._n > self.camera.resize_after
        shape = (self._height_px + grown, self._width_px, 3)
        return True, np.full(shape, self._n % 256, np.uint8)

    def release(self) -> None:
        assert self._using.acquire(blocking=False), "released while it is being read"
        if self._opened:
            self.camera.in_use = self._opened = False
            self.camera.n_released += 1
        self._using.release()


@pytest.fixture
def plug(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Webcam]:
    """Plug a webcam in; arguments are its faults."""

    def make(**faults: Any) -> Webcam:
        camera = Webcam(**faults)
        monkeypatch.setattr(cv2, "VideoCapture", camera.plug)
        return camera

    return make
