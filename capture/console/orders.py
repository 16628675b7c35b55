"""What a page may send: decoded strictly, like everything that comes from outside."""

import json
from dataclasses import dataclass
from typing import TypeVar

from ..errors import ConfigError
from ..manifest import Kind
from ..names import check_name
from ..structure import decode

MAX_BODY_BYTES = 16_384

_Order = TypeVar("_Order")


@dataclass(frozen=True, slots=True)
class ArmOrder:
    """The form of a new session.

    Attributes
    ----------
    subject, kind : str
    consent : bool
        The subject agreed to be recorded; without it nothing is armed.
    share, publish_pictures : bool
    until : str or None
    protocol : str or None
        One of the protocols offered.
    duration_s : float or None
    allow_poor_sync : bool
    """

    subject: str
    kind: Kind = "subject"
    consent: bool = False
    share: bool = False
    publish_pictures: bool = False
    until: str | None = None
    protocol: str | None = None
    duration_s: float | None = None
    allow_poor_sync: bool = False


@dataclass(frozen=True, slots=True)
class MarkOrder:
    """A remark."""

    label: str

    def __post_init__(self) -> None:
        if len(self.label) > 200 or not (self.label.isprintable()):
            raise ConfigError("a marker has up to 200 printable characters")


@dataclass(frozen=True, slots=True)
class RestartOrder:
    """Which sensor to begin anew with."""

    sensor: str


@dataclass(frozen=True, slots=True)
class SessionOrder:
    """Which session that was left open to resume or to close."""

    session: str

    def __post_init__(self) -> None:
        check_name(self.session, what="session")


def read_order(kind: type[_Order], body: bytes) -> _Order:
    """Decode the JSON body of a request.

    Raises
    ------
    ConfigError
        Too large, no JSON, or not what `kind` wants.
    """
    if len(body) > MAX_BODY_BYTES:
        raise ConfigError(f"a request of {len(body)} bytes, expected at most {MAX_BODY_BYTES}")
    try:
        data = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ConfigError("the request is no JSON") from error
    return decode(kind, data, where="request")
