"""All daemons of a rig, asked together."""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from .config import RigConfig
from .daemon_handle import DaemonHandle
from .errors import ControlError, MavferError
from .keys import Keys
from .messages import Body, Status

POLL_INTERVAL_S = 0.1


class Daemons:
    """Starts or finds every daemon of `rig`. Use from one thread.

    Parameters
    ----------
    rig : RigConfig
    root : Path
        Where daemons started here record to.
    keys : Keys, optional
    """

    def __init__(self, rig: RigConfig, root: Path, *, keys: Keys | None = None) -> None:
        self._handles: list[DaemonHandle] = []
        try:
            for entry in rig.sensor:
                self._handles.append(DaemonHandle(entry, root, keys=keys))
        except BaseException:
            self.close()
            raise

    def __iter__(self) -> Iterator[DaemonHandle]:
        return iter(self._handles)

    def __getitem__(self, name: str) -> DaemonHandle:
        for handle in self._handles:
            if handle.name == name:
                return handle
        known = ", ".join(handle.name for handle in self._handles)
        raise ControlError(f"there is no sensor {name!r:.110}", remedy=f"known: {known}")

    def revive(self) -> None:
        """Begin anew with those that failed."""
        for handle in self._handles:
            if handle.failure is not None:
                handle.reconnect()

    def connect(self) -> None:
        """Reach all; failures stay with the handles."""
        for handle in self._handles:
            handle.connect()

    def request(self, body: Body, *, timeout_s: float | None = None) -> None:
        """Send one request to all that have not failed."""
        for handle in self._handles:
            handle.request(body, timeout_s=timeout_s)

    def poll(self) -> bool:
        """Poll all and rest a little; False when one has failed."""
        for handle in self._handles:
            handle.poll()
        time.sleep(POLL_INTERVAL_S)
        return not self.failures()

    def statuses(self) -> dict[str, Status]:
        """Return the latest known status by name."""
        return {h.name: h.status for h in self._handles if h.status is not None}

    def failures(self) -> dict[str, MavferError]:
        """Return what went wrong by name."""
        return {h.name: h.failure for h in self._handles if h.failure is not None}

    def require(self, what: str) -> None:
        """Refuse to go on when one has failed.

        Raises
        ------
        ControlError
            Names every sensor that is not `what`, why and what to do.
        """
        failures = self.failures()
        if failures:
            raise ControlError(
                f"{len(failures)} of {len(self._handles)} sensors not {what}, "
                f"nothing was recorded: {join_failures(failures)}"
            )

    def abort(self) -> None:
        """Make all close what they have; files without frames are removed."""
        for handle in self._handles:
            handle.abort()

    def abort_failed(self) -> None:
        """Make those that failed, if they still answer, close what they have."""
        for handle in self._handles:
            if handle.failure is not None:
                handle.abort()

    def close(self) -> None:
        """Hang up and end the daemons started here; may be called twice."""
        for handle in self._handles:
            handle.close()


def join_failures(failures: Mapping[str, MavferError]) -> str:
    """Put errors by sensor on one line."""
    return "; ".join(f"{name}: {error}" for name, error in failures.items())
