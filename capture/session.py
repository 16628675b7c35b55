"""A session: the folder of one sitting, its manifest and its recordings."""

import json
import uuid as uuids
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from .errors import RecordingError
from .files import write_text_atomic
from .manifest import MANIFEST_NAME, Consent, Kind, Manifest, read_manifest
from .names import check_name
from .parts import join_parts
from .recorded_stream import RecordedEvent, RecordedStream
from .recording import Recording, open_recording
from .structure import encode


class SessionFolder:
    """A session being written: its folder and the manifest that is rewritten as things happen.

    Attributes
    ----------
    path : Path
    manifest : Manifest
        As on disk.
    """

    def __init__(self, path: Path, manifest: Manifest) -> None:
        self.path = path
        self.manifest = manifest

    @property
    def id(self) -> str:
        """Name of the folder."""
        return self.path.name

    def update(self, **changes: Any) -> Manifest:
        """Change fields of the manifest and rewrite the file whole."""
        self.manifest = replace(self.manifest, **changes)
        text = json.dumps(encode(self.manifest), indent=2, allow_nan=False)
        write_text_atomic(self.path / MANIFEST_NAME, text + "\n", overwrite=True)
        return self.manifest


@dataclass(frozen=True, slots=True, eq=False)
class Session:
    """A session on disk.

    Attributes
    ----------
    path : Path
    manifest : Manifest
    recordings : mapping of file stem to Recording
        Those whose files are in the folder.
    streams : mapping of stream name to RecordedStream
        Of all recordings; of several parts of one daemon joined, in capture-time order.
    events : tuple of RecordedEvent, in time order
    start_time_ns : int
        Controller ns that the session calls 0.
    """

    path: Path
    manifest: Manifest
    recordings: Mapping[str, Recording]
    streams: Mapping[str, RecordedStream]
    events: tuple[RecordedEvent, ...]
    start_time_ns: int

    @property
    def id(self) -> str:
        """Name of the folder."""
        return self.path.name


def create_session(
    root: Path,
    *,
    subject: str,
    kind: Kind = "subject",
    rig: Mapping[str, Any] | None = None,
    consent: Consent | None = None,
    created: datetime | None = None,
) -> SessionFolder:
    """Make the folder ``<root>/<YYYYMMDD-HHMMSS>_<subject>`` with its first manifest.

    An existing folder is never reused: the next free of ``…_2``, ``…_3`` is made instead.

    Parameters
    ----------
    root : Path
        Created when missing.
    subject : str
        Pseudonym: letters, digits, '.', '_', '-'.
    kind : {"subject", "board"}
    rig : mapping
        The rig configuration as run.
    consent : Consent
    created : datetime, optional
        Time-zone aware; now by default.
    """
    check_name(subject, what="subject")
    now = created or datetime.now(UTC)
    stem = f"{now.astimezone():%Y%m%d-%H%M%S}_{subject}"
    root.mkdir(parents=True, exist_ok=True)
    path, number = root / stem, 1
    while True:
        try:
            path.mkdir()
            break
        except FileExistsError:
            number += 1
            path = root / f"{stem}_{number}"
    manifest = Manifest(
        uuid=str(uuids.uuid4()),
        subject=subject,
        kind=kind,
        created=now.astimezone(UTC).isoformat(timespec="milliseconds"),
        software_version=version("mavfer"),
        consent=consent or Consent(),
        rig=rig or {},
    )
    folder = SessionFolder(path, manifest)
    try:
        folder.update()
    except OSError:
        path.rmdir()  # a full disk: an empty folder would look like a session that was lost
        raise
    return folder


def open_session(path: Path) -> Session:
    """Open a session with all recordings that lie in its folder, cut-off ones too.

    Raises
    ------
    RecordingError
        The manifest or a recording cannot be read, a recording belongs to another session, two
        daemons have a stream of one name, or two parts of one daemon overlap.
    """
    path = Path(path)
    manifest = read_manifest(path)
    recordings: dict[str, Recording] = {}
    streams: dict[str, RecordedStream] = {}
    for file in sorted(path.glob("*.mcap")):
        try:
            recording = open_recording(file)
        except RecordingError as error:
            raise RecordingError(
                str(error), remedy=f"move {file.name} elsewhere to open the session without it"
            ) from error
        if recording.session_uuid != manifest.uuid:
            raise RecordingError(f"{file} belongs to another session", remedy="move it away")
        recordings[file.stem] = recording
    by_daemon: dict[str, list[Recording]] = {}
    for recording in recordings.values():
        by_daemon.setdefault(recording.daemon, []).append(recording)
    for parts in by_daemon.values():
        for name, stream in join_parts(parts).items():
            if name in streams:
                raise RecordingError(f"{path}: two recordings have a stream {name!r}")
            streams[name] = stream
    events = sorted(
        (event for recording in recordings.values() for event in recording.events),
        key=lambda event: event.capture_time_ns,
    )
    start_ns = manifest.start_time_ns
    if start_ns is None:  # the controller died before it could say; the first frame is the start
        first = [int(s.capture_time_ns[0]) for s in streams.values() if len(s)]
        start_ns = min(first, default=0)
    return Session(path, manifest, recordings, streams, tuple(events), start_ns)
