"""How a session goes, for whoever watches: plain values, safe to hand to another thread."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from .course import StageProgress
from .messages import Status

Phase = Literal["idle", "starting", "arming", "armed", "recording", "stopping", "saving"]


@dataclass(frozen=True, slots=True)
class ClockQuality:
    """A daemon's host clock against the controller's, as known online.

    Attributes
    ----------
    offset_ms, skew_ppm : float
        The daemon's clock minus the controller's, and how much faster it runs.
    uncertainty_us : float or None
        None while too few probes were answered.
    rtt_us : float or None
        Shortest round trip of the last minute.
    age_s : float
        Since the last answered probe.
    """

    offset_ms: float
    skew_ppm: float
    uncertainty_us: float | None
    rtt_us: float | None
    age_s: float


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One moment of the controller.

    Attributes
    ----------
    phase : str
    elapsed_s : float
        Since the start of recording; 0 before.
    statuses : mapping of daemon name to Status
        Latest known.
    stage : StageProgress or None
        Of the protocol, while recording.
    session : str or None
        Name of the session's folder, from arming on.
    duration_s : float or None
        Planned length, as far as it is known.
    failures : mapping of daemon name to str
        What went wrong and what to do.
    clocks : mapping of daemon name to ClockQuality
        From arming to the end of the session.
    warnings : tuple of str
        What is worth a look and stops nothing.
    publish_addresses : mapping of daemon name to str
        Where status and previews are published.
    """

    phase: Phase
    elapsed_s: float
    statuses: Mapping[str, Status]
    stage: StageProgress | None = None
    session: str | None = None
    duration_s: float | None = None
    failures: Mapping[str, str] = field(default_factory=dict)
    clocks: Mapping[str, ClockQuality] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    publish_addresses: Mapping[str, str] = field(default_factory=dict)
