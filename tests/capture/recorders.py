"""Recorders of a small test pattern, and what tests wait for."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from capture.clock import ClockProbe, HostClock
from capture.recorder import Recorder
from capture.sensor import SensorConfig

DEADLINE_S = 30.0
RUN_NS = 400_000_000
IMAGE = np.zeros((24, 32, 3), np.uint8)


def until(recorder: Recorder, state: str) -> None:
    deadline_s = time.monotonic() + DEADLINE_S
    while (status := recorder.status()).state != state:
        assert time.monotonic() < deadline_s, status
        time.sleep(0.01)


def pattern(**options: object) -> SensorConfig:
    base = {"rate_hz": 100.0, "width_px": 32, "height_px": 24}
    return SensorConfig("cam", "test-pattern", {**base, **options})


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Recorder]]:
    made: list[Recorder] = []

    def build(config: SensorConfig, **options: object) -> Recorder:
        made.append(Recorder(config, tmp_path, **options))  # type: ignore[arg-type]  # as given
        return made[-1]

    yield build
    for recorder in made:
        recorder.finish()


def record(recorder: Recorder, clock: HostClock) -> tuple[int, int]:
    recorder.arm("s1", "u-1")
    until(recorder, "armed")
    start_ns = clock.monotonic_ns() + 100_000_000
    recorder.start(start_ns)
    recorder.log_probe(ClockProbe(1, 2, 3, 4))
    recorder.stop(start_ns + RUN_NS)
    until(recorder, "stopped")
    recorder.log_probe(ClockProbe(5, 6, 7, 8))
    return start_ns, start_ns + RUN_NS
