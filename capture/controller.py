"""Drives all daemons of a rig, session after session: arm, start, watch, stop, save.

Nothing is triggered by the arrival of a message: start and stop are times, told ahead, and every
daemon trims on corrected capture time.
"""

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from .config import RigConfig
from .course import NEXT
from .daemons import POLL_INTERVAL_S, Daemons
from .errors import ControlError
from .keys import Keys
from .manifest import Manifest
from .resumed_session import ResumedSession, reopen_session
from .running_session import RunningSession
from .session import create_session
from .session_plan import SessionPlan
from .snapshot import Phase, Snapshot
from .structure import encode

OnSnapshot = Callable[[Snapshot], None]


class Controller:
    """One rig. Use from one thread; `snapshot` may be read from any.

    Parameters
    ----------
    rig : RigConfig
    root : Path
        Session folders are made here.
    keys : Keys, optional
        Required for daemons beyond loopback.
    on_snapshot : callable, optional
        Called at every look at the daemons, some ten times a second, also while a method waits.

    Attributes
    ----------
    snapshot : Snapshot
        The latest.
    """

    def __init__(
        self,
        rig: RigConfig,
        root: Path,
        *,
        keys: Keys | None = None,
        on_snapshot: OnSnapshot | None = None,
    ) -> None:
        self._rig, self._root, self._keys = rig, root, keys
        self._on_snapshot = on_snapshot
        self._phase: Phase = "idle"
        self._known_daemons: Daemons | None = None
        self._session: RunningSession | None = None
        self.snapshot = Snapshot("idle", 0.0, {})

    def connect(self) -> None:
        """Start or find all daemons.

        Raises
        ------
        ControlError
            Names every one that is missing; the next `arm` tries those again.
        """
        self._phase = "starting"
        self._tell()
        try:
            self._known_daemons = Daemons(self._rig, self._root, keys=self._keys)
            self._known_daemons.connect()
        finally:
            self._settle("idle")
        self._daemons.require("reachable")

    def reconnect(self, name: str) -> None:
        """Start or find one again after it was lost; while recording it goes on in a new file.

        Raises
        ------
        ControlError
            There is no such sensor, it has not failed, or this is no moment for it.
        """
        handle = self._daemons[name]
        if handle.failure is None:
            raise ControlError(f"{name} has not failed")
        if self._phase == "recording" and self._session is not None:
            self._session.restart(handle)
        elif self._phase == "idle":
            handle.reconnect()
        else:
            raise ControlError(f"{name} cannot begin anew while {self._phase}")
        self._settle(self._phase)

    def arm(self, plan: SessionPlan, *, stop: threading.Event | None = None) -> None:
        """Open all sensors and know all clocks; on any failure leave nothing behind.

        Raises
        ------
        ControlError
            Names every sensor that is not ready and what to do.
        KeyboardInterrupt
            `stop` was set.
        """

        def begin() -> RunningSession:
            folder = create_session(
                self._root,
                subject=plan.subject,
                kind=plan.kind,
                rig=encode(self._rig),
                consent=plan.consent,
            )
            return RunningSession(self._daemons, folder, plan, self._look)

        self._arm(begin, stop)

    def resume(
        self,
        path: Path,
        *,
        duration_s: float | None = None,
        allow_poor_sync: bool = False,
        stop: threading.Event | None = None,
    ) -> None:
        """Go on with a session whose controller died.

        What is still being recorded is taken over without a gap; the other sensors go on in new
        files. When one of them is not ready nothing changes.

        Parameters
        ----------
        path : Path
            Folder of the session.
        duration_s : float, optional
            From now on, instead of the planned end.
        allow_poor_sync : bool
        stop : threading.Event, optional

        Raises
        ------
        ControlError
            The session cannot be resumed, or names every sensor that is not ready.
        KeyboardInterrupt
            `stop` was set.
        """
        folder, plan = reopen_session(path, self._rig, allow_poor_sync=allow_poor_sync)
        if duration_s is not None:
            replace(plan, duration_s=duration_s)  # checks it

        def go_on() -> RunningSession:
            return ResumedSession(self._daemons, folder, plan, self._look, duration_s=duration_s)

        self._arm(go_on, stop)
        self.start()

    def start(self) -> None:
        """Announce the start to all; when one refuses, nothing is left behind.

        Raises
        ------
        ControlError
            Names every sensor that cannot start.
        """
        session = self._expect("armed")
        with ExitStack() as undo:
            undo.callback(self._leave_nothing)
            session.start()
            undo.pop_all()
        self._settle("recording")

    def poll(self) -> Snapshot:
        """Look at all daemons and rest a little; move on in the protocol; notice losses."""
        if self._known_daemons is None:
            time.sleep(POLL_INTERVAL_S)
        else:
            self._known_daemons.poll()
        if self._phase == "recording" and self._session is not None:
            self._session.advance()
        self._tell()
        return self.snapshot

    def mark(self, label: str) -> None:
        """Write a remark into every recording; "next" moves on to the next stage."""
        self._expect("recording").advance([label])

    def next_stage(self) -> None:
        """Move on to the next stage of the protocol; in the last one the session is due."""
        self.mark(NEXT)

    @property
    def flowing(self) -> bool:
        """Whether every stream has a frame in its file, or was given up on."""
        return self._session is not None and self._session.flowing

    @property
    def due(self) -> bool:
        """Whether it is time to `stop` by plan."""
        session = self._session
        return self._phase == "recording" and session is not None and session.due

    def stop(self, *, early: bool = False) -> tuple[Path, Manifest]:
        """Announce the stop, wait for the files and write the manifest, whatever happens.

        Parameters
        ----------
        early : bool
            Now, not at the planned end.
        """
        session = self._expect("recording")
        self._phase = "stopping"
        try:
            session.stop(early=early)
        finally:
            self._session = None
            self._settle("idle")
        return session.folder.path, session.folder.manifest

    def disarm(self) -> None:
        """Give up what was armed and not started: nothing is left behind."""
        self._expect("armed")
        self._leave_nothing()

    def close(self) -> None:
        """Let go of all daemons; a session that still records is closed as failed."""
        session, self._session = self._session, None
        try:
            if session is not None and session.start_ns:
                self._daemons.abort()  # files with frames are kept
                session.close("failed", "the controller failed", None)
            elif session is not None:
                session.remove()
        finally:
            if self._known_daemons is not None:
                self._known_daemons.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def _daemons(self) -> Daemons:
        if self._known_daemons is None:
            raise ControlError("the controller is not connected")
        return self._known_daemons

    def _arm(self, begin: Callable[[], RunningSession], stop: threading.Event | None) -> None:
        self._require_phase("idle")
        self._daemons.revive()
        self._daemons.require("reachable")
        with ExitStack() as undo:
            self._phase = "arming"
            undo.callback(self._settle, "idle")
            self._session = begin()
            undo.callback(self._leave_nothing)
            self._session.arm(stop or threading.Event())
            undo.pop_all()
        self._settle("armed")

    def _require_phase(self, phase: Phase) -> None:
        if self._phase != phase:
            raise ControlError(f"the rig is {self._phase}, expected {phase}")

    def _expect(self, phase: Phase) -> RunningSession:
        self._require_phase(phase)
        if self._session is None:
            raise ControlError("there is no session")
        return self._session

    def _leave_nothing(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.remove()
        self._settle("idle")

    def _look(self, phase: Phase) -> None:
        self._daemons.poll()
        self._phase = phase
        self._tell()

    def _tell(self) -> None:
        self._settle(self._phase)
        if self._on_snapshot is not None:
            self._on_snapshot(self.snapshot)

    def _settle(self, phase: Phase) -> None:
        """Be in `phase` and let `snapshot` say so."""
        self._phase = phase
        handles = list(self._known_daemons) if self._known_daemons is not None else []
        session = self._session
        now_ns, start_ns = time.monotonic_ns(), session.start_ns if session else 0
        end_ns = session.course.end_ns if session else None
        warnings = [session.trouble] if session and session.trouble else []
        silent = {handle.name: handle.silent_s for handle in handles if handle.silent_s}
        self.snapshot = Snapshot(
            phase=phase,
            elapsed_s=max(0, now_ns - start_ns) * 1e-9 if start_ns else 0.0,
            statuses={h.name: h.status for h in handles if h.status is not None},
            stage=session.course.progress(now_ns) if session and start_ns else None,
            session=session.folder.id if session else None,
            duration_s=(end_ns - start_ns) * 1e-9 if end_ns is not None else None,
            failures={h.name: str(h.failure) for h in handles if h.failure is not None},
            clocks=session.clocks.quality() if session else {},
            warnings=(*warnings, *(f"{name}: silent for {s:.0f} s" for name, s in silent.items())),
            publish_addresses={h.name: a for h in handles if (a := h.publish_address) is not None},
        )
