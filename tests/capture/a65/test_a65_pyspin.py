"""The A65 through PySpin, against a stand-in that behaves as the SDK documents.

It raises on timeouts, lends a limited number of images until they are released, delivers
incomplete ones, gives invalid pointers for nodes that do not exist, and refuses to be released
while somebody holds a camera. It is no camera: what a real SDK does beyond that is not tested.
"""

import gc
import sys
import threading
import time
import types
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from capture.errors import SensorError
from capture.frame import DeviceEvent, Frame
from capture.recorder import Recorder
from capture.recording import open_recording
from capture.registry import open_sensor
from capture.sensor import Sensor, SensorConfig

RATE_HZ = 300.0
SIZE_PX = (32, 24)
TIMEOUT, ABORTED, IN_USE, ACCESS = -1011, -1012, -1004, -2006
CATEGORY, INTEGER, FLOAT, BOOLEAN, STRING, ENUMERATION, COMMAND = range(7)


class SpinnakerException(Exception):  # noqa: N818 - its name in the SDK
    def __init__(self, message: str, code: int) -> None:
        super().__init__(f"Spinnaker: {message} [{code}]")
        self.errorcode = code


class Node:
    def __init__(self, name: str, kind: int, value: Any, *, writable=True, entries=()) -> None:
        self.name, self.kind, self.value = name, kind, value
        self.writable, self.entries = writable, tuple(entries)
        self.on_execute = lambda: None

    def GetName(self) -> str:
        return self.name

    def GetPrincipalInterfaceType(self) -> int:
        return self.kind


class Pointer:
    """``CIntegerPtr(node)`` and its kin: of another kind of node it is invalid."""

    kind = -1

    def __init__(self, node: Any) -> None:
        self._node = node if getattr(node, "kind", None) == self.kind else None

    @property
    def node(self) -> Any:
        if self._node is None:
            raise SpinnakerException("Access: pointer is invalid", ACCESS)
        return self._node

    def GetValue(self) -> Any:
        return self.node.value

    def SetValue(self, value: Any) -> None:
        self.node.value = value


def pointer(kind: int) -> type[Pointer]:
    return type("Ptr", (Pointer,), {"kind": kind})


class CommandPointer(Pointer):
    kind = COMMAND

    def Execute(self) -> None:
        self.node.value += 1
        self.node.on_execute()


class CategoryPointer(Pointer):
    kind = CATEGORY

    def GetFeatures(self) -> list[Node]:
        return list(self.node.value)


class Entry:
    kind = "entry"

    def __init__(self, symbol: str, number: int) -> None:
        self.symbol, self.value = symbol, number


class EntryPointer(Pointer):
    kind = "entry"  # type: ignore[assignment]

    def GetSymbolic(self) -> str:
        return self.node.symbol


class EnumerationPointer(Pointer):
    kind = ENUMERATION

    def GetEntryByName(self, name: str) -> Entry | None:
        entries = self.node.entries
        return Entry(name, entries.index(name)) if name in entries else None

    def SetIntValue(self, number: int) -> None:
        self.node.value = self.node.entries[number]

    def GetCurrentEntry(self) -> Entry:
        return Entry(self.node.value, self.node.entries.index(self.node.value))


class NodeMap:
    def __init__(self, *nodes: Node) -> None:
        self.nodes = {node.name: node for node in nodes}
        self.nodes["Root"] = Node("Root", CATEGORY, list(nodes))

    def GetNode(self, name: str) -> Node | None:
        return self.nodes.get(name)


