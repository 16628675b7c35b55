"""GigE Vision through Aravis (GObject introspection)."""

import ctypes
import io
import logging
import re
import threading
import time
import zipfile
from contextlib import suppress
from typing import Any

import numpy as np

from ..errors import SensorError
from .a65_transport import CameraLostError, NodeValue, RawBuffer, Selection

logger = logging.getLogger(__name__)

_INSTALL = (
    "sudo apt install gir1.2-aravis-0.8 libgirepository1.0-dev libcairo2-dev pkg-config,"
    " then pip install 'mavfer[a65]'"
)
_LOST = "check the camera's power and cable"
# Bootstrap registers of GigE Vision: every camera has them.
_CONTROL_PRIVILEGE = 0x0A00
_XML_URL, _XML_URL_BYTES = 0x0200, 512
_XML_PLACE = re.compile(
    r"local:/*([^;]+);(?:0x)?([0-9a-f]+);(?:0x)?([0-9a-f]+)(?:\?.*)?", re.IGNORECASE
)


def open_aravis(selection: Selection) -> "AravisTransport":
    """Open a camera.

    Raises
    ------
    ImportError
        Aravis or its Python bindings are not installed.
    SensorError
        No such camera, several, or another program controls it.
    """
    aravis, failure = _load()
    camera = _find(aravis, failure, selection)
    return AravisTransport(aravis, failure, camera, selection)


def _load() -> tuple[Any, type[Exception]]:
    try:
        import gi

        gi.require_version("Aravis", "0.8")
        from gi.repository import Aravis, GLib
    except (ImportError, ValueError) as error:
        raise ImportError(f"Aravis cannot be loaded ({error}); {_INSTALL}") from error
    return Aravis, GLib.Error


def _find(aravis: Any, failure: type[Exception], selection: Selection) -> Any:
    name = selection.ip
    if name is None:
        aravis.update_device_list()
        found = [
            (aravis.get_device_serial_nbr(i), aravis.get_device_address(i))
            for i in range(aravis.get_n_devices())
            if aravis.get_device_protocol(i) == "GigEVision"
        ]
        fitting = [ip for serial, ip in found if selection.serial in (None, serial)]
        if len(fitting) != 1:
            seen = ", ".join(f"{serial} at {ip}" for serial, ip in found) or "none"
            raise SensorError(
                f"{selection.text} was not found; GigE Vision cameras seen: {seen}",
                remedy="check power and network, set serial or ip in the rig file; a camera in"
                " another subnet is found by ip only",
            )
        name = fitting[0]
    try:
        camera = aravis.Camera.new(name)
    except failure as error:
        raise SensorError(
            f"{selection.text} cannot be opened: {_text(error)}",
            remedy="check power, network and address",
        ) from error
    if not camera.get_device().is_controller():
        raise SensorError(
            f"{selection.text} is controlled by another program",
            remedy="close viewers and other recorders, wait 3 s and try again",
        )
    return camera


