"""One session from beginning to end, for callers who only wait for it."""

import queue
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from .config import RigConfig
from .controller import Controller, OnSnapshot
from .keys import Keys
from .manifest import Consent, Kind, Manifest
from .protocol import Protocol
from .resumed_session import rig_of
from .session_plan import SessionPlan


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
    on_progress: OnSnapshot | None = None,
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
        Called some ten times a second with a `Snapshot`.

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
    plan = SessionPlan(
        subject=subject,
        kind=kind,
        consent=consent or Consent(),
        duration_s=duration_s,
        protocol=protocol,
        allow_poor_sync=allow_poor_sync,
    )
    stop = stop or threading.Event()
    with Controller(rig, root, keys=keys, on_snapshot=on_progress) as controller:
        controller.connect()
        controller.arm(plan, stop=stop)
        controller.start()
        return _see_through(controller, remarks, stop)


def resume_session(
    path: Path,
    *,
    duration_s: float | None = None,
    keys: Keys | None = None,
    allow_poor_sync: bool = False,
    remarks: "queue.SimpleQueue[str] | None" = None,
    stop: threading.Event | None = None,
    on_progress: OnSnapshot | None = None,
) -> tuple[Path, Manifest]:
    """Go on with a session whose controller died, until it ends.

    Parameters
    ----------
    path : Path
        Folder of the session; its rig is the one in the manifest.
    duration_s : float, optional
        From now on, instead of the planned end.
    keys, allow_poor_sync, remarks, stop, on_progress
        As for `record_session`.

    Returns
    -------
    (Path, Manifest)
        Status "complete" when nothing had stopped recording, "failed" when a sensor had and went
        on in a new file.

    Raises
    ------
    ControlError
        The session cannot be resumed, or not all sensors were ready: nothing has changed.
    KeyboardInterrupt
        `stop` was set before it went on.
    """
    stop = stop or threading.Event()
    with Controller(rig_of(path), path.parent, keys=keys, on_snapshot=on_progress) as controller:
        controller.connect()
        controller.resume(path, duration_s=duration_s, allow_poor_sync=allow_poor_sync, stop=stop)
        return _see_through(controller, remarks, stop)


def _see_through(
    controller: Controller, remarks: "queue.SimpleQueue[str] | None", stop: threading.Event
) -> tuple[Path, Manifest]:
    """Look after a session that records until its end."""
    while not controller.poll().failures:
        if not controller.flowing:
            continue  # a session that is stopped at once still has its first frames
        for remark in _all_in(remarks):
            controller.mark(remark)
        if stop.is_set() or controller.due:
            break
    lost = bool(controller.snapshot.failures)
    return controller.stop(early=stop.is_set() or lost)


def _all_in(remarks: "queue.SimpleQueue[str] | None") -> Iterable[str]:
    found: list[str] = []
    with suppress(queue.Empty):
        while remarks is not None:
            found.append(remarks.get_nowait())
    return found
