"""Copies recordings from one daemon: resumed, verified, never over another file.

A copy in progress is ``<name>.part``; what of it verifies is kept from call to call. A file appears
under its name only when all of it is there and its digest is the daemon's.
"""

import hashlib
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Literal

from .digest import digest_file, digest_piece
from .errors import ControlError, RecordingError
from .file_client import FileClient
from .file_lock import hold
from .file_server import MAX_PIECE_BYTES
from .files import sync_folder
from .messages import FileEntry
from .names import check_name
from .recording import open_recording
from .recover import KEPT_SUFFIX

PART_SUFFIX = ".part"
_SPARE_BYTES = 200 << 20
"""Left free on the disk, for what else a session needs."""
_SYNC_BYTES = 64 << 20
_RATE_WINDOW_S = 5.0

Outcome = Literal["copied", "resumed", "already there", "recovered here"]


@dataclass(frozen=True, slots=True)
class GatheredFile:
    """A recording that is in the session folder now.

    Attributes
    ----------
    daemon, file : str
    n_bytes : int
    digest : str
        BLAKE2b-512, hexadecimal.
    outcome : {"copied", "resumed", "already there", "recovered here"}
        The last: the file was cut off, and what `recover` made of it is here instead.
    n_bytes_copied : int
        That crossed the network this time.
    """

    daemon: str
    file: str
    n_bytes: int
    digest: str
    outcome: Outcome
    n_bytes_copied: int = 0


@dataclass(frozen=True, slots=True)
class GatherProgress:
    """How a copy goes.

    Attributes
    ----------
    daemon, file : str
    n_bytes_done, n_bytes : int
    rate_mb_s : float
        Over the last seconds.
    eta_s : float or None
        None before there is a rate.
    """

    daemon: str
    file: str
    n_bytes_done: int
    n_bytes: int
    rate_mb_s: float = 0.0
    eta_s: float | None = None


OnGather = Callable[[GatherProgress], None]


