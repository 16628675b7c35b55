"""Make a recording that a crash or a bad disk left behind whole, indexed and honest.

What verifies is written anew beside the original, read back, and only then put in its place. The
original stays, as ``<name>.mcap.damaged``; at every moment the recording has its name.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .config import LOCAL
from .digest import PREFIX, digest_file
from .errors import RecordingError
from .file_lock import SessionLock, hold, in_use
from .files import atomic_output, require_free_space, sync_folder
from .manifest import MANIFEST_NAME, Manifest, RecordingSummary, read_manifest
from .recording import Recording, open_recording
from .rewrite import rewrite
from .salvage import salvage
from .session import SessionFolder
from .summary import achieved_span, summarise_recording
from .terminal import OnProgress
from .writer import RECORDING_METADATA

KEPT_SUFFIX = ".damaged"
_WHOLE_SUFFIX = ".recovered"
_SPARE_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Recovery:
    """What became of one file.

    Attributes
    ----------
    path : Path
    n_frames : int
        That can be read now, all streams.
    damage : str or None
        What was wrong; None: the file was whole and nothing was done.
    n_bytes_lost : int
        Bytes that could not be read.
    kept : Path or None
        Where the original is.
    """

    path: Path
    n_frames: int
    damage: str | None = None
    n_bytes_lost: int = 0
    kept: Path | None = None


def recover_recording(
    path: Path, *, on_progress: OnProgress = lambda done, total: None
) -> Recovery:
    """Make one recording whole.

    Parameters
    ----------
    path : Path
        ``*.mcap``; of a recovery that was itself interrupted, too.
    on_progress : callable
        Told (messages written, messages in all).

    Raises
    ------
    RecordingError
        Nothing of it can be read, another program wrote it, or the original's place is taken.
    """
    kept = path.with_name(path.name + KEPT_SUFFIX)
    if not path.is_file():
        raise RecordingError(f"{path} is not a file", remedy="pass a recording, *.mcap")
    with path.open("rb") as handle:
        if not hold(handle):
            raise RecordingError(
                f"{path} is still being written",
                remedy="stop it; if its controller died: mavfer-capture close SESSION",
            )
        _clear(path)
        found = salvage(path)
        if found.index.complete:
            return Recovery(path, _n_frames(open_recording(path)))
        if RECORDING_METADATA not in found.index.metadata or found.nameless:
            raise RecordingError(
                f"{path}: the beginning is lost, which says what was recorded: "
                f"{found.index.damage}",
                remedy="restore the file from a copy",
            )
        if kept.exists() and not kept.samefile(path):
            raise RecordingError(
                f"{kept} exists already", remedy="move it away; it is the original of a recovery"
            )
        whole = path.with_name(path.name + _WHOLE_SUFFIX)
        require_free_space(path.parent, path.stat().st_size + _SPARE_BYTES)
        with atomic_output(whole, overwrite=True) as partial:
            rewrite(path, partial, found, on_progress)
            recovered = open_recording(partial)
            again = salvage(partial)
            if not (recovered.complete and again.index.complete):
                raise RecordingError(
                    f"{path}: what was recovered cannot be read: "
                    f"{recovered.damage or again.index.damage}"
                )
        if not kept.exists():
            os.link(path, kept)  # from here on the original has two names, and then this one only
        sync_folder(path.parent)
        whole.replace(path)
        sync_folder(path.parent)
    return Recovery(path, _n_frames(recovered), found.index.damage, found.n_bytes_lost, kept)


def recover_session(
    path: Path, *, on_progress: OnProgress = lambda done, total: None
) -> tuple[Manifest, list[Recovery]]:
    """Do `make_session_whole` to a session that nobody else has in use.

    Raises
    ------
    ControlError
        Its controller runs.
    RecordingError
        As for `make_session_whole`.
    """
    read_manifest(path)
    with SessionLock(path):
        return make_session_whole(path, on_progress=on_progress)


def make_session_whole(
    path: Path, *, on_progress: OnProgress = lambda done, total: None
) -> tuple[Manifest, list[Recovery]]:
    """Make every recording of a session whole and its manifest say what there is.

    The caller holds the session's lock.

    A session left open is closed: "interrupted" when every file had been finished properly,
    "failed" when one was cut off or damaged.

    Raises
    ------
    RecordingError
        A recording is still being written, of another session, or beyond recovery. What was
        recovered before stays so; the manifest is as it was.
    """
    manifest = read_manifest(path)
    _check_idle(path)
    recoveries, recordings = [], dict(manifest.recordings)
    for file in sorted(path.glob("*.mcap")):
        recoveries.append(recover_recording(file, on_progress=on_progress))
        recording = open_recording(file)
        if recording.session_uuid != manifest.uuid:
            raise RecordingError(f"{file} belongs to another session", remedy="move it away")
        first_part = manifest.recordings.get(recording.daemon)
        blank = RecordingSummary(file.name, first_part.address if first_part else LOCAL)
        recordings[file.stem] = _summary(recordings.get(file.stem, blank), recording)
    start_ns, stop_ns = achieved_span(recordings)
    changes: dict[str, Any] = {"recordings": recordings}
    changes |= {"start_achieved_ns": start_ns, "stop_achieved_ns": stop_ns}
    if manifest.status == "recording":
        whole = all(r.status != "failed" for r in recordings.values())
        changes |= {
            "status": "interrupted" if whole else "failed",
            "error": "the controller ended before the session did",
        }
    if manifest.stop_time_ns is None:
        changes["stop_time_ns"] = _end_ns(recordings.values())
    return SessionFolder(path, manifest).update(**changes), recoveries


def _check_idle(folder: Path) -> None:
    for file in sorted(folder.glob("*.mcap")):
        with file.open("rb") as handle:
            if in_use(handle):
                raise RecordingError(
                    f"{file} is still being written",
                    remedy=f"stop it; if its controller died: mavfer-capture close {folder}",
                )


def _summary(summary: RecordingSummary, recording: Recording) -> RecordingSummary:
    """Say what the file holds, what became of it, and by which digest to know it again."""
    recovered = recording.recovered
    if recovered is not None:
        told = f"recovered: {recovered.damage}"
        error = summary.error or told
        error = error if told in error else f"{error}; {told}"
        summary = replace(summary, status="failed", error=error)
    elif summary.status == "recording":
        summary = replace(summary, status="interrupted")
    n_bytes, digest = recording.path.stat().st_size, PREFIX + digest_file(recording.path)
    return replace(summarise_recording(summary, recording), n_bytes=n_bytes, digest=digest)


def _end_ns(recordings: Iterable[RecordingSummary]) -> int | None:
    ends = [stream.last_time_ns for each in recordings for stream in each.streams.values()]
    return max((end + 1 for end in ends if end is not None), default=None)


def _clear(path: Path) -> None:
    """Remove what a recovery that was killed had written so far."""
    for left in path.parent.glob(f".{path.name}{_WHOLE_SUFFIX}.*.partial"):
        left.unlink(missing_ok=True)
    path.with_name(path.name + _WHOLE_SUFFIX).unlink(missing_ok=True)


def is_session(path: Path) -> bool:
    """Say whether `path` is the folder of a session."""
    return (path / MANIFEST_NAME).is_file()


def _n_frames(recording: Recording) -> int:
    return sum(len(stream) for stream in recording.streams.values())
