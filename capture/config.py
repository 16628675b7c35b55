"""The rig file: which sensors there are, how they are set and where their daemons listen.

docs/formats/rig-config.md is the specification of ``rig.toml``.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .errors import ConfigError
from .names import check_name
from .sensor import Codec, SensorConfig
from .structure import decode

SCHEMA_VERSION = 1
LOCAL = "local"
"""Address of a daemon that the controller starts itself."""


@dataclass(frozen=True, slots=True)
class SensorEntry:
    """One ``[[sensor]]`` table.

    Attributes
    ----------
    name : str
        Of the sensor, its daemon and its recording.
    kind : str
        Entry point in the group ``mavfer.sensors``.
    address : str
        "local", or ``tcp://host:port`` of a daemon started by hand.
    options : mapping
        Checked by the sensor when it opens.
    codec : {"compressed", "raw"}
        How 16-bit images are stored: lossless either way; "raw" is larger and any viewer shows it.
    jpeg_quality : int
        Of color images, 1 to 100.
    """

    name: str
    kind: str
    address: str = LOCAL
    options: Mapping[str, Any] = field(default_factory=dict)
    codec: Codec = "compressed"
    jpeg_quality: int = 90

    def __post_init__(self) -> None:
        if not 1 <= self.jpeg_quality <= 100:
            raise ConfigError(f"jpeg_quality is {self.jpeg_quality}, expected 1 to 100")
        check_name(self.name, what="sensor name")
        if self.address != LOCAL and not self.address.startswith("tcp://"):
            raise ConfigError(
                f"sensor {self.name!r}: address {self.address!r} is neither"
                f" {LOCAL!r} nor tcp://host:port"
            )

    @property
    def config(self) -> SensorConfig:
        """What to ask of the sensor."""
        return SensorConfig(self.name, self.kind, self.options, self.codec, self.jpeg_quality)


@dataclass(frozen=True, slots=True)
class RigConfig:
    """A rig file.

    Attributes
    ----------
    name : str
    sensor : tuple of SensorEntry
        At least one; names differ.
    """

    name: str
    sensor: tuple[SensorEntry, ...]
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        if self.schema_version != SCHEMA_VERSION:
            raise ConfigError(
                f"schema_version {self.schema_version}, this software reads {SCHEMA_VERSION}"
            )
        if not self.sensor:
            raise ConfigError("no [[sensor]] in the rig", remedy="add at least one")
        names = [entry.name for entry in self.sensor]
        for name in names:
            if names.count(name) > 1:
                raise ConfigError(f"two sensors are called {name!r}")
            first, _, number = name.rpartition("_")
            if number.isdigit() and first in names:
                raise ConfigError(
                    f"the file of sensor {name!r} would look like a second one of {first!r}",
                    remedy=f"call it {first}-{number}",
                )

    @classmethod
    def simulated(cls, **options: Any) -> "RigConfig":
        """Return the embedded rig: the paper's two cameras, simulated, on this machine.

        Parameters
        ----------
        **options
            Of both sensors: they look at one scene, so what they simulate must agree.
        """
        return cls(
            name="simulated",
            sensor=(
                SensorEntry("kinect2", "simulated-kinect2", options=options),
                SensorEntry("a65", "simulated-a65", options=options),
            ),
        )

    def entry(self, name: str) -> SensorEntry:
        """Return the sensor called `name`."""
        for entry in self.sensor:
            if entry.name == name:
                return entry
        known = ", ".join(entry.name for entry in self.sensor)
        raise ConfigError(f"rig {self.name!r} has no sensor {name!r}", remedy=f"known: {known}")


def load_rig_config(path: Path) -> RigConfig:
    """Read a rig file.

    Raises
    ------
    ConfigError
        Missing, no TOML, an unknown or missing key, a wrong type or value.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"{path} is no TOML file: {error}") from error
    if "schema_version" not in data:
        raise ConfigError(
            f"{path}: schema_version is missing", remedy=f"add schema_version = {SCHEMA_VERSION}"
        )
    return decode(RigConfig, data, where=str(path))
