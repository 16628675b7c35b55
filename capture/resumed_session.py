"""A session whose controller died, gone on with: nothing that still records is stopped."""

import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from .clock import HostIdentity
from .closing import LostPart, first_summary, stem
from .config import RigConfig
from .course import Course
from .daemon_handle import DaemonHandle
from .daemons import Daemons
from .errors import ConfigError, ControlError, RecordingError
from .manifest import Consent, Manifest, read_manifest
from .messages import Arm, Start
from .protocol import Protocol
from .recorder import MAX_PARTS, part_name
from .running_session import START_LEAD_NS, Look, RunningSession
from .session import SessionFolder
from .session_plan import SessionPlan
from .structure import decode, encode

_Value = TypeVar("_Value")


class ResumedSession(RunningSession):
    """Takes over what is recorded still and begins the rest anew, in files of their own.

    Times stay the first controller's: it ran on this machine, since its last start.

    Parameters
    ----------
    daemons, look
        As for `RunningSession`.
    folder, plan
        Of `reopen_session`.
    duration_s : float, optional
        From when it goes on, instead of the planned end.
    """

    def __init__(
        self,
        daemons: Daemons,
        folder: SessionFolder,
        plan: SessionPlan,
        look: Look,
        *,
        duration_s: float | None = None,
    ) -> None:
        self._duration_s = duration_s
        super().__init__(daemons, folder, plan, look)

    def _meet(self) -> None:
        manifest = read_manifest(self.folder.path)
        if manifest != self.folder.manifest:  # until now it was not ours alone
            raise ControlError(f"{self.folder.path} has just been changed", remedy="try again")
        self._anew: list[DaemonHandle] = []
        for handle in self._daemons:
            key = _last_key(manifest, handle.name)
            control = manifest.recordings[key].control if key is not None else None
            if key is not None and handle.take_over(manifest.uuid, control):
                file = handle.status.file if handle.status else None
            else:
                self._anew.append(handle)
                file = None
            handle.part = _part(manifest, handle.name, file)
        self._lost = {
            key: LostPart(summary, ControlError("its recording ended with the controller"))
            for key, summary in manifest.recordings.items()
            if key not in {stem(handle) for handle in self._taken_over}
        }

    @property
    def _taken_over(self) -> Sequence[DaemonHandle]:
        return [handle for handle in self._daemons if handle not in self._anew]

    def arm(self, stop: threading.Event) -> None:
        """Open the sensors that do not record and know all clocks."""
        manifest = self.folder.manifest
        if not self._taken_over and self._is_over():
            raise ControlError(
                f"{self.folder.path} was planned to end before it could go on",
                remedy="pass --duration to record longer, or mavfer-capture close SESSION",
            )
        for handle in self._anew:
            handle.request(Arm(self.folder.id, manifest.uuid, handle.part))
        warnings = self._wait_ready(self._anew, stop)
        self.folder.update(warnings=(*manifest.warnings, *warnings))

    def start(self) -> None:
        """Announce the start to those that do not record yet."""
        start_ns = self._clock.monotonic_ns() + START_LEAD_NS
        for handle in self._anew:
            handle.request(Start(self.clocks.host_ns(handle, start_ns)))
        self._daemons.require("started")
        self.start_ns, self.flowing = self._began_ns, True
        manifest = self.folder.manifest
        at_s = (start_ns - self.start_ns) * 1e-9
        if self._duration_s is not None:
            self.course = Course(None, at_s + self._duration_s)
            self.folder.update(planned_duration_s=at_s + self._duration_s)
        words = [f"{h.name}: recorded on without a controller" for h in self._taken_over]
        words += [f"{h.name}: was lost, records again since {at_s:.1f} s" for h in self._anew]
        self.folder.update(
            recordings={
                **manifest.recordings,
                **{stem(h): first_summary(h) for h in self._daemons},
            },
            warnings=(*manifest.warnings, *words),
        )
        anew = not self._taken_over
        self._note(self.course.resume(self.start_ns, manifest.marks, start_ns, anew=anew))

    def remove(self) -> None:
        """Leave all as it was."""
        self.clocks.close()
        for handle in self._anew:
            handle.abort()
        for handle in self._taken_over:
            handle.let_go()
        self._lock.release()

    def _is_over(self) -> bool:
        """Say whether the planned end comes too soon for anybody to begin anew."""
        planned_s = self._plan.duration_s
        if planned_s is None or self._duration_s is not None:
            return False
        left_ns = self._began_ns + round(planned_s * 1e9) - self._clock.monotonic_ns()
        return left_ns < 2 * START_LEAD_NS

    @property
    def _began_ns(self) -> int:
        return self.folder.manifest.start_time_ns or 0


