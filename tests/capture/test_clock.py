import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import capture
from capture.clock import (
    ClockMap,
    ClockProbe,
    DeviceClockTracker,
    HostClock,
    HostIdentity,
    fit_host_clock,
)

SECOND_NS = 1_000_000_000
CONTROLLER_NS = 7_000 * SECOND_NS


def probes_of(
    clock: HostClock,
    *,
    duration_s: float,
    rng: np.random.Generator,
    base_us: float = 80.0,
    jitter_us: float = 60.0,
    burst: int = 16,
) -> list[ClockProbe]:
    """Bursts every 2 s over a LAN with exponential queueing and rare long delays."""
    probes = []
    for second in np.arange(0, duration_s, 2.0):
        for k in range(burst):
            t0 = CONTROLLER_NS + round((second + k * 1e-3) * 1e9)
            there, back = base_us + rng.exponential(jitter_us, 2)
            there += 5000.0 * (rng.random() < 0.03)
            arrival = t0 + round(there * 1e3)
            leaving = arrival + 20_000
            t3 = leaving + round(back * 1e3)
            probes.append(ClockProbe(t0, clock.at(arrival), clock.at(leaving), t3))
    return probes


@given(
    offset_s=st.floats(-1e6, 1e6),
    skew_ppm=st.floats(-200, 200),
    seed=st.integers(0, 2**32 - 1),
    duration_s=st.sampled_from([1.0, 8.0, 60.0]),
)
def test_the_host_clock_is_found_within_its_stated_uncertainty(
    offset_s: float, skew_ppm: float, seed: int, duration_s: float
) -> None:
    clock = HostClock(round(offset_s * 1e9), skew_ppm)
    rng = np.random.default_rng(seed)
    fitted = fit_host_clock(probes_of(clock, duration_s=duration_s, rng=rng))
    truth = CONTROLLER_NS + np.arange(0, duration_s, 0.5) * SECOND_NS
    host = np.array([clock.at(int(t)) for t in truth], np.int64)
    error = fitted.apply(host) - truth.astype(np.int64)
    drift_ns = abs(skew_ppm) * 1e-6 * duration_s * 1e9 if duration_s < 3 else 0.0
    assert np.abs(error).max() <= 2 * fitted.uncertainty_ns + drift_ns
    assert fitted.uncertainty_ns < 1e6


def test_ten_minutes_of_skew_are_corrected_to_microseconds() -> None:
    clock = HostClock(123_456_789, 20.0)
    fitted = fit_host_clock(probes_of(clock, duration_s=600.0, rng=np.random.default_rng(1)))
    assert fitted.skew_ppm == pytest.approx(-20.0, abs=0.1)
    middle = CONTROLLER_NS + 300 * SECOND_NS
    assert abs(fitted.apply_one(clock.at(middle)) - middle) < 20_000


def test_no_probes_give_the_identity_of_unknown_uncertainty() -> None:
    fitted = fit_host_clock([])
    assert fitted.apply_one(42) == 42
    assert np.isnan(fitted.uncertainty_ns)


@given(
    source=st.integers(-(2**60), 2**60),
    target=st.integers(-(2**60), 2**60),
    skew_ppm=st.floats(-500, 500),
    elapsed=st.integers(-(10**15), 10**15),
)
def test_a_clock_map_and_its_inverse_cancel(
    source: int, target: int, skew_ppm: float, elapsed: int
) -> None:
    line = ClockMap(source, target, skew_ppm)
    time = source + elapsed
    assert abs(line.inverse().apply_one(line.apply_one(time)) - time) <= 2
    assert line.apply(np.array([time]))[0] == line.apply_one(time)


def test_the_tracker_follows_a_drifting_device() -> None:
    rng = np.random.default_rng(4)
    tracker = DeviceClockTracker()
    errors = []
    for k in range(3000):
        captured = k * SECOND_NS // 30
        arrived = captured + int(rng.exponential(2e6))
        seen = tracker.host_time_ns(round(captured * (1 + 100e-6)) + 77, arrived)
        errors.append(abs(seen - captured))
    assert np.median(errors[30:]) < 1_500_000


@given(offset=st.integers(-(10**15), 10**15), skew=st.floats(-200, 200), at=st.integers(0, 10**15))
def test_a_shifted_clock_can_be_undone(offset: int, skew: float, at: int) -> None:
    clock = HostClock(offset, skew)
    assert abs(clock.invert(clock.at(at)) - at) <= 1000  # float64 at 1e15 ns


def test_the_host_says_who_it_is() -> None:
    host = HostIdentity.read(HostClock(10**12))
    assert host.hostname
    assert host.boot_id
    assert host.realtime_ns > 10**18
    assert HostIdentity.read().monotonic_ns < host.monotonic_ns


def test_no_wall_clock_times_anything() -> None:
    """Setting a machine's clock must not matter: it is read to name and to show, never to time."""
    package = Path(capture.__file__).parent
    allowed = {
        "clock.py": 1,  # wall time beside monotonic time, once a recording
        "session.py": 1,  # the name of the folder
    }
    for path in sorted(package.rglob("*.py")):
        calls = re.findall(
            r"\btime\.time(?:_ns)?\(|datetime\.(?:now|utcnow)\(|CLOCK_REALTIME", path.read_text()
        )
        assert len(calls) <= allowed.get(path.name, 0), path
