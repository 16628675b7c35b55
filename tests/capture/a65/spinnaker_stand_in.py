"""Stands for PySpin, the SDK's Python module, and for the cameras that it finds."""

import time
import types
import weakref
from typing import Any

import numpy as np

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


def stand_in_sdk() -> Any:
    """Return the module, with one camera.

    It raises on timeouts, lends a limited number of images until they are released, delivers
    incomplete ones, gives invalid pointers for nodes that do not exist, and refuses to be released
    while somebody holds a camera. It is no camera: what a real SDK does beyond that is not tested.
    """
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
    return module