class SessionCopy:
    """Copies the files of one session from one daemon.

    Parameters
    ----------
    folder : Path
        The session's, here.
    session_uuid : str
        What every recording must repeat.
    daemon_name : str
    daemon : FileClient
    report : callable
    """

    def __init__(
        self,
        folder: Path,
        session_uuid: str,
        daemon_name: str,
        daemon: FileClient,
        report: OnGather,
    ) -> None:
        self._folder = folder
        self._session_uuid = session_uuid
        self._name = daemon_name
        self._daemon = daemon
        self._report = report

    def entries(self) -> list[FileEntry]:
        """Return what there is to copy.

        Raises
        ------
        ControlError
            Nothing, or it is still being written.
        """
        entries = self._daemon.list(self._folder.name)
        if not entries:
            raise ControlError(
                f"{self._name} has no recording of {self._folder.name}",
                remedy="check that it runs on the machine and with the --output of the session",
            )
        for entry in entries:
            if entry.in_progress:
                raise ControlError(
                    f"{self._name} is still recording {entry.name}", remedy="stop it first"
                )
            if not check_name(entry.name, what="file").endswith(".mcap"):
                raise ControlError(f"{self._name} offers {entry.name!r:.80}: no recording")
        return list(entries)

    def file(self, entry: FileEntry) -> GatheredFile:
        """Copy one file, or find it here."""
        if found := self._find(entry):
            return found
        target = self._folder / entry.name
        part = self._folder / (entry.name + PART_SUFFIX)
        with part.open("a+b") as handle:
            if not hold(handle):
                raise RecordingError(
                    f"{part} is being written", remedy="wait for the other `gather` to end"
                )
            start, digest = self._copy(entry, part, handle)
            self._check(part)
            try:
                os.link(part, target)
            except FileExistsError:
                raise _different(target, self._name) from None
            part.unlink()
            sync_folder(self._folder)
        outcome: Outcome = "resumed" if start else "copied"
        n_copied = entry.n_bytes - start
        return GatheredFile(self._name, entry.name, entry.n_bytes, digest, outcome, n_copied)

    def _find(self, entry: FileEntry) -> GatheredFile | None:
        target = self._folder / entry.name
        original = target.with_name(entry.name + KEPT_SUFFIX)
        outcomes: tuple[tuple[Path, Outcome], ...] = (
            (target, "already there"),
            (original, "recovered here"),
        )
        for path, outcome in outcomes:
            if path.is_file() and path.stat().st_size == entry.n_bytes:
                digest = digest_file(path)
                if digest == self._daemon.digest(self._folder.name, entry.name):
                    return GatheredFile(self._name, entry.name, entry.n_bytes, digest, outcome)
        if target.exists():
            raise _different(target, self._name)
        return None

    def _copy(self, entry: FileEntry, part: Path, handle: IO[bytes]) -> tuple[int, str]:
        digest = hashlib.blake2b()
        start = self._verify(entry, handle, digest)
        handle.truncate(start)
        free = shutil.disk_usage(self._folder).free
        if free < entry.n_bytes - start + _SPARE_BYTES:
            raise RecordingError(
                f"{entry.name} needs {entry.n_bytes - start >> 20} MB and {_SPARE_BYTES >> 20} MB "
                f"to spare, {self._folder} has {free >> 20} MB left",
                remedy="free some space and run the same command again",
            )
        self._daemon.digest(self._folder.name, entry.name, wait=False)  # it takes its time
        rate = _Rate(start)
        unsynced = 0
        for chunk, data in self._daemon.pieces(self._folder.name, entry, start=start):
            handle.write(data)  # opened to append
            digest.update(data)
            unsynced += chunk.n_bytes
            if unsynced >= _SYNC_BYTES:
                _sync(handle)
                unsynced = 0
            self._tell(entry, chunk.offset + chunk.n_bytes, rate)
        _sync(handle)
        if digest.hexdigest() != self._daemon.digest(self._folder.name, entry.name):
            part.unlink()
            raise RecordingError(
                f"{entry.name} changed at {self._name} while it was copied",
                remedy="run the same command again",
            )
        return start, digest.hexdigest()

    def _verify(self, entry: FileEntry, handle: IO[bytes], digest: "hashlib.blake2b") -> int:
        """Return how many bytes of an earlier copy are the daemon's, and digest them."""
        there = min(handle.seek(0, os.SEEK_END), entry.n_bytes)
        whole = there - there % MAX_PIECE_BYTES if there < entry.n_bytes else there
        start = 0
        handle.seek(0)
        earlier = replace(entry, n_bytes=whole)
        for chunk, _ in self._daemon.pieces(self._folder.name, earlier, with_data=False):
            data = handle.read(chunk.n_bytes)
            if digest_piece(data) != chunk.digest:
                break
            digest.update(data)
            start += chunk.n_bytes
        return start

    def _check(self, part: Path) -> None:
        recording = open_recording(part)
        if recording.session_uuid != self._session_uuid:
            raise RecordingError(
                f"{part.name} from {self._name} belongs to another session of the same name",
                remedy=f"check the daemon's folder and delete {part}",
            )

    def _tell(self, entry: FileEntry, done: int, rate: "_Rate") -> None:
        bytes_s = rate.bytes_s(done)
        eta_s = (entry.n_bytes - done) / bytes_s if bytes_s else None
        progress = GatherProgress(
            self._name, entry.name, done, entry.n_bytes, bytes_s * 1e-6, eta_s
        )
        self._report(progress)


class _Rate:
    """Bytes a second over the last seconds."""

    def __init__(self, done: int) -> None:
        self._seen = [(time.monotonic(), done)]

    def bytes_s(self, done: int) -> float:
        now_s = time.monotonic()
        self._seen.append((now_s, done))
        while now_s - self._seen[0][0] > _RATE_WINDOW_S and len(self._seen) > 2:
            self._seen.pop(0)
        since_s, before = self._seen[0]
        return (done - before) / (now_s - since_s) if now_s > since_s else 0.0


def _different(target: Path, daemon: str) -> RecordingError:
    return RecordingError(
        f"{target} is another file than {target.name} of {daemon}",
        remedy="look which one you want, move the other away",
    )


def _sync(handle: IO[bytes]) -> None:
    handle.flush()
    os.fsync(handle.fileno())
