"""The value types every module shares: what a stream is and what a frame carries."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Modality = Literal["color", "depth", "infrared", "thermal"]
MODALITIES: tuple[Modality, ...] = ("color", "depth", "infrared", "thermal")
PixelFormat = Literal["BGR8", "Mono14", "Mono16"]
"""GenICam PFNC names. Color images are BGR in memory, as cv2 has them."""

KELVIN_PER_COUNT = 0.04
"""A65 TemperatureLinear, high resolution: T[K] = 0.04 · counts (design of the sensor, Mono14)."""

Image = NDArray[np.uint8] | NDArray[np.uint16]


@dataclass(frozen=True, slots=True)
class StreamSpec:
    """What one stream of a sensor delivers.

    Attributes
    ----------
    name : str
        Name in the session; the modality's name on the paper's rig.
    modality : {"color", "depth", "infrared", "thermal"}
    width_px, height_px : int
    pixel_format : {"BGR8", "Mono14", "Mono16"}
        BGR8 images are (H, W, 3) uint8; the others (H, W) uint16.
    unit : str or None
        "mm" for depth (0 = invalid), "0.04 K" for thermal counts, None otherwise.
    nominal_rate_hz : float
    """

    name: str
    modality: Modality
    width_px: int
    height_px: int
    pixel_format: PixelFormat
    unit: str | None
    nominal_rate_hz: float

    @property
    def shape(self) -> tuple[int, ...]:
        """Array shape of one image, (H, W) or (H, W, 3)."""
        size = (self.height_px, self.width_px)
        return (*size, 3) if self.pixel_format == "BGR8" else size

    @property
    def dtype(self) -> "np.dtype[np.uint8] | np.dtype[np.uint16]":
        """Element type of one image."""
        return np.dtype(np.uint8) if self.pixel_format == "BGR8" else np.dtype(np.uint16)


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One image with its number and its times; modules never pass a bare image.

    Attributes
    ----------
    stream : str
    seq : int
        The device's counter, unwrapped: gaps are frames the device made and we never saw.
    device_time_ns : int
        The device's own clock, unwrapped.
    host_time_ns : int
        ``CLOCK_MONOTONIC`` of the daemon's host, read when the frame arrived.
    image : (H, W, 3) uint8 BGR or (H, W) uint16
    exposure_us : float or None
    gain : float or None
    segment : int
        Raised by the recorder each time the device's counter or clock began anew; `seq` goes on,
        `device_time_ns` is only comparable within a segment.
    """

    stream: str
    seq: int
    device_time_ns: int
    host_time_ns: int
    image: Image
    exposure_us: float | None = None
    gain: float | None = None
    segment: int = 0


@dataclass(frozen=True, slots=True)
class DeviceEvent:
    """Something a sensor reports beside its frames: ``drop``, ``nuc``, ``exposure-change``.

    Attributes
    ----------
    stream : str
        Stream it concerns.
    kind : str
    device_time_ns, host_time_ns : int
        Same clocks as in `Frame`.
    data : mapping of str to JSON values
    """

    stream: str
    kind: str
    device_time_ns: int
    host_time_ns: int
    data: Mapping[str, Any] = field(default_factory=dict)
