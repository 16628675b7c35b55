"""Simulated raters do what their profile says."""

import numpy as np
import pytest

from annotation.agreement import cc
from annotation.errors import AnnotationError
from annotation.simulated_raters import RaterProfile, draw_profile, rate
from annotation.trace import Trace

S = 1_000_000_000


def truth(duration_s=60.0, rate_hz=30.0):
    time_ns = (np.arange(0, duration_s, 1 / rate_hz) * S).astype(np.int64)
    return Trace("S01", "truth", "valence", time_ns, 0.8 * np.sin(time_ns / S * 0.9))


def test_ratings_are_slider_positions_from_the_first_to_the_last_moment():
    shown = truth()
    said = rate(shown, draw_profile("R1", seed=3, noise=4.0), seed=3, rate_hz=7.0)
    assert said.time_ns[0] == shown.time_ns[0]
    assert said.time_ns[-1] == shown.time_ns[-1]
    assert np.array_equal(said.value, np.round(said.value))
    assert np.max(np.abs(said.value)) <= 10.0
    assert len(said) == pytest.approx(60 * 7, abs=2)


def test_lag_gain_and_bias_show():
    profile = RaterProfile("R1", lag_s=1.5, gain=0.5, bias=2.0, noise=0.0, noise_memory_s=1.0)
    said = rate(truth(), profile, seed=0, rate_hz=10.0)
    expected = 10 * 0.5 * 0.8 * np.sin(np.maximum(said.time_ns / S - 1.5, 0.0) * 0.9) + 2.0
    assert np.max(np.abs(said.value - expected)) <= 0.51  # half a step and the truth's sampling


def test_wandering_has_the_spread_and_the_memory_that_were_asked_for():
    shown = Trace("S01", "truth", "valence", np.array([0, 4000 * S]), np.zeros(2))
    profile = RaterProfile("R1", lag_s=0.0, gain=1.0, bias=0.0, noise=2.0, noise_memory_s=1.5)
    said = rate(shown, profile, seed=5, rate_hz=4.0).value
    assert np.std(said) == pytest.approx(2.0, rel=0.1)  # some 1300 independent stretches
    assert cc(said[:-4], said[4:]) == pytest.approx(np.exp(-1 / 1.5), abs=0.08)


def test_a_rater_is_one_person_and_raters_differ():
    one, again = draw_profile("R1", seed=1), draw_profile("R1", seed=1)
    assert one == again
    assert one != draw_profile("R2", seed=1)
    assert one != draw_profile("R1", seed=2)
    first, second = (rate(truth(), one, seed=1) for _ in range(2))
    assert np.array_equal(first.value, second.value)
    assert not np.array_equal(first.value, rate(truth(), one, seed=2).value)


def test_one_moment_is_enough():
    shown = Trace("S01", "truth", "arousal", np.array([5 * S]), np.array([0.5]))
    assert len(rate(shown, draw_profile("R1", seed=0), seed=0)) == 1


def test_impossible_raters_are_refused():
    with pytest.raises(AnnotationError, match="lag and noise"):
        draw_profile("R1", seed=0, lag_s=-1.0)
    with pytest.raises(AnnotationError, match="lag and noise"):
        draw_profile("R1", seed=0, lag_s=1e300)
    with pytest.raises(AnnotationError, match="at most 1000"):
        rate(truth(), draw_profile("R1", seed=0), seed=0, rate_hz=1e300)
    with pytest.raises(AnnotationError, match="rate_hz is 0"):
        rate(truth(), draw_profile("R1", seed=0), seed=0, rate_hz=0.0)


def test_a_rater_misses_the_share_that_was_asked_for_in_stretches():
    shown = Trace("S01", "truth", "valence", np.array([0, 4000 * S]), np.zeros(2))
    profile = draw_profile("R1", seed=5, noise=0.0, missing_share=0.2)
    said = rate(shown, profile, seed=5, rate_hz=4.0)
    assert len(said) / 16001 == pytest.approx(0.8, abs=0.03)
    gaps_s = np.diff(said.time_ns) / S
    gaps_s = gaps_s[gaps_s > 0.3]
    assert 100 < len(gaps_s) < 1600  # stretches of about a second, not single samples
    whole = rate(shown, draw_profile("R1", seed=5, noise=0.0), seed=5, rate_hz=4.0)
    assert np.array_equal(said.value, whole.at(said.time_ns))  # what is said is the same
    assert len(rate(shown, draw_profile("R1", seed=5, missing_share=1.0), seed=5)) == 1


def test_a_slider_freezes_where_it_is():
    said = rate(truth(), draw_profile("R1", seed=1, frozen_share=0.5), seed=1, rate_hz=10.0)
    half = len(said) // 2
    assert np.all(said.value[half + 1 :] == said.value[-1])
    assert len(set(said.value[:half])) > 5
    still = rate(truth(), draw_profile("R1", seed=1, frozen_share=1.0), seed=1)
    assert len(set(still.value)) == 1
    with pytest.raises(AnnotationError, match="frozen_share is 2"):
        draw_profile("R1", seed=1, frozen_share=2.0)
    with pytest.raises(AnnotationError, match="missing_share is nan"):
        draw_profile("R1", seed=1, missing_share=float("nan"))
