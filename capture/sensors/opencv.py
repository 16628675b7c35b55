"""Any camera or video file that OpenCV reads: webcams, capture cards, films, as a color stream."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..errors import ConfigError
from ..sensor import Sensor, SensorConfig
from ..structure import decode
from .opencv_camera import CameraSensor
from .opencv_connect import CameraSettings, connect
from .opencv_file import open_file

STREAM = "color"
_MAX_RATE_HZ = 1000.0
_CAMERA_ONLY = ("device", "width_px", "height_px", "rate_hz", "fourcc")


@dataclass(frozen=True, slots=True)
class OpenCvOptions:
    """Options of the kind ``opencv``.

    Attributes
    ----------
    device : int, str or None
        A camera: its number, or the path of its device file; 0 when there is no `file`.
    file : str or None
        A video file, played at its own pace.
    width_px, height_px : int or None
        Asked of the camera; None: its default. Refused when the camera does not accept them.
    rate_hz : float or None
        Likewise.
    fourcc : str or None
        Format on the wire, e.g. "MJPG", which most webcams need for more than 640×480 at 30 Hz.
    backend : {"auto", "v4l2", "gstreamer", "ffmpeg", "dshow", "msmf", "avfoundation"}
    loop : bool
        Begin the file anew at its end, with numbers and times going on.
    """

    device: int | str | None = None
    file: str | None = None
    width_px: int | None = None
    height_px: int | None = None
    rate_hz: float | None = None
    fourcc: str | None = None
    backend: Literal["auto", "v4l2", "gstreamer", "ffmpeg", "dshow", "msmf", "avfoundation"] = (
        "auto"
    )
    loop: bool = False

    def __post_init__(self) -> None:
        if self.file is not None:
            for name in _CAMERA_ONLY:
                if getattr(self, name) is not None:
                    raise ConfigError(f"{name} is for cameras, and file names a video file")
        elif self.loop:
            raise ConfigError("loop is for video files", remedy="name one: file = ...")
        if (self.width_px is None) != (self.height_px is None):
            raise ConfigError("width_px and height_px go together")
        for value in (self.width_px, self.height_px):
            if value is not None and value < 1:
                raise ConfigError(f"width_px and height_px: {value} px is no size")
        if self.rate_hz is not None and not 0 < self.rate_hz <= _MAX_RATE_HZ:
            raise ConfigError(f"rate_hz is {self.rate_hz:g}, expected above 0 to {_MAX_RATE_HZ:g}")
        if self.fourcc is not None and not (len(self.fourcc) == 4 and self.fourcc.isascii()):
            raise ConfigError(f"fourcc is {self.fourcc!r}, expected four letters, e.g. 'MJPG'")
        if isinstance(self.device, int) and self.device < 0:
            raise ConfigError(f"device is {self.device}, expected 0 or more, or a path")


def open_opencv(config: SensorConfig) -> Sensor:
    """Open a camera or a video file through OpenCV.

    Parameters
    ----------
    config : SensorConfig
        Options: those of `OpenCvOptions`.

    Raises
    ------
    ConfigError
        Unknown option or a value that cannot be meant.
    SensorError
        No such camera or file, or the camera does not accept what was asked.
    """
    options = decode(OpenCvOptions, config.options, where=f"sensor {config.name!r}")
    if options.file is not None:
        path = Path(options.file)
        return open_file(config.name, STREAM, path, loop=options.loop, backend=options.backend)
    settings = CameraSettings(
        device=0 if options.device is None else options.device,
        width_px=options.width_px,
        height_px=options.height_px,
        rate_hz=options.rate_hz,
        fourcc=options.fourcc,
        backend=options.backend,
    )
    return CameraSensor(config.name, STREAM, connect(settings, STREAM))
