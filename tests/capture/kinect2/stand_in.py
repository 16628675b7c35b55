"""Stands for pylibfreenect2 (its .pyx at 0.1.5.dev0) and for the device under it.

The same names, arguments and habits: serial numbers are bytes, ``start`` and ``stop`` return None,
a listener keeps the latest frame of each type and hands out memory that is gone after ``release``.
The device free-runs in a thread: 30 Hz, color at 15 Hz in the dark, numbers and ticks of 0.125 ms.
"""

import threading
import time
from enum import IntEnum
from typing import Any

import numpy as np

COLOR_SHAPE, DEPTH_SHAPE = (1080, 1920, 4), (424, 512)
_COLOR = np.zeros(COLOR_SHAPE, np.uint8)
_COLOR[..., 0], _COLOR[:, :100, 2], _COLOR[..., 3] = 40, 200, 255
"""Blue, with a red stripe on the left of what the device delivers: a mirrored image."""
_RAMP = np.tile(np.linspace(500, 4500, 512, dtype=np.float32), (424, 1))


class FrameType(IntEnum):
    Color = 1
    Ir = 2
    Depth = 4


class Plan:
    """How the device behaves; tests set it before they open it."""

    serials: tuple[bytes, ...] = (b"012345678901",)
    rate_hz = 30.0
    dark = False
    first_sequence = 1
    first_ticks = 1000
    skip: frozenset[int] = frozenset()  # depth packets lost on the bus
    unplug_after_s: float | None = None
    silent: frozenset[int] = frozenset()  # types that never come
    restart_after_s: float | None = None


plan = Plan()
opened: list["Freenect2Device"] = []


class Frame:
    def __init__(self, kind: int, data: np.ndarray, ticks: int, sequence: int) -> None:
        self._kind, self._data = kind, data
        self.timestamp, self.sequence = ticks, sequence
        self.height, self.width = data.shape[:2]
        self.bytes_per_pixel = 4
        color = kind == FrameType.Color
        self.exposure, self.gain, self.gamma = (12.5, 1.5, 2.2) if color else (0.0, 0.0, 0.0)

    def asarray(self, dtype: Any = None) -> np.ndarray:
        if dtype is None or np.dtype(dtype) == self._data.dtype:
            return self._data  # a view: garbage after release
        raise ValueError("np.uint8 or np.float32 is only supported")


class FrameMap:
    def __init__(self, take_ownership: bool = False) -> None:
        self.frames: dict[int, Frame] = {}

    def __getitem__(self, key: Any) -> Frame:
        if isinstance(key, str):
            names = {"color": FrameType.Color, "ir": FrameType.Ir, "depth": FrameType.Depth}
            key = names[key]
        return self.frames[int(key)]


class SyncMultiFrameListener:
    def __init__(self, frame_types: int = 7) -> None:
        self._types = [int(t) for t in FrameType if int(t) & frame_types]
        self._latest: dict[int, Frame] = {}
        self._changed = threading.Condition()

    def hasNewFrame(self) -> bool:
        return len(self._latest) == len(self._types)

    def waitForNewFrame(
        self, frame_map: FrameMap | None = None, milliseconds: int = -1
    ) -> FrameMap | None:
        with self._changed:
            limit_s = None if milliseconds < 0 else milliseconds / 1000
            if not self._changed.wait_for(self.hasNewFrame, limit_s):
                return None
            found = frame_map or FrameMap()
            found.frames, self._latest = self._latest, {}
            return found

    def release(self, frame_map: FrameMap) -> None:
        for frame in frame_map.frames.values():
            frame._data.fill(99)
        frame_map.frames = {}

    def offer(self, kind: int, frame: Frame) -> None:
        with self._changed:
            if kind in self._types:
                self._latest[kind] = frame
                self._changed.notify_all()


class _Parameters:
    def __init__(self, **values: float) -> None:
        self.__dict__.update(values)


class Freenect2Device:
    def __init__(self, serial: bytes) -> None:
        self._serial = serial
        self._color: SyncMultiFrameListener | None = None
        self._depth: SyncMultiFrameListener | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.calls: list[str] = []
        opened.append(self)

    def getSerialNumber(self) -> bytes:
        return self._serial

    def getFirmwareVersion(self) -> bytes:
        return b"4.3.3911.0"

    def getColorCameraParams(self) -> _Parameters:
        self._require_started()
        return _Parameters(fx=1081.37, fy=1081.37, cx=959.5, cy=539.5, mx_x3y0=0.0004)

    def getIrCameraParams(self) -> _Parameters:
        self._require_started()
        return _Parameters(fx=366.1, fy=366.1, cx=255.6, cy=204.2, k1=0.09, k2=-0.27, p1=0.0)

    def setColorFrameListener(self, listener: SyncMultiFrameListener) -> None:
        self._color = listener

    def setIrAndDepthFrameListener(self, listener: SyncMultiFrameListener) -> None:
        self._depth = listener

    def start(self) -> None:
        self.calls.append("start")
        self._thread.start()

    def stop(self) -> None:
        self.calls.append("stop")
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    def close(self) -> None:
        self.calls.append("close")

    def _require_started(self) -> None:
        assert "start" in self.calls, "tables are read from the device when it starts"

    def _run(self) -> None:
        begun_s, number, origin = time.monotonic(), 0, 0
        while not self._ended.wait(max(0.0, begun_s + number / plan.rate_hz - time.monotonic())):
            elapsed_s = number / plan.rate_hz
            if plan.unplug_after_s is not None and elapsed_s > plan.unplug_after_s:
                return
            if plan.restart_after_s is not None and elapsed_s > plan.restart_after_s and not origin:
                origin = number
            sequence = (plan.first_sequence + number - origin) % 2**32
            if origin:
                sequence = number - origin
            ticks = round((number - origin) * 8000 / plan.rate_hz)
            ticks = (ticks if origin else plan.first_ticks + ticks) % 2**32
            self._deliver(number, sequence, ticks)
            number += 1

    def _deliver(self, number: int, sequence: int, ticks: int) -> None:
        if self._color is not None and not (plan.dark and number % 2):
            self._offer(self._color, FrameType.Color, _COLOR, ticks, sequence // (1 + plan.dark))
        if self._depth is not None and number not in plan.skip:
            depth = _RAMP.copy()
            depth[:10] = 0
            depth[10, :3] = (np.nan, np.inf, -5.0)
            self._offer(self._depth, FrameType.Ir, _RAMP * 10, ticks, sequence)
            self._offer(self._depth, FrameType.Depth, depth, ticks, sequence)

    def _offer(
        self, listener: SyncMultiFrameListener, kind: int, image: np.ndarray, ticks: int, seq: int
    ) -> None:
        if kind not in plan.silent:
            listener.offer(kind, Frame(kind, image.copy(), ticks, seq))


class CpuPacketPipeline:
    pass


class Freenect2:
    def enumerateDevices(self) -> int:
        return len(plan.serials)

    def getDeviceSerialNumber(self, idx: int) -> bytes:
        return plan.serials[idx]

    def getDefaultDeviceSerialNumber(self) -> bytes:
        return plan.serials[0]

    def openDevice(self, name: Any, pipeline: Any = None) -> Freenect2Device:
        assert isinstance(name, bytes)
        assert name in plan.serials, "the library would crash at the first call"
        return Freenect2Device(name)


def setGlobalLogger(logger: Any) -> None:
    assert logger is None
