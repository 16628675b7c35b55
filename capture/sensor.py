"""What a sensor is to a daemon: open it, read what it delivers, close it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, Protocol, Self

from .frame import DeviceEvent, Frame, StreamSpec

Codec = Literal["compressed", "raw"]


@dataclass(frozen=True, slots=True)
class SensorConfig:
    """What is asked of a sensor: the ``[[sensor]]`` table of a rig file.

    Attributes
    ----------
    name : str
        Name of the sensor in the rig; also the name of its daemon and recording.
    kind : str
        Entry point in the group ``mavfer.sensors``, e.g. ``simulated-kinect2``.
    options : mapping
        Options of that kind; the opener refuses unknown ones with the nearest valid name.
    codec : {"compressed", "raw"}
        How 16-bit images are stored: lossless either way.
    jpeg_quality : int
        Of color images, 1 to 100.
    """

    name: str
    kind: str
    options: Mapping[str, Any] = field(default_factory=dict)
    codec: Codec = "compressed"
    jpeg_quality: int = 90


@dataclass(frozen=True, slots=True)
class SensorInfo:
    """What the opened device really is and delivers.

    Attributes
    ----------
    vendor, model, serial, firmware : str
    streams : tuple of StreamSpec
    parameters : mapping of str to JSON values
        Everything worth keeping with the recording: factory calibration, GenICam values,
        settings as read back.
    """

    vendor: str
    model: str
    serial: str
    firmware: str
    streams: tuple[StreamSpec, ...]
    parameters: Mapping[str, Any] = field(default_factory=dict)


class Sensor(Protocol):
    """An opened sensor. Cameras free-run: nothing is triggered by a message.

    `frames` blocks between frames, yields frames of all streams in order of arrival and ends
    after `stop` was called (from any thread) or raises `SensorError` when the device is lost.
    `close` may be called twice; reading after it raises `SensorError`.
    """

    @property
    def info(self) -> SensorInfo:
        """What the device accepted."""
        ...

    def frames(self) -> Iterator[Frame | DeviceEvent]:
        """Start streaming and yield until `stop`."""
        ...

    def stop(self) -> None:
        """End `frames` soon; safe from another thread."""
        ...

    def close(self) -> None:
        """Release the device."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...
