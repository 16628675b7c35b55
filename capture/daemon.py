"""A daemon: one sensor's recorder behind four sockets, in a process of its own.

Control (ROUTER) carries requests and typed answers; probes and files have sockets and threads of
their own; status and preview are published for whoever wants to look. A socket belongs to one
thread.
"""

import json
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import zmq
from zmq.auth.thread import ThreadAuthenticator

from .clock import HostClock, HostIdentity
from .errors import ConfigError, ControlError, MavferError
from .file_server import FileServer, SessionFiles
from .frame import Frame
from .keys import Keys, check_exposure, is_ipv6
from .messages import (
    Abort,
    Arm,
    Body,
    Describe,
    Description,
    Finish,
    Mark,
    Poll,
    Preview,
    Refusal,
    Shutdown,
    Start,
    Stop,
)
from .preview import encode_preview
from .probing import ProbeServer
from .recorder import Recorder
from .sensor import SensorConfig
from .wire import MAX_HEADER_BYTES, Message, pack, unpack

logger = logging.getLogger(__name__)

CONTROLLER_TIMEOUT_S = 15.0
"""Silence after which a daemon that was armed takes its controller for dead."""
ORPHAN_LIMIT_S = 120.0
"""Silence after which one that records does: a network that fails for a minute costs nothing."""
_POLL_MS = 50
_STATUS_INTERVAL_S = 1.0
_PREVIEW_INTERVAL_S = 1 / 3
_PUBLISH_BACKLOG = 8
_REQUEST_BACKLOG = 64


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a running daemon's control socket listens."""

    address: str

    def to_json(self) -> str:
        """Return the line by which a started daemon tells its controller."""
        return json.dumps({"control": self.address})


