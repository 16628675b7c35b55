"""What the A65 needs of a GigE Vision library; Aravis and PySpin each satisfy it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import SensorError

NodeValue = str | int | float | bool


class CameraLostError(SensorError):
    """The camera went away: it need not be asked to stop."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which camera to open, and how to receive from it.

    Attributes
    ----------
    serial, ip : str or None
        None of both: the only camera there is.
    packet_size_bytes : int
        With IP and UDP headers.
    n_buffers : int
    """

    serial: str | None
    ip: str | None
    packet_size_bytes: int
    n_buffers: int

    @property
    def text(self) -> str:
        """Which camera is meant, for messages."""
        if self.serial is not None:
            return f"the camera with serial number {self.serial}"
        return f"the camera at {self.ip}" if self.ip is not None else "the only camera"


@dataclass(frozen=True, slots=True, eq=False)
class RawBuffer:
    """One block as the camera sent it.

    Attributes
    ----------
    status : str
        "ok", or why the image cannot be used.
    frame_id : int
        As on the wire, not unwrapped; means something only of a complete image.
    device_time : int
        As the library gives it: ns, or ticks of the camera.
    host_time_ns : int
        ``CLOCK_MONOTONIC``, read when the buffer was taken out.
    image : (H, W) uint16 or None
        A copy; None unless `status` is "ok".
    """

    status: str
    frame_id: int
    device_time: int
    host_time_ns: int
    image: NDArray[np.uint16] | None


class Transport(Protocol):
    """An opened camera, used by one thread at a time.

    All methods may raise `SensorError`, and `CameraLostError` when the camera is known to be gone.
    """

    @property
    def name(self) -> str:
        """Library and version."""
        ...

    def get(self, node: str) -> NodeValue | None:
        """Read a GenICam node; None when the camera has none of that name."""
        ...

    def set(self, node: str, value: NodeValue) -> None:
        """Write a GenICam node."""
        ...

    def execute(self, node: str) -> None:
        """Run a GenICam command."""
        ...

    def nodes(self) -> dict[str, NodeValue]:
        """Read every node that can be read."""
        ...

    def genicam_xml(self) -> str | None:
        """Return the camera's description of itself; None when the library does not give it."""
        ...

    def start(self) -> None:
        """Start acquisition: oldest buffer first, none overwritten."""
        ...

    def next_buffer(self, timeout_s: float) -> RawBuffer | None:
        """Wait for the next block; None when there was none in time."""
        ...

    def answers(self) -> bool:
        """Whether the camera still answers; takes some seconds when it does not."""
        ...

    def statistics(self) -> Mapping[str, int]:
        """Counters of frames and packets since `start`."""
        ...

    def stop(self) -> None:
        """Stop acquisition; without effect when stopped."""
        ...

    def close(self, *, lost: bool) -> None:
        """Release the camera; without asking it when it is `lost`."""
        ...
