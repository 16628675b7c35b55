"""Clock probes on sockets of their own, so that no frame traffic delays them."""

import itertools
import logging
import threading
from collections.abc import Callable, Mapping

import zmq

from .clock import ClockMap, ClockProbe, HostClock, fit_host_clock
from .errors import ControlError
from .keys import Keys
from .messages import ProbeReply, ProbeRequest
from .request_socket import RequestSocket
from .wire import Message, pack, unpack

logger = logging.getLogger(__name__)

BURST = 16
INTERVAL_S = 2.0
_FIRST_INTERVAL_S, _N_FIRST = 0.25, 4
"""The first bursts follow each other fast: a session cannot start before the clocks are known."""
TRAILING_NS = 60_000_000_000
"""The online fit looks back this far: clocks drift with temperature."""
_ANSWER_TIMEOUT_MS = 250
_POLL_MS = 100
_MAX_RTT_NS = 10_000_000_000
_N_REMEMBERED = 8192
"""Answers that may still come back as finished probes: a quarter of an hour of one controller."""


class ProbeServer:
    """The daemon's side: answers probes, hands finished ones on.

    Parameters
    ----------
    socket : ROUTER, bound; used and closed by this thread alone
    clock : HostClock
    on_probe : callable
        Gets each finished probe.
    on_contact : callable
        Called for every probe: the controller lives.
    """

    def __init__(
        self,
        socket: "zmq.Socket[bytes]",
        clock: HostClock,
        *,
        on_probe: Callable[[ClockProbe], None],
        on_contact: Callable[[], None],
    ) -> None:
        self._socket = socket
        self._clock = clock
        self._on_probe = on_probe
        self._on_contact = on_contact
        self._answered: dict[tuple[int, int, int], None] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="mavfer-probes", daemon=True)

    def start(self) -> None:
        """Start answering."""
        self._thread.start()

    def close(self) -> None:
        """Stop answering and close the socket."""
        self._ended.set()
        self._thread.join()

    def _serve(self) -> None:
        with self._socket:
            while not self._ended.is_set():
                if not self._socket.poll(_POLL_MS):
                    continue
                parts = self._socket.recv_multipart()
                t1_ns = self._clock.monotonic_ns()
                try:
                    request = unpack(parts[1:])
                except ControlError as error:
                    logger.debug("probe refused: %s", error)
                    continue
                if not isinstance(request.body, ProbeRequest):
                    continue
                t2_ns = self._clock.monotonic_ns()
                reply = Message(ProbeReply(request.body.t0_ns, t1_ns, t2_ns), request.number)
                self._socket.send_multipart([parts[0], *pack(reply)])
                self._on_contact()
                self._remember(request.body.t0_ns, t1_ns, t2_ns)
                for probe in request.body.finished:
                    if self._is_known(probe):
                        self._on_probe(probe)

    def _remember(self, *times_ns: int) -> None:
        self._answered[times_ns[0], times_ns[1], times_ns[2]] = None
        if len(self._answered) > _N_REMEMBERED:
            del self._answered[next(iter(self._answered))]

    def _is_known(self, probe: ClockProbe) -> bool:
        """Tell whether a finished probe holds what was answered here; each is recorded once."""
        times_ns = (probe.t0_ns, probe.t1_ns, probe.t2_ns)
        if not 0 <= probe.rtt_ns <= _MAX_RTT_NS or times_ns not in self._answered:
            return False
        del self._answered[times_ns]
        return True


class Prober:
    """The controller's side: bursts of probes to every daemon from arming to after the stop.

    Parameters
    ----------
    addresses : mapping of daemon name to (probe address, keys or None)
    """

    def __init__(self, addresses: Mapping[str, tuple[str, Keys | None]]) -> None:
        self._addresses = dict(addresses)
        self._clock = HostClock()
        self._lock = threading.Lock()
        self._probes: dict[str, list[ClockProbe]] = {name: [] for name in addresses}
        self._unlogged: dict[str, list[ClockProbe]] = {name: [] for name in addresses}
        self._n_bursts = dict.fromkeys(addresses, 0)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mavfer-prober", daemon=True)

    def start(self) -> None:
        """Start probing."""
        self._thread.start()

    def close(self) -> None:
        """Probe one last time, deliver everything to the daemons and stop; may be called twice."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    def clock(self, name: str) -> ClockMap:
        """Return the present map from a daemon's host clock to the controller's."""
        with self._lock:
            probes = list(self._probes[name])
        since_ns = self._clock.monotonic_ns() - TRAILING_NS
        return fit_host_clock([probe for probe in probes if probe.t0_ns >= since_ns])

    def probes(self, name: str) -> list[ClockProbe]:
        """Return all probes of a daemon so far."""
        with self._lock:
            return list(self._probes[name])

    def n_bursts(self, name: str) -> int:
        """Return how many bursts a daemon has answered."""
        with self._lock:
            return self._n_bursts[name]

    def _run(self) -> None:
        with zmq.Context() as context:
            sockets = {name: RequestSocket(context, *at) for name, at in self._addresses.items()}
            try:
                for round_number in itertools.count():
                    last = self._ended.is_set()
                    for name, socket in sockets.items():
                        # A dead daemon must not hold up the probes of the others.
                        answered = all(self._probe(name, socket, n) for n in range(BURST))
                        with self._lock:
                            self._n_bursts[name] += answered
                    if last:
                        break
                    first = round_number < _N_FIRST
                    self._ended.wait(_FIRST_INTERVAL_S if first else INTERVAL_S)
                for name, socket in sockets.items():
                    self._probe(name, socket, BURST)  # carries the last burst's probes
            finally:
                for socket in sockets.values():
                    socket.close()

    def _probe(self, name: str, socket: RequestSocket, number: int) -> bool:
        # The burst before rides on the first probe: the bigger message makes that one slow, and
        # slow probes do not count.
        finished = tuple(self._unlogged[name]) if number in (0, BURST) else ()
        t0_ns = self._clock.monotonic_ns()
        socket.send(pack(Message(ProbeRequest(t0_ns, finished), number)))
        while socket.poll(_ANSWER_TIMEOUT_MS):
            parts = socket.receive()
            t3_ns = self._clock.monotonic_ns()
            try:
                body = unpack(parts).body
            except ControlError as error:
                logger.debug("probe answer refused: %s", error)
                continue
            if isinstance(body, ProbeReply) and body.t0_ns == t0_ns:
                break  # any other is the late answer to a probe given up
        else:
            return False
        if finished:
            self._unlogged[name] = self._unlogged[name][len(finished) :]
        probe = ClockProbe(t0_ns, body.t1_ns, body.t2_ns, t3_ns)
        self._unlogged[name].append(probe)
        with self._lock:
            self._probes[name].append(probe)
        return True
