"""What ``session.json`` says; docs/formats/session.md is its specification."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Literal

from .clock import HostIdentity
from .course import SessionMark
from .errors import ConfigError, RecordingError
from .names import check_name
from .structure import decode

MANIFEST_NAME = "session.json"
FORMAT = "mavfer-session"
SCHEMA_VERSION = 1
Kind = Literal["subject", "board"]
SessionStatus = Literal["recording", "complete", "interrupted", "failed"]


@dataclass(frozen=True, slots=True)
class Consent:
    """What the subject agreed to.

    Attributes
    ----------
    record, share, publish_pictures : bool
    until : str or None
        ISO date after which the recording must go.
    """

    record: bool = True
    share: bool = False
    publish_pictures: bool = False
    until: str | None = None

    def __post_init__(self) -> None:
        if self.until is not None:
            date.fromisoformat(self.until)

    def ended(self, today: date) -> bool:
        """Tell whether `today` is after the last day of the consent."""
        return self.until is not None and today > date.fromisoformat(self.until)


@dataclass(frozen=True, slots=True)
class StreamSummary:
    """What was recorded of one stream; times are controller ns.

    Attributes
    ----------
    n_frames : int
        Frames in the file.
    n_dropped_sensor : int
        Gaps in the device's numbering that the recorder did not cause.
    n_dropped_recorder : int
        Frames that arrived and were discarded because the queue was full.
    n_lost : int
        Frames that were recorded and lost with damaged bytes.
    first_time_ns, last_time_ns : int or None
    measured_rate_hz : float or None
    uncertainty_ns, max_uncertainty_ns : float or None
        Half-width of capture times: median and worst.
    skew_ppm : float or None
        Device clock against its host's.
    n_resets : int
        How often the device's clock began anew.
    """

    n_frames: int
    n_dropped_sensor: int
    n_dropped_recorder: int
    first_time_ns: int | None = None
    last_time_ns: int | None = None
    measured_rate_hz: float | None = None
    uncertainty_ns: float | None = None
    skew_ppm: float | None = None
    n_lost: int = 0
    max_uncertainty_ns: float | None = None
    n_resets: int = 0


@dataclass(frozen=True, slots=True)
class ClockSummary:
    """A daemon's host clock against the controller's, over the whole session.

    Attributes
    ----------
    n_probes : int
    offset_ns : float
        Host minus controller.
    skew_ppm : float
        How much faster the host's clock runs.
    uncertainty_ns, max_uncertainty_ns : float or None
        Half of what the probes leave open: median and worst.
    min_rtt_ns : float or None
    n_resets : int
        How often one of both clocks began anew.
    """

    n_probes: int
    offset_ns: float
    skew_ppm: float
    uncertainty_ns: float | None = None
    min_rtt_ns: float | None = None
    max_uncertainty_ns: float | None = None
    n_resets: int = 0


@dataclass(frozen=True, slots=True)
class RecordingSummary:
    """One daemon's part of a session.

    Attributes
    ----------
    file : str
        Name in the session folder.
    address : str
        Where the daemon listened; "local" when the controller started it.
    control : str or None
        While a local daemon records: where it listens, for a controller that has to take over.
    present : bool
        The file lies in this folder; a remote daemon's has to be gathered first.
    status : {"recording", "complete", "interrupted", "failed"}
    error : str or None
    host : HostIdentity or None
    clock : ClockSummary or None
    streams : mapping of stream name to StreamSummary
    n_bytes : int or None
        Size of the file when `digest` was taken.
    digest : str or None
        ``blake2b:`` and what ``b2sum`` prints: of the file as it was gathered or closed.
    """

    file: str
    address: str
    present: bool = False
    status: SessionStatus = "recording"
    error: str | None = None
    host: HostIdentity | None = None
    clock: ClockSummary | None = None
    streams: Mapping[str, StreamSummary] = field(default_factory=dict)
    n_bytes: int | None = None
    digest: str | None = None
    control: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What ``session.json`` says; times are controller ns.

    Attributes
    ----------
    uuid, subject : str
        The subject is a pseudonym.
    kind : {"subject", "board"}
    created : str
        ISO time, UTC.
    status : {"recording", "complete", "interrupted", "failed"}
        "recording" until the session was closed, so a crash of the controller shows.
    error : str or None
        Why the status is not "complete".
    consent : Consent or None
        None where nothing was noted: nobody agreed to anything that needs it.
    rig : mapping
        The rig configuration as run.
    host : HostIdentity or None
        Whose clock the times are.
    start_requested_ns, stop_requested_ns : int or None
        When recording was asked to start and stop.
    start_time_ns, stop_time_ns : int or None
        The session's time 0, and its end: what the recorders trimmed by.
    start_achieved_ns, stop_achieved_ns : int or None
        From when until when every stream known here has frames: the latest of their first, the
        earliest of their last ones.
    recordings : mapping of file stem (``kinect2``, ``kinect2_2``) to RecordingSummary
    protocol : mapping or None
        The protocol as run.
    planned_duration_s : float or None
        From the start, of a session without a protocol that was to end by itself.
    marks : tuple of SessionMark
        Beginnings of stages and the operator's remarks, in time order.
    warnings : tuple of str
        What was let pass at the start, such as a clock known badly.
    """

    format: Literal["mavfer-session"] = "mavfer-session"
    schema_version: int = SCHEMA_VERSION
    uuid: str
    subject: str
    kind: Kind
    created: str
    software_version: str
    status: SessionStatus = "recording"
    error: str | None = None
    consent: Consent | None = None
    rig: Mapping[str, Any] = field(default_factory=dict)
    host: HostIdentity | None = None
    start_requested_ns: int | None = None
    start_time_ns: int | None = None
    stop_requested_ns: int | None = None
    stop_time_ns: int | None = None
    start_achieved_ns: int | None = None
    stop_achieved_ns: int | None = None
    recordings: Mapping[str, RecordingSummary] = field(default_factory=dict)
    protocol: Mapping[str, Any] | None = None
    planned_duration_s: float | None = None
    marks: tuple[SessionMark, ...] = ()
    warnings: tuple[str, ...] = ()


def read_manifest(path: Path) -> Manifest:
    """Read ``session.json`` of the session folder `path`.

    Raises
    ------
    RecordingError
        Missing, damaged, not a session's, or of a newer schema.
    """
    file = path / MANIFEST_NAME
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RecordingError(
            f"{path} has no {MANIFEST_NAME}", remedy="pass the folder of a session"
        ) from None
    except NotADirectoryError:
        raise RecordingError(
            f"{path} is no folder", remedy="pass the folder of a session"
        ) from None
    except OSError as error:
        raise RecordingError(f"{file} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise RecordingError(
            f"{file} is damaged: {error}",
            remedy="restore it from a copy; the recordings beside it can be read one by one",
        ) from error
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise RecordingError(f"{file} is not a session manifest")
    if data.get("schema_version") != SCHEMA_VERSION:
        raise RecordingError(
            f"{file}: schema version {data.get('schema_version')}, "
            f"this software reads {SCHEMA_VERSION}",
            remedy="install the mavfer version that wrote it or a newer one",
        )
    try:
        manifest = decode(Manifest, data, where=str(file))
        check_name(manifest.subject, what=f"{file}: subject")
        for recording in manifest.recordings.values():
            check_name(recording.file, what=f"{file}: recording file")
    except ConfigError as error:
        raise RecordingError(str(error)) from error
    return manifest
