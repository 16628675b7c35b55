import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capture.clock import ClockProbe, HostClock, fit_host_clock
from capture.clock_track import (
    DEVICE_JUMP_NS,
    ClockSegment,
    device_segments,
    fit_device_segment,
    fit_host_track,
)

from .test_clock import CONTROLLER_NS, SECOND_NS, probes_of

SECONDS = st.floats(-1e6, 1e6)


class WarmingClock(HostClock):
    """Warms up after the start: its skew goes from 18 to 22 ppm and stays there."""

    def at(self, monotonic_ns: int) -> int:
        elapsed_s = (monotonic_ns - CONTROLLER_NS) * 1e-9
        gained_us = 22 * elapsed_s - 4 * 120 * (1 - np.exp(-elapsed_s / 120))
        return monotonic_ns + self.offset_ns + round(gained_us * 1e3)


def truths_ns(duration_s: float, step_s: float = 0.5) -> np.ndarray:
    return CONTROLLER_NS + np.rint(np.arange(0, duration_s, step_s) * 1e9).astype(np.int64)


def errors_ns(track, clock: HostClock, truth_ns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    host_ns = np.array([clock.at(int(t)) for t in truth_ns], np.int64)
    return np.abs(track.apply(host_ns) - truth_ns), track.uncertainty_ns(host_ns)


@given(
    offset_s=SECONDS,
    skew_ppm=st.floats(-200, 200),
    seed=st.integers(0, 2**32 - 1),
    duration_s=st.sampled_from([8.0, 60.0, 150.0]),
    there_us=st.floats(0, 300),
)
def test_the_truth_lies_within_the_stated_uncertainty(
    offset_s, skew_ppm, seed, duration_s, there_us
) -> None:
    clock = HostClock(round(offset_s * 1e9), skew_ppm)
    rng = np.random.default_rng(seed)
    probes = probes_of(clock, duration_s=duration_s, rng=rng, jitter_us=there_us)
    error, uncertainty = errors_ns(fit_host_track(probes), clock, truths_ns(duration_s - 2))
    assert (error <= uncertainty + 1000).all()
    assert uncertainty.max() < 1e6


def test_a_clock_that_warms_up_is_followed_where_a_line_is_not() -> None:
    clock = WarmingClock(offset_ns=55_000_000_000)
    probes = probes_of(clock, duration_s=600.0, rng=np.random.default_rng(2))
    truth = truths_ns(598.0)
    ours, uncertainty = errors_ns(fit_host_track(probes), clock, truth)
    host = np.array([clock.at(int(t)) for t in truth], np.int64)
    line = np.abs(fit_host_clock(probes).apply(host) - truth)
    assert np.quantile(ours, 0.95) < 10_000
    assert np.quantile(ours, 0.95) < np.quantile(line, 0.95) / 8
    assert (ours <= uncertainty).all()


def test_delays_of_one_direction_do_not_move_the_estimate() -> None:
    """Half a second of queue towards the daemon, in nine bursts of ten."""
    clock = HostClock(7_000_000, 15.0)
    rng = np.random.default_rng(3)
    probes = []
    for number, probe in enumerate(probes_of(clock, duration_s=120.0, rng=rng)):
        late = 500_000_000 if number // 16 % 10 else 0
        t1, t2 = probe.t1_ns + late, probe.t2_ns + late
        probes.append(ClockProbe(probe.t0_ns, t1, t2, probe.t3_ns + late))
    error, _ = errors_ns(fit_host_track(probes), clock, truths_ns(118.0))
    assert error.max() < 100_000


@given(step_s=st.one_of(st.floats(0.02, 1e5), st.floats(-1e5, -0.02)), seed=st.integers(0, 999))
def test_a_controller_that_began_anew_is_two_segments(step_s: float, seed: int) -> None:
    clock = HostClock(3_000_000_000, -12.0)
    before = probes_of(clock, duration_s=60.0, rng=np.random.default_rng(seed))
    half, step_ns = len(before) // 2, round(step_s * 1e9)
    probes = before[:half] + [
        ClockProbe(p.t0_ns + step_ns, p.t1_ns, p.t2_ns, p.t3_ns + step_ns) for p in before[half:]
    ]
    track = fit_host_track(probes)
    assert track.n_resets == 1
    truth = truths_ns(58.0)
    host = np.array([clock.at(int(t)) for t in truth], np.int64)
    new = host >= probes[half].t1_ns
    error = np.abs(track.apply(host) - truth - step_ns * new)
    between = (host > probes[half - 1].t2_ns) & ~new
    assert between.any()
    uncertainty = track.uncertainty_ns(host)
    assert (error <= uncertainty + 1000).all()
    assert uncertainty[~between].max() < 1e6
    assert uncertainty[between].min() > abs(step_ns) * 0.9


@given(skew_ppm=st.floats(-200, 200), seed=st.integers(0, 999))
def test_skew_is_never_taken_for_a_reset(skew_ppm: float, seed: int) -> None:
    clock = HostClock(0, skew_ppm)
    probes = probes_of(clock, duration_s=30.0, rng=np.random.default_rng(seed))
    with_a_gap = [p for p in probes if not 8 < (p.t0_ns - CONTROLLER_NS) / 1e9 < 22]
    assert fit_host_track(with_a_gap).n_resets == 0


def test_uncertainty_grows_beyond_the_probes() -> None:
    clock = HostClock(5, 30.0)
    probes = probes_of(clock, duration_s=40.0, rng=np.random.default_rng(5))
    track = fit_host_track(probes)
    truth = truths_ns(400.0, 1.0)
    error, uncertainty = errors_ns(track, clock, truth)
    assert (error <= uncertainty).all()
    assert uncertainty[-1] > 3 * uncertainty[20]
    assert (np.diff(uncertainty[45:]) > 0).all()


def test_no_probes_and_one_burst() -> None:
    track = fit_host_track([])
    assert track.apply_one(42) == 42
    assert np.isnan(track.uncertainty_ns(np.array([42]))).all()
    clock = HostClock(1_000, 50.0)
    single = fit_host_track(probes_of(clock, duration_s=1.0, rng=np.random.default_rng(0)))
    error, uncertainty = errors_ns(single, clock, truths_ns(3.0))
    assert (error <= uncertainty).all()
    assert np.isnan(ClockSegment.identity().uncertainty_ns(np.array([1]))).all()


def test_impossible_probes_are_passed_over() -> None:
    clock = HostClock(0, 0.0)
    good = probes_of(clock, duration_s=10.0, rng=np.random.default_rng(0))
    at = good[40].t0_ns
    bad = [ClockProbe(at, at, at - 5, at), ClockProbe(at, at, at + 10**12, at + 10**12 + 5)]
    track = fit_host_track([*bad, *good])
    reference = fit_host_track(good)
    assert track.apply_one(at) == reference.apply_one(at)


@given(
    skew_ppm=st.floats(-100, 100),
    delay_ms=st.floats(0.01, 20),
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(30, 400),
)
def test_the_device_clock_lies_under_every_arrival_and_near_the_truth(
    skew_ppm: float, delay_ms: float, seed: int, n: int
) -> None:
    rng = np.random.default_rng(seed)
    captured = CONTROLLER_NS + (np.arange(n) * SECOND_NS) // 30
    device = ((captured - CONTROLLER_NS) * (1 + skew_ppm * 1e-6)).astype(np.int64) + 5
    arrived = captured + np.round(rng.exponential(delay_ms * 1e6, n)).astype(np.int64)
    fitted = fit_device_segment(device, arrived)
    mapped = fitted.apply(device)
    # Between two knots the lines may cross a little: a hundredth of a millisecond at most.
    assert (mapped <= arrived + 10_000).all()
    drift_ns = abs(skew_ppm) * 1e-6 * (captured[-1] - captured[0]) if n < 92 else 0
    late = mapped - captured
    assert late.min() >= -drift_ns - 1e6 * delay_ms  # a short extrapolation may dip a little
    assert np.median(np.abs(late)) <= delay_ms * 1e6 + drift_ns


def test_the_device_skew_is_found_over_minutes() -> None:
    rng = np.random.default_rng(3)
    captured = np.arange(3600, dtype=np.int64) * SECOND_NS // 30
    device = (captured * (1 + 50e-6)).astype(np.int64)
    arrived = captured + 4_000_000 + rng.exponential(3e6, len(captured)).astype(np.int64)
    fitted = fit_device_segment(device, arrived)
    assert fitted.skew_ppm == pytest.approx(-50, abs=1)
    assert np.abs(fitted.apply(device) - captured - 4_000_000).max() < 300_000


def test_delays_are_not_mistaken_for_skew() -> None:
    captured = np.arange(120, dtype=np.int64) * SECOND_NS // 30
    arrived = captured + np.linspace(5e6, 60e6, 120).astype(np.int64)  # a queue that only grows
    fitted = fit_device_segment(captured, arrived)
    assert fitted.skew_ppm == 0
    assert (fitted.apply(captured) <= arrived).all()


def test_a_device_that_warms_up_is_followed() -> None:
    rng = np.random.default_rng(6)
    captured = CONTROLLER_NS + np.arange(18_000, dtype=np.int64) * SECOND_NS // 30
    clock = WarmingClock()
    device = np.array([clock.at(int(t)) for t in captured], np.int64)
    arrived = captured + 4_000_000 + rng.exponential(3e6, len(captured)).astype(np.int64)
    fitted = fit_device_segment(device, arrived)
    error = np.abs(fitted.apply(device) - captured - 4_000_000)
    assert np.quantile(error, 0.95) < 60_000
    assert (error <= fitted.uncertainty_ns(device)).mean() > 0.99


def test_segments_are_told_by_numbers_or_by_leaps_but_not_by_delays() -> None:
    device = np.arange(20, dtype=np.int64) * SECOND_NS // 10
    host = device + 5_000_000
    host[7:12] += 3 * SECOND_NS  # a stalled machine
    host = np.maximum.accumulate(host)
    none = np.zeros(20, np.int64)
    assert not device_segments(device, host, none).any()
    recorded = (np.arange(20) >= 4).astype(np.int64)
    leaping = device + DEVICE_JUMP_NS * 2 * (np.arange(20) >= 15)
    assert device_segments(leaping, host, recorded).tolist() == [0] * 4 + [1] * 11 + [2] * 5
