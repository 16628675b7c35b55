"""pylibfreenect2: loading it, choosing a pipeline, opening a device."""

import importlib
from typing import Any, Literal

from ..errors import SensorError

Pipeline = Literal["auto", "cuda", "opencl", "opengl", "cpu"]
_CLASSES = {
    "cuda": "CudaPacketPipeline",
    "opencl": "OpenCLPacketPipeline",
    "opengl": "OpenGLPacketPipeline",
    "cpu": "CpuPacketPipeline",
}
"""In the order "auto" tries them: the library has those it was built with."""
HOW_TO = "docs/how-to/sensor-kinect2.md"


def load_library() -> Any:
    """Import pylibfreenect2 and keep its messages off standard output.

    Raises
    ------
    SensorError
        It, or the C++ library under it, is missing.
    """
    try:
        library = importlib.import_module("pylibfreenect2")
    except ImportError as error:
        raise SensorError(
            f"pylibfreenect2 cannot be loaded: {error}", remedy=f"install it: {HOW_TO}"
        ) from error
    library.setGlobalLogger(None)  # it writes to standard output, which a daemon's reader owns
    return library


def make_pipeline(library: Any, wanted: Pipeline) -> tuple[str, Any]:
    """Return the name of a pipeline and the pipeline: the first that works of those wanted.

    Raises
    ------
    SensorError
        The library was built without it, or its device is missing.
    """
    names = list(_CLASSES) if wanted == "auto" else [wanted]
    failures = []
    for name in names:
        make = getattr(library, _CLASSES[name], None)
        if make is None:
            failures.append(f"{name}: not built in")
            continue
        try:
            return name, make()
        except Exception as error:  # noqa: BLE001 - whatever a driver raises, the next may work
            failures.append(f"{name}: {error}")
    raise SensorError(
        f"no depth pipeline: {'; '.join(failures)}",
        remedy="choose another with the option pipeline, or build libfreenect2 with it",
    )


def choose_device(context: Any, serial: str | None) -> str:
    """Return the serial number of the device to open.

    The library wraps a failed opening without a word and crashes at the first call, so a device
    is opened only by a number that was enumerated.

    Raises
    ------
    SensorError
        None is there, or not the one asked for, or several and none was asked for.
    """
    count = int(context.enumerateDevices())
    found = [_text(context.getDeviceSerialNumber(index)) for index in range(count)]
    if not found:
        raise SensorError(
            "no Kinect v2 found",
            remedy="check its power supply, a USB 3 port and the udev rule; mavfer-capture doctor",
        )
    if serial is None:
        if len(found) > 1:
            raise SensorError(
                f"several Kinects: {', '.join(found)}", remedy="choose one: serial = ..."
            )
        return found[0]
    if serial not in found:
        raise SensorError(f"no Kinect {serial}", remedy=f"there is {', '.join(found)}")
    return serial


def device_texts(device: Any) -> tuple[str, str]:
    """Return serial number and firmware version."""
    return _text(device.getSerialNumber()), _text(device.getFirmwareVersion())


def factory_parameters(device: Any) -> dict[str, dict[str, float]]:
    """Return what the device knows of its cameras; it must have been started."""
    return {
        "factory_color": _floats(device.getColorCameraParams()),
        "factory_infrared": _floats(device.getIrCameraParams()),
    }


def _floats(parameters: Any) -> dict[str, float]:
    names = (name for name in dir(parameters) if not name.startswith("_"))
    values = {name: getattr(parameters, name) for name in names}
    return {name: float(value) for name, value in values.items() if isinstance(value, int | float)}


def _text(value: bytes | str) -> str:
    return value.decode("ascii", "replace") if isinstance(value, bytes) else value
