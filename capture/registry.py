"""Finds the code of a sensor kind: entry points of the group ``mavfer.sensors``.

An entry point names a function ``open(config: SensorConfig) -> Sensor``. Installing a package that
declares one is all it takes to add a kind. An opener that may take long (it renders, downloads,
warms up) has a second parameter ``on_progress`` and calls it.
"""

import inspect
from importlib.metadata import EntryPoint, entry_points
from typing import Any, cast

from .errors import SensorError
from .sensor import Sensor, SensorConfig
from .structure import unknown_name
from .terminal import OnProgress

GROUP = "mavfer.sensors"


def sensor_kinds() -> dict[str, EntryPoint]:
    """Return every installed sensor kind."""
    return {point.name: point for point in entry_points(group=GROUP)}


def open_sensor(config: SensorConfig, *, on_progress: OnProgress | None = None) -> Sensor:
    """Open the sensor that `config` asks for.

    Parameters
    ----------
    config : SensorConfig
    on_progress : callable, optional
        Called with (done, total) by kinds that take long to open.

    Raises
    ------
    ConfigError
        No such kind, or an option the kind does not know.
    SensorError
        The kind's vendor software is missing, or the device is.
    """
    kinds = sensor_kinds()
    if config.kind not in kinds:
        raise unknown_name("sensor kind", config.kind, kinds, where=f"sensor {config.name!r}")
    try:
        opener: Any = kinds[config.kind].load()
    except ImportError as error:
        raise SensorError(
            f"sensor kind {config.kind!r} needs software that is missing: {error}",
            remedy=f"pip install 'mavfer[{config.kind}]'",
        ) from error
    if on_progress is not None and "on_progress" in inspect.signature(opener).parameters:
        return cast(Sensor, opener(config, on_progress=on_progress))
    return cast(Sensor, opener(config))
