"""What a project's ``project.toml`` says; people edit it, the server reads it at its start."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

from capture.errors import ConfigError
from capture.structure import decode

from ..errors import AnnotationError
from ..trace import Dimension

SETTINGS_NAME = "project.toml"
FORMAT = "mavfer-annotation-project"
_MAX_TITLE = 100


@dataclass(frozen=True, slots=True)
class Settings:
    """What may be chosen for a project.

    Attributes
    ----------
    format : str
        What the file is recognised by.
    schema_version : int
    title : str
        Raters read it at the top of every page.
    together : bool
        Both dimensions at once on a plane; otherwise one after the other, each on its slider.
    raters_per_video, n_teams : int
        3 and 2 in the paper (section IV-C).
    seed : int
        Decides who rates what in which order.
    frame_step : bool
        Raters may also step through single frames.
    url : str
        What raters type, where a proxy stands in front; empty: this machine only.
    """

    format: str = FORMAT
    schema_version: int = 1
    title: str = "Annotation"
    together: bool = False
    raters_per_video: int = 3
    n_teams: int = 2
    seed: int = 0
    frame_step: bool = True
    url: str = ""

    def __post_init__(self) -> None:
        if self.format != FORMAT:
            raise ConfigError(f"format is {self.format!r:.60}, expected {FORMAT!r}")
        if self.schema_version != 1:
            raise ConfigError(
                f"schema version {self.schema_version}, this software reads 1",
                remedy="install the mavfer version that wrote it or a newer one",
            )
        if not 0 < len(self.title) <= _MAX_TITLE or not self.title.isprintable():
            raise ConfigError(f"title needs 1 to {_MAX_TITLE} printable characters")
        for name in ("raters_per_video", "n_teams"):
            if not 1 <= getattr(self, name) <= 100:
                raise ConfigError(f"{name} is {getattr(self, name)}, expected 1 to 100")

    @property
    def passes(self) -> tuple[tuple[Dimension, ...], ...]:
        """The dimensions of each task that a rater gets for a video."""
        return (("valence", "arousal"),) if self.together else (("valence",), ("arousal",))


def read_settings(path: Path) -> Settings:
    """Read ``project.toml``.

    Raises
    ------
    AnnotationError
        Missing, not TOML, or a value that cannot be meant.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        return decode(Settings, data, where=str(path))
    except FileNotFoundError:
        raise AnnotationError(
            f"{path} does not exist", remedy="make a project with mavfer-annotate init"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise AnnotationError(f"{path} cannot be read: {error}") from error
    except ConfigError as error:
        raise AnnotationError(error.message, remedy=error.remedy) from error


def settings_text(settings: Settings) -> str:
    """Write settings as commented TOML, for people to edit."""
    title = settings.title.replace("\\", "\\\\").replace('"', '\\"')

    def word(value: bool) -> str:
        return "true" if value else "false"

    return f"""\
format = "{settings.format}"
schema_version = {settings.schema_version}

title = "{title}"                # raters read it at the top of every page
together = {word(settings.together)}                # true: valence and arousal at once, on a plane
raters_per_video = {settings.raters_per_video}
n_teams = {settings.n_teams}
seed = {settings.seed}                        # decides who rates what, in which order
frame_step = {word(settings.frame_step)}               # raters may also step through single frames
url = "{settings.url}"                       # what raters type, if a proxy stands in front
"""
