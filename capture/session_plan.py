"""What a session is to be: decided before anything is armed."""

from dataclasses import dataclass, field

from .errors import ControlError
from .manifest import Consent, Kind
from .names import check_name
from .protocol import Protocol

MAX_DURATION_S = 1e6
"""Eleven days: more is a typing error, and far from where nanoseconds overflow."""


@dataclass(frozen=True, slots=True)
class SessionPlan:
    """A session to come.

    Attributes
    ----------
    subject : str
        Pseudonym.
    kind : {"subject", "board"}
    consent : Consent
    duration_s : float or None
        Without it and without a protocol, until somebody stops it.
    protocol : Protocol or None
        The session's stages; instead of `duration_s`.
    allow_poor_sync : bool
        Start although a clock is not known to a millisecond; the manifest says so.
    """

    subject: str
    kind: Kind = "subject"
    consent: Consent = field(default_factory=Consent)
    duration_s: float | None = None
    protocol: Protocol | None = None
    allow_poor_sync: bool = False

    def __post_init__(self) -> None:
        check_name(self.subject, what="subject")
        if self.duration_s is not None and not 0 < self.duration_s <= MAX_DURATION_S:
            raise ControlError(
                f"duration of {self.duration_s:g} s, "
                f"expected more than 0, at most {MAX_DURATION_S:g}"
            )
        if self.protocol is not None and self.duration_s is not None:
            raise ControlError(
                "both a protocol and a duration are given", remedy="the protocol has its durations"
            )
