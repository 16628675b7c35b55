"""A video file as a sensor: its frames at its own pace, with its own times."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import cast

import cv2

from ..errors import SensorError
from ..frame import DeviceEvent, Frame, Image, StreamSpec
from ..sensor import SensorInfo
from .opencv_properties import api_of, fourcc_text
from .playing import Due, PlayedSensor

_N_MEASURED = 64


def open_file(name: str, stream: str, path: Path, *, loop: bool, backend: str) -> PlayedSensor:
    """Open a video file.

    Raises
    ------
    SensorError
        It cannot be read, or its frames have no times.
    """
    film = _Film(name, stream, path, backend)
    return PlayedSensor(name, film.info, lambda start_ns: film.play(loop=loop))


class _Film:
    def __init__(self, name: str, stream: str, path: Path, backend: str) -> None:
        self._name, self._stream, self._path, self._api = name, stream, path, api_of(backend)
        capture = self._opened()
        try:
            ok, image = capture.read()
            if not ok:
                raise SensorError(f"{name}: {path} has no frames OpenCV can decode")
            height_px, width_px = image.shape[:2]
            times_ns = [_time_ns(capture)]
            while len(times_ns) < _N_MEASURED and capture.grab():
                times_ns.append(_time_ns(capture))
            codec = fourcc_text(capture.get(cv2.CAP_PROP_FOURCC))
            program = capture.getBackendName()
        finally:
            capture.release()
        steps_ns = [after - before for before, after in pairwise(times_ns)]
        # The median, for the rate a file claims is often the number of its ticks in a second.
        self._period_ns = round(median(steps_ns)) if steps_ns else 0
        if self._period_ns <= 0:
            raise SensorError(
                f"{name}: the frames of {path} have no times",
                remedy="put it into a container that has, e.g. with ffmpeg -i FILE FILE.mkv",
            )
        spec = StreamSpec(stream, "color", width_px, height_px, "BGR8", None, 1e9 / self._period_ns)
        parameters = {"file": path.name, "codec": codec, "backend": program, "device_time": "file"}
        self.info = SensorInfo("video file", codec, path.name, cv2.__version__, (spec,), parameters)

    def play(self, *, loop: bool) -> Iterator[Due]:
        """Yield frames with the time they are due; `seq` is the number of the frame."""
        ahead_ns, number = 0, 0
        while True:
            capture = self._opened()
            try:
                last_ns = begin_ns = None
                while capture.grab():
                    time_ns = _time_ns(capture)
                    begin_ns = time_ns if begin_ns is None else begin_ns
                    yield (
                        ahead_ns + time_ns - begin_ns,
                        self._item(capture, number, ahead_ns + time_ns, last_ns, time_ns),
                    )
                    last_ns = time_ns if last_ns is None else max(last_ns, time_ns)
                    number += 1
            finally:
                capture.release()
            if last_ns is None or begin_ns is None:
                raise SensorError(f"{self._name}: {self._path} has no frames any more")
            if not loop:
                return
            ahead_ns += last_ns - begin_ns + self._period_ns

    def _item(
        self,
        capture: cv2.VideoCapture,
        number: int,
        device_ns: int,
        last_ns: int | None,
        time_ns: int,
    ) -> Frame | DeviceEvent:
        reason = "its time does not increase"
        if last_ns is None or time_ns > last_ns:
            ok, image = capture.retrieve()
            if ok and image.shape == self.info.streams[0].shape:
                return Frame(self._stream, number, device_ns, 0, cast(Image, image))
            reason = "cannot be decoded"
        return DeviceEvent(self._stream, "drop", device_ns, 0, {"reason": reason, "seq": number})

    def _opened(self) -> cv2.VideoCapture:
        if not self._path.is_file():
            raise SensorError(f"{self._name}: {self._path} is not a file")
        capture = cv2.VideoCapture(str(self._path), self._api)
        if not capture.isOpened():
            capture.release()
            raise SensorError(f"{self._name}: OpenCV cannot read {self._path}")
        return capture


def _time_ns(capture: cv2.VideoCapture) -> int:
    return round(capture.get(cv2.CAP_PROP_POS_MSEC) * 1e6)