class Device:
    """What survives between openings: the camera itself."""

    def __init__(self, serial: str = "75006073", address: int = 0x0A000002) -> None:
        self.nodes = NodeMap(
            Node("DeviceVendorName", STRING, "FLIR", writable=False),
            Node("DeviceModelName", STRING, "A65", writable=False),
            Node("DeviceID", STRING, serial, writable=False),
            Node("Width", INTEGER, SIZE_PX[0], writable=False),
            Node("Height", INTEGER, SIZE_PX[1], writable=False),
            Node("GevSCPSPacketSize", INTEGER, 576),
            Node("GevTimestampTickFrequency", INTEGER, 1_000_000, writable=False),
            Node("PixelFormat", ENUMERATION, "Mono8", entries=("Mono8", "Mono14")),
            Node("DigitalOutput", ENUMERATION, "bit8bit", entries=("bit8bit", "bit14bit")),
            Node("TemperatureLinearMode", ENUMERATION, "Off", entries=("Off", "On")),
            Node("TemperatureLinearResolution", ENUMERATION, "Low", entries=("Low", "High")),
            Node("ObjectEmissivity", FLOAT, 1.0),
            Node("NUCMode", ENUMERATION, "Automatic", entries=("Manual", "Automatic")),
            Node("NUCAction", COMMAND, 0),
            Node("R", INTEGER, 16556, writable=False),
        )
        self.nodes.GetNode("NUCAction").on_execute = self.close_shutter
        self.transport = NodeMap(
            Node("DeviceSerialNumber", STRING, serial),
            Node("GevDeviceIPAddress", INTEGER, address),
        )
        self.stream = NodeMap(
            Node("StreamBufferHandlingMode", ENUMERATION, "NewestOnly", entries=MODES),
            Node("StreamBufferCountMode", ENUMERATION, "Auto", entries=("Auto", "Manual")),
            Node("StreamBufferCountManual", INTEGER, 10),
            Node("StreamLostFrameCount", INTEGER, 0),
        )
        self.incomplete: set[int] = set()
        self.lost_ids: set[int] = set()
        self.gone = False
        self.ticks_per_s = 1_000_000_000
        self.first_id = 65500
        self.shutter_until_s = 0.0

    def close_shutter(self) -> None:
        self.shutter_until_s = time.monotonic() + 0.1


MODES = ("OldestFirst", "OldestFirstOverwrite", "NewestOnly", "NewestFirst")


def image_of(number: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 16384, SIZE_PX[::-1]).astype(np.uint16)


class Image:
    def __init__(self, camera: "Camera", number: int, frame_id: int, ticks: int, *, bad: bool):
        self._camera, self._number, self._bad = camera, number, bad
        self._id, self._ticks = frame_id, ticks
        self._pixels = image_of(number)
        camera.lent += 1

    def _valid(self) -> None:
        if self._pixels is None:
            raise SpinnakerException("image was released", -1006)

    def IsIncomplete(self) -> bool:
        self._valid()
        return self._bad

    def GetImageStatus(self) -> int:
        return 3 if self._bad else 0

    def GetFrameID(self) -> int:
        return self._id

    def GetTimeStamp(self) -> int:
        return self._ticks

    def GetNDArray(self) -> np.ndarray:
        self._valid()
        return self._pixels

    def Release(self) -> None:
        self._valid()
        self._pixels[:] = 0xFFFF  # the memory is filled anew: who kept a view sees it
        self._pixels = None
        self._camera.lent -= 1


class Camera:
    def __init__(self, device: Device) -> None:
        self.device = device
        self.lent = 0
        self.initialised = self.streaming = False

    def Init(self) -> None:
        self.initialised = True

    def DeInit(self) -> None:
        if self.device.gone:
            raise AssertionError("the SDK crashes when a camera that is gone is asked")
        if self.streaming:
            raise SpinnakerException("still acquiring", IN_USE)
        self.initialised = False

    def GetNodeMap(self) -> NodeMap:
        if not self.initialised:
            raise SpinnakerException("not initialised", -1002)
        return self.device.nodes

    def GetTLStreamNodeMap(self) -> NodeMap:
        return self.device.stream

    def GetTLDeviceNodeMap(self) -> NodeMap:
        return self.device.transport

    def IsValid(self) -> bool:
        return not self.device.gone

    def IsStreaming(self) -> bool:
        return self.streaming

    def BeginAcquisition(self) -> None:
        self.streaming, self.number, self.begun_s = True, 0, time.monotonic()

    def EndAcquisition(self) -> None:
        if self.device.gone:
            raise AssertionError("the SDK crashes when a camera that is gone is asked")
        self.streaming = False

    def GetNextImage(self, timeout_ms: int) -> Image:
        device = self.device
        if device.gone:
            raise SpinnakerException("stream was aborted", ABORTED)
        if self.lent >= device.stream.GetNode("StreamBufferCountManual").value:
            time.sleep(timeout_ms * 1e-3)
            raise SpinnakerException("no image in time", TIMEOUT)
        while True:
            self.number += 1
            frame_id = (device.first_id + self.number - 1) % 65535 + 1
            if frame_id not in device.lost_ids:
                break
        taken_s = self.begun_s + self.number / RATE_HZ
        if (wait_s := taken_s - time.monotonic()) > timeout_ms * 1e-3:
            self.number -= 1
            time.sleep(timeout_ms * 1e-3)
            raise SpinnakerException("no image in time", TIMEOUT)
        time.sleep(max(0.0, wait_s))
        shown = -1 if time.monotonic() < device.shutter_until_s else self.number
        bad = frame_id in device.incomplete
        return Image(self, abs(shown), frame_id, round(taken_s * device.ticks_per_s), bad=bad)


