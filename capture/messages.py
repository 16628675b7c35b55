"""What controller and daemons say to each other: one frozen type a message."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from .clock import ClockProbe, HostIdentity
from .frame import Modality

State = Literal["idle", "opening", "armed", "recording", "stopping", "stopped", "failed"]
MarkKind = Literal["marker", "stage"]


@dataclass(frozen=True, slots=True)
class Describe:
    """Ask who is there. Answer: `Description`."""


@dataclass(frozen=True, slots=True)
class Arm:
    """Open the sensor and the file of a session. Answer: `Status`, then poll for "armed".

    Attributes
    ----------
    part : int
        Number of this daemon's file in the session: 1 is ``<name>.mcap``, 2, after the daemon was
        lost and came back, is ``<name>_2.mcap``.
    """

    session_id: str
    session_uuid: str
    part: int = 1


@dataclass(frozen=True, slots=True)
class Start:
    """Record what is captured from `at_host_ns` on, a time on the daemon's own host clock.

    Like every command after `Arm` it names the session it was armed for: one of another
    controller, or of a session gone by, is refused.
    """

    at_host_ns: int
    session_uuid: str = ""


@dataclass(frozen=True, slots=True)
class Stop:
    """Record nothing captured from `at_host_ns` on."""

    at_host_ns: int
    session_uuid: str = ""


@dataclass(frozen=True, slots=True)
class Mark:
    """Write something that concerns the whole session into the recording in progress.

    Attributes
    ----------
    kind : {"marker", "stage"}
        An operator's remark, or the beginning of a protocol stage.
    label : str
        The remark, or the stage's name.
    at_host_ns : int
        When, on the daemon's own host clock.
    """

    kind: MarkKind
    label: str
    at_host_ns: int
    session_uuid: str = ""


@dataclass(frozen=True, slots=True)
class Finish:
    """Write what is left, close file and sensor."""

    session_uuid: str = ""


@dataclass(frozen=True, slots=True)
class Abort:
    """Give up: close everything; a file without frames is removed."""

    session_uuid: str = ""


@dataclass(frozen=True, slots=True)
class Poll:
    """Ask for the `Status`; with the session's uuid also says that its controller lives."""

    session_uuid: str = ""


@dataclass(frozen=True, slots=True)
class Shutdown:
    """End the process."""


@dataclass(frozen=True, slots=True)
class Description:
    """Who a daemon is and where its other sockets listen."""

    name: str
    kind: str
    software_version: str
    host: HostIdentity
    probe_port: int
    publish_port: int
    files_port: int = 0


@dataclass(frozen=True, slots=True)
class StreamStatus:
    """Counts of one stream since it was armed; times on the daemon's host clock.

    Attributes
    ----------
    n_received : int
        Frames that arrived from the sensor, also before the start.
    n_frames : int
        Frames in the file.
    n_dropped_sensor, n_dropped_recorder : int
        Missing device numbers; frames discarded because the queue was full. While recording.
    first_time_ns, last_time_ns : int or None
        Capture times of the frames taken for the file.
    rate_hz, rate_out_hz : float
        Arrivals and frames written to the file per second, over the last seconds.
    stalled : bool
        Nothing has arrived for many periods although it is recorded.
    """

    n_received: int = 0
    n_frames: int = 0
    n_dropped_sensor: int = 0
    n_dropped_recorder: int = 0
    first_time_ns: int | None = None
    last_time_ns: int | None = None
    rate_hz: float = 0.0
    rate_out_hz: float = 0.0
    stalled: bool = False


