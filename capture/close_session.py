"""Closes a session whose controller died: ends what still records, makes whole what is here."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from .client import DaemonClient
from .config import LOCAL
from .errors import ControlError, MavferError
from .file_lock import SessionLock
from .keys import Keys
from .manifest import Manifest, RecordingSummary, StreamSummary, read_manifest
from .messages import Abort, Finish, Shutdown, Status, Stop
from .recover import Recovery, make_session_whole
from .session import SessionFolder
from .terminal import OnProgress

_ANSWER_S = 2.0
_STOP_LEAD_NS = 300_000_000
_END_TIMEOUT_S = 60.0
_POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class Closing:
    """What a call achieved.

    Attributes
    ----------
    manifest : Manifest
        As it is now.
    recoveries : tuple of Recovery
        Of the recordings in the session's folder.
    stopped : tuple of str
        Daemons that recorded until now.
    unknown : mapping of daemon name to str
        Those elsewhere that do not answer, and why; they finish their files by themselves.
    """

    manifest: Manifest
    recoveries: tuple[Recovery, ...]
    stopped: tuple[str, ...]
    unknown: Mapping[str, str]


def close_session(
    path: Path, *, keys: Keys | None = None, on_progress: OnProgress = lambda done, total: None
) -> Closing:
    """End a session that was left open; one that is closed is left as it is.

    Parameters
    ----------
    path : Path
        Folder of the session.
    keys : Keys, optional
        Required for daemons beyond loopback.
    on_progress : callable
        Told how far cut-off recordings are made whole.

    Raises
    ------
    ControlError
        Its controller runs, or a daemon of it does not stop.
    RecordingError
        The manifest cannot be read, or a recording is beyond recovery.
    """
    if read_manifest(path).status != "recording":
        return Closing(read_manifest(path), (), (), {})
    with SessionLock(path):
        manifest = read_manifest(path)
        stopped: dict[str, Status] = {}
        unknown: dict[str, str] = {}
        for key, summary in manifest.recordings.items():
            try:
                status = _end(key, summary, manifest.uuid, keys)
            except MavferError as error:
                if summary.address == LOCAL:
                    raise
                unknown[key] = str(error)
                continue
            if status is not None:
                stopped[key] = status
        manifest, recoveries = make_session_whole(path, on_progress=on_progress)
        recordings = {
            key: _settled(summary, stopped.get(key)) for key, summary in manifest.recordings.items()
        }
        failed = not recordings or any(r.status == "failed" for r in recordings.values())
        words = [f"{key}: did not answer when the session was closed" for key in unknown]
        manifest = SessionFolder(path, manifest).update(
            status="failed" if failed else manifest.status,
            recordings=recordings,
            warnings=(*manifest.warnings, *words),
        )
    return Closing(manifest, tuple(recoveries), tuple(stopped), unknown)


def _end(key: str, summary: RecordingSummary, uuid: str, keys: Keys | None) -> Status | None:
    """End a recording if its daemon is still at it; None when it is not.

    Raises
    ------
    ControlError
        A daemon elsewhere does not answer, or one does not stop.
    """
    local = summary.address == LOCAL
    address = summary.control if local else summary.address
    if address is None:
        return None
    try:
        client = DaemonClient(key, address, keys=None if local else keys)
    except MavferError:
        if local:
            return None
        raise
    with client:
        client.follow(uuid)
        try:
            now_ns = client.describe(timeout_s=_ANSWER_S).host.monotonic_ns
            status = client.poll(timeout_s=_ANSWER_S)
        except MavferError:
            if local:  # it has ended by itself; were it at its file, that would be locked
                return None
            raise
        if status.session_uuid != uuid or status.file != summary.file or status.state == "idle":
            return None
        if status.state == "recording":
            client.request(Stop(now_ns + _STOP_LEAD_NS))
        deadline_s = time.monotonic() + _END_TIMEOUT_S
        while (status := client.poll()).state in ("recording", "stopping"):
            if time.monotonic() > deadline_s:
                raise ControlError(f"{key} does not stop", remedy="end its daemon by hand")
            time.sleep(_POLL_S)
        never = status.state in ("opening", "armed")
        client.request(Abort() if never else Finish(), timeout_s=_END_TIMEOUT_S)
        if local:
            client.request(Shutdown())
    return status


def _settled(summary: RecordingSummary, status: Status | None) -> RecordingSummary:
    """Say what became of a recording elsewhere; its times are told when it has been gathered."""
    summary = replace(summary, control=None)
    if summary.address == LOCAL and not summary.present:
        return replace(summary, status="failed", error="nothing was recorded")
    if summary.present or status is None:
        return summary
    streams = {
        name: StreamSummary(
            n_frames=stream.n_frames,
            n_dropped_sensor=stream.n_dropped_sensor,
            n_dropped_recorder=stream.n_dropped_recorder,
        )
        for name, stream in status.streams.items()
    }
    return replace(summary, status="interrupted", streams=streams)
