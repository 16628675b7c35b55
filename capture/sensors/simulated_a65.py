"""The simulated A65: the thermal stream of the virtual scene in real time."""

from dataclasses import dataclass

from ..errors import ConfigError
from ..sensor import Sensor, SensorConfig
from ..simulation.device import A65_RATE_HZ, a65_info
from ..simulation.playback import prepare_loop
from ..simulation.scene_options import parse_options
from ..terminal import OnProgress
from .simulated_playback import DeviceOptions, Freezes, PlaybackSensor, PlayedStream


@dataclass(frozen=True, slots=True, kw_only=True)
class A65Options(DeviceOptions):
    """Options of the simulated A65.

    Attributes
    ----------
    nuc_at_s, nuc_every_s, nuc_s : float
        First correction after the start of streaming, interval, and how long the image freezes
        while the shutter is closed.
    """

    clock_offset_s: float = 340.25
    clock_skew_ppm: float = -35.0
    nuc_at_s: float = 180.0
    nuc_every_s: float = 180.0
    nuc_s: float = 0.5

    def __post_init__(self) -> None:
        DeviceOptions.__post_init__(self)
        if self.nuc_at_s < 0 or not 0 < self.nuc_s < self.nuc_every_s:
            raise ConfigError(
                f"nuc_at_s {self.nuc_at_s:g}, nuc_s {self.nuc_s:g}, nuc_every_s "
                f"{self.nuc_every_s:g}: expected nuc_at_s >= 0 and 0 < nuc_s < nuc_every_s"
            )


def open_simulated_a65(config: SensorConfig, *, on_progress: OnProgress | None = None) -> Sensor:
    """Open a simulated A65; renders its scene first when that is not cached.

    Parameters
    ----------
    config : SensorConfig
        Options: those of `A65Options`.
    on_progress : callable, optional
        Called with (done, total) while the scene is rendered.

    Raises
    ------
    ConfigError
        Unknown option or a value that cannot be meant.
    """
    options = parse_options(A65Options, config.options, where=f"sensor {config.name!r}")
    loop = prepare_loop(options, on_progress)
    return PlaybackSensor(
        config.name,
        a65_info(loop.rig, rate_hz=A65_RATE_HZ),
        loop,
        [PlayedStream("thermal", A65_RATE_HZ)],
        options,
        tick_ns=1,
        freezes=Freezes(options.nuc_at_s, options.nuc_every_s, options.nuc_s),
    )
