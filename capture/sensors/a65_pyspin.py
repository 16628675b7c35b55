"""GigE Vision through PySpin, the Python binding of the vendor's Spinnaker SDK."""

import importlib
import ipaddress
import logging
import time
from contextlib import suppress
from typing import Any

import numpy as np

from ..errors import SensorError
from .a65_transport import CameraLostError, NodeValue, RawBuffer, Selection

logger = logging.getLogger(__name__)

_TIMEOUT = -1011
"""SPINNAKER_ERR_TIMEOUT."""
_LOST = "check the camera's power and cable"
_COUNTERS = (
    "StreamStartedFrameCount",
    "StreamDeliveredFrameCount",
    "StreamLostFrameCount",
    "StreamDroppedFrameCount",
    "StreamIncompleteFrameCount",
    "StreamMissedPacketCount",
    "StreamPacketResendRequestCount",
    "StreamPacketResendReceivedPacketCount",
    "StreamInputBufferCount",
    "StreamOutputBufferCount",
)
"""Names differ between versions of the SDK; those that exist are reported."""


def open_pyspin(selection: Selection) -> "PySpinTransport":
    """Open a camera.

    Raises
    ------
    ImportError
        The SDK's wheel is not installed.
    SensorError
        No such camera, several, or another program controls it.
    """
    spin: Any = importlib.import_module("PySpin")
    if not hasattr(spin, "System"):
        raise ImportError("the module PySpin is not the one of the Spinnaker SDK")
    return PySpinTransport(spin, selection)


