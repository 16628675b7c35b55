"""One session of a rig's daemons: its folder, their clocks, its course and who was lost."""

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any

from .clock import HostClock, HostIdentity
from .closing import LostPart, first_summary, stem, summarise, summarise_lost
from .course import Course, SessionMark
from .daemon_clocks import DaemonClocks
from .daemon_handle import DaemonHandle
from .daemons import Daemons, join_failures
from .errors import ControlError, RecordingError
from .file_lock import SessionLock
from .manifest import MANIFEST_NAME, SessionStatus
from .messages import Arm, Finish, Mark, Start, Stop
from .session import SessionFolder
from .session_plan import SessionPlan
from .snapshot import Phase
from .structure import encode
from .summary import achieved_span

START_LEAD_NS = 1_500_000_000
"""How far ahead the start is announced."""
_STOP_LEAD_NS = 1_000_000_000
_MIN_STOP_LEAD_NS = 300_000_000
_FIRST_FRAME_NS = 5_000_000_000
_PROBES_TIMEOUT_S = 15.0
_DRAIN_TIMEOUT_S = 60.0
_FINISH_TIMEOUT_S = 60.0

Look = Callable[[Phase], None]
"""Polls the daemons, rests a little and tells who watches; called while a method waits."""


class RunningSession:
    """From arming to the manifest. Use from one thread.

    Parameters
    ----------
    daemons : Daemons
        All reachable.
    folder : SessionFolder
    plan : SessionPlan
    look : callable

    Attributes
    ----------
    folder : SessionFolder
    clocks : DaemonClocks
    course : Course
    start_ns : int
        Controller time of the start; 0 before it is announced.
    flowing : bool
        Every stream has a frame in its file, or was given up on.
    trouble : str or None
        Why the manifest is not up to date.
    """

    def __init__(
        self, daemons: Daemons, folder: SessionFolder, plan: SessionPlan, look: Look
    ) -> None:
        self.folder = folder
        self._daemons = daemons
        self._plan = plan
        self._look = look
        self._clock = HostClock()
        self._lost: dict[str, LostPart] = {}
        self._rejoining: set[str] = set()
        self.course = Course(plan.protocol, plan.duration_s)
        self.start_ns = 0
        self.flowing = False
        self.trouble: str | None = None
        self._lock = SessionLock(folder.path)
        try:
            self._meet()
            self.clocks = DaemonClocks(daemons)
        except BaseException:
            self._lock.release()
            raise

    def arm(self, stop: threading.Event) -> None:
        """Open all sensors and know all clocks; the caller removes what a failure leaves.

        Raises
        ------
        ControlError
            Names every sensor that is not ready.
        KeyboardInterrupt
            `stop` was set.
        """
        protocol = None if self._plan.protocol is None else encode(self._plan.protocol)
        self.folder.update(
            protocol=protocol,
            planned_duration_s=self._plan.duration_s,
            recordings={stem(handle): first_summary(handle) for handle in self._daemons},
        )
        self._daemons.request(Arm(self.folder.id, self.folder.manifest.uuid))
        self.folder.update(warnings=self._wait_ready(self._daemons, stop))

    def start(self) -> None:
        """Announce the start to all; the caller removes what a failure leaves."""
        self._daemons.require("ready")
        start_ns = self._clock.monotonic_ns() + START_LEAD_NS
        for handle in self._daemons:
            handle.request(Start(self.clocks.host_ns(handle, start_ns)))
        self._daemons.require("started")
        self.start_ns = start_ns
        self.folder.update(
            host=HostIdentity.read(),
            start_requested_ns=start_ns,
            start_time_ns=start_ns,
        )
        self._note(self.course.begin(start_ns))

    def advance(self, remarks: Sequence[str] = ()) -> None:
        """Move on in the protocol, note remarks, look for first frames and for who is back."""
        if not self.flowing:
            self._check_first_frames()
        if self.flowing:
            self._note(self.course.advance(self._clock.monotonic_ns(), remarks))
        for name in tuple(self._rejoining):
            self._rejoin(self._daemons[name])

    @property
    def due(self) -> bool:
        """Whether it is time to announce the planned end."""
        end_ns = self.course.end_ns
        return end_ns is not None and self._clock.monotonic_ns() >= end_ns - _STOP_LEAD_NS

    def restart(self, handle: DaemonHandle) -> None:
        """Let a daemon that failed begin anew; it goes on in a file of its own."""
        if handle.failure is not None and stem(handle) in self.folder.manifest.recordings:
            self._lost[stem(handle)] = LostPart(first_summary(handle), handle.failure)
        handle.part += 1  # whatever a try leaves behind, the next one does not meet it
        handle.abort()
        handle.reconnect()
        if handle.request(Arm(self.folder.id, self.folder.manifest.uuid, handle.part)):
            self.clocks.restart(handle)
            self._rejoining.add(handle.name)

    def stop(self, *, early: bool) -> None:
        """Announce the stop, wait for the files and write the manifest, whatever happens."""
        status: SessionStatus = "failed"
        error: str | None = "the controller failed"
        stop_ns = None
        try:
            stop_ns = self._stop_all(None if early else self.course.end_ns)
            lost = {key: part.error for key, part in self._lost.items()}
            failures = lost | self._daemons.failures()
            if failures:
                error = join_failures(failures)
            elif early and self.course.has_plan:
                status, error = "interrupted", "stopped by the operator before the planned end"
            else:
                status, error = "complete", None
        finally:
            self.close(status, error, stop_ns)

    def close(self, status: SessionStatus, error: str | None, stop_ns: int | None) -> None:
        """Write what is known into the manifest."""
        self.clocks.close()
        folder = self.folder
        recordings = summarise_lost(folder.path, self._lost)
        for handle in self._daemons:
            if stem(handle) in folder.manifest.recordings:
                probes = self.clocks.probes(handle)
                recordings[stem(handle)] = summarise(folder.path, handle, status, probes)
        start_ns, end_ns = achieved_span(recordings)
        try:
            folder.update(
                start_achieved_ns=start_ns,
                stop_achieved_ns=end_ns,
                status=status,
                error=error,
                stop_time_ns=stop_ns,
                recordings=recordings,
                warnings=(*folder.manifest.warnings, *self._outages()),
            )
        except OSError as failure:
            raise RecordingError(
                f"the manifest of {folder.path} cannot be written: {failure.strerror}; the "
                "recordings are kept",
                remedy=f"free some space, then: mavfer-capture close {folder.path}",
            ) from failure
        finally:
            self._lock.release()

    def remove(self) -> None:
        """Leave nothing behind: no frame has been recorded."""
        self.clocks.close()
        self._daemons.abort()
        self._lock.release()
        (self.folder.path / MANIFEST_NAME).unlink(missing_ok=True)
        with suppress(OSError):  # something is in it that is not ours
            self.folder.path.rmdir()

    def _meet(self) -> None:
        """Settle which file every daemon is to write."""
        for handle in self._daemons:
            handle.part = 1

    def _outages(self) -> list[str]:
        return [
            f"{handle.name}: silent for {seconds:.0f} s while it went on by itself"
            for handle in self._daemons
            for seconds in handle.outages_s
        ]

    def _wait_ready(
        self, opening: Iterable[DaemonHandle], stop: threading.Event
    ) -> tuple[str, ...]:
        """Wait until all that open are armed and all clocks known; returns the warnings."""
        self._daemons.require("ready")
        while any(handle.failure is None and not handle.is_in("armed") for handle in opening):
            self._wait_arming(stop)  # failures are told together, once all have answered
        self._check_streams()
        return self._wait_clocks(stop)

    def _wait_arming(self, stop: threading.Event) -> None:
        self._look("arming")
        if stop.is_set():
            raise KeyboardInterrupt

    def _check_streams(self) -> None:
        owners: dict[str, str] = {}
        for handle in self._daemons:
            for stream in handle.status.streams if handle.status else ():
                if stream in owners:
                    handle.failure = ControlError(
                        f"its stream {stream!r} is also one of {owners[stream]}",
                        remedy="give every stream of the rig a name of its own",
                    )
                owners.setdefault(stream, handle.name)
        self._daemons.require("ready")

    def _wait_clocks(self, stop: threading.Event) -> tuple[str, ...]:
        """Wait until every clock is known well; what is let pass comes back as warnings."""
        deadline_s = time.monotonic() + _PROBES_TIMEOUT_S
        while complaints := self.clocks.complaints():
            if time.monotonic() > deadline_s:
                unheard = [handle for handle in complaints if not self.clocks.probes(handle)]
                if self._plan.allow_poor_sync and not unheard:
                    return tuple(f"{h.name}: {what}" for h, what in complaints.items())
                for handle, complaint in complaints.items():
                    handle.failure = ControlError(
                        complaint,
                        remedy=f"open {handle.probe_address} in the firewall"
                        if handle in unheard
                        else "use a wired network without other traffic, or pass --allow-poor-sync",
                    )
            self._wait_arming(stop)
            self._daemons.require("synchronised")
        return ()

    def _check_first_frames(self) -> None:
        late = {handle: handle.streams_not_started() for handle in self._daemons}
        overdue = self._clock.monotonic_ns() > self.start_ns + _FIRST_FRAME_NS
        self.flowing = overdue or not any(late.values())
        for handle, streams in late.items() if overdue else ():
            if streams and handle.failure is None:
                handle.failure = ControlError(
                    f"no frame of {', '.join(streams)} after the start",
                    remedy="restart the sensor",
                )

    def _save(self, **changes: Any) -> None:
        """Rewrite the manifest; a full disk ends no recording: the next time tries again."""
        try:
            self.folder.update(**changes)
            self.trouble = None
        except OSError as error:
            self.trouble = f"the manifest cannot be written: {error.strerror}"

    def _rejoin(self, handle: DaemonHandle) -> None:
        """Start a daemon that is back as soon as it is ready."""
        if (
            handle.failure is not None
            or not handle.is_in("armed")
            or self.clocks.complaint(handle) is not None
        ):
            return
        start_ns = self._clock.monotonic_ns() + _MIN_STOP_LEAD_NS
        if handle.request(Start(self.clocks.host_ns(handle, start_ns))):
            self._rejoining.discard(handle.name)
            recordings = {**self.folder.manifest.recordings, stem(handle): first_summary(handle)}
            away_s = (start_ns - self.start_ns) * 1e-9
            words = f"{handle.name}: was lost, records again since {away_s:.1f} s"
            warnings = (*self.folder.manifest.warnings, words)
            self._save(recordings=recordings, warnings=warnings)

    def _note(self, marks: Sequence[SessionMark]) -> None:
        """Write marks into the manifest and every recording; one that is lost stops nothing."""
        for mark in marks:
            self._save(marks=(*self.folder.manifest.marks, mark))
            for handle in self._daemons:
                at_ns = self.clocks.host_ns(handle, mark.time_ns)
                if handle.name not in self._rejoining:
                    handle.deliver(Mark(mark.kind, mark.label, at_ns))

    def _stop_all(self, end_ns: int | None) -> int:
        """Announce the stop (at the planned time, or soon), wait for the files, close them."""
        for name in self._rejoining:
            self._daemons[name].abort()  # it has not begun to record
        soon_ns = self._clock.monotonic_ns() + _MIN_STOP_LEAD_NS
        stop_ns = soon_ns
        if end_ns is not None:
            stop_ns = max(soon_ns, end_ns)
        self._save(stop_requested_ns=stop_ns)
        recording = [handle for handle in self._daemons if handle.name not in self._rejoining]
        for handle in recording:
            handle.deliver(Stop(self.clocks.host_ns(handle, stop_ns)))
        deadline_s = time.monotonic() + _DRAIN_TIMEOUT_S + (stop_ns - soon_ns) * 1e-9
        while not _all_stopped(recording) and time.monotonic() < deadline_s:
            self._look("stopping")
        self._look("saving")
        self.clocks.close()  # probes after the stop go into the recordings, too
        for handle in recording:
            handle.request(Finish(), timeout_s=_FINISH_TIMEOUT_S)
        self._daemons.abort_failed()
        return stop_ns


def _all_stopped(handles: Sequence[DaemonHandle]) -> bool:
    alive = [handle.status for handle in handles if handle.failure is None]
    return all(status is not None and status.state == "stopped" for status in alive)