class CameraList:
    def __init__(self, system: "System") -> None:
        self._system: Any = system

    def GetSize(self) -> int:
        return len(self._system.devices)

    def GetByIndex(self, index: int) -> Camera:
        camera = Camera(self._system.devices[index])
        self._system.handles.append(weakref.ref(camera))
        return camera

    def Clear(self) -> None:
        self._system.lists.discard(id(self))
        self._system = None


class System:
    def __init__(self, devices: list[Device]) -> None:
        self.devices, self.handles, self.lists = devices, [], set()
        self.references = 0

    def GetCameras(self) -> CameraList:
        found = CameraList(self)
        self.lists.add(id(found))
        return found

    def GetLibraryVersion(self) -> Any:
        return types.SimpleNamespace(major=4, minor=0, type=0, build=116)

    def ReleaseInstance(self) -> None:
        self.references -= 1
        if self.lists or any(handle() is not None for handle in self.handles):
            raise SpinnakerException("somebody holds a camera or a list", IN_USE)


@pytest.fixture
def spin(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The stand-in, imported as PySpin, with one camera; nothing may be left of its use."""
    module: Any = types.ModuleType("PySpin")
    module.device = Device()
    system = System([module.device])

    def get_instance() -> System:
        system.references += 1
        return system

    module.system = system
    module.System = types.SimpleNamespace(GetInstance=get_instance)
    module.SpinnakerException = SpinnakerException
    module.IsAvailable = lambda node: node is not None
    module.IsReadable = lambda node: node is not None and getattr(node, "kind", 0) != COMMAND
    module.IsWritable = lambda node: getattr(node, "writable", False)
    module.CCommandPtr, module.CCategoryPtr = CommandPointer, CategoryPointer
    module.CEnumerationPtr, module.CEnumEntryPtr = EnumerationPointer, EntryPointer
    for kind, name in ((INTEGER, "Integer"), (FLOAT, "Float"), (BOOLEAN, "Boolean")):
        setattr(module, f"C{name}Ptr", pointer(kind))
        setattr(module, f"intfI{name}", kind)
    module.CStringPtr, module.intfIString = pointer(STRING), STRING
    module.intfICategory, module.intfIEnumeration = CATEGORY, ENUMERATION
    module.intfICommand = COMMAND
    monkeypatch.setitem(sys.modules, "PySpin", module)
    gc.disable()  # a camera must go because nobody holds it, not because a collection came by
    yield module
    gc.enable()
    assert system.references == 0
    assert not system.lists
    assert not [handle for handle in system.handles if handle() is not None]


def config(**options: Any) -> SensorConfig:
    base = {"transport": "pyspin", "rate_hz": 100, "nuc_wait_s": 1.0, "n_buffers": 4}
    size = {"width_px": SIZE_PX[0], "height_px": SIZE_PX[1]}
    return SensorConfig("a65", "a65", {**base, **size, **options})


def take(sensor: Sensor, n_frames: int) -> tuple[list[Frame], list[DeviceEvent]]:
    frames: list[Frame] = []
    events: list[DeviceEvent] = []
    for item in sensor.frames():
        (frames if isinstance(item, Frame) else events).append(item)  # type: ignore[arg-type]
        if len(frames) == n_frames:
            sensor.stop()
    return frames, events


def test_it_is_set_up_corrected_and_left_as_found(spin: Any) -> None:
    with open_sensor(config(serial="75006073")) as sensor:
        info = sensor.info
        nodes = info.parameters["nodes"]
        assert (info.vendor, info.model, info.serial) == ("FLIR", "A65", "75006073")
        assert (nodes["PixelFormat"], nodes["DigitalOutput"]) == ("Mono14", "bit14bit")
        assert nodes["TemperatureLinearMode"] == "On"
        assert nodes["TemperatureLinearResolution"] == "High"
        assert nodes["ObjectEmissivity"] == pytest.approx(0.98)
        assert (nodes["NUCMode"], nodes["R"]) == ("Manual", 16556)
        assert nodes["GevSCPSPacketSize"] == 1440
        assert "ReflectedTemperature" in info.parameters["absent"]
        assert info.parameters["genicam_xml"] is None
        assert info.parameters["transport"] == "Spinnaker 4.0.0.116"
        assert info.parameters["device_rate_hz"] == pytest.approx(RATE_HZ, rel=0.02)
        # 0.1 s of a closed shutter
        assert 15 <= info.parameters["correction_before_take"]["n_frozen"] <= 30
        stream = spin.device.stream
        assert stream.GetNode("StreamBufferHandlingMode").value == "OldestFirst"
        assert stream.GetNode("StreamBufferCountManual").value == 4
    assert spin.device.nodes.GetNode("NUCMode").value == "Automatic"
    assert spin.device.nodes.GetNode("NUCAction").value == 1


def test_images_are_copied_released_and_counted(spin: Any) -> None:
    device = spin.device
    # Number k has the id (65500 + k - 1) % 65535 + 1, and is kept when 65500 + k is 0 modulo 3.
    device.incomplete, device.lost_ids = {65520, 65525}, {65511, 65512, 3, 4}
    with open_sensor(config(nuc_before_take=False)) as sensor:
        device.stream.GetNode("StreamLostFrameCount").value = 4
        frames, events = take(sensor, 40)
    seqs = [frame.seq for frame in frames]
    first, last = seqs[0], seqs[-1]
    lost = {n for n in range(65501, 65501 + 3 * 45) if (n - 1) % 65535 + 1 in device.lost_ids}
    lost |= {65520, 65525}
    assert set(range(first, last + 1)) - set(seqs) == {n // 3 for n in lost if n % 3 == 0}
    for frame in frames:
        np.testing.assert_array_equal(frame.image, image_of(frame.seq * 3 - 65500))
    drops = [event.data for event in events if event.kind == "drop"]
    assert drops == [{"reason": "incomplete, status 3"}] * 2
    assert events[-1].data["StreamLostFrameCount"] == 4


def test_ticks_become_nanoseconds(spin: Any) -> None:
    spin.device.ticks_per_s = 1_000_000
    with open_sensor(config(nuc_before_take=False)) as sensor:
        assert sensor.info.parameters["device_tick_hz"] == 1_000_000
        assert sensor.info.parameters["device_rate_hz"] == pytest.approx(RATE_HZ, rel=0.02)
        frames, _ = take(sensor, 5)
    steps_ns = np.diff([frame.device_time_ns for frame in frames])
    np.testing.assert_allclose(steps_ns, 1e7, rtol=0.01)


def test_a_clock_that_nothing_explains_is_refused(spin: Any) -> None:
    spin.device.ticks_per_s = 90_000
    with pytest.raises(SensorError, match="steps a second"):
        open_sensor(config())


def test_a_correction_of_the_camera_is_told(spin: Any) -> None:
    with open_sensor(config(nuc="automatic", nuc_before_take=False)) as sensor:
        assert spin.device.nodes.GetNode("NUCMode").value == "Automatic"
        threading.Timer(0.1, spin.device.close_shutter).start()
        frames, events = take(sensor, 40)
    begin, end = [event for event in events if event.kind == "nuc"]
    assert (begin.data["phase"], end.data["phase"]) == ("begin", "end")
    by_seq = {frame.seq: frame for frame in frames}
    inside = [by_seq[seq] for seq in range(end.data["first_seq"], end.data["last_seq"] + 1)]
    assert len(inside) >= 5
    for frame in inside:
        np.testing.assert_array_equal(frame.image, inside[0].image)
    assert end.data["duration_s"] == pytest.approx(0.1, abs=0.05)


def test_it_records_and_arms_again_and_again(spin: Any, tmp_path: Path) -> None:
    recorder = Recorder(config(), tmp_path)
    for session in ("s1", "s2", "s3"):
        recorder.arm(session, f"uuid-{session}")
        while recorder.status().state == "opening":
            time.sleep(0.01)
        assert recorder.status().error is None
        now_ns = time.monotonic_ns()
        recorder.start(now_ns + 50_000_000)
        recorder.stop(now_ns + 350_000_000)
        while recorder.status().state == "stopping":
            time.sleep(0.01)
        recorder.finish()
        stream = open_recording(tmp_path / session / "a65.mcap").streams["thermal"]
        assert 27 <= len(stream) <= 31
    assert spin.device.nodes.GetNode("NUCAction").value == 3


def test_a_camera_that_goes_is_told_and_not_asked_any_more(spin: Any) -> None:
    with open_sensor(config(nuc_before_take=False)) as sensor:
        items = sensor.frames()
        assert isinstance(next(items), Frame)
        spin.device.gone = True
        with pytest.raises(SensorError, match=r"camera is lost.*stream was aborted"):
            list(items)


def test_a_camera_that_falls_silent_is_noticed(spin: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("capture.sensors.a65_acquisition._SILENT_NS", 200_000_000)
    monkeypatch.setattr("capture.sensors.a65_acquisition._USELESS_NS", 500_000_000)
    with open_sensor(config(nuc_before_take=False)) as sensor:
        spin.device.stream.GetNode("StreamBufferCountManual").value = 0
        with pytest.raises(SensorError, match=r"answers, but no images arrive.*firewall"):
            list(sensor.frames())


def test_nothing_but_incomplete_images_is_an_error(spin: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("capture.sensors.a65_acquisition._USELESS_NS", 300_000_000)
    with open_sensor(config(nuc_before_take=False)) as sensor:
        spin.device.incomplete = set(range(65536))
        with pytest.raises(SensorError, match=r"only incomplete images.*packet_size_bytes"):
            list(sensor.frames())


def test_cameras_are_picked_by_serial_or_address(spin: Any) -> None:
    spin.system.devices.append(Device("42", 0x0A000003))
    with pytest.raises(SensorError, match=r"75006073 at 10\.0\.0\.2, 42 at 10\.0\.0\.3"):
        open_sensor(config())
    with open_sensor(config(ip="10.0.0.3", nuc_before_take=False)) as sensor:
        assert sensor.info.serial == "42"
    with open_sensor(config(serial="42", nuc_before_take=False)) as sensor:
        assert sensor.info.serial == "42"


def test_a_camera_that_is_no_a65_is_refused_and_released(spin: Any) -> None:
    del spin.device.nodes.nodes["TemperatureLinearMode"]
    with pytest.raises(SensorError, match="no TemperatureLinearMode"):
        open_sensor(config())


def test_the_module_of_another_project_is_not_taken_for_the_sdk(monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, "PySpin", types.ModuleType("PySpin"))
    with pytest.raises(SensorError, match=r"not the one of the Spinnaker SDK.*sensor-a65\.md"):
        open_sensor(config())


def test_without_any_library_both_are_named(monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, "PySpin", None)
    monkeypatch.setitem(sys.modules, "gi", None)
    with pytest.raises(SensorError, match=r"Aravis cannot be loaded.*PySpin cannot be loaded"):
        open_sensor(config(transport="auto"))
