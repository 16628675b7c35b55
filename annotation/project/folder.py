"""A project's folder: what is where, made new or opened.

::

    project.toml     settings, for people to edit
    instructions.md  what raters read first; examples/ holds its pictures and clips
    videos/          encoded videos, each with a manifest beside it
    ratings.sqlite   raters, tasks and every event
"""

import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from capture.files import write_text_atomic

from ..errors import AnnotationError
from .database import Database, create_database
from .settings import SETTINGS_NAME, Settings, read_settings, settings_text

DATABASE_NAME = "ratings.sqlite"
INSTRUCTIONS_NAME = "instructions.md"
_DEFAULT_INSTRUCTIONS = Path(__file__).parent / "default_instructions.md"


@dataclass(frozen=True, eq=False)
class Project:
    """An open project.

    Attributes
    ----------
    path : Path
    settings : Settings
    database : Database
    """

    path: Path
    settings: Settings
    database: Database

    @property
    def videos(self) -> Path:
        """Where encoded videos are."""
        return self.path / "videos"

    @property
    def examples(self) -> Path:
        """Where the instructions' pictures and clips are."""
        return self.path / "examples"

    @property
    def instructions(self) -> Path:
        """Markdown that raters read first."""
        return self.path / INSTRUCTIONS_NAME

    @cached_property
    def id(self) -> str:
        """Drawn when the project was made: browsers keep by it what they could not send yet."""
        with self.database.read() as db:
            return str(db.execute("SELECT id FROM project").fetchone()[0])


def is_project(path: Path) -> bool:
    """Tell whether `path` looks like a project's folder."""
    return (path / SETTINGS_NAME).is_file() and (path / DATABASE_NAME).is_file()


def create_project(path: Path, settings: Settings) -> Project:
    """Make the folder of a new project, whole or not at all.

    Raises
    ------
    AnnotationError
        `path` exists and is not an empty folder.
    """
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise AnnotationError(
            f"{path} exists already", remedy="choose another folder; nothing is overwritten"
        )
    existed = path.exists()
    path.mkdir(parents=True, exist_ok=True)
    try:
        for name in ("videos", "examples"):
            (path / name).mkdir()
        shutil.copyfile(_DEFAULT_INSTRUCTIONS, path / INSTRUCTIONS_NAME)
        create_database(path / DATABASE_NAME)
        write_text_atomic(path / SETTINGS_NAME, settings_text(settings))
    except BaseException:
        shutil.rmtree(path)
        if existed:
            path.mkdir()
        raise
    return open_project(path)


def open_project(path: Path) -> Project:
    """Open a project.

    Raises
    ------
    AnnotationError
        Not a project, or settings or database cannot be read.
    """
    if not path.is_dir():
        what = "is no folder" if path.exists() else "does not exist"
        raise AnnotationError(f"{path} {what}", remedy="pass the folder of an annotation project")
    settings = read_settings(path / SETTINGS_NAME)
    return Project(path, settings, Database(path / DATABASE_NAME))
