"""Agreement metrics against published definitions and the numbers of independent packages."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation.agreement import (
    cc,
    ccc,
    cronbach_alpha,
    mse,
    pairwise,
    percent_positive,
    percent_zero,
    rmse,
    sagr,
    zero_mean,
)
from annotation.errors import AnnotationError

A1 = [-4, -3, -1, 0, 2, 4, 6, 7, 5, 3]
A2 = [-6, -6, -5, -3, -1, 1, 3, 4, 4, 2]
A3 = [1, 0, 2, 1, 4, 5, 9, 8, 8, 5]
A = np.array([A1, A2, A3], dtype=float)
B = np.array([[5, 6, 7, 7, 6, 5], [2, 2, 3, 4, 4, 3], [9, 8, 9, 10, 9, 8]], dtype=float)

ordinary = st.floats(-1e6, 1e6, allow_nan=False)
extreme = st.floats(-1e300, 1e300, allow_nan=False)


@st.composite
def pairs(draw, values=ordinary, min_size=2):
    n = draw(st.integers(min_size, 30))
    return tuple(np.array(draw(st.lists(values, min_size=n, max_size=n))) for _ in range(2))


@pytest.mark.parametrize(
    ("x", "y", "expected_rmse", "expected_cc", "expected_ccc"),
    [  # audmetric 1.4.2 (mean_squared_error, pearson_cc, concordance_cc) and numpy 2.4.6
        (A1, A2, 2.756809750418044, 0.9720128911785659, 0.7794544399303541),
        (A1, A3, 2.6832815729997477, 0.9461069192812683, 0.7452229299363057),
        (A2, A3, 5.176871642217914, 0.9480328404493453, 0.45770942938081755),
        ([0, 1, 2, 3], [1, 3, 2, 6], 1.8708286933869707, 0.8366600265340755, 0.5),
        (A1, A1, 0.0, 1.0, 1.0),
    ],
)
def test_metrics_equal_audmetric(x, y, expected_rmse, expected_cc, expected_ccc):
    assert rmse(x, y) == pytest.approx(expected_rmse, abs=1e-12)
    assert cc(x, y) == pytest.approx(expected_cc, abs=1e-12)
    assert ccc(x, y) == pytest.approx(expected_ccc, abs=1e-12)


def test_ccc_is_not_the_mixture_that_rates_identical_traces_below_one():
    # 1/n covariance over 1/(n-1) variances gives .9 for ten identical values
    assert ccc(A1, A1) == pytest.approx(1.0)
    assert ccc(A1, A2) != pytest.approx(0.7155458205067486)  # AVEC 2018 CES calc_scores


@pytest.mark.parametrize(
    ("x", "y", "expected"),
    [  # torchmetrics 1.9.0 (float64) and numpy
        (A1, A2, 0.7950509116741653),
        (A1, A3, 0.7607282184655396),
        (A2, A3, 0.4820971867007672),
        ([0, 1, 2, 3], [1, 3, 2, 6], 0.5436893203883495),
        (A1, A1, 1.0),
    ],
)
def test_sample_moments_are_all_three_of_them(x, y, expected):
    assert ccc(x, y, ddof=1) == pytest.approx(expected, abs=1e-12)
    with pytest.raises(AnnotationError, match="ddof is 2"):
        ccc(x, y, ddof=2)


def test_squared_errors_and_signs():
    # audmetric 1.4.2; signs counted by hand
    assert [mse(A1, A2), mse(A1, A3), mse(A2, A3)] == pytest.approx([7.6, 7.2, 26.8])
    assert [sagr(A1, A2), sagr(A1, A3), sagr(A2, A3)] == [0.8, 0.6, 0.5]
    assert sagr([1.0, math.nan, 0.0, -1.0], [2.0, 1.0, 0.0, 1.0]) == pytest.approx(2 / 3)
    assert math.isnan(sagr([], []))
    assert math.isnan(mse([math.nan], [1.0]))


@given(pairs())
def test_sample_and_population_moments_differ_by_little_and_in_one_direction(pair):
    x, y = pair
    population, sample = ccc(x, y), ccc(x, y, ddof=1)
    assert math.isnan(population) == math.isnan(sample)
    if not math.isnan(population):
        assert abs(sample) >= abs(population) - 1e-12  # the means weigh less
        assert abs(sample) <= abs(population) * len(x) / (len(x) - 1) + 1e-12


@given(pairs())
def test_ccc_is_bounded_symmetric_and_never_above_cc(pair):
    x, y = pair
    value, correlation = ccc(x, y), cc(x, y)
    assert ccc(y, x) == value or math.isnan(value)
    assert math.isnan(value) or -1.0 <= value <= 1.0
    if not math.isnan(correlation):
        assert math.isnan(value) or abs(value) <= abs(correlation) + 1e-9


@given(pairs(extreme))
def test_metrics_of_extreme_numbers_neither_overflow_nor_leave_their_range(pair):
    x, y = pair
    for metric in (cc, ccc):
        value = metric(x, y)
        assert math.isnan(value) or -1.0 <= value <= 1.0
    assert rmse(x, y) >= 0.0


@given(pairs(), st.floats(0.01, 100), st.floats(-100, 100))
def test_rmse_scales_and_ignores_a_common_shift(pair, factor, shift):
    x, y = pair
    tolerance = 1e-9 * (1 + factor) * (1 + max(np.max(np.abs(x)), np.max(np.abs(y))) + abs(shift))
    assert rmse(factor * x + shift, factor * y + shift) == pytest.approx(
        factor * rmse(x, y), abs=tolerance
    )


@given(st.lists(st.integers(-10, 10), min_size=2, max_size=40))
def test_ccc_with_itself_is_one_unless_constant(values):
    value = ccc(values, values)
    assert math.isnan(value) if len(set(values)) == 1 else value == pytest.approx(1.0)


def test_constants_are_defined():
    ramp = [0.0, 1.0, 2.0]
    assert math.isnan(ccc([0.1] * 3, [0.1] * 3))  # audmetric: nan
    assert ccc([0.1] * 3, [0.3] * 3) == 0.0
    assert ccc([0.1] * 3, ramp) == 0.0  # audmetric: 0.0
    assert math.isnan(cc([0.1] * 3, ramp))  # audmetric: nan
    assert rmse([0.1] * 3, [0.1] * 3) == 0.0


def test_too_few_pairs_are_undefined():
    assert math.isnan(ccc([1.0], [2.0]))
    assert math.isnan(cc([1.0], [2.0]))
    assert rmse([1.0], [3.0]) == 2.0
    assert math.isnan(rmse([], []))


def test_missing_pairs_do_not_count():
    x = [*A1, math.nan, 3.0]
    y = [*A2, 5.0, math.nan]
    assert ccc(x, y) == ccc(A1, A2)
    assert cc(x, y) == cc(A1, A2)
    assert rmse(x, y) == rmse(A1, A2)


def test_contradictory_input_is_refused():
    with pytest.raises(AnnotationError, match="equal length"):
        ccc([1.0, 2.0], [1.0])
    with pytest.raises(AnnotationError, match="infinite"):
        rmse([1.0, math.inf], [1.0, 2.0])
    with pytest.raises(AnnotationError, match="raters × moments"):
        cronbach_alpha([1.0, 2.0])


def test_pairwise_is_the_metric_of_every_pair():
    table = pairwise(A, ccc)
    assert table == pytest.approx(table.T)
    # audmetric 1.4.2, pairs 1-2, 1-3, 2-3
    upper = table[np.triu_indices(3, 1)]
    assert upper == pytest.approx([0.7794544399, 0.7452229299, 0.4577094294])


def test_alpha_equals_pingouin():
    # pingouin 0.7.0 cronbach_alpha
    assert cronbach_alpha(A) == pytest.approx(0.9810848400556327, abs=1e-12)
    assert cronbach_alpha(B) == pytest.approx(0.7883211678832117, abs=1e-12)
    pooled = np.concatenate([A, B], axis=1)
    assert cronbach_alpha(pooled) == pytest.approx(0.9837371018393899, abs=1e-12)
    centred = np.concatenate([zero_mean(A), zero_mean(B)], axis=1)
    assert cronbach_alpha(centred) == pytest.approx(0.9770883777239711, abs=1e-12)


def test_alpha_leaves_out_moments_that_a_rater_misses():
    with_gaps = A.copy()
    with_gaps[0, 2] = with_gaps[2, 7] = math.nan
    # pingouin 0.7.0 with nan_policy="listwise"
    assert cronbach_alpha(with_gaps) == pytest.approx(0.9808768656716419, abs=1e-12)


@given(
    st.lists(st.lists(st.integers(-10, 10), min_size=8, max_size=8), min_size=2, max_size=5),
    st.integers(-20, 20),
)
def test_alpha_is_at_most_one_and_ignores_shifts(rows, shift):
    ratings = np.array(rows, dtype=float)
    value = cronbach_alpha(ratings)
    assert math.isnan(value) or value <= 1.0 + 1e-12
    shifted = ratings.copy()
    shifted[0] += shift
    assert cronbach_alpha(shifted) == pytest.approx(value, nan_ok=True, rel=1e-9, abs=1e-9)


def test_alpha_is_undefined_without_raters_moments_or_variation():
    for ratings in ([A1], A[:, :1], np.full((3, 5), 0.1), [A1, [-a for a in A1]]):
        assert math.isnan(cronbach_alpha(ratings))


def test_percent_positive_does_not_count_zero():
    assert [percent_positive(row) for row in A] == [60.0, 50.0, 90.0]
    assert percent_positive([1.0, math.nan, -1.0]) == 50.0
    assert math.isnan(percent_positive([math.nan]))
    assert [percent_zero(row) for row in A] == [10.0, 0.0, 10.0]
    assert percent_zero([0.0, math.nan, -1.0]) == 50.0
    assert math.isnan(percent_zero([]))


def test_zero_mean_centres_every_rater_and_keeps_gaps():
    ratings = np.array([[1.0, math.nan, 3.0], [math.nan] * 3])
    assert zero_mean(ratings) == pytest.approx(
        np.array([[-1.0, math.nan, 1.0], [math.nan] * 3]), nan_ok=True
    )
    assert percent_positive(zero_mean(np.full((1, 7), 0.1))) == 0.0  # not rounding's sign
    assert zero_mean(np.empty((2, 0))).shape == (2, 0)
