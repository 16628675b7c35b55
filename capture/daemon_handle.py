"""One daemon as the controller sees it: reachable or not, how it is, and why it failed."""

import time
from contextlib import suppress
from pathlib import Path

from .client import DaemonClient
from .config import LOCAL, SensorEntry
from .errors import ControlError, MavferError
from .keys import Keys
from .messages import Abort, Body, Description, Shutdown, Status, Stop
from .spawn import LocalDaemon

HEARTBEAT_TIMEOUT_S = 10.0
"""Silence after which a daemon counts as dead."""
PARTITION_TIMEOUT_S = 110.0
"""The same of one elsewhere that records: it goes on by itself and comes back with the network.
Less than the daemon's own limit, so that what it was told last still finds it recording."""
OUTAGE_S = 3.0
"""Silence that is worth a warning."""
OPEN_STALL_TIMEOUT_S = 240.0
"""How long opening may go without progress: a simulated rig compiles and renders first."""
_POLL_TIMEOUT_S = 1.0


class DaemonHandle:
    """Started or found, polled, judged and closed. Use from one thread.

    Parameters
    ----------
    entry : SensorEntry
    root : Path
        Where a daemon started here records to.
    keys : Keys, optional

    Attributes
    ----------
    failure : MavferError or None
        Set once, by whatever went wrong first.
    status : Status or None
        The latest.
    keys : Keys or None
        What its sockets need.
    outages_s : list of float
        How long each silence of the daemon lasted that ended with its return.
    part : int
        Number of the file it writes, or is to write, in the session.
    """

    def __init__(self, entry: SensorEntry, root: Path, *, keys: Keys | None = None) -> None:
        self.entry = entry
        self.name = entry.name
        self._root = root
        self.part = 1
        self.failure: MavferError | None = None
        self.status: Status | None = None
        self.description: Description | None = None
        # A daemon started here is on loopback, where keys are not needed.
        self.keys = None if entry.address == LOCAL else keys
        self._client: DaemonClient | None = None
        self._process = self._spawn()
        self._taken_over = False
        self._heard_s = time.monotonic()
        self.outages_s: list[float] = []
        self._undelivered: list[Body] = []
        self._progress: tuple[str, int] = ("idle", 0)
        self._progress_s = time.monotonic()

    @property
    def client(self) -> DaemonClient:
        """The control connection."""
        if self._client is None:
            raise ControlError(f"{self.name} is not connected")
        return self._client

    def connect(self) -> None:
        """Reach the daemon and check that it is the one the rig means; failures go to `failure`."""
        try:
            if self._process is not None:
                address = self._process.wait_ready()
            else:
                address = self.entry.address
            self._client = DaemonClient(self.name, address, keys=self.keys)
            self.description = self._client.describe()
            self._heard_s = time.monotonic()
            if self.description.name != self.name or self.description.kind != self.entry.kind:
                raise ControlError(  # one place decides what a failure is
                    f"the daemon at {self._client.address} is {self.description.name!r} "
                    f"({self.description.kind}), expected {self.name!r} ({self.entry.kind})",
                    remedy="correct the address in the rig file",
                )
        except MavferError as error:
            self.failure = error

    def take_over(self, session_uuid: str, control: str | None) -> bool:
        """Follow the recording of a session that a controller began which is gone.

        Parameters
        ----------
        session_uuid : str
        control : str or None
            Where the daemon listens that the other controller had started on this machine.

        Returns
        -------
        bool
            False when it does not record that session; then nothing has changed.
        """
        local = self.entry.address == LOCAL
        try:
            client = DaemonClient(self.name, control or "") if local else self.client
        except MavferError:
            return False  # what somebody wrote into the manifest is no address of this machine
        client.follow(session_uuid)
        try:
            about = client.describe(timeout_s=_POLL_TIMEOUT_S)
            status = client.poll(timeout_s=_POLL_TIMEOUT_S)
            found = about.name == self.name and status.session_uuid == session_uuid
        except MavferError:
            found = False
        if not found or status.state != "recording":
            client.follow("")
            if local:
                client.close()
            return False
        if local:
            self.close()
            self._process, self._client, self._taken_over = None, client, True
        self.description, self.status = about, status
        self._heard_s = time.monotonic()
        return True

    def let_go(self) -> None:
        """Undo `take_over`: the daemon goes on by itself, as before."""
        if self.entry.address == LOCAL:
            self.reconnect()
        else:
            self.client.follow("")

    def reconnect(self) -> None:
        """Begin anew with one that failed: here as a new process, elsewhere by a new connection."""
        self.close()
        self.failure = self.status = self.description = self._client = None
        self.outages_s, self._undelivered = [], []
        self._progress, self._progress_s = ("idle", 0), time.monotonic()
        self._process = self._spawn()
        self.connect()

    @property
    def publish_address(self) -> str | None:
        """Where the daemon publishes status and previews; None while it is not connected."""
        if self._client is None or self.description is None:
            return None
        return self._client.sibling(self.description.publish_port)

    @property
    def local_control(self) -> str | None:
        """Where a daemon of this machine listens; None for one elsewhere."""
        local = self.entry.address == LOCAL and self._client is not None
        return self.client.address if local else None

    @property
    def probe_address(self) -> str:
        """Where the daemon answers clock probes."""
        port = self.description.probe_port if self.description else 0
        return self.client.sibling(port)

    def request(self, body: Body, *, timeout_s: float | None = None) -> bool:
        """Send a request; False and `failure` when it was not acknowledged."""
        if self.failure is not None:
            return False
        try:
            limit = {} if timeout_s is None else {"timeout_s": timeout_s}
            self.status = self.client.request(body, **limit)
            self._heard_s = time.monotonic()
        except MavferError as error:
            self.failure = error
        return self.failure is None

    def deliver(self, body: Body) -> None:
        """Send what holds whenever it arrives: at once, or when a silent daemon is back."""
        self._undelivered.append(body)
        if self.failure is None and not self.silent_s:
            self._deliver()

    @property
    def silent_s(self) -> float:
        """For how long the daemon has been silent; 0 when that is not worth a warning."""
        silent_s = time.monotonic() - self._heard_s
        return silent_s if self.failure is None and silent_s > OUTAGE_S else 0.0

    def poll(self) -> Status | None:
        """Ask how the daemon is, and notice when it has died, failed or hangs."""
        if self.failure is not None:
            return self.status
        ended = self._process.ended() if self._process is not None else None
        if ended is not None:
            how = f"signal {-ended}" if ended < 0 else f"exit status {ended}"
            words = self._process.last_words() if self._process is not None else ""
            self._fail(f"its daemon died ({how}){': ' if words else ''}{words}", "start again")
            return self.status
        before = self.status
        try:
            self.status = self.client.poll(timeout_s=_POLL_TIMEOUT_S)
        except MavferError:
            silent_s = time.monotonic() - self._heard_s
            if silent_s > self._silence_limit_s():
                self._fail(f"its daemon is silent for {silent_s:.0f} s", "check host and network")
            return self.status
        self._note_return()
        if before is not None and _ended_by_itself(before, self.status):
            self._fail(
                "it ended its recording by itself: no word from here reached it",
                "check the network; what it recorded can be gathered",
            )
            return self.status
        self._deliver()
        if self.status.state == "failed":
            self._fail(self.status.error or "failed", self.status.remedy)
        elif self.status.state == "opening":
            self._watch_opening(self.status)
        return self.status

    def is_in(self, state: str) -> bool:
        """Say whether the latest status is `state`."""
        return self.status is not None and self.status.state == state

    def streams_not_started(self) -> list[str]:
        """Return the streams of which no frame has been taken for the file."""
        streams = self.status.streams if self.status is not None else {}
        return [name for name, stream in streams.items() if stream.first_time_ns is None]

    def abort(self) -> None:
        """Make the daemon close what it has, whatever state it is in.

        One of this machine that does not even do that is ended.
        """
        gone = self._process is not None and self._process.ended() is not None
        if self._client is None or self.description is None or gone:
            return
        try:
            self.status = self._client.request(Abort())
        except MavferError as error:
            if self._process is not None and not self._client.refused:
                self.close()
                self.failure = self.failure or error

    def close(self) -> None:
        """Hang up and end a daemon started here; may be called twice.

        One that was taken over ends, too, unless it records.
        """
        if self._client is not None:
            if self._taken_over and self.is_in("idle"):
                with suppress(MavferError):
                    self._client.request(Shutdown(), timeout_s=_POLL_TIMEOUT_S)
            self._taken_over = False
            self._client.close()
        if self._process is not None:
            self._process.close()

    def _spawn(self) -> LocalDaemon | None:
        return LocalDaemon(self.entry.config, self._root) if self.entry.address == LOCAL else None

    def _silence_limit_s(self) -> float:
        records = self.status is not None and self.status.state in ("recording", "stopping")
        elsewhere = self.entry.address != LOCAL
        return PARTITION_TIMEOUT_S if records and elsewhere else HEARTBEAT_TIMEOUT_S

    def _note_return(self) -> None:
        if self.silent_s:
            self.outages_s.append(self.silent_s)
        self._heard_s = time.monotonic()

    def _deliver(self) -> None:
        while self._undelivered:
            body = self._undelivered[0]
            try:
                self.status = self.client.request(body, timeout_s=_POLL_TIMEOUT_S)
            except MavferError as error:
                if self._client is None or not self._client.refused:
                    return  # it will be sent again when the daemon is back
                if isinstance(body, Stop) and not self._stops():
                    self.failure = error
            self._note_return()
            del self._undelivered[0]

    def _stops(self) -> bool:
        """Say whether the daemon stops already: it got the message whose answer was lost."""
        with suppress(MavferError):
            self.status = self.client.poll(timeout_s=_POLL_TIMEOUT_S)
        return self.status is not None and self.status.state in ("stopping", "stopped")

    def _fail(self, message: str, remedy: str | None) -> None:
        self.failure = ControlError(message, remedy=remedy)

    def _watch_opening(self, status: Status) -> None:
        progress = (str(status.session_id), status.progress_done)
        now_s = time.monotonic()
        if progress != self._progress:
            self._progress, self._progress_s = progress, now_s
        elif now_s - self._progress_s > OPEN_STALL_TIMEOUT_S:
            self._fail(
                f"opening made no progress for {OPEN_STALL_TIMEOUT_S:.0f} s",
                "check the sensor and restart its daemon",
            )


def _ended_by_itself(before: Status, now: Status) -> bool:
    return before.state in ("recording", "stopping", "stopped") and now.state == "idle"
