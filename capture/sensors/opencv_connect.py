"""Opening a camera through OpenCV: what is asked of it, and what it really delivers."""

import math
import time
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median

import cv2
import numpy as np

from ..errors import SensorError
from ..frame import StreamSpec
from ..sensor import SensorInfo
from .opencv_properties import SETTINGS, api_of, fourcc_text

_N_TRIED = 8
_RATE_TOLERANCE = 0.05
_CLOCK_TOLERANCE = 0.25


@dataclass(frozen=True, slots=True)
class CameraSettings:
    """What is asked of a camera; None leaves it to the camera."""

    device: int | str
    width_px: int | None = None
    height_px: int | None = None
    rate_hz: float | None = None
    fourcc: str | None = None
    backend: str = "auto"


@dataclass(frozen=True, slots=True)
class Camera:
    """An opened camera that delivers.

    Attributes
    ----------
    capture : cv2.VideoCapture
    info : SensorInfo
    has_driver_time : bool
        The driver stamps its images; else the time of their arrival is all there is.
    """

    capture: cv2.VideoCapture
    info: SensorInfo
    has_driver_time: bool


def connect(settings: CameraSettings, stream: str) -> Camera:
    """Open a camera, set it up, and look at what it really delivers.

    Raises
    ------
    SensorError
        It is not there, delivers nothing, or does not accept what was asked.
    """
    where = f"camera {settings.device!r}"
    capture = cv2.VideoCapture(settings.device, api_of(settings.backend))
    if not capture.isOpened():
        capture.release()
        raise SensorError(
            f"{where} cannot be opened",
            remedy="plug it in, close other programs that use it; `v4l2-ctl --list-devices`",
        )
    try:
        _ask(capture, settings)
        return _observed(capture, settings, stream, where)
    except BaseException:
        capture.release()
        raise


def _ask(capture: cv2.VideoCapture, settings: CameraSettings) -> None:
    # In this order: a format decides on sizes, and a size on rates.
    if settings.fourcc is not None:
        capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*settings.fourcc))
    if settings.width_px is not None and settings.height_px is not None:
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, settings.width_px)
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, settings.height_px)
    if settings.rate_hz is not None:
        capture.set(cv2.CAP_PROP_FPS, settings.rate_hz)


def _observed(
    capture: cv2.VideoCapture, settings: CameraSettings, stream: str, where: str
) -> Camera:
    """Read a few images: they, not the settings, say what comes."""
    seen: list[tuple[int, int]] = []
    for _ in range(_N_TRIED):
        if not capture.grab():
            raise SensorError(
                f"{where} delivers no images",
                remedy="try fourcc = 'MJPG', a smaller size or another USB port",
            )
        seen.append((time.monotonic_ns(), driver_time_ns(capture)))
    ok, image = capture.retrieve()
    if not ok or image.ndim != 3 or image.dtype != np.uint8:
        raise SensorError(f"{where} delivers images that are not in color")
    height_px, width_px = image.shape[:2]
    fourcc = fourcc_text(capture.get(cv2.CAP_PROP_FOURCC))
    claimed_hz = capture.get(cv2.CAP_PROP_FPS)
    if not (math.isfinite(claimed_hz) and claimed_hz > 0):
        claimed_hz = 0.0
    has_driver_time = _keeps_time(seen)
    column = 1 if has_driver_time else 0
    # The first images wait for one another while the camera gets going.
    steps_ns = [b[column] - a[column] for a, b in pairwise(seen[2:])]
    measured_hz = 1e9 / max(1.0, median(steps_ns))
    _check(settings, (width_px, height_px), fourcc, claimed_hz or measured_hz, where)
    spec = StreamSpec(
        stream, "color", width_px, height_px, "BGR8", None, round(claimed_hz or measured_hz, 3)
    )
    about = _about(settings.device)
    info = SensorInfo(
        vendor=about.get("manufacturer", "unknown"),
        model=about.get("product", "camera"),
        serial=about.get("serial", "unknown"),
        firmware=about.get("bcdDevice", "unknown"),
        streams=(spec,),
        parameters={
            "device": settings.device,
            "backend": capture.getBackendName(),
            "opencv": cv2.__version__,
            "fourcc": fourcc,
            "claimed_rate_hz": claimed_hz,
            "measured_rate_hz": round(measured_hz, 3),
            "device_time": "driver" if has_driver_time else "host",
            "settings": _settings(capture),
        },
    )
    return Camera(capture, info, has_driver_time)


def _check(
    asked: CameraSettings, size_px: tuple[int, int], fourcc: str, rate_hz: float, where: str
) -> None:
    """Compare what was asked with what comes.

    Raises
    ------
    SensorError
        They differ.
    """
    remedy = "`v4l2-ctl --list-formats-ext` lists what it can do"
    if asked.width_px is not None and (asked.width_px, asked.height_px) != size_px:
        raise SensorError(
            f"{where} delivers {size_px[0]}x{size_px[1]} px,"
            f" asked for {asked.width_px}x{asked.height_px}",
            remedy=remedy,
        )
    if asked.fourcc is not None and asked.fourcc != fourcc:
        raise SensorError(f"{where} delivers {fourcc}, asked for {asked.fourcc}", remedy=remedy)
    if asked.rate_hz is not None and abs(rate_hz / asked.rate_hz - 1) > _RATE_TOLERANCE:
        raise SensorError(
            f"{where} delivers {rate_hz:.4g} Hz, asked for {asked.rate_hz:g} Hz", remedy=remedy
        )


def _keeps_time(seen: list[tuple[int, int]]) -> bool:
    """Tell whether the driver's times increase and run as fast as this machine's clock."""
    if any(before[1] <= 0 or after[1] <= before[1] for before, after in pairwise(seen)):
        return False
    host_ns, driver_ns = (seen[-1][i] - seen[0][i] for i in (0, 1))
    return abs(driver_ns / host_ns - 1) < _CLOCK_TOLERANCE


def driver_time_ns(capture: cv2.VideoCapture) -> int:
    """Return when the driver says that the image grabbed last was taken; 0: it does not say."""
    position_ms = capture.get(cv2.CAP_PROP_POS_MSEC)
    return round(position_ms * 1e6) if math.isfinite(position_ms) else 0


def _settings(capture: cv2.VideoCapture) -> dict[str, float]:
    values = {name: capture.get(number) for name, number in SETTINGS.items()}
    return {name: value for name, value in values.items() if value != -1}  # -1: has no such


def _about(device: int | str) -> dict[str, str]:
    """Read what the USB device of a Linux camera says of itself."""
    name = f"video{device}" if isinstance(device, int) else Path(device).resolve().name
    usb = Path("/sys/class/video4linux") / name / "device" / ".."
    about = {}
    for key in ("manufacturer", "product", "serial", "bcdDevice"):
        with suppress(OSError, UnicodeDecodeError):
            if text := (usb / key).read_text(encoding="utf-8").strip():
                about[key] = text
    return about
