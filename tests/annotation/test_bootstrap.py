"""Intervals over sequences."""

import numpy as np
import pytest

from annotation.bootstrap import bootstrap_interval
from annotation.errors import AnnotationError


def mean(sums):
    return sums[0] / sums[1]


def test_the_interval_of_a_mean_is_as_wide_as_theory_says():
    rng = np.random.default_rng(0)
    values = rng.normal(5.0, 2.0, size=400)
    interval = bootstrap_interval(np.column_stack([values, np.ones(400)]), mean, n_resamples=2000)
    assert interval is not None
    half = 1.96 * np.std(values) / np.sqrt(400)
    assert interval.low == pytest.approx(np.mean(values) - half, abs=0.03)
    assert interval.high == pytest.approx(np.mean(values) + half, abs=0.03)
    assert (interval.n_sequences, interval.n_resamples, interval.n_undefined) == (400, 2000, 0)


def test_long_sequences_do_not_narrow_it():
    # ten sequences, each a thousand moments at one value: there are ten observations, not 10 000
    levels = np.random.default_rng(1).normal(0.0, 1.0, size=10)
    sums = np.column_stack([levels * 1000, np.full(10, 1000.0)])
    interval = bootstrap_interval(sums, mean)
    assert interval is not None
    assert interval.high - interval.low > 2 * np.std(levels) / np.sqrt(10)


def test_the_same_seed_draws_the_same():
    sums = np.random.default_rng(2).random((6, 2)) + 1
    assert bootstrap_interval(sums, mean, seed=3) == bootstrap_interval(sums, mean, seed=3)
    assert bootstrap_interval(sums, mean, seed=3) != bootstrap_interval(sums, mean, seed=4)


def test_undefined_resamples_are_counted():
    sums = np.array([[1.0, 1.0], [0.0, 0.0]])
    with np.errstate(invalid="ignore"):
        interval = bootstrap_interval(sums, mean)
    assert interval is not None
    assert interval.n_undefined == pytest.approx(250, abs=60)
    assert (interval.low, interval.high) == (1.0, 1.0)


def test_one_sequence_has_no_interval():
    assert bootstrap_interval(np.ones((1, 2)), mean) is None
    with np.errstate(invalid="ignore"):
        assert bootstrap_interval(np.zeros((5, 2)), mean) is None
    with pytest.raises(AnnotationError, match="0 resamples"):
        bootstrap_interval(np.ones((2, 2)), mean, n_resamples=0)
