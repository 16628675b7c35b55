"""Sums give the mean and deviation numpy gives, however they are merged."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mavfer.stats import PixelSums, sum_color, sum_valid


@given(st.integers(0, 10_000), st.integers(1, 9))
def test_merged_sums_equal_numpy(seed: int, cut: int) -> None:
    frames = np.random.default_rng(seed).integers(0, 256, (10, 4, 4, 3), np.uint8)
    merged = sum_color(frames[:cut]) + sum_color(frames[cut:])
    assert merged == sum_color(frames)
    assert merged.squares == tuple((frames.reshape(-1, 3).astype(int) ** 2).sum(axis=0))
    flat = frames.reshape(-1, 3).astype(float)
    np.testing.assert_allclose(merged.mean, flat.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(merged.std, flat.std(axis=0), rtol=1e-9)


def test_invalid_pixels_do_not_count() -> None:
    frames = np.array([[[0, 65535], [65535, 0]]], np.uint16)
    sums = sum_valid(frames)
    assert (sums.count, sums.mean, sums.std) == (2, [65535.0], [0.0])


def test_nothing_has_mean_and_deviation_zero() -> None:
    assert PixelSums.empty(1).mean == [0.0]
    assert PixelSums.empty(3).std == [0.0] * 3