def reopen_session(
    path: Path, rig: RigConfig, *, allow_poor_sync: bool = False
) -> tuple[SessionFolder, SessionPlan]:
    """Return the folder and the plan of a session that was left open.

    Parameters
    ----------
    path : Path
    rig : RigConfig
        What is there now.
    allow_poor_sync : bool

    Raises
    ------
    ControlError
        It cannot be resumed: closed, never begun, of another rig, or of another run of the machine.
    RecordingError
        The manifest cannot be read.
    """
    manifest = read_manifest(path)
    close = f"mavfer-capture close {path}"
    if manifest.status != "recording":
        raise ControlError(f"{path} is closed: {manifest.status}", remedy="begin a new session")
    if manifest.start_time_ns is None or manifest.host is None:
        raise ControlError(f"{path} never began to record", remedy=close)
    if manifest.stop_requested_ns is not None:
        raise ControlError(f"{path} was told to stop already", remedy=close)
    now = HostIdentity.read()
    if now.boot_id != manifest.host.boot_id:
        there = manifest.host.hostname
        where = "before its last start" if there == now.hostname else "not on this machine"
        raise ControlError(
            f"{path} was begun on {there}, {where}: the clock that its times are on is not here",
            remedy=f"{close}, then begin a new session",
        )
    if manifest.rig != encode(rig):
        raise ControlError(
            f"{path} was recorded with the rig {manifest.rig.get('name')!r} as it was then",
            remedy="resume it with that rig: mavfer-capture record --resume SESSION",
        )
    plan = replace(_plan(path, manifest), allow_poor_sync=allow_poor_sync)
    return SessionFolder(path, manifest), plan


def rig_of(path: Path) -> RigConfig:
    """Return the rig that a session was recorded with.

    Raises
    ------
    RecordingError
        The manifest cannot be read, or has none.
    """
    return _decoded(RigConfig, read_manifest(path).rig, f"{path}: rig")


def _plan(path: Path, manifest: Manifest) -> SessionPlan:
    where = f"{path}: protocol"
    protocol = None
    if manifest.protocol is not None:
        protocol = _decoded(Protocol, manifest.protocol, where)
    known = {stage.name for stage in protocol.stage} if protocol else set()
    for mark in manifest.marks:
        if mark.kind == "stage" and mark.label not in known:
            raise RecordingError(f"{where} has no stage {mark.label!r}, which was marked")
    return SessionPlan(
        subject=manifest.subject,
        kind=manifest.kind,
        consent=manifest.consent or Consent(),
        duration_s=manifest.planned_duration_s,
        protocol=protocol,
    )


def _decoded(kind: type[_Value], data: object, where: str) -> _Value:
    try:
        return decode(kind, data, where=where)
    except ConfigError as error:
        raise RecordingError(str(error)) from error


def _keys(manifest: Manifest, daemon: str) -> list[tuple[int, str]]:
    names = ((part, Path(part_name(daemon, part)).stem) for part in range(1, MAX_PARTS + 1))
    return [(part, key) for part, key in names if key in manifest.recordings]


def _last_key(manifest: Manifest, daemon: str) -> str | None:
    keys = _keys(manifest, daemon)
    return keys[-1][1] if keys else None


def _part(manifest: Manifest, daemon: str, file: str | None) -> int:
    """Return the number of `file`; without one, that of the next."""
    if file is None:
        return max((part for part, _ in _keys(manifest, daemon)), default=0) + 1
    return next(part for part in range(1, MAX_PARTS + 1) if part_name(daemon, part) == file)
