"""Previews of one daemon, one after the other, for whoever looks on."""

import time
from types import TracebackType
from typing import Self

import zmq

from .client import DaemonClient
from .errors import MavferError
from .frame import Image
from .keys import Keys, check_exposure, is_ipv6
from .messages import Preview
from .preview import decode_preview
from .request_socket import keep_alive
from .wire import MAX_PAYLOAD_BYTES, unpack

_BACKLOG = 4
"""Previews that wait here, then in the daemon; it drops the rest and never waits for a viewer."""


class PreviewFeed:
    """Subscribes to what a daemon publishes. Use from one thread.

    Parameters
    ----------
    address : str
        ``tcp://host:port`` of the daemon's control socket; it is asked where it publishes.
    keys : Keys, optional
        Needed beyond this machine.

    Raises
    ------
    ControlError
        Nobody answers there.
    """

    def __init__(self, address: str, *, keys: Keys | None = None) -> None:
        check_exposure(address, keys)
        client = DaemonClient(address, address, keys=keys)
        try:
            self.description = client.describe()
            published = client.sibling(self.description.publish_port)
        finally:
            client.close()
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = subscribed(self._context, published, keys)

    def next(self, timeout_s: float) -> tuple[Preview, Image] | None:
        """Return the next preview with its picture, None where none comes in time.

        Messages that are damaged are passed over.
        """
        deadline_s = time.monotonic() + timeout_s
        while self._socket.poll(max(0, round(1000 * (deadline_s - time.monotonic())))):
            try:
                message = unpack(self._socket.recv_multipart())
                if isinstance(message.body, Preview):
                    return message.body, decode_preview(message.payload)
            except MavferError:
                continue
        return None

    def close(self) -> None:
        """Hang up; may be called twice."""
        self._socket.close(linger=0)
        self._context.term()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def subscribed(
    context: "zmq.Context[zmq.Socket[bytes]]", address: str, keys: Keys | None
) -> "zmq.Socket[bytes]":
    """Return a socket that hears the previews published at `address`."""
    socket = context.socket(zmq.SUB)
    socket.linger = 0
    socket.ipv6 = is_ipv6(address)
    socket.rcvhwm = _BACKLOG
    socket.maxmsgsize = MAX_PAYLOAD_BYTES
    keep_alive(socket)
    if keys is not None:
        keys.secure_client(socket)
    socket.subscribe(b"preview/")
    socket.connect(address)
    return socket
