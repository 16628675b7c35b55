"""Intraclass correlations and Krippendorff's α against the numbers of independent packages."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation.agreement import cronbach_alpha, zero_mean
from annotation.errors import AnnotationError
from annotation.reliability import (
    ICC_FORMS,
    icc,
    krippendorff_alpha,
    krippendorff_from_sums,
    krippendorff_sums,
)

A = np.array(
    [
        [-4, -3, -1, 0, 2, 4, 6, 7, 5, 3],
        [-6, -6, -5, -3, -1, 1, 3, 4, 4, 2],
        [1, 0, 2, 1, 4, 5, 9, 8, 8, 5],
    ],
    dtype=float,
)
ratings = st.integers(2, 5).flatmap(
    lambda k: st.lists(
        st.lists(st.integers(-10, 10), min_size=k, max_size=k), min_size=3, max_size=12
    ).map(lambda columns: np.array(columns, dtype=float).T)
)
gappy = ratings.flatmap(
    lambda table: st.lists(st.booleans(), min_size=table.size, max_size=table.size).map(
        lambda known: np.where(np.reshape(known, table.shape), table, np.nan)
    )
)


def test_icc_equals_pingouin():
    # pingouin 0.7.0 intraclass_corr
    assert icc(A) == pytest.approx(
        {
            "ICC(1,1)": 0.613462729712988,
            "ICC(A,1)": 0.6532691239118357,
            "ICC(C,1)": 0.945322969713214,
            "ICC(1,k)": 0.8264255910987484,
            "ICC(A,k)": 0.8496747771621297,
            "ICC(C,k)": 0.9810848400556329,
        },
        abs=1e-12,
    )
    assert tuple(icc(A)) == ICC_FORMS


@given(ratings)
def test_consistency_of_the_mean_is_cronbachs_alpha(table):
    alpha, consistency = cronbach_alpha(table), icc(table)["ICC(C,k)"]
    if not math.isnan(alpha):
        assert consistency == pytest.approx(alpha, rel=1e-6, abs=1e-6)
    assert all(math.isnan(value) or value <= 1 + 1e-12 for value in icc(table).values())


def test_icc_leaves_out_moments_that_a_rater_misses():
    with_gap = np.column_stack([A, [np.nan, 3.0, 4.0]])
    assert icc(with_gap) == pytest.approx(icc(A))


def test_icc_is_undefined_without_raters_moments_or_variation():
    undefined = [A[:1], A[:, :1], np.full((3, 5), 0.1), np.array([[1, 2, 3], [3, 2, 1.0]])]
    for table in undefined:
        assert all(math.isnan(value) for value in icc(table).values())


def test_krippendorff_equals_krippendorff():
    # krippendorff 0.9.0
    assert krippendorff_alpha(A) == pytest.approx(0.5963867514218804, abs=1e-12)
    assert krippendorff_alpha(A, level="ordinal") == pytest.approx(0.6484553391537946, abs=1e-12)
    assert krippendorff_alpha(zero_mean(A)) == pytest.approx(0.9471455373894399, abs=1e-12)
    with_gaps = A.copy()
    with_gaps[0, 2] = with_gaps[2, 7] = np.nan
    assert krippendorff_alpha(with_gaps) == pytest.approx(0.5388994307400379, abs=1e-12)


@given(gappy, st.floats(0.01, 100), st.floats(-100, 100))
def test_krippendorff_is_at_most_one_and_ignores_the_unit(table, factor, shift):
    value = krippendorff_alpha(table)
    assert math.isnan(value) or value <= 1 + 1e-12
    other = krippendorff_alpha(table * factor + shift)
    assert other == pytest.approx(value, abs=1e-6, nan_ok=True)
    squeezed = krippendorff_alpha(np.sign(table) * np.abs(table) ** 0.5, level="ordinal")
    ordinal = krippendorff_alpha(table, level="ordinal")
    assert squeezed == pytest.approx(ordinal, abs=1e-12, nan_ok=True)  # only the order counts


@given(gappy, gappy)
def test_sums_of_sequences_give_the_alpha_of_all(first, second):
    together = krippendorff_from_sums(krippendorff_sums(first) + krippendorff_sums(second))
    width = max(len(first), len(second))
    padded = [
        np.vstack([t, np.full((width - len(t), t.shape[1]), np.nan)]) for t in (first, second)
    ]
    pooled = krippendorff_alpha(np.hstack(padded))
    assert together == pytest.approx(pooled, abs=1e-9, nan_ok=True)


def test_krippendorff_is_undefined_without_pairs_or_variation():
    undefined = [
        A[:1],
        np.full((3, 5), 0.1),
        np.array([[1.0, np.nan], [np.nan, 2.0]]),
        np.empty((3, 0)),
    ]
    for table in undefined:
        for level in ("interval", "ordinal"):
            assert math.isnan(krippendorff_alpha(table, level=level))


def test_extreme_numbers_do_not_overflow():
    huge = A * 1e300
    assert krippendorff_alpha(huge) == pytest.approx(krippendorff_alpha(A))
    assert icc(huge) == pytest.approx(icc(A))


def test_contradictory_input_is_refused():
    for function in (icc, krippendorff_alpha):
        with pytest.raises(AnnotationError, match="raters × moments"):
            function([1.0, 2.0])
        with pytest.raises(AnnotationError, match="infinity"):
            function([[1.0, math.inf], [1.0, 2.0]])
    with pytest.raises(AnnotationError, match="level is 'ratio'"):
        krippendorff_alpha(A, level="ratio")  # type: ignore[arg-type]
