"""Brings the recordings that lie with daemons elsewhere into the session's folder.

Daemons keep theirs: what to delete is for people to decide.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from .client import DaemonClient
from .config import LOCAL, RigConfig
from .digest import PREFIX
from .errors import ConfigError, ControlError, MavferError, RecordingError
from .file_client import FileClient
from .file_copy import GatheredFile, OnGather, SessionCopy
from .file_lock import SessionLock
from .keys import Keys
from .manifest import Manifest, RecordingSummary, read_manifest
from .recording import open_recording
from .session import SessionFolder
from .structure import decode
from .summary import achieved_span, summarise_recording

_DESCRIBE_S = 5.0


@dataclass(frozen=True, slots=True)
class Gathering:
    """What a call achieved.

    Attributes
    ----------
    manifest : Manifest
        As it is now.
    files : tuple of GatheredFile
    failures : mapping of daemon name to str
        Why something of it is still not here, and what to do.
    """

    manifest: Manifest
    files: tuple[GatheredFile, ...]
    failures: Mapping[str, str]


def gather_session(
    path: Path,
    *,
    rig: RigConfig | None = None,
    keys: Keys | None = None,
    on_progress: OnGather = lambda _: None,
) -> Gathering:
    """Copy every recording of a session that lies with a daemon elsewhere.

    One daemon that fails does not keep the others' files away, and the next call goes on where
    this one ended.

    Parameters
    ----------
    path : Path
        Folder of the session.
    rig : RigConfig, optional
        Where the daemons are; the rig in the manifest by default.
    keys : Keys, optional
        Required for daemons beyond loopback.
    on_progress : callable
        Called with a `GatherProgress` for every piece.

    Raises
    ------
    ControlError
        The session's controller runs.
    RecordingError
        The manifest cannot be read.
    """
    read_manifest(path)
    with SessionLock(path):
        return _gather(path, rig, keys, on_progress)


def _gather(
    path: Path, rig: RigConfig | None, keys: Keys | None, on_progress: OnGather
) -> Gathering:
    manifest = read_manifest(path)
    files: list[GatheredFile] = []
    failures: dict[str, str] = {}
    for name, address in _sources(path, manifest, rig).items():
        try:
            with DaemonClient(name, address, keys=keys) as client:
                about = client.describe(timeout_s=_DESCRIBE_S)
                if about.name != name:
                    raise ControlError(
                        f"the daemon at {address} is {about.name!r}, expected {name!r}",
                        remedy="correct the address in the rig file",
                    )
                at = client.sibling(about.files_port)
            with FileClient(name, at, keys=keys) as daemon:
                copy = SessionCopy(path, manifest.uuid, name, daemon, on_progress)
                for entry in copy.entries():
                    files.append(copy.file(entry))
                    _update_manifest(path, files[-1], address)
        except (MavferError, OSError) as error:
            failures[name] = str(error)
    return Gathering(read_manifest(path), tuple(files), failures)


def _sources(path: Path, manifest: Manifest, rig: RigConfig | None) -> dict[str, str]:
    """Return the addresses of the daemons elsewhere that recorded the session."""
    if not manifest.rig:
        return {}
    try:
        recorded = decode(RigConfig, manifest.rig, where=f"{path}: rig")
    except ConfigError as error:
        raise RecordingError(str(error)) from error
    known = {entry.name: entry.address for entry in recorded.sensor}
    if rig is not None:
        known |= {entry.name: entry.address for entry in rig.sensor if entry.name in known}
    return {name: address for name, address in known.items() if address != LOCAL}


def _update_manifest(folder: Path, file: GatheredFile, address: str) -> None:
    manifest = read_manifest(folder)
    stem = file.file.removesuffix(".mcap")
    summary = manifest.recordings.get(stem) or RecordingSummary(file.file, address)
    recording = open_recording(folder / file.file)
    if summary.status == "recording" or not recording.complete:
        summary = replace(
            summary,
            status="complete" if recording.complete else "failed",
            error=recording.damage or summary.error,
        )
    if file.outcome != "recovered here":
        summary = replace(summary, n_bytes=file.n_bytes, digest=PREFIX + file.digest)
    recordings = {**manifest.recordings, stem: summarise_recording(summary, recording)}
    start_ns, stop_ns = achieved_span(recordings)
    SessionFolder(folder, manifest).update(
        recordings=recordings, start_achieved_ns=start_ns, stop_achieved_ns=stop_ns
    )
