"""The thread that owns the controller and does what the page asks, one thing after the other."""

import logging
import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ..close_session import close_session
from ..config import RigConfig
from ..controller import Controller
from ..errors import ControlError, MavferError
from ..keys import Keys
from ..session_folders import left_open
from ..session_plan import SessionPlan
from ..snapshot import Snapshot
from ..structure import encode
from .preview_tap import PreviewTap

logger = logging.getLogger(__name__)

Level = Literal["info", "error"]


@dataclass(frozen=True, slots=True)
class Notice:
    """What happened last, in words.

    Attributes
    ----------
    number : int
        Counts up, so that a page knows a new one.
    """

    number: int
    level: Level
    text: str


class Operator:
    """A controller in a thread of its own. Methods may be called from any thread.

    Parameters
    ----------
    rig : RigConfig
    root : Path
        Root of sessions.
    keys : Keys, optional

    Attributes
    ----------
    previews : PreviewTap
    last_session : Path or None
        Folder of the session that was saved last.
    """

    def __init__(self, rig: RigConfig, root: Path, *, keys: Keys | None = None) -> None:
        self._rig, self._root, self._keys = rig, root, keys
        self._controller = Controller(rig, root, keys=keys, on_snapshot=self._follow)
        self._asked: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._cancel = threading.Event()
        self._ended = threading.Event()
        self._notice = Notice(0, "info", "")
        self._n_finished = 0
        self.previews = PreviewTap()
        self.last_session: Path | None = None
        self._thread = threading.Thread(target=self._run, name="mavfer-operator", daemon=True)

    def start(self) -> None:
        """Reach the daemons and wait for what is asked."""
        self._thread.start()

    def close(self) -> None:
        """Stop a recording properly, end daemons started here."""
        self._ended.set()
        self._cancel.set()
        self._thread.join()
        self.previews.close()

    @property
    def state(self) -> dict[str, Any]:
        """All that the page shows, as plain data."""
        snapshot = self._controller.snapshot
        kinds = {entry.name: entry.kind for entry in self._rig.sensor}
        return {
            "rig": self._rig.name,
            "sensors": kinds,
            "notice": encode(self._notice),
            "n_finished": self._n_finished,
            **encode(snapshot),
        }

    def arm(self, plan: SessionPlan) -> None:
        """Arm all sensors for a session."""
        self._cancel.clear()
        self._ask(lambda: self._arm(plan))

    def record(self) -> None:
        """Start the armed session."""
        self._ask(self._controller.start)

    def stop(self) -> None:
        """Stop the session in progress now."""
        self._ask(lambda: self._finish(early=True))

    def disarm(self) -> None:
        """Give up what is armed or being armed."""
        self._cancel.set()
        self._ask(self._disarm)

    def mark(self, label: str) -> None:
        """Write a remark into the recordings."""
        self._ask(lambda: self._controller.mark(label))

    def next_stage(self) -> None:
        """Move on in the protocol."""
        self._ask(self._controller.next_stage)

    def resume(self, name: str) -> None:
        """Go on with a session whose controller died."""
        self._cancel.clear()
        self._ask(lambda: self._resume(name))

    def close_session(self, name: str) -> None:
        """End a session whose controller died."""
        self._ask(lambda: self._close_session(name))

    def restart(self, name: str) -> None:
        """Begin anew with a sensor that failed."""
        self._ask(lambda: self._controller.reconnect(name))

    def _ask(self, action: Callable[[], None]) -> None:
        self._asked.put(action)

    def _run(self) -> None:
        with self._controller:
            self._try(self._controller.connect)
            for name in left_open(self._root):
                self._say("error", f"{name} was left open: its controller died.")
            while not self._ended.is_set():
                with suppress(queue.Empty):
                    while True:
                        self._try(self._asked.get_nowait())
                self._try(self._look)
            if self._controller.snapshot.phase == "recording":
                self._try(lambda: self._finish(early=True))

    def _look(self) -> None:
        before = set(self._controller.snapshot.failures)
        after = self._controller.poll().failures
        for name in set(after) - before:
            self._say("error", f"{name}: {after[name]}")
        if self._controller.due:
            self._finish(early=False)

    def _try(self, action: Callable[[], None]) -> None:
        try:
            action()
        except (MavferError, OSError) as error:
            self._say("error", str(error))
        except Exception as error:  # the console must outlive any mistake, and say so
            logger.exception("unexpected")
            self._say("error", f"unexpected {type(error).__name__}: {error}")
            time.sleep(1.0)

    def _arm(self, plan: SessionPlan) -> None:
        try:
            self._controller.arm(plan, stop=self._cancel)
        except KeyboardInterrupt:
            self._say("info", "Given up before the start; nothing was recorded.")
            return
        self._say("info", "All sensors are ready.")

    def _resume(self, name: str) -> None:
        try:
            self._controller.resume(self._root / name, stop=self._cancel)
        except KeyboardInterrupt:
            self._say("info", f"Given up; {name} is as it was.")
            return
        self._say("info", f"{name} goes on.")

    def _close_session(self, name: str) -> None:
        if self._controller.snapshot.phase != "idle":
            raise ControlError("sessions are closed while none is recorded")
        self._say("info", f"Closing {name} …")
        closing = close_session(self._root / name, keys=self._keys)
        self._n_finished += 1
        told = f"{name} was closed: {closing.manifest.status}."
        unreached = "".join(f" {key}: {why}" for key, why in closing.unknown.items())
        self._say("error" if unreached else "info", told + unreached)

    def _disarm(self) -> None:
        if self._controller.snapshot.phase == "armed":
            self._controller.disarm()
            self._say("info", "Given up before the start; nothing was recorded.")

    def _finish(self, *, early: bool) -> None:
        if self._controller.snapshot.phase != "recording":
            raise ControlError("nothing is being recorded")
        path, manifest = self._controller.stop(early=early)
        self.last_session = path
        self._n_finished += 1
        if manifest.status == "failed":
            self._say("error", f"{path.name} was saved as failed: {manifest.error}")
        else:
            self._say("info", f"{path.name} was saved: {manifest.status}.")

    def _say(self, level: Level, text: str) -> None:
        self._notice = Notice(self._notice.number + 1, level, text)

    def _follow(self, snapshot: Snapshot) -> None:
        """Follow the publications of the daemons there are now."""
        local = {entry.name for entry in self._rig.sensor if entry.address == "local"}
        self.previews.follow(
            {
                name: (address, None if name in local else self._keys)
                for name, address in snapshot.publish_addresses.items()
            }
        )
