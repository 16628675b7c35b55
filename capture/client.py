"""The controller's line to one daemon: requests with a time limit, typed answers."""

import time
from dataclasses import replace
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import zmq

from .errors import ControlError
from .keys import Keys
from .messages import (
    Abort,
    Arm,
    Body,
    Describe,
    Description,
    Finish,
    Mark,
    Poll,
    Refusal,
    Start,
    Status,
    Stop,
)
from .request_socket import RequestSocket
from .wire import Message, pack, unpack

REQUEST_TIMEOUT_S = 3.0


class DaemonClient:
    """Control connection to one daemon. Use from one thread.

    Parameters
    ----------
    name : str
        What the daemon is called in messages.
    address : str
        ``tcp://host:port`` of its control socket.
    keys : Keys, optional

    Attributes
    ----------
    refused : bool
        The last request was answered, by a refusal; else an error means that nothing came.
    """

    def __init__(self, name: str, address: str, *, keys: Keys | None = None) -> None:
        self.name = name
        self.address = address
        self._number = 0
        self._session_uuid = ""
        self.refused = False
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        try:
            self._socket = RequestSocket(self._context, address, keys)
        except BaseException:
            self._context.destroy(linger=0)
            raise

    def describe(self, *, timeout_s: float = REQUEST_TIMEOUT_S) -> Description:
        """Ask who is there."""
        answer = self._ask(Describe(), timeout_s)
        if not isinstance(answer, Description):
            raise ControlError(f"{self.name} answered {type(answer).__name__}")
        return answer

    def request(self, body: Body, *, timeout_s: float = REQUEST_TIMEOUT_S) -> Status:
        """Send a request and wait for the status that acknowledges it.

        What comes after `Arm` is given the session it was armed for.

        Raises
        ------
        ControlError
            Refused, no answer in time, or an answer that makes no sense.
        """
        if isinstance(body, Arm):
            self._session_uuid = body.session_uuid
        elif isinstance(body, Start | Stop | Mark | Finish | Abort | Poll):
            body = replace(body, session_uuid=self._session_uuid)
        self.refused = False
        answer = self._ask(body, timeout_s)
        if not isinstance(answer, Status):
            raise ControlError(f"{self.name} answered {type(answer).__name__}")
        return answer

    def poll(self, *, timeout_s: float = REQUEST_TIMEOUT_S) -> Status:
        """Ask how the daemon is."""
        return self.request(Poll(), timeout_s=timeout_s)

    def follow(self, session_uuid: str) -> None:
        """Speak for a session that another controller armed; "" for none."""
        self._session_uuid = session_uuid

    def sibling(self, port: int) -> str:
        """Return the address of another socket of the same daemon."""
        host = urlsplit(self.address).hostname or ""
        return f"tcp://[{host}]:{port}" if ":" in host else f"tcp://{host}:{port}"

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

    def _ask(self, body: Body, timeout_s: float) -> Body:
        self._number += 1
        self._socket.send(pack(Message(body, self._number)))
        deadline_s = time.monotonic() + timeout_s
        while (left_s := deadline_s - time.monotonic()) > 0:
            if not self._socket.poll(max(1, round(left_s * 1000))):
                continue
            answer = unpack(self._socket.receive())
            if answer.number != self._number:
                continue  # the late answer to a request given up
            if isinstance(answer.body, Refusal):
                self.refused = True
                raise ControlError(answer.body.error, remedy=answer.body.remedy)
            return answer.body
        what = type(body).__name__.lower()
        raise ControlError(
            f"{self.name} at {self.address} did not answer {what} within {timeout_s:g} s",
            remedy="check that its daemon runs, the address and the keys",
        )
