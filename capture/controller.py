"""Drives all daemons of a rig through one session: arm, start, watch, stop, save.

Nothing is triggered by the arrival of a message: start and stop are times, told ahead, and every
daemon trims on corrected capture time.
"""

import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from .clock import HostClock, HostIdentity
from .clock_gate import clock_complaint
from .config import RigConfig
from .course import Course, SessionMark, StageProgress
from .daemon_handle import DaemonHandle
from .daemons import Daemons, join_failures
from .errors import ControlError, MavferError
from .keys import Keys
from .messages import Arm, Finish, Mark, Start, Status, Stop
from .names import check_name
from .probing import Prober
from .protocol import Protocol
from .recording import open_recording
from .session import (
    MANIFEST_NAME,
    Consent,
    Kind,
    Manifest,
    RecordingSummary,
    SessionFolder,
    SessionStatus,
    create_session,
)
from .structure import encode
from .summary import achieved_span, summarise_recording, summarise_report

Phase = Literal["starting", "arming", "recording", "stopping", "saving"]

START_LEAD_NS = 1_500_000_000
MAX_DURATION_S = 1e6
"""Eleven days: more is a typing error, and far from where nanoseconds overflow."""
"""How far ahead the start is announced."""
_STOP_LEAD_NS = 1_000_000_000
_MIN_STOP_LEAD_NS = 300_000_000
_FIRST_FRAME_NS = 5_000_000_000
_PROBES_TIMEOUT_S = 15.0
_DRAIN_TIMEOUT_S = 60.0
_FINISH_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Progress:
    """How a session goes, for whoever watches.

    Attributes
    ----------
    phase : str
    elapsed_s : float
        Since the start of recording; 0 before.
    statuses : mapping of daemon name to Status
        Latest known.
    stage : StageProgress or None
        Of the protocol, while recording.
    """

    phase: Phase
    elapsed_s: float
    statuses: Mapping[str, Status]
    stage: StageProgress | None = None


OnSessionProgress = Callable[[Progress], None]


def record_session(
    rig: RigConfig,
    root: Path,
    *,
    subject: str,
    kind: Kind = "subject",
    duration_s: float | None = None,
    consent: Consent | None = None,
    keys: Keys | None = None,
    allow_poor_sync: bool = False,
    protocol: Protocol | None = None,
    remarks: "queue.SimpleQueue[str] | None" = None,
    stop: threading.Event | None = None,
    on_progress: OnSessionProgress | None = None,
) -> tuple[Path, Manifest]:
    """Record one session with all sensors of `rig`.

    Parameters
    ----------
    rig : RigConfig
    root : Path
        The session folder is made here.
    subject : str
        Pseudonym.
    kind : {"subject", "board"}
    duration_s : float, optional
        Without it, until `stop` is set.
    consent : Consent, optional
    keys : Keys, optional
        Required for daemons beyond loopback.
    allow_poor_sync : bool
        Start although a clock is not known to a millisecond; the manifest says so.
    protocol : Protocol, optional
        The session's stages; instead of `duration_s`.
    remarks : queue of str, optional
        What the operator puts in while recording becomes a marker in every recording and the
        manifest; "next" moves on to the next stage.
    stop : threading.Event, optional
        Set it, from a signal handler say, to end the recording early and properly.
    on_progress : callable, optional
        Called some ten times a second with a `Progress`.

    Returns
    -------
    (Path, Manifest)
        Status "complete", "interrupted" (stopped before `duration_s`; what is there is whole) or
        "failed" (a daemon was lost; the others were stopped properly).

    Raises
    ------
    ControlError
        Not all sensors were ready: nothing was recorded and nothing is left behind.
    KeyboardInterrupt
        `stop` was set before the start.
    """
    check_name(subject, what="subject")
    if duration_s is not None and not 0 < duration_s <= MAX_DURATION_S:
        raise ControlError(
            f"duration of {duration_s:g} s, expected more than 0, at most {MAX_DURATION_S:g}"
        )
    if protocol is not None and duration_s is not None:
        raise ControlError(
            "both a protocol and a duration are given", remedy="the protocol has its durations"
        )
    report = on_progress or (lambda _: None)
    with ExitStack() as stack:
        report(Progress("starting", 0.0, {}))
        daemons = Daemons(rig, root, keys=keys)
        stack.callback(daemons.close)
        daemons.connect()
        daemons.require("reachable")
        prober = Prober({h.name: (h.probe_address, h.keys) for h in daemons})
        stack.callback(prober.close)
        prober.start()
        folder = create_session(root, subject=subject, kind=kind, rig=encode(rig), consent=consent)
        if protocol is not None:
            folder.update(protocol=encode(protocol))
        course = Course(protocol, duration_s)
        run = _Run(folder, daemons, prober, stop or threading.Event(), report, course, remarks)
        run.start(allow_poor_sync=allow_poor_sync)
        run.record()
        return folder.path, folder.manifest


