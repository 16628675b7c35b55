"""A client's socket to one daemon, on which nothing ever waits to be sent."""

from collections.abc import Sequence

import zmq

from .errors import ControlError
from .keys import Keys, check_exposure, is_ipv6
from .wire import MAX_HEADER_BYTES

HEARTBEAT_MS, HEARTBEAT_TIMEOUT_MS = 2_000, 6_000
"""A connection that is silent for so long is made anew: else one that the network swallowed would
stay dead for minutes after the network is back."""
CONNECT_TIMEOUT_MS = 3_000


class RequestSocket:
    """Sends requests and receives answers. Use from one thread.

    A ZeroMQ socket that cannot send waits, by default without end. It cannot where the daemon has
    refused its keys, after which it never connects again, and where a thousand requests wait for a
    daemon that is not there. So it is made anew then: what waited is asked of nobody, and a daemon
    that is back, or knows the keys by now, is reached.

    Parameters
    ----------
    context : zmq.Context
    address : str
        ``tcp://host:port``.
    keys : Keys, optional
    max_bytes : int
        Of one message part that is accepted.

    Raises
    ------
    ConfigError
        The address is exposed and there are no keys.
    ControlError
        Nothing can be connected to it.
    """

    def __init__(
        self,
        context: "zmq.Context[zmq.Socket[bytes]]",
        address: str,
        keys: Keys | None = None,
        *,
        max_bytes: int = MAX_HEADER_BYTES,
    ) -> None:
        check_exposure(address, keys)
        self._context = context
        self._address = address
        self._keys = keys
        self._max_bytes = max_bytes
        self._socket = self._connected()

    def send(self, parts: Sequence[bytes]) -> None:
        """Send at once, or on a new connection; whether it arrives only an answer tells."""
        try:
            self._socket.send_multipart(parts, zmq.NOBLOCK)
        except zmq.Again:
            self._socket.close(linger=0)
            self._socket = self._connected()
            self._socket.send_multipart(parts, zmq.NOBLOCK)

    def poll(self, timeout_ms: int) -> bool:
        """Wait for an answer; False after `timeout_ms`."""
        return bool(self._socket.poll(timeout_ms))

    def receive(self) -> list[bytes]:
        """Return the answer that `poll` has seen."""
        return self._socket.recv_multipart()

    def close(self) -> None:
        """Hang up; may be called twice."""
        self._socket.close(linger=0)

    def _connected(self) -> "zmq.Socket[bytes]":
        socket = self._context.socket(zmq.DEALER)
        socket.linger = 0
        socket.ipv6 = is_ipv6(self._address)
        socket.maxmsgsize = self._max_bytes
        keep_alive(socket)
        if self._keys is not None:
            self._keys.secure_client(socket)
        try:
            socket.connect(self._address)
        except zmq.ZMQError as error:
            socket.close(linger=0)
            raise ControlError(f"{self._address} is no address: {error.strerror}") from error
        return socket


def keep_alive(socket: "zmq.Socket[bytes]") -> None:
    """Make a client socket notice a dead connection and make it anew; before it connects."""
    socket.heartbeat_ivl, socket.heartbeat_timeout = HEARTBEAT_MS, HEARTBEAT_TIMEOUT_MS
    socket.connect_timeout = socket.handshake_ivl = CONNECT_TIMEOUT_MS
