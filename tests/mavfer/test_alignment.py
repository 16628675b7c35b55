"""Alignment: exact similarities are recovered, steady motion is kept, jitter is not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mavfer.alignment import (
    align,
    apply_similarity,
    crop_template,
    fit_similarity,
    invert_similarity,
    smooth_alignment,
)
from mavfer.landmarks import ANCHORS

SIMILARITIES = st.tuples(
    st.floats(0.1, 10), st.floats(-3, 3), st.floats(-500, 500), st.floats(-500, 500)
)


def similarity(scale: float, angle: float, x: float, y: float) -> np.ndarray:
    a, b = scale * np.cos(angle), scale * np.sin(angle)
    return np.array([[a, -b, x], [b, a, y]])


@given(SIMILARITIES, st.integers(0, 1000))
def test_an_exact_similarity_is_recovered(values, seed: int) -> None:
    T = similarity(*values)
    points = np.random.default_rng(seed).normal(0, 50, (8, 2))
    np.testing.assert_allclose(fit_similarity(points, apply_similarity(T, points)), T, atol=1e-6)
    np.testing.assert_allclose(
        apply_similarity(invert_similarity(T), apply_similarity(T, points)), points, atol=1e-6
    )


@given(st.integers(0, 1000))
def test_no_similarity_fits_better(seed: int) -> None:
    rng = np.random.default_rng(seed)
    source, target = rng.normal(0, 50, (2, 6, 2))
    best = fit_similarity(source, target)

    def error(T: np.ndarray) -> float:
        return float(np.square(apply_similarity(T, source) - target).sum())

    for _ in range(10):
        other = best + similarity(*rng.normal(0, 0.01, 4)) * [1, 1, 100]
        assert error(best) <= error(other) + 1e-9


@pytest.mark.parametrize("count", [68, 5])
def test_anchors_of_an_upright_face_land_on_the_template(count) -> None:
    template = crop_template(count, 96)
    landmarks = np.full((count, 2), np.nan)
    landmarks[list(ANCHORS[count])] = template * 2 + [300, 200]
    T = align(landmarks, count, crop_px=96)
    np.testing.assert_allclose(
        apply_similarity(T, landmarks[list(ANCHORS[count])]), template, atol=1e-9
    )


def test_template_leaves_room_from_brows_to_chin() -> None:
    template = crop_template(68, 96)
    outer = template[3, 0] - template[0, 0]
    eyes_y = template[0, 1]
    # Brows lie 0.25 outer-eye distances above the eyes and the chin 1.42 below (mean face).
    assert eyes_y - 0.25 * outer > 8
    assert eyes_y + 1.42 * outer < 95
    assert template[:4, 0].mean() == pytest.approx(47.5)


def alignments(n: int, step_s: float, *, noise: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """A head that moves, turns and comes closer steadily; with jitter of the detections."""
    rng = np.random.default_rng(0)
    time_ns = (np.arange(n) * step_s * 1e9).astype(np.int64)
    T = []
    for k in range(n):
        jitter = rng.normal(0, noise, 4)
        scale = 0.5 * np.exp(0.1 * k * step_s + jitter[0] * 0.02)
        turn = similarity(scale, 0.1 * k * step_s + jitter[1] * 0.01, 0, 0)
        centre = np.array([300 + 40 * k * step_s, 200.0]) + jitter[2:]
        turn[:, 2] = 47.5 - turn[:, :2] @ centre
        T.append(turn)
    return np.array(T), time_ns


@pytest.mark.parametrize("step_s", [1 / 30, 0.25])
def test_steady_motion_passes_unchanged_from_first_to_last(step_s: float) -> None:
    T, time_ns = alignments(40, step_s)
    smoothed = smooth_alignment(T, time_ns, crop_px=96)
    np.testing.assert_allclose(smoothed, T, rtol=1e-6, atol=1e-6)


def test_jitter_shrinks_at_video_rate() -> None:
    still, time_ns = alignments(120, 1 / 30)
    noisy, _ = alignments(120, 1 / 30, noise=1.0)
    smoothed = smooth_alignment(noisy, time_ns, crop_px=96)
    corner = np.array([330.0, 230.0])

    def error(T: np.ndarray) -> float:
        shown = np.array([apply_similarity(t, corner) for t in T])
        true = np.array([apply_similarity(t, corner) for t in still])
        return float(np.sqrt(np.square(shown - true)[10:-10].mean()))

    assert error(smoothed) < 0.7 * error(noisy)


def test_short_gaps_are_bridged_and_long_ones_are_not() -> None:
    T, time_ns = alignments(40, 0.25)
    gaps = T.copy()
    gaps[5:8] = np.nan
    gaps[20:30] = np.nan
    gaps[:2] = np.nan
    smoothed = smooth_alignment(gaps, time_ns, crop_px=96, fill_gaps_s=1.0)
    np.testing.assert_allclose(smoothed[5:8], T[5:8], rtol=1e-3)
    missing = np.isnan(smoothed[:, 0, 0])
    assert np.flatnonzero(missing).tolist() == [0, 1, *range(20, 30)]
    unfilled = smooth_alignment(gaps, time_ns, crop_px=96)
    np.testing.assert_array_equal(np.isnan(unfilled[:, 0, 0]), np.isnan(gaps[:, 0, 0]))


@pytest.mark.parametrize("step_s", [1 / 30, 0.1])
def test_smoothing_does_not_lag(step_s: float) -> None:
    """A head that nods once a second is smoothed about where it is, not where it was."""
    T, time_ns = alignments(300, step_s)
    swing = 20 * np.sin(2 * np.pi * time_ns / 1e9)
    T[:, 0, 2] -= T[:, 0, 0] * swing
    T[:, 1, 2] -= T[:, 1, 0] * swing
    smoothed = smooth_alignment(T, time_ns, crop_px=96)

    def x_px(alignment: np.ndarray) -> np.ndarray:
        return np.array(
            [apply_similarity(invert_similarity(t), [47.5, 47.5])[0] for t in alignment]
        )

    seen, shown = (x_px(a) - x_px(alignments(300, step_s)[0]) for a in (T, smoothed))
    at = np.arange(30, 270)
    quarter = np.interp(time_ns + 0.25e9, time_ns, seen)  # the same swing, a quarter period on
    phase = np.arctan2(shown[at] @ quarter[at], shown[at] @ seen[at])
    assert abs(phase) / (2 * np.pi) < 0.002  # of a second
    assert shown[at].std() > 0.9 * seen[at].std()


def test_no_face_at_all_gives_no_alignment() -> None:
    smoothed = smooth_alignment(np.full((3, 2, 3), np.nan), np.arange(3), crop_px=96)
    assert np.isnan(smoothed).all()