class _Run:
    """One session, from arming to the manifest."""

    def __init__(
        self,
        folder: SessionFolder,
        daemons: Daemons,
        prober: Prober,
        stop: threading.Event,
        report: OnSessionProgress,
        course: Course,
        remarks: "queue.SimpleQueue[str] | None",
    ) -> None:
        self._course = course
        self._remarks: queue.SimpleQueue[str] = remarks or queue.SimpleQueue()
        self._folder = folder
        self._daemons = daemons
        self._prober = prober
        self._stop = stop
        self._on_progress = report
        self._clock = HostClock()
        self._start_ns = 0

    def start(self, *, allow_poor_sync: bool) -> None:
        """Arm all, then announce the start to all; on any failure leave nothing behind."""
        with ExitStack() as undo:
            undo.callback(self._remove)
            self._daemons.request(Arm(self._folder.id, self._folder.manifest.uuid))
            self._daemons.require("ready")
            self._wait_armed()
            self._check_streams()
            warnings = self._wait_clocks(allow_poor_sync=allow_poor_sync)
            start_ns = self._clock.monotonic_ns() + START_LEAD_NS
            for handle in self._daemons:
                handle.request(Start(self._host_ns(handle, start_ns)))
            self._daemons.require("started")
            self._start_ns = start_ns
            self._folder.update(
                host=HostIdentity.read(),
                start_requested_ns=start_ns,
                start_time_ns=start_ns,
                warnings=warnings,
                recordings={h.name: _first_summary(h) for h in self._daemons},
            )
            undo.pop_all()

    def record(self) -> None:
        """Watch until the end, stop all and write the manifest, whatever happens."""
        status: SessionStatus = "failed"
        error: str | None = "the controller failed"
        stop_ns = None
        try:
            self._note(self._course.begin(self._start_ns))
            self._wait_first_frames()
            self._watch()
            stopped = self._stop.is_set()
            early = stopped and self._course.has_plan
            stop_ns = self._stop_all(None if stopped else self._course.end_ns)
            failures = self._daemons.failures()
            if failures:
                error = join_failures(failures)
            elif early:
                status, error = "interrupted", "stopped by the operator before the planned end"
            else:
                status, error = "complete", None
        finally:
            recordings = {h.name: self._summarise(h, status) for h in self._daemons}
            warnings = (*self._folder.manifest.warnings, *self._outages())
            start_ns, end_ns = achieved_span(recordings)
            self._folder.update(
                start_achieved_ns=start_ns,
                stop_achieved_ns=end_ns,
                status=status,
                error=error,
                stop_time_ns=stop_ns,
                recordings=recordings,
                warnings=warnings,
            )

    def _outages(self) -> tuple[str, ...]:
        return tuple(
            f"{handle.name}: silent for {seconds:.0f} s while it went on by itself"
            for handle in self._daemons
            for seconds in handle.outages_s
        )

    def _wait_armed(self) -> None:
        while not self._daemons.all_in("armed"):
            self._poll("arming")  # failures are told together, once all have answered
            if self._stop.is_set():
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

    def _wait_clocks(self, *, allow_poor_sync: bool) -> tuple[str, ...]:
        """Wait until every clock is known well; what is let pass comes back as warnings."""
        deadline_s = time.monotonic() + _PROBES_TIMEOUT_S
        while complaints := self._clock_complaints():
            if time.monotonic() > deadline_s:
                unheard = [h for h in complaints if not self._prober.probes(h.name)]
                if allow_poor_sync and not unheard:
                    return tuple(f"{h.name}: {what}" for h, what in complaints.items())
                for handle, complaint in complaints.items():
                    handle.failure = ControlError(
                        complaint,
                        remedy=f"open {handle.probe_address} in the firewall"
                        if handle in unheard
                        else "use a wired network without other traffic, or pass --allow-poor-sync",
                    )
            self._poll("arming")
            if self._stop.is_set():
                raise KeyboardInterrupt
            self._daemons.require("synchronised")
        return ()

    def _clock_complaints(self) -> dict[DaemonHandle, str]:
        complaints = {}
        for handle in self._daemons:
            clock = self._prober.clock(handle.name)
            complaint = clock_complaint(clock, self._prober.n_bursts(handle.name))
            if complaint is not None:
                complaints[handle] = complaint
        return complaints

    def _wait_first_frames(self) -> None:
        while self._poll("recording"):
            late = {handle: handle.streams_not_started() for handle in self._daemons}
            if not any(late.values()):
                return
            if self._clock.monotonic_ns() > self._start_ns + _FIRST_FRAME_NS:
                for handle, streams in late.items():
                    if streams:
                        handle.failure = ControlError(
                            f"no frame of {', '.join(streams)} after the start",
                            remedy="restart the sensor",
                        )
                return

    def _watch(self) -> None:
        """Wait until it is time to announce the stop, someone asks for it or a daemon fails."""
        while not self._stop.is_set() and self._poll("recording"):
            now_ns = self._clock.monotonic_ns()
            self._note(self._course.advance(now_ns, self._new_remarks()))
            end_ns = self._course.end_ns
            if end_ns is not None and now_ns >= end_ns - _STOP_LEAD_NS:
                return

    def _new_remarks(self) -> list[str]:
        remarks: list[str] = []
        with suppress(queue.Empty):
            while True:
                remarks.append(self._remarks.get_nowait())
        return remarks

    def _note(self, marks: Sequence[SessionMark]) -> None:
        """Write marks into the manifest and every recording; one that is lost stops nothing."""
        for mark in marks:
            listed = (*self._folder.manifest.marks, mark)
            self._folder.update(marks=listed)
            for handle in self._daemons:
                handle.deliver(Mark(mark.kind, mark.label, self._host_ns(handle, mark.time_ns)))

    def _stop_all(self, end_ns: int | None) -> int:
        """Announce the stop (at the planned time, or soon), wait for the files, close them."""
        soon_ns = self._clock.monotonic_ns() + _MIN_STOP_LEAD_NS
        stop_ns = soon_ns
        if end_ns is not None and not self._daemons.failures():
            stop_ns = max(soon_ns, end_ns)
        self._folder.update(stop_requested_ns=stop_ns)
        for handle in self._daemons:
            handle.deliver(Stop(self._host_ns(handle, stop_ns)))
        deadline_s = time.monotonic() + _DRAIN_TIMEOUT_S + (stop_ns - soon_ns) * 1e-9
        while not self._daemons.all_in("stopped") and time.monotonic() < deadline_s:
            self._poll("stopping")
        self._report("saving")
        self._prober.close()  # probes after the stop go into the recordings, too
        self._daemons.request(Finish(), timeout_s=_FINISH_TIMEOUT_S)
        self._daemons.abort_failed()
        return stop_ns

    def _summarise(self, handle: DaemonHandle, session: SessionStatus) -> RecordingSummary:
        status: SessionStatus = "interrupted" if session == "interrupted" else "complete"
        summary = replace(_first_summary(handle), status=status)
        if handle.failure is not None:
            summary = replace(summary, status="failed", error=str(handle.failure))
        path = self._folder.path / summary.file
        if path.exists():
            try:
                return summarise_recording(summary, open_recording(path))
            except (MavferError, OSError) as error:
                return replace(summary, present=True, status="failed", error=str(error))
        if handle.status is None:
            return summary
        return summarise_report(summary, handle.status.streams, self._prober.probes(handle.name))

    def _host_ns(self, handle: DaemonHandle, controller_ns: int) -> int:
        return self._prober.clock(handle.name).inverse().apply_one(controller_ns)

    def _poll(self, phase: Phase) -> bool:
        going = self._daemons.poll()
        self._report(phase)
        return going

    def _report(self, phase: Phase) -> None:
        since_ns = self._clock.monotonic_ns() - self._start_ns if self._start_ns else 0
        stage = self._course.progress(since_ns + self._start_ns) if self._start_ns else None
        statuses = self._daemons.statuses()
        self._on_progress(Progress(phase, max(0, since_ns) * 1e-9, statuses, stage))

    def _remove(self) -> None:
        """Leave nothing behind: no frame has been recorded."""
        self._prober.close()
        self._daemons.abort()
        self._daemons.close()
        (self._folder.path / MANIFEST_NAME).unlink(missing_ok=True)
        with suppress(OSError):  # something is in it that is not ours
            self._folder.path.rmdir()


def _first_summary(handle: DaemonHandle) -> RecordingSummary:
    host = handle.description.host if handle.description else None
    return RecordingSummary(file=f"{handle.name}.mcap", address=handle.entry.address, host=host)
