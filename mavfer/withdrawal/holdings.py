"""What a search for a subject found."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from .names import Names

Kind = Literal[
    "session",
    "recording",
    "store",
    "part",
    "labels",
    "table",
    "project",
    "derived",
    "named file",
    "unfinished output",
]
"""What an item is: the first four and the last hold frames."""


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to remove or to rewrite.

    Attributes
    ----------
    kind : str
    path : Path
    what : str
        What will be done to it.
    n_bytes : int
        Its size now.
    """

    kind: Kind
    path: Path
    what: str
    n_bytes: int


@dataclass(slots=True)
class Holdings:
    """Everything that was found.

    Attributes
    ----------
    names : Names
        The subject and their sessions.
    items : list of Item
    mentions : list of Path
        Files of no kind known here that name the subject or a session: for a person to look at.
    suspects : list of Path
        What may be the subject's: it bears their name, or is a recording of nobody known.
    unreadable : list of str
        What could not be judged, with the reason.
    unsearched : dict of Path to str
        Folders that could not be read and links that lead elsewhere, with the reason.
    trained : list of Path
        Networks trained on a store that held the subject; what that means is for people to say.
    """

    names: Names
    items: list[Item] = field(default_factory=list)
    mentions: list[Path] = field(default_factory=list)
    suspects: list[Path] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    unsearched: dict[Path, str] = field(default_factory=dict)
    trained: list[Path] = field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        """Tell whether nothing is left for a person to look at."""
        return not (self.mentions or self.suspects or self.unreadable or self.unsearched)
