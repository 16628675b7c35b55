"""How fast a run is and what it waits for."""

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

_WINDOW_STEPS = 50


class Pace:
    """Rates over the last fifty steps.

    Attributes
    ----------
    step_s : list of float
        Duration of every step of this call.
    """

    def __init__(self) -> None:
        self.step_s: list[float] = []
        self._recent: deque[tuple[int, float, float]] = deque(maxlen=_WINDOW_STEPS)
        self._wait_s = 0.0

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Time the wait for a batch."""
        begun_s = time.monotonic()
        yield
        self._wait_s = time.monotonic() - begun_s

    @contextmanager
    def step(self, n_clips: int) -> Iterator[None]:
        """Time what is done with `n_clips` clips after the wait for them."""
        begun_s = time.monotonic()
        yield
        worked_s = time.monotonic() - begun_s
        self.step_s.append(self._wait_s + worked_s)
        self._recent.append((n_clips, self._wait_s, self._wait_s + worked_s))

    @property
    def clips_per_s(self) -> float:
        """Clips learned from per second, waits included; 0 before the first step."""
        taken_s = sum(step_s for _, _, step_s in self._recent)
        return sum(n for n, _, _ in self._recent) / taken_s if taken_s > 0 else 0.0

    @property
    def data_share(self) -> float:
        """Share of the time that went into waiting for clips."""
        taken_s = sum(step_s for _, _, step_s in self._recent)
        return sum(wait_s for _, wait_s, _ in self._recent) / taken_s if taken_s > 0 else 0.0

    def __str__(self) -> str:
        return f"{self.clips_per_s:.3g} clips/s, data wait {self.data_share:.0%}"