@dataclass(frozen=True, slots=True)
class Status:
    """How a daemon is.

    Attributes
    ----------
    state : str
    error, remedy : str or None
        Of a failed daemon.
    progress_done, progress_total : int
        While opening.
    queue_share : float
        How full the queue between sensor and disk is, 0 to 1.
    n_bytes : int
        Image bytes written.
    session_uuid, file : str or None
        Of the session it was armed for, and the name of its file.
    disk_free_bytes : int or None
        Where it records.
    disk_left_s : float or None
        For how long that lasts at the present rate; None while nothing is written.
    queue_latency_ms : float
        What the slowest hundredth of the last seconds' frames waited, from arrival to written.
    cpu_share : mapping of stage ("read", "encode", "write", "preview") to float
        Of one core.
    warnings : tuple of str
        What the operator should know now.
    """

    name: str
    state: State
    session_id: str | None = None
    error: str | None = None
    remedy: str | None = None
    progress_done: int = 0
    progress_total: int = 0
    queue_share: float = 0.0
    n_bytes: int = 0
    streams: Mapping[str, StreamStatus] = field(default_factory=dict)
    session_uuid: str | None = None
    file: str | None = None
    disk_free_bytes: int | None = None
    disk_left_s: float | None = None
    queue_latency_ms: float = 0.0
    cpu_share: Mapping[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request was not carried out."""

    error: str
    remedy: str | None = None


@dataclass(frozen=True, slots=True)
class ProbeRequest:
    """First half of a clock probe; carries the finished ones so that they get recorded."""

    t0_ns: int
    finished: tuple[ClockProbe, ...] = ()


@dataclass(frozen=True, slots=True)
class ProbeReply:
    """The daemon's two readings."""

    t0_ns: int
    t1_ns: int
    t2_ns: int


@dataclass(frozen=True, slots=True)
class Preview:
    """A small picture of a recent frame, in the payload; never part of the recording.

    Attributes
    ----------
    unit : str or None
        Of the values of a 16-bit picture, as in `StreamSpec`.
    full_width_px, full_height_px : int
        Size of the frame the picture was made of; 0 where it is not told.
    """

    stream: str
    modality: Modality
    seq: int
    device_time_ns: int
    host_time_ns: int
    unit: str | None = None
    full_width_px: int = 0
    full_height_px: int = 0


@dataclass(frozen=True, slots=True)
class ListFiles:
    """Ask which files of a session lie with this daemon. Answer: `FileList`."""

    session_id: str


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A recording that lies with a daemon.

    Attributes
    ----------
    in_progress : bool
        It is still being written and cannot be read yet.
    """

    name: str
    n_bytes: int
    in_progress: bool = False


@dataclass(frozen=True, slots=True)
class FileList:
    """A daemon's own recordings of a session."""

    session_id: str
    files: tuple[FileEntry, ...]


@dataclass(frozen=True, slots=True)
class ReadFile:
    """Ask for a piece of a file. Answer: `FileChunk`.

    Attributes
    ----------
    with_data : bool
        Without it only the digest is sent: to check what is there already.
    """

    session_id: str
    name: str
    offset: int
    n_bytes: int
    with_data: bool = True


@dataclass(frozen=True, slots=True)
class FileChunk:
    """A piece of a file; its bytes are the payload.

    Attributes
    ----------
    digest : str
        BLAKE2b-256 of the bytes, hexadecimal.
    """

    offset: int
    n_bytes: int
    digest: str


@dataclass(frozen=True, slots=True)
class DigestFile:
    """Ask for the digest of a whole file, which takes a while. Answer: `FileDigest`."""

    session_id: str
    name: str


@dataclass(frozen=True, slots=True)
class FileDigest:
    """How far the digest of a whole file is.

    Attributes
    ----------
    n_bytes, n_bytes_done : int
        Of the file, and read so far.
    digest : str or None
        BLAKE2b-512, hexadecimal, as ``b2sum`` prints it; None while it is being computed.
    """

    n_bytes: int
    n_bytes_done: int
    digest: str | None = None


Body = (
    Describe
    | Arm
    | Start
    | Stop
    | Mark
    | Finish
    | Abort
    | Poll
    | Shutdown
    | Description
    | Status
    | Refusal
    | ProbeRequest
    | ProbeReply
    | Preview
    | ListFiles
    | FileList
    | ReadFile
    | FileChunk
    | DigestFile
    | FileDigest
)
