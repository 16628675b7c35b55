"""One stream as it was recorded: numbers and times of its frames, images read when asked for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .clock_track import ClockSegment
from .frame import Frame, Image, StreamSpec


@dataclass(frozen=True, slots=True)
class RecordedEvent:
    """Something the sensor or the recorder reported, on the controller's and the device's clock."""

    stream: str
    kind: str
    capture_time_ns: int
    data: Mapping[str, Any]
    device_time_ns: int = 0


class ImageReader(Protocol):
    """Reads the images of a stream by their index, 0 to N - 1."""

    def read(self, index: int) -> Image:
        """Decode image `index`."""
        ...

    def read_grey(self, index: int) -> NDArray[np.uint8]:
        """Decode the brightness of color image `index`."""
        ...

    def encoded(self, index: int) -> bytes:
        """Return image `index` as recorded."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class RecordedStream:
    """The frames of one stream; images are read one by one when asked for.

    Attributes
    ----------
    spec : StreamSpec
    seq, device_time_ns, host_time_ns : (N,) int64
    capture_time_ns : (N,) int64
        Controller clock, freed from delivery delay.
    uncertainty_ns : (N,) float64
        Half-width around `capture_time_ns`; NaN without clock probes.
    exposure_us, gain : (N,) float64
        NaN where the device does not say.
    segment : (N,) int64
        Raised where the device's clock began anew; `device_time_ns` increases within one.
    device_clocks : tuple of ClockSegment
        Device → host, of every segment, as used for `capture_time_ns`.
    images : ImageReader
        Behind `read`.
    part_starts : tuple of int
        Index of each part's first frame: a daemon that was lost and came back leaves several
        files. Numbers and times of the device begin anew with each; in between nobody recorded.
    """

    spec: StreamSpec
    seq: NDArray[np.int64]
    device_time_ns: NDArray[np.int64]
    host_time_ns: NDArray[np.int64]
    capture_time_ns: NDArray[np.int64]
    uncertainty_ns: NDArray[np.float64]
    exposure_us: NDArray[np.float64]
    gain: NDArray[np.float64]
    segment: NDArray[np.int64]
    device_clocks: tuple[ClockSegment, ...]
    images: ImageReader
    part_starts: tuple[int, ...] = (0,)

    def __len__(self) -> int:
        return len(self.seq)

    def __repr__(self) -> str:
        size = f"{self.spec.width_px}x{self.spec.height_px}"
        return (
            f"<RecordedStream {self.spec.name} {size}, {len(self)} frames, "
            f"{self.measured_rate_hz:.2f} Hz, {self.n_dropped} dropped>"
        )

    @property
    def n_dropped(self) -> int:
        """Frames the device numbered between a part's first and last one and that are missing."""
        spans = [int(self.seq[last] - self.seq[first]) + 1 for first, last in self._parts()]
        return sum(spans) - len(self)

    @property
    def measured_rate_hz(self) -> float:
        """Frames per second between a part's first and last frame; 0 below two frames."""
        n_intervals = sum(last - first for first, last in self._parts())
        times = self.capture_time_ns
        recorded_ns = sum(int(times[last] - times[first]) for first, last in self._parts())
        return n_intervals / (recorded_ns * 1e-9) if n_intervals else 0.0

    @property
    def device_skew_ppm(self) -> float:
        """How much faster the device's clock runs than its host's, in its longest segment."""
        longest = int(np.bincount(self.segment).argmax()) if len(self) else 0
        return 0.0 - self.device_clocks[longest].skew_ppm if self.device_clocks else 0.0

    def read(self, index: int) -> Frame:
        """Read frame `index`, 0 to N - 1.

        Raises
        ------
        RecordingError
            The image is damaged.
        """
        self._check_index(index)
        exposure_us, gain = float(self.exposure_us[index]), float(self.gain[index])
        return Frame(
            stream=self.spec.name,
            seq=int(self.seq[index]),
            device_time_ns=int(self.device_time_ns[index]),
            host_time_ns=int(self.host_time_ns[index]),
            image=self.images.read(index),
            exposure_us=None if np.isnan(exposure_us) else exposure_us,
            gain=None if np.isnan(gain) else gain,
            segment=int(self.segment[index]),
        )

    def read_grey(self, index: int) -> NDArray[np.uint8]:
        """Read the brightness (H, W) of color frame `index`, in half the time of its colors.

        Raises
        ------
        RecordingError
            The image is damaged.
        """
        self._check_index(index)
        return self.images.read_grey(index)

    def repeats(self, index: int) -> bool:
        """Tell whether frame `index` holds the very image of the one before, pixel by pixel."""
        self._check_index(index)
        return index > 0 and self.images.encoded(index) == self.images.encoded(index - 1)

    def _check_index(self, index: int) -> None:
        if not 0 <= index < len(self):
            raise IndexError(f"{self.spec.name}: frame {index} of {len(self)}")

    def _parts(self) -> list[tuple[int, int]]:
        """Return the first and the last frame of every part that has frames."""
        ends = (*self.part_starts[1:], len(self))
        return [(a, b - 1) for a, b in zip(self.part_starts, ends, strict=True) if b > a]
