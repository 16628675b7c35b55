"""How well a recorder keeps up: what frames wait, what the disk takes, what its threads cost.

Pure bookkeeping over the last seconds. Times are of the daemon's host clock.
"""

from collections import deque
from collections.abc import Mapping

WINDOW_NS = 5_000_000_000
_LATE_SHARE = 0.99
_CPU_WINDOW_NS = 2_000_000_000


class RecorderHealth:
    """What the reading and the writing thread tell of themselves. Guard it by a lock."""

    def __init__(self) -> None:
        self._written: deque[tuple[int, int, int]] = deque()
        self._cpu: dict[str, deque[tuple[int, int]]] = {}

    def wrote(self, now_ns: int, *, waited_ns: int, n_bytes: int) -> None:
        """Note a frame written `waited_ns` after it had arrived."""
        self._written.append((now_ns, waited_ns, n_bytes))
        while self._written[0][0] < now_ns - WINDOW_NS:
            self._written.popleft()

    def spent(self, stage: str, now_ns: int, cpu_ns: int) -> None:
        """Note how much processor time a stage has taken in all."""
        readings = self._cpu.setdefault(stage, deque())
        readings.append((now_ns, cpu_ns))
        while len(readings) > 2 and readings[1][0] < now_ns - _CPU_WINDOW_NS:
            readings.popleft()

    def queue_latency_ms(self, now_ns: int) -> float:
        """Return how long the slowest hundredth of the frames waited, arrival to written."""
        waits = sorted(wait for at, wait, _ in self._written if at > now_ns - WINDOW_NS)
        if not waits:
            return 0.0
        return waits[min(len(waits) - 1, int(_LATE_SHARE * len(waits)))] / 1e6

    def write_rate_bytes_s(self, now_ns: int) -> float:
        """Return image bytes written a second; 0 when nothing is."""
        recent = [(at, n_bytes) for at, _, n_bytes in self._written if at > now_ns - WINDOW_NS]
        if len(recent) < 2:
            return 0.0
        elapsed_s = (now_ns - recent[0][0]) * 1e-9
        return sum(n_bytes for _, n_bytes in recent[1:]) / elapsed_s if elapsed_s > 0 else 0.0

    def cpu_share(self) -> Mapping[str, float]:
        """Return by stage the share of one core it takes."""
        shares = {}
        for stage, readings in self._cpu.items():
            (first_ns, first_cpu), (last_ns, last_cpu) = readings[0], readings[-1]
            if last_ns > first_ns:
                shares[stage] = (last_cpu - first_cpu) / (last_ns - first_ns)
        return shares
