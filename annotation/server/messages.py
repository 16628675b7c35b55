"""What pages may send: decoded strictly, like everything that comes from outside."""

import json
import re
from dataclasses import dataclass
from typing import TypeVar

from capture.errors import ConfigError
from capture.structure import decode

from ..project.event import Event

MAX_BODY_BYTES = 262_144
MAX_EVENTS = 1000
_CLIENT = re.compile(r"[A-Za-z0-9_-]{8,64}")

_Message = TypeVar("_Message")


@dataclass(frozen=True, slots=True)
class LoginMessage:
    """A link's secret."""

    token: str


@dataclass(frozen=True, slots=True)
class OpenMessage:
    """A page wants to rate.

    Attributes
    ----------
    client : str
        Drawn by the page when it was loaded.
    tab : str
        Drawn once for the browser's tab.
    take_over : bool
        Even if another tab is at it.
    """

    client: str
    tab: str
    take_over: bool = False

    def __post_init__(self) -> None:
        _check_client(self.client)
        _check_client(self.tab)


@dataclass(frozen=True, slots=True)
class EventsMessage:
    """What a page reports; without events it says that it is still there."""

    client: str
    events: tuple[Event, ...] = ()
    released: bool = False

    def __post_init__(self) -> None:
        _check_client(self.client)
        if len(self.events) > MAX_EVENTS:
            raise ConfigError(f"{len(self.events)} events at once, at most {MAX_EVENTS}")


@dataclass(frozen=True, slots=True)
class SubmitMessage:
    """A rater is done.

    Attributes
    ----------
    client : str
    n_events : int
        How many the page ever made.
    with_gaps : bool
        Although frames are missing.
    """

    client: str
    n_events: int
    with_gaps: bool = False

    def __post_init__(self) -> None:
        _check_client(self.client)


@dataclass(frozen=True, slots=True)
class RatersMessage:
    """New raters; without a team they are spread."""

    names: tuple[str, ...]
    team: str | None = None


def read_message(kind: type[_Message], body: bytes) -> _Message:
    """Decode the JSON body of a request.

    Raises
    ------
    ConfigError
        No JSON, or not what `kind` wants.
    """
    try:
        data = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ConfigError("the request is no JSON") from error
    return decode(kind, data, where="request")


def _check_client(name: str) -> None:
    if not _CLIENT.fullmatch(name):
        raise ConfigError("a page's name has 8 to 64 letters, digits, '_' or '-'")
