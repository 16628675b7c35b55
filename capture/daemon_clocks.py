"""The daemons' clocks during one session: probed from arming until after the stop."""

import math
import time

from .clock import ClockProbe
from .clock_gate import clock_complaint
from .daemon_handle import DaemonHandle
from .daemons import Daemons
from .probing import Prober
from .snapshot import ClockQuality

_QUALITY_INTERVAL_S = 1.0


class DaemonClocks:
    """Probes all daemons in the background. Use from one thread.

    Parameters
    ----------
    daemons : Daemons
    """

    def __init__(self, daemons: Daemons) -> None:
        self._daemons = daemons
        together = Prober({h.name: (h.probe_address, h.keys) for h in daemons})
        self._probers = {handle.name: together for handle in daemons}
        self._retired: list[Prober] = []
        self._quality: dict[str, ClockQuality] = {}
        self._quality_s = -math.inf
        together.start()

    def restart(self, handle: DaemonHandle) -> None:
        """Probe a daemon that came back, at its new address, by a prober of its own."""
        self._retired.append(self._probers[handle.name])
        self._probers[handle.name] = Prober({handle.name: (handle.probe_address, handle.keys)})
        self._probers[handle.name].start()

    def close(self) -> None:
        """Deliver the last probes and stop; may be called twice."""
        for prober in {*self._probers.values(), *self._retired}:
            prober.close()

    def host_ns(self, handle: DaemonHandle, controller_ns: int) -> int:
        """Return what the daemon's host clock shows at a controller time."""
        return self._probers[handle.name].clock(handle.name).inverse().apply_one(controller_ns)

    def probes(self, handle: DaemonHandle) -> list[ClockProbe]:
        """Return all probes of a daemon's present run."""
        return self._probers[handle.name].probes(handle.name)

    def complaint(self, handle: DaemonHandle) -> str | None:
        """Say why the daemon's clock is not good enough for a start; None when it is."""
        prober = self._probers[handle.name]
        return clock_complaint(prober.clock(handle.name), prober.n_bursts(handle.name))

    def complaints(self) -> dict[DaemonHandle, str]:
        """Return the complaints about all clocks."""
        found = {handle: self.complaint(handle) for handle in self._daemons}
        return {handle: words for handle, words in found.items() if words is not None}

    def quality(self) -> dict[str, ClockQuality]:
        """Return what is known about every clock, a second old at most."""
        now_s = time.monotonic()
        if now_s - self._quality_s >= _QUALITY_INTERVAL_S:
            self._quality_s = now_s
            self._quality = {
                handle.name: quality
                for handle in self._daemons
                if (quality := self._measure(handle)) is not None
            }
        return self._quality

    def _measure(self, handle: DaemonHandle) -> ClockQuality | None:
        probes = self.probes(handle)
        if not probes:
            return None
        clock = self._probers[handle.name].clock(handle.name)
        now_ns = time.monotonic_ns()
        known = math.isfinite(clock.uncertainty_ns)
        return ClockQuality(
            offset_ms=(clock.inverse().apply_one(now_ns) - now_ns) * 1e-6,
            skew_ppm=0.0 - clock.skew_ppm,
            uncertainty_us=clock.uncertainty_ns * 1e-3 if known else None,
            rtt_us=min(probe.rtt_ns for probe in probes) * 1e-3,
            age_s=(now_ns - probes[-1].t3_ns) * 1e-9,
        )