class Daemon:
    """Serves one sensor until told to stop. Use from one thread.

    Parameters
    ----------
    config : SensorConfig
    output : Path
        Recordings go to ``<output>/<session id>/``.
    bind : str
        ``tcp://host:port``. Port p: control on p, probes on p + 1, publications on p + 2,
        files on p + 3; port ``*``: four free ports.
    keys : Keys, optional
        Required beyond loopback.
    clock : HostClock, optional
    """

    def __init__(
        self,
        config: SensorConfig,
        output: Path,
        bind: str,
        *,
        keys: Keys | None = None,
        clock: HostClock | None = None,
    ) -> None:
        check_exposure(bind, keys)
        self._config = config
        self._keys = keys
        self._clock = clock or HostClock()
        self._recorder = Recorder(config, output, clock=self._clock)
        self._contact_s = time.monotonic()
        self._session_uuid = ""
        self._previewed: dict[str, Frame] = {}
        self._previews_cpu_ns = 0
        self._ended = threading.Event()
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._gate: ThreadAuthenticator | None = keys.start_gate(self._context) if keys else None
        try:
            self._control = self._bind(zmq.ROUTER, bind, 0)
            probe = self._bind(zmq.ROUTER, bind, 1)
            self._publisher = self._bind(zmq.PUB, bind, 2)
            files = self._bind(zmq.ROUTER, bind, 3)
        except BaseException:
            self._release()
            raise
        self._probe_port = _port(probe)
        self._probes = ProbeServer(
            probe, self._clock, on_probe=self._recorder.log_probe, on_contact=self._touch
        )
        self._files_port = _port(files)
        self._files = FileServer(files, SessionFiles(output, config.name))

    @property
    def endpoint(self) -> Endpoint:
        """Where to connect."""
        return Endpoint(bound_address(self._control))

    def stop(self) -> None:
        """End `serve` soon; safe from a signal handler or another thread."""
        self._ended.set()

    def serve(
        self,
        *,
        ended: Callable[[], bool] = lambda: False,
        orphaned: Callable[[], bool] = lambda: False,
    ) -> None:
        """Answer until `stop` or a shutdown request; a recording in progress is closed properly.

        Parameters
        ----------
        ended : callable
            Asked all the time: says whether there is another reason to end.
        orphaned : callable
            Says whether who started this daemon is gone: then it ends once nobody else asks for it.
        """
        self._probes.start()
        self._files.start()
        status_s = preview_s = time.monotonic()
        try:
            while not self._ended.is_set() and not ended():
                if self._control.poll(_POLL_MS):
                    self._answer()
                now_s = time.monotonic()
                if now_s - status_s >= _STATUS_INTERVAL_S:
                    status_s = now_s
                    self._publish(Message(self._recorder.status()), self._config.name)
                    self._watch_controller(now_s)
                    if orphaned() and self._forgotten(now_s):
                        break
                if now_s - preview_s >= _PREVIEW_INTERVAL_S:
                    preview_s = now_s
                    self._publish_previews()
        finally:
            try:
                self._recorder.finish()
            finally:
                self._probes.close()
                self._files.close()
                self._release()

    def _bind(self, kind: int, bind: str, step: int) -> "zmq.Socket[bytes]":
        socket = self._context.socket(kind)
        socket.linger = 0
        socket.ipv6 = is_ipv6(bind)
        # Requests carry no payload; what a peer can make the daemon hold is bounded.
        socket.maxmsgsize = MAX_HEADER_BYTES
        socket.rcvhwm = socket.sndhwm = _REQUEST_BACKLOG
        if kind == zmq.PUB:
            socket.sndhwm = _PUBLISH_BACKLOG
        if self._keys is not None:
            self._keys.secure_server(socket)
        address, _, port = bind.rpartition(":")
        where = bind if port in ("*", "0") else f"{address}:{_number(port, bind) + step}"
        try:
            socket.bind(where)
        except zmq.ZMQError as error:
            socket.close()
            raise ConfigError(
                f"cannot listen on {where}: {error.strerror}", remedy="choose another port"
            ) from error
        return socket

    def _release(self) -> None:
        if self._gate is not None:
            self._gate.stop()
        self._context.destroy(linger=0)

    def _touch(self) -> None:
        self._contact_s = time.monotonic()

    def _answer(self) -> None:
        peer, *parts = self._control.recv_multipart()
        number = 0
        try:
            request = unpack(parts)
            number = request.number
            body = self._handle(request.body)
            if not self._is_of_others(request.body):
                self._touch()
        except (MavferError, OSError) as error:
            remedy = error.remedy if isinstance(error, MavferError) else None
            text = error.message if isinstance(error, MavferError) else str(error)
            body = Refusal(text, remedy)
        self._control.send_multipart([peer, *pack(Message(body, number))])

    def _handle(self, request: Body) -> Body:
        recorder = self._recorder
        match request:
            case Describe():
                return Description(
                    name=self._config.name,
                    kind=self._config.kind,
                    software_version=version("mavfer"),
                    host=HostIdentity.read(self._clock),
                    probe_port=self._probe_port,
                    publish_port=_port(self._publisher),
                    files_port=self._files_port,
                )
            case Arm(session_id, session_uuid, part):
                recorder.arm(session_id, session_uuid, part=part)
                self._session_uuid = session_uuid
            case Mark(kind, label, at_host_ns, session_uuid):
                self._check_session(session_uuid)
                recorder.mark(kind, label, at_host_ns)
            case Start(at_host_ns, session_uuid):
                self._check_session(session_uuid)
                recorder.start(at_host_ns)
            case Stop(at_host_ns, session_uuid):
                self._check_session(session_uuid)
                recorder.stop(at_host_ns)
            case Finish(session_uuid):
                self._check_session(session_uuid)
                recorder.finish()
            case Abort(session_uuid):
                self._check_session(session_uuid)
                recorder.abort()
            case Shutdown():
                self._ended.set()
            case Poll():
                pass
            case _:
                raise ControlError(f"{type(request).__name__} is no request")
        return recorder.status()

    def _is_of_others(self, request: Body) -> bool:
        """Say whether whoever asks is not the controller of the session in progress."""
        if isinstance(request, Poll):
            idle = self._recorder.status().state in ("idle", "failed")
            return not idle and request.session_uuid != self._session_uuid
        return isinstance(request, Describe)

    def _check_session(self, session_uuid: str) -> None:
        status = self._recorder.status()
        if status.state != "idle" and session_uuid != self._session_uuid:
            raise ControlError(
                f"{self._config.name} is {status.state} for another session, {status.session_id}",
                remedy="wait until it has ended, or end it where it was started",
            )

    def _watch_controller(self, now_s: float) -> None:
        state = self._recorder.status().state
        silent_s = now_s - self._contact_s
        limit_s = ORPHAN_LIMIT_S if state in ("recording", "stopping") else CONTROLLER_TIMEOUT_S
        if state not in ("idle", "failed") and silent_s > limit_s:
            logger.warning("no word from the controller for %.0f s: closing the file", silent_s)
            self._recorder.finish()

    def _forgotten(self, now_s: float) -> bool:
        records = self._recorder.status().state in ("recording", "stopping")
        return not records and now_s - self._contact_s > CONTROLLER_TIMEOUT_S

    def _publish_previews(self) -> None:
        for spec, frame in self._recorder.latest_frames():
            if self._previewed.get(spec.name) is frame:
                continue  # nothing new: the sensor is closed, or slower than we look
            cpu_ns = time.thread_time_ns()
            self._previewed[spec.name] = frame
            body = Preview(
                stream=spec.name,
                modality=spec.modality,
                seq=frame.seq,
                device_time_ns=frame.device_time_ns,
                host_time_ns=frame.host_time_ns,
                unit=spec.unit,
                full_width_px=spec.width_px,
                full_height_px=spec.height_px,
            )
            self._publish(Message(body, payload=encode_preview(frame.image)), spec.name)
            self._previews_cpu_ns += time.thread_time_ns() - cpu_ns
        self._recorder.spent_on_previews(self._previews_cpu_ns)

    def _publish(self, message: Message, detail: str) -> None:
        self._publisher.send_multipart(pack(message, detail=detail))


def _number(port: str, bind: str) -> int:
    if not port.isdigit() or not 0 < int(port) < 65533:
        raise ConfigError(f"address {bind!r} is not tcp://host:port")
    return int(port)


def _port(socket: "zmq.Socket[bytes]") -> int:
    return int(bound_address(socket).rpartition(":")[2])


def bound_address(socket: "zmq.Socket[bytes]") -> str:
    """Return where a bound socket really listens."""
    endpoint = socket.getsockopt(zmq.LAST_ENDPOINT)
    return endpoint.decode() if isinstance(endpoint, bytes) else str(endpoint)