class AravisTransport:
    """Satisfies `capture.sensors.a65_transport.Transport`."""

    def __init__(
        self, aravis: Any, failure: type[Exception], camera: Any, selection: Selection
    ) -> None:
        self._aravis, self._failure = aravis, failure
        self._camera, self._device = camera, camera.get_device()
        self._selection = selection
        self._stream: Any = None

    @property
    def name(self) -> str:
        """Library and version of its interface."""
        return "Aravis 0.8"

    def get(self, node: str) -> NodeValue | None:
        """Read a GenICam node."""
        found = self._device.get_feature(node)
        return None if found is None else self._value(found)

    def set(self, node: str, value: NodeValue) -> None:
        """Write a GenICam node."""
        device = self._device
        try:
            if isinstance(value, bool):
                device.set_boolean_feature_value(node, value)
            elif isinstance(value, int):
                device.set_integer_feature_value(node, value)
            elif isinstance(value, float):
                device.set_float_feature_value(node, value)
            else:
                device.set_string_feature_value(node, value)
        except self._failure as error:
            raise SensorError(
                f"{node} cannot be set to {value!r}: {_text(error)}",
                remedy="close other programs that use the camera, then power-cycle it",
            ) from error

    def execute(self, node: str) -> None:
        """Run a GenICam command."""
        try:
            self._device.execute_command(node)
        except self._failure as error:
            raise SensorError(f"{node} failed: {_text(error)}", remedy=_LOST) from error

    def nodes(self) -> dict[str, NodeValue]:
        """Read every node below ``Root``."""
        values: dict[str, NodeValue] = {}
        waiting, seen = ["Root"], set[str]()
        while waiting:
            name = waiting.pop()
            node = self._device.get_feature(name)
            if node is None or name in seen:
                continue
            seen.add(name)
            if isinstance(node, self._aravis.GcCategory):
                waiting += node.get_features()
            elif (value := self._value(node)) is not None:
                values[name] = value
        return dict(sorted(values.items()))

    def genicam_xml(self) -> str | None:
        """Return the camera's GenICam file; None when it does not keep one itself.

        Read from its memory: the binding of Aravis' own function takes text that has no end for
        one that has, and fails on what happens to follow.
        """
        try:
            url = self._read(_XML_URL, _XML_URL_BYTES).split(b"\0")[0].decode("ascii")
            place = _XML_PLACE.fullmatch(url)
            if place is None:
                return None
            name, address, size = place.groups()
            data = self._read(int(address, 16), int(size, 16))
            if name.lower().endswith(".zip"):
                with zipfile.ZipFile(io.BytesIO(data)) as archive:
                    data = archive.read(archive.namelist()[0])
            return data.rstrip(b"\0").decode("utf-8")
        except (self._failure, ValueError, zipfile.BadZipFile) as error:
            logger.warning("the camera's GenICam file is not kept: %s", _text(error))
            return None

    def start(self) -> None:
        """Start acquisition."""
        try:
            self._camera.gv_set_packet_size(self._selection.packet_size_bytes)
            self._stream = self._camera.create_stream(None, None)
            payload = self._camera.get_payload()
            for _ in range(self._selection.n_buffers):
                self._stream.push_buffer(self._aravis.Buffer.new_allocate(payload))
            self._camera.start_acquisition()
        except self._failure as error:
            raise SensorError(f"no acquisition: {_text(error)}", remedy=_LOST) from error

    def next_buffer(self, timeout_s: float) -> RawBuffer | None:
        """Take out the oldest filled buffer and give its memory back."""
        stream = self._stream
        buffer = stream.timeout_pop_buffer(round(timeout_s * 1e6))
        if buffer is None:
            return None
        host_ns = time.monotonic_ns()
        status, image = "ok", None
        if buffer.get_status() == self._aravis.BufferStatus.SUCCESS:
            shape = buffer.get_image_height(), buffer.get_image_width()
            image = np.frombuffer(buffer.get_data(), "<u2").reshape(shape)
        else:
            status = buffer.get_status().value_nick
        raw = RawBuffer(status, buffer.get_frame_id(), buffer.get_timestamp(), host_ns, image)
        stream.push_buffer(buffer)
        return raw

    def answers(self) -> bool:
        """Whether the camera answers; takes 2.5 s when it does not."""
        try:
            self._device.read_register(_CONTROL_PRIVILEGE)
        except self._failure:
            return False
        return bool(self._device.is_controller())

    def statistics(self) -> dict[str, int]:
        """Return the stream's counters."""
        stream = self._stream
        if stream is None:
            return {}
        names = [stream.get_info_name(i) for i in range(stream.get_n_infos())]
        return {name: stream.get_info_uint64_by_name(name) for name in names}

    def stop(self) -> None:
        """Stop acquisition."""
        if self._stream is not None:
            with suppress(self._failure):  # a camera that is gone has stopped
                self._camera.stop_acquisition()
            self._stream = None

    def close(self, *, lost: bool) -> None:
        """Release the camera.

        Aravis writes some registers when its objects go, and waits 2.5 s for each answer. Nobody
        has to wait for a camera that is gone: its objects go in a thread of their own.
        """
        if not lost:
            self.stop()
        objects = [self._stream, self._device, self._camera]
        self._stream = self._device = self._camera = None
        if lost:
            threading.Thread(target=objects.clear, name="aravis-release", daemon=True).start()

    def _read(self, address: int, n_bytes: int) -> bytes:
        data = ctypes.create_string_buffer(n_bytes)
        self._device.read_memory(address, n_bytes, ctypes.addressof(data))
        return data.raw

    def _value(self, node: Any) -> NodeValue | None:
        aravis = self._aravis
        try:
            if not node.is_available():
                return None
            if isinstance(node, aravis.GcEnumeration):
                return str(node.get_string_value())
            if isinstance(node, aravis.GcBoolean):
                return bool(node.get_value())
            if isinstance(node, aravis.GcFloat):
                return float(node.get_value())
            if isinstance(node, aravis.GcInteger):
                return int(node.get_value())
            if isinstance(node, aravis.GcString):
                return str(node.get_value())
        except self._failure as error:
            if getattr(error, "code", None) == int(aravis.DeviceError.TIMEOUT):
                raise CameraLostError("the camera does not answer", remedy=_LOST) from error
            logger.debug("node not readable: %s", _text(error))
        return None


def _text(error: Exception) -> str:
    return str(getattr(error, "message", error))
