"""The simulated Kinect v2: color, depth and infrared of the virtual scene in real time."""

from ..sensor import Sensor, SensorConfig
from ..simulation.device import KINECT2_RATE_HZ, KINECT2_TICK_NS, kinect2_info
from ..simulation.playback import prepare_loop
from ..simulation.scene_options import parse_options
from ..terminal import OnProgress
from .simulated_playback import DeviceOptions, PlaybackSensor, PlayedStream


def open_simulated_kinect2(
    config: SensorConfig, *, on_progress: OnProgress | None = None
) -> Sensor:
    """Open a simulated Kinect v2; renders its scene first when that is not cached.

    Parameters
    ----------
    config : SensorConfig
        Options: those of `DeviceOptions`. Color runs at 15 Hz in dim light, as the device's does.
    on_progress : callable, optional
        Called with (done, total) while the scene is rendered.

    Raises
    ------
    ConfigError
        Unknown option or a value that cannot be meant.
    """
    options = parse_options(DeviceOptions, config.options, where=f"sensor {config.name!r}")
    loop = prepare_loop(options, on_progress)
    info = kinect2_info(loop.rig, rate_hz=KINECT2_RATE_HZ, color_rate_hz=loop.color_rate_hz)
    streams = [PlayedStream(spec.name, spec.nominal_rate_hz) for spec in info.streams]
    return PlaybackSensor(config.name, info, loop, streams, options, tick_ns=KINECT2_TICK_NS)
