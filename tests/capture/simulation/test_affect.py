import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capture.simulation.affect import AffectTrace

SEEDS = st.integers(0, 2**32)
TIMES = st.floats(0, 3600)


@given(SEEDS, TIMES, st.sampled_from([None, 2.0, 6.0, 11.5]))
def test_values_stay_in_range_and_move_smoothly(
    seed: int, time_s: float, period_s: float | None
) -> None:
    trace = AffectTrace(seed, period_s)
    step_s = 0.01
    before, after = np.array(trace.at(time_s)), np.array(trace.at(time_s + step_s))
    assert np.all(np.abs(before) <= 0.9)
    # smoothstep's steepest slope is 1.5 over the transition, here at least 0.5 s long
    assert np.all(np.abs(after - before) <= 1.8 * 1.5 * step_s / 0.5 + 1e-9)


@given(SEEDS, st.floats(0, 100), st.sampled_from([2.0, 6.0, 11.5]))
def test_a_loop_has_no_seam(seed: int, time_s: float, period_s: float) -> None:
    trace = AffectTrace(seed, period_s)
    assert trace.at(time_s) == pytest.approx(trace.at(time_s + period_s), abs=1e-9)


def test_levels_are_held_wide_and_independent() -> None:
    values = np.array([AffectTrace(seed).at(2.0 + 9 * k) for seed in range(40) for k in range(25)])
    assert np.all(values.std(axis=0) > 0.4)
    assert abs(np.corrcoef(values.T)[0, 1]) < 0.12
    assert np.abs(values).max() > 0.85


def test_most_of_the_time_nothing_changes() -> None:
    trace = AffectTrace(3)
    v = np.array([trace.at(t)[0] for t in np.arange(0, 120, 0.05)])
    assert np.mean(np.abs(np.diff(v)) < 1e-9) > 0.6
