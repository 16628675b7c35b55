"""How the simulated devices present themselves: streams, serial numbers, factory parameters.

Shared by the sensors that play in real time and by sessions written on the virtual clock, so
that nothing downstream can tell them apart.
"""

from typing import Any, Final

from ..camera import CameraModel
from ..frame import DeviceEvent, StreamSpec
from ..sensor import SensorInfo
from .moment import Scene
from .rig import SimulatedRig

KINECT2_STREAMS: Final = ("color", "depth", "infrared")
A65_STREAMS: Final = ("thermal",)
KINECT2_RATE_HZ, A65_RATE_HZ = 30.0, 10.0
KINECT2_TICK_NS = 125_000
TRUTH_EVENT = "simulation-truth"
_FIRMWARE = "simulated"


def kinect2_info(rig: SimulatedRig, *, rate_hz: float, color_rate_hz: float) -> SensorInfo:
    """Describe the simulated Kinect v2 of `rig`."""
    color, infrared = rig.color, rig.infrared
    return SensorInfo(
        vendor="Microsoft",
        model="Kinect v2",
        serial=rig.device,
        firmware=_FIRMWARE,
        streams=(
            StreamSpec(
                "color", "color", color.width_px, color.height_px, "BGR8", None, color_rate_hz
            ),
            StreamSpec(
                "depth", "depth", infrared.width_px, infrared.height_px, "Mono16", "mm", rate_hz
            ),
            StreamSpec(
                "infrared",
                "infrared",
                infrared.width_px,
                infrared.height_px,
                "Mono16",
                None,
                rate_hz,
            ),
        ),
        parameters={"infrared": _factory(infrared), "color": _factory(color)},
    )


def a65_info(rig: SimulatedRig, *, rate_hz: float) -> SensorInfo:
    """Describe the simulated A65 of `rig`."""
    thermal = rig.thermal
    return SensorInfo(
        vendor="FLIR",
        model="A65",
        serial=f"S{rig.device[-6:]}",
        firmware=_FIRMWARE,
        streams=(
            StreamSpec(
                "thermal",
                "thermal",
                thermal.width_px,
                thermal.height_px,
                "Mono14",
                "0.04 K",
                rate_hz,
            ),
        ),
        parameters={
            "PixelFormat": "Mono14",
            "TemperatureLinearMode": "On",
            "TemperatureLinearResolution": "High",
            "AcquisitionFrameRate": rate_hz,
        },
    )


def truth_event(
    affect: tuple[float, float], *, device_time_ns: int, host_time_ns: int
) -> DeviceEvent:
    """Return the event that carries what a subject felt, (valence, arousal), at a color frame."""
    data = {"valence": round(affect[0], 6), "arousal": round(affect[1], 6)}
    return DeviceEvent("color", TRUTH_EVENT, device_time_ns, host_time_ns, data)


def color_exposure_us(scene: Scene) -> float:
    """Return the exposure of the color camera: a third of the frame time in good light."""
    return 1e6 / scene.color_rate_hz * (0.33 if scene.color_rate_hz > 20 else 0.95)


def _factory(camera: CameraModel) -> dict[str, Any]:
    """Nominal intrinsics as a device reports them: rounded, without the rig's distortion."""
    return {
        "fx_px": round(camera.fx_px),
        "fy_px": round(camera.fy_px),
        "cx_px": round(camera.width_px / 2),
        "cy_px": round(camera.height_px / 2),
    }
