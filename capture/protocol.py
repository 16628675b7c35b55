"""The course of a session in named stages: what the subject does, for how long."""

import tomllib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from .errors import ConfigError
from .structure import decode

SCHEMA_VERSION = 1
BUILT_IN = ("paper",)
"""Names that stand for a protocol shipped with mavfer."""
MAX_STAGE_S = 86_400.0
_MAX_NAME = 80


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage.

    Attributes
    ----------
    name : str
    duration_s : float or None
        Without it the stage lasts until the operator moves on.
    instruction : str
        What the operator says or does.
    """

    name: str
    duration_s: float | None = None
    instruction: str = ""

    def __post_init__(self) -> None:
        if not self.name.strip() or len(self.name) > _MAX_NAME or not self.name.isprintable():
            raise ConfigError(
                f"stage name {self.name!r:.90}: expected 1 to {_MAX_NAME} printable characters"
            )
        if self.duration_s is not None and not 0 < self.duration_s <= MAX_STAGE_S:
            raise ConfigError(
                f"stage {self.name!r} lasts {self.duration_s:g} s, "
                f"expected more than 0, at most {MAX_STAGE_S:g}"
            )


@dataclass(frozen=True, slots=True)
class Protocol:
    """A protocol file.

    Attributes
    ----------
    name : str
    stage : tuple of Stage
        At least one; names differ, so that a recording's stages can be told apart.
    """

    name: str
    stage: tuple[Stage, ...]
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        if self.schema_version != SCHEMA_VERSION:
            raise ConfigError(
                f"schema_version {self.schema_version}, this software reads {SCHEMA_VERSION}"
            )
        if not self.stage:
            raise ConfigError("no [[stage]] in the protocol", remedy="add at least one")
        names = [stage.name for stage in self.stage]
        for name in names:
            if names.count(name) > 1:
                raise ConfigError(f"two stages are called {name!r}")

    @property
    def duration_s(self) -> float | None:
        """Length of the session; None where a stage waits for the operator."""
        durations_s = [stage.duration_s for stage in self.stage if stage.duration_s is not None]
        return sum(durations_s) if len(durations_s) == len(self.stage) else None


def load_protocol(name_or_path: str) -> Protocol:
    """Read a protocol: one of `BUILT_IN`, or a TOML file.

    Raises
    ------
    ConfigError
        Missing, no TOML, an unknown or missing key, a wrong type or value.
    """
    if name_or_path in BUILT_IN:
        text = (files(__package__) / "protocols" / f"{name_or_path}.toml").read_text("utf-8")
        where = f"protocol {name_or_path}"
    else:
        where = name_or_path
        try:
            text = Path(name_or_path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not UTF-8"
            raise ConfigError(
                f"protocol {name_or_path} cannot be read: {reason}",
                remedy=f"pass a TOML file or one of: {', '.join(BUILT_IN)}",
            ) from error
    try:
        data = tomllib.loads(text)
    except ValueError as error:
        raise ConfigError(f"{where} is no TOML file: {error}") from error
    if "schema_version" not in data:
        raise ConfigError(
            f"{where}: schema_version is missing", remedy=f"add schema_version = {SCHEMA_VERSION}"
        )
    return decode(Protocol, data, where=where)
