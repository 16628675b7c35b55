"""The controller's line to a daemon's files: several pieces under way, each verified."""

import time
from collections import deque
from collections.abc import Iterator
from types import TracebackType
from typing import Self

import zmq

from .digest import digest_piece
from .errors import ControlError
from .file_server import MAX_PIECE_BYTES
from .keys import Keys
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
from .request_socket import RequestSocket
from .wire import MAX_HEADER_BYTES, MAX_PAYLOAD_BYTES, Message, pack, unpack

WINDOW = 8
"""Pieces under way: enough to keep a fast network busy, little to hold in memory."""
SILENT_S = 15.0
"""After which a daemon counts as gone."""
_DIGEST_STALL_S = 60.0
_RESEND_S = 3.0
_DIGEST_INTERVAL_S = 0.1
_MAX_DAMAGED = 5
_POLL_MS = 100


class FileClient:
    """Reads the files of one daemon. Use from one thread.

    Parameters
    ----------
    name : str
        What the daemon is called in messages.
    address : str
        ``tcp://host:port`` of its files socket.
    keys : Keys, optional
    """

    def __init__(self, name: str, address: str, *, keys: Keys | None = None) -> None:
        self._name = name
        self._address = address
        self._number = 0
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        try:
            self._socket = RequestSocket(
                self._context, address, keys, max_bytes=MAX_HEADER_BYTES + MAX_PAYLOAD_BYTES
            )
        except BaseException:
            self._context.destroy(linger=0)
            raise

    def list(self, session_id: str) -> tuple[FileEntry, ...]:
        """Return the daemon's recordings of a session."""
        answer = self._ask(ListFiles(session_id))
        if not isinstance(answer, FileList):
            raise self._nonsense(answer)
        return answer.files

    def digest(self, session_id: str, name: str, *, wait: bool = True) -> str | None:
        """Return the digest of a whole file; without `wait`, None while it is being computed."""
        done, moved_s = -1, time.monotonic()
        while True:
            answer = self._ask(DigestFile(session_id, name))
            if not isinstance(answer, FileDigest):
                raise self._nonsense(answer)
            if answer.digest is not None or not wait:
                return answer.digest
            if answer.n_bytes_done != done:
                done, moved_s = answer.n_bytes_done, time.monotonic()
            elif time.monotonic() - moved_s > _DIGEST_STALL_S:
                raise ControlError(
                    f"{self._name} does not finish the digest of {name}",
                    remedy="run the same command again",
                )
            time.sleep(_DIGEST_INTERVAL_S)

    def pieces(
        self, session_id: str, entry: FileEntry, *, start: int = 0, with_data: bool = True
    ) -> Iterator[tuple[FileChunk, bytes]]:
        """Yield the pieces of a file in order, from the one at byte `start` on, each verified.

        Raises
        ------
        ControlError
            The daemon refuses, falls silent, or sends damaged pieces again and again.
        """
        name, end = entry.name, entry.n_bytes
        waiting = deque(
            ReadFile(session_id, name, at, min(MAX_PIECE_BYTES, end - at), with_data)
            for at in range(start, end, MAX_PIECE_BYTES)
        )
        under_way: dict[int, Body] = {}
        ready: dict[int, tuple[FileChunk, bytes]] = {}
        at, n_damaged = start, 0
        while at < end:
            while waiting and len(under_way) + len(ready) < WINDOW:
                self._send(waiting.popleft(), under_way)
            request, message = self._receive(under_way)
            if not isinstance(request, ReadFile) or not isinstance(message.body, FileChunk):
                raise self._nonsense(message.body)
            if _fits(request, message.body, message.payload):
                ready[request.offset] = message.body, message.payload
            elif (n_damaged := n_damaged + 1) > _MAX_DAMAGED:
                raise ControlError(
                    f"{name} from {self._name}: {n_damaged} pieces came damaged",
                    remedy="check the network and the memory of both machines",
                )
            else:
                waiting.appendleft(request)
            while at in ready:
                chunk, data = ready.pop(at)
                at += chunk.n_bytes
                yield chunk, data

    def close(self) -> None:
        """Hang up; may be called twice."""
        self._socket.close()
        self._context.destroy(linger=0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _ask(self, body: Body) -> Body:
        under_way: dict[int, Body] = {}
        self._send(body, under_way)
        return self._receive(under_way)[1].body

    def _send(self, body: Body, under_way: dict[int, Body]) -> None:
        self._number += 1
        under_way[self._number] = body
        self._socket.send(pack(Message(body, self._number)))

    def _receive(self, under_way: dict[int, Body]) -> tuple[Body, Message]:
        """Wait for the answer to any of the requests, which are sent again after a silence."""
        began_s = sent_s = time.monotonic()
        while (now_s := time.monotonic()) - began_s < SILENT_S:
            if now_s - sent_s > _RESEND_S:  # the daemon may be a new one since
                sent_s = now_s
                for number, body in under_way.items():
                    self._socket.send(pack(Message(body, number)))
            if not self._socket.poll(_POLL_MS):
                continue
            message = unpack(self._socket.receive())
            request = under_way.pop(message.number, None)
            if request is None:
                continue  # the second answer to something asked twice
            if isinstance(message.body, Refusal):
                raise ControlError(message.body.error, remedy=message.body.remedy)
            return request, message
        raise ControlError(
            f"{self._name} at {self._address} is silent for {SILENT_S:g} s",
            remedy="check its daemon and the network, then run the same command again",
        )

    def _nonsense(self, answer: Body) -> ControlError:
        return ControlError(f"{self._name} answered {type(answer).__name__}")


def _fits(request: ReadFile, chunk: FileChunk, data: bytes) -> bool:
    if (chunk.offset, chunk.n_bytes) != (request.offset, request.n_bytes):
        return False
    if not request.with_data:
        return not data
    return len(data) == chunk.n_bytes and digest_piece(data) == chunk.digest
