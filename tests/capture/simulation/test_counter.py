import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from capture.simulation.counter import (
    TABLE_SIZE,
    between,
    gaussian_table,
    mix,
    normal,
    row_offsets,
    uniform,
)

KEYS = st.lists(st.integers(-(2**63), 2**63), min_size=1, max_size=5)


@given(KEYS)
def test_a_key_always_gives_the_same_number_in_range(key: list[int]) -> None:
    assert 0 <= uniform(*key) < 1
    assert uniform(*key) == uniform(*key)
    assert -3 <= between(-3, 5, *key) < 5


@given(KEYS)
def test_keys_that_differ_in_one_word_give_other_numbers(key: list[int]) -> None:
    assert mix(*key) != mix(*key[:-1], key[-1] + 1)


def test_numbers_are_spread_as_promised() -> None:
    flat = np.array([uniform(5, k) for k in range(4000)])
    bell = np.array([normal(6, k) for k in range(4000)])
    assert abs(flat.mean() - 0.5) < 0.02
    assert abs(flat.std() - 12**-0.5) < 0.01
    assert abs(bell.mean()) < 0.06
    assert abs(bell.std() - 1) < 0.04


def test_the_table_is_standard_normal_and_cannot_be_changed() -> None:
    table = gaussian_table()
    assert table.shape == (TABLE_SIZE,)
    assert abs(float(table.mean())) < 0.005
    assert abs(float(table.std()) - 1) < 0.005
    assert not table.flags.writeable


def test_rows_start_at_keyed_places_inside_the_table() -> None:
    offsets = row_offsets(500, 5760, 3, 1, 9)
    np.testing.assert_array_equal(offsets, row_offsets(500, 5760, 3, 1, 9))
    assert offsets.min() >= 0
    assert offsets.max() + 5760 <= TABLE_SIZE
    assert len(np.unique(offsets)) > 490
    assert not np.array_equal(offsets, row_offsets(500, 5760, 3, 1, 10))
