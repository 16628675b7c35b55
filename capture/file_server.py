"""Hands a daemon's finished recordings to the controller: read only, and nothing else of the disk.

It has a socket and threads of its own, at low priority: a copy never slows a recording.
"""

import logging
import os
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import zmq

from .digest import digest_piece, digest_stream
from .errors import ControlError, MavferError
from .file_lock import in_use
from .messages import (
    Body,
    DigestFile,
    FileChunk,
    FileDigest,
    FileEntry,
    FileList,
    ListFiles,
    ReadFile,
    Refusal,
)
from .names import check_name
from .wire import Message, pack, unpack

logger = logging.getLogger(__name__)

MAX_PIECE_BYTES = 1 << 20
_POLL_MS = 100
_NICE = 10
_SUFFIX = ".mcap"


class SessionFiles:
    """The recordings of one daemon below `root`; anything else cannot be named.

    Parameters
    ----------
    root : Path
        Sessions are its folders.
    daemon : str
        Files are called ``<daemon>.mcap`` or ``<daemon>_<part>.mcap``.
    """

    def __init__(self, root: Path, daemon: str) -> None:
        self._root = root
        self._daemon = daemon

    def list(self, session_id: str) -> tuple[FileEntry, ...]:
        """Return the daemon's recordings of a session, by name; none of an unknown session."""
        check_name(session_id, what="session id")
        folder = self._root / session_id
        if folder.is_symlink() or not folder.is_dir():
            return ()
        entries = []
        for path in sorted(folder.iterdir()):
            if self._is_mine(path.name):
                with suppress(OSError, ControlError), self._open(session_id, path.name) as handle:
                    n_bytes = os.fstat(handle.fileno()).st_size
                    entries.append(FileEntry(path.name, n_bytes, in_use(handle)))
        return tuple(entries)

    @contextmanager
    def open(self, session_id: str, name: str) -> Iterator[IO[bytes]]:
        """Open a finished recording.

        Raises
        ------
        ControlError
            Not one of this daemon's, not there, or still being written.
        """
        with self._open(session_id, name) as handle:
            if in_use(handle):
                raise ControlError(
                    f"{name} of {session_id} is still being written",
                    remedy="stop the recording first",
                )
            yield handle

    @contextmanager
    def _open(self, session_id: str, name: str) -> Iterator[IO[bytes]]:
        check_name(session_id, what="session id")
        if not self._is_mine(name):
            raise ControlError(f"{name!r:.80} is no recording of {self._daemon}")
        # No step of the way may be a link: it could lead out of the folder.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
        try:
            folder = os.open(self._root / session_id, flags | os.O_DIRECTORY)
            try:
                file = os.open(name, flags, dir_fd=folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise ControlError(
                f"{self._daemon} has no {name} of {session_id}: {error.strerror}"
            ) from error
        if not stat.S_ISREG(os.fstat(file).st_mode):
            os.close(file)
            raise ControlError(f"{name} of {session_id} is no file")
        with os.fdopen(file, "rb", buffering=0) as handle:
            yield handle

    def _is_mine(self, name: str) -> bool:
        stem = name.removesuffix(_SUFFIX)
        if stem == name:
            return False
        part = stem.removeprefix(f"{self._daemon}_")
        return stem == self._daemon or (part != stem and part.isascii() and part.isdigit())


class FileServer:
    """Answers on its own thread until closed.

    Parameters
    ----------
    socket : ROUTER, bound; used and closed by this thread alone
    files : SessionFiles
    """

    def __init__(self, socket: "zmq.Socket[bytes]", files: SessionFiles) -> None:
        self._socket = socket
        self._files = files
        self._digests: dict[_FileKey, _Digest] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="mavfer-files", daemon=True)

    def start(self) -> None:
        """Start answering."""
        self._thread.start()

    def close(self) -> None:
        """Stop answering and close the socket."""
        self._ended.set()
        self._thread.join()
        for digest in self._digests.values():
            digest.thread.join()

    def _serve(self) -> None:
        _yield_to_others()
        with self._socket:
            while not self._ended.is_set():
                if self._socket.poll(_POLL_MS):
                    self._answer()

    def _answer(self) -> None:
        peer, *parts = self._socket.recv_multipart()
        number, payload = 0, b""
        body: Body
        try:
            request = unpack(parts)
            number = request.number
            body, payload = self._handle(request.body)
        except MavferError as error:
            body = Refusal(error.message, error.remedy)
        except OSError as error:
            body = Refusal(str(error))
        self._socket.send_multipart([peer, *pack(Message(body, number, payload))])

    def _handle(self, request: Body) -> tuple[Body, bytes]:
        match request:
            case ListFiles(session_id):
                return FileList(session_id, self._files.list(session_id)), b""
            case ReadFile():
                return self._read(request)
            case DigestFile(session_id, name):
                return self._digest(session_id, name), b""
            case _:
                raise ControlError(f"{type(request).__name__} is no request for files")

    def _read(self, request: ReadFile) -> tuple[FileChunk, bytes]:
        if not 0 < request.n_bytes <= MAX_PIECE_BYTES or request.offset < 0:
            raise ControlError(
                f"{request.n_bytes} bytes from {request.offset} asked for, "
                f"expected at most {MAX_PIECE_BYTES}"
            )
        with self._files.open(request.session_id, request.name) as handle:
            data = os.pread(handle.fileno(), request.n_bytes, request.offset)
        if len(data) != request.n_bytes:
            raise ControlError(f"{request.name} ends at byte {request.offset + len(data)}")
        chunk = FileChunk(request.offset, len(data), digest_piece(data))
        return chunk, data if request.with_data else b""

    def _digest(self, session_id: str, name: str) -> FileDigest:
        """Answer what is known; the first question starts the work on a thread of its own."""
        with self._files.open(session_id, name) as handle:
            state = os.fstat(handle.fileno())
        key = (session_id, name, state.st_ino, state.st_size, state.st_mtime_ns)
        digest = self._digests.get(key)
        if digest is None:
            if any(other.thread.is_alive() for other in self._digests.values()):
                return FileDigest(state.st_size, 0)  # one after the other: it is one disk
            digest = self._digests[key] = _Digest(self._files, key, self._ended)
        if digest.error is not None:
            del self._digests[key]
            raise ControlError(digest.error)
        return FileDigest(state.st_size, digest.n_bytes_done, digest.value)


_FileKey = tuple[str, str, int, int, int]
"""Session, name, inode, size, time of change: a digest belongs to one content."""


@dataclass(slots=True)
class _Digest:
    """The digest of one file, in the making or done."""

    thread: threading.Thread
    n_bytes_done: int
    value: str | None
    error: str | None

    def __init__(self, files: SessionFiles, key: _FileKey, ended: threading.Event) -> None:
        self.n_bytes_done, self.value, self.error = 0, None, None
        self.thread = threading.Thread(
            target=self._work, args=(files, key, ended), name="mavfer-digest", daemon=True
        )
        self.thread.start()

    def _work(self, files: SessionFiles, key: _FileKey, ended: threading.Event) -> None:
        _yield_to_others()

        def count(n_bytes: int) -> None:
            self.n_bytes_done += n_bytes
            if ended.is_set():
                raise ControlError("the daemon ends")

        try:
            with files.open(key[0], key[1]) as handle:
                self.value = digest_stream(handle, on_bytes=count)
        except (MavferError, OSError) as error:
            self.error = str(error)


def _yield_to_others() -> None:
    """Lower the priority of the calling thread (of it alone, on Linux)."""
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