class PySpinTransport:
    """Satisfies `capture.sensors.a65_transport.Transport`.

    The SDK counts references: a camera must be let go before the list of cameras is cleared, and
    both before the system is released.
    """

    def __init__(self, spin: Any, selection: Selection) -> None:
        self._spin, self._selection = spin, selection
        self._acquiring = False
        self._camera: Any = None
        self._system = spin.System.GetInstance()
        self._cameras: Any = None
        try:
            self._cameras = self._system.GetCameras()
            self._camera = self._pick()
            self._camera.Init()
            self._map, self._stream_map = (
                self._camera.GetNodeMap(),
                self._camera.GetTLStreamNodeMap(),
            )
            self._prepare()
        except spin.SpinnakerException as error:
            self.close(lost=False)
            raise SensorError(
                f"{selection.text} cannot be opened: {error}",
                remedy="close viewers and other recorders, check its address",
            ) from error
        except SensorError:
            self.close(lost=False)
            raise

    @property
    def name(self) -> str:
        """Library and version."""
        version = self._system.GetLibraryVersion()
        return f"Spinnaker {version.major}.{version.minor}.{version.type}.{version.build}"

    def get(self, node: str) -> NodeValue | None:
        """Read a GenICam node."""
        return self._value(self._map.GetNode(node))

    def set(self, node: str, value: NodeValue) -> None:
        """Write a GenICam node."""
        self._write(self._map, node, value)

    def execute(self, node: str) -> None:
        """Run a GenICam command."""
        spin = self._spin
        found = self._map.GetNode(node)
        try:
            if not (spin.IsAvailable(found) and spin.IsWritable(found)):
                raise SensorError(f"the camera has no command {node}")
            spin.CCommandPtr(found).Execute()
        except spin.SpinnakerException as error:
            raise SensorError(f"{node} failed: {error}", remedy=_LOST) from error

    def nodes(self) -> dict[str, NodeValue]:
        """Read every node below ``Root``."""
        spin = self._spin
        values: dict[str, NodeValue] = {}
        waiting, seen = [self._map.GetNode("Root")], set[str]()
        while waiting:
            node = waiting.pop()
            if not spin.IsAvailable(node) or node.GetName() in seen:
                continue
            seen.add(node.GetName())
            if node.GetPrincipalInterfaceType() == spin.intfICategory:
                waiting += spin.CCategoryPtr(node).GetFeatures()
            elif (value := self._value(node)) is not None:
                values[node.GetName()] = value
        return dict(sorted(values.items()))

    def genicam_xml(self) -> str | None:
        """Return None: PySpin does not give the camera's own file."""
        return None

    def start(self) -> None:
        """Start acquisition."""
        try:
            self._camera.BeginAcquisition()
        except self._spin.SpinnakerException as error:
            raise SensorError(f"no acquisition: {error}", remedy=_LOST) from error
        self._acquiring = True

    def next_buffer(self, timeout_s: float) -> RawBuffer | None:
        """Take out the oldest image; it is copied and given back in any case."""
        spin = self._spin
        try:
            image = self._camera.GetNextImage(round(timeout_s * 1e3))
        except spin.SpinnakerException as error:
            if getattr(error, "errorcode", None) == _TIMEOUT:
                return None
            raise CameraLostError(f"the camera is lost: {error}", remedy=_LOST) from error
        host_ns = time.monotonic_ns()
        try:
            pixels, status = None, "ok"
            if image.IsIncomplete():
                status = f"incomplete, status {int(image.GetImageStatus())}"
            else:
                pixels = np.array(image.GetNDArray())
                if pixels.dtype != np.uint16 or pixels.ndim != 2:
                    raise SensorError(
                        f"images are {pixels.dtype} {pixels.shape}, expected uint16 (H, W)",
                        remedy="use another version of the SDK, or transport = 'aravis'",
                    )
            return RawBuffer(status, image.GetFrameID(), image.GetTimeStamp(), host_ns, pixels)
        finally:
            image.Release()

    def answers(self) -> bool:
        """Whether the camera answers."""
        try:
            return bool(self._camera.IsValid() and self._camera.IsStreaming())
        except self._spin.SpinnakerException:
            return False

    def statistics(self) -> dict[str, int]:
        """Return the counters that this version of the SDK has."""
        found = {name: self._value(self._stream_map.GetNode(name)) for name in _COUNTERS}
        return {name: int(value) for name, value in found.items() if value is not None}

    def stop(self) -> None:
        """Stop acquisition."""
        if self._acquiring:
            self._acquiring = False
            with suppress(self._spin.SpinnakerException):  # it has stopped if it is gone
                self._camera.EndAcquisition()

    def close(self, *, lost: bool) -> None:
        """Release camera, list and system, in this order.

        A camera that is gone is not asked anything: the SDK may crash on it.
        """
        if self._system is None:
            return
        failure = self._spin.SpinnakerException
        self._map = self._stream_map = None
        if self._camera is not None:
            if not lost:
                self.stop()
                with suppress(failure):
                    self._camera.DeInit()
            del self._camera
            self._camera = None
        try:
            if self._cameras is not None:
                self._cameras.Clear()
                self._cameras = None
            self._system.ReleaseInstance()
        except failure as error:
            logger.warning("the SDK was not released: %s", error)
        self._system = None

    def _pick(self) -> Any:
        selection, spin, cameras = self._selection, self._spin, self._cameras
        found = []
        for index in range(cameras.GetSize()):
            camera = cameras.GetByIndex(index)
            transport_map = camera.GetTLDeviceNodeMap()
            serial = self._value(transport_map.GetNode("DeviceSerialNumber"))
            address = self._value(transport_map.GetNode("GevDeviceIPAddress"))
            ip = str(ipaddress.IPv4Address(address)) if isinstance(address, int) else None
            found.append((serial, ip))
            del camera
        fitting = [
            index
            for index, (serial, ip) in enumerate(found)
            if selection.serial in (None, serial) and selection.ip in (None, ip)
        ]
        if len(fitting) != 1:
            seen = ", ".join(f"{serial} at {ip}" for serial, ip in found) or "none"
            raise SensorError(
                f"{selection.text} was not found; cameras seen by {spin.__name__}: {seen}",
                remedy="check power and network, set serial or ip in the rig file",
            )
        return cameras.GetByIndex(fitting[0])

    def _prepare(self) -> None:
        self._write(self._stream_map, "StreamBufferHandlingMode", "OldestFirst")
        self._write(self._stream_map, "StreamBufferCountMode", "Manual")
        self._write(self._stream_map, "StreamBufferCountManual", self._selection.n_buffers)
        self._write(self._map, "GevSCPSPacketSize", self._selection.packet_size_bytes)

    def _write(self, nodes: Any, name: str, value: NodeValue) -> None:
        spin = self._spin
        node = nodes.GetNode(name)
        try:
            if not (spin.IsAvailable(node) and spin.IsWritable(node)):
                raise SensorError(
                    f"{name} cannot be set to {value!r}: it is missing or read-only",
                    remedy="close other programs that use the camera, then power-cycle it",
                )
            kind = node.GetPrincipalInterfaceType()
            if kind == spin.intfIEnumeration:
                enumeration = spin.CEnumerationPtr(node)
                entry = enumeration.GetEntryByName(str(value))
                if not (spin.IsAvailable(entry) and spin.IsReadable(entry)):
                    raise SensorError(
                        f"{name} cannot be {value!r}: the camera does not offer it",
                        remedy="check that serial or ip in the rig file mean the A65",
                    )
                enumeration.SetIntValue(spin.CEnumEntryPtr(entry).GetValue())
            elif kind == spin.intfIFloat:
                spin.CFloatPtr(node).SetValue(float(value))
            elif kind == spin.intfIBoolean:
                spin.CBooleanPtr(node).SetValue(bool(value))
            elif kind == spin.intfIInteger:
                spin.CIntegerPtr(node).SetValue(int(value))
            else:
                spin.CStringPtr(node).SetValue(str(value))
        except spin.SpinnakerException as error:
            raise SensorError(f"{name} cannot be set to {value!r}: {error}") from error

    def _value(self, node: Any) -> NodeValue | None:
        spin = self._spin
        try:
            if not (spin.IsAvailable(node) and spin.IsReadable(node)):
                return None
            kind = node.GetPrincipalInterfaceType()
            if kind == spin.intfIEnumeration:
                entry = spin.CEnumerationPtr(node).GetCurrentEntry()
                return str(spin.CEnumEntryPtr(entry).GetSymbolic())
            if kind == spin.intfIFloat:
                return float(spin.CFloatPtr(node).GetValue())
            if kind == spin.intfIBoolean:
                return bool(spin.CBooleanPtr(node).GetValue())
            if kind == spin.intfIInteger:
                return int(spin.CIntegerPtr(node).GetValue())
            if kind == spin.intfIString:
                return str(spin.CStringPtr(node).GetValue())
        except spin.SpinnakerException as error:
            logger.debug("node not readable: %s", error)
        return None
