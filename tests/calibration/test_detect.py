"""Corners against the truth of rendered boards, and against bad images."""

import numpy as np
import pytest

from calibration.board import BoardSpec
from calibration.detect import find_board, place_corners, stretch
from capture.simulation.board import BoardScene
from capture.simulation.rig import kinect2_rig

BOARD = BoardSpec()
N_VIEWS = 5


@pytest.fixture(scope="module")
def boards():
    """First moments of every view of a half-size rig, noise on."""
    scene = BoardScene(kinect2_rig(scale=0.5), n_views=N_VIEWS, seed=7, hold_s=0.1, rate_hz=10)
    return [scene.moment(view) for view in range(N_VIEWS)]


def distances_px(found, truth):
    return min(
        (np.linalg.norm(order - truth, axis=1) for order in (found, found[::-1])), key=np.sum
    )


@pytest.mark.parametrize(
    ("camera", "limit_px"), [("color", 0.06), ("infrared", 0.08), ("thermal", 0.05)]
)
def test_every_board_is_found_to_a_fraction_of_a_pixel(boards, camera, limit_px):
    errors, deviations = [], []
    for moment in boards:
        found = find_board(moment.images[camera], BOARD)
        assert found is not None
        errors.append(distances_px(found.corners_px, moment.truth.corners_px[camera]))
        deviations.append(found.std_px)
    errors_px = np.concatenate(errors)
    assert np.sqrt(np.square(errors_px).mean()) < limit_px
    assert errors_px.max() < 0.5
    predicted_px = np.sqrt(2) * np.nanmedian(np.concatenate(deviations))
    assert 0.3 < np.median(errors_px) / predicted_px < 3


def test_positions_are_not_biased_by_the_enlarged_search(boards):
    offsets = []
    for moment in boards:
        found = find_board(moment.images["infrared"], BOARD).corners_px
        truth = moment.truth.corners_px["infrared"]
        offsets.append(np.minimum(np.abs(found - truth), np.abs(found[::-1] - truth)).mean())
    assert np.mean(offsets) < 0.06  # halving without the half-pixel term would give 0.25


@pytest.mark.parametrize(("contrast", "limit_px"), [(60, 0.25), (30, 0.45)])
def test_faint_thermal_boards_are_found_in_noise(contrast, limit_px):
    """Contrast 60 and 30 counts under noise of 10: signal-to-noise 6 and 3."""
    rng = np.random.default_rng(2)
    rig = kinect2_rig(scale={"color": 0.2, "infrared": 0.2, "thermal": 1})
    ideal = BoardScene(rig, n_views=2, seed=3, hold_s=0.1, rate_hz=10, noise=False)
    errors = []
    for view in range(2):
        truth = ideal.moment(view).truth
        pattern = truth.temperature_c - 27.0
        image = 7500 + contrast * pattern / 3.0 + rng.normal(0, 10, pattern.shape)
        found = find_board(image.astype(np.uint16), BOARD)
        assert found is not None
        errors.append(distances_px(found.corners_px, truth.corners_px["thermal"]))
    errors_px = np.concatenate(errors)
    assert np.sqrt(np.square(errors_px).mean()) < limit_px
    assert errors_px.max() < 5


@pytest.mark.parametrize("value", [0, 7000, 65535])
def test_an_even_image_holds_no_board(value):
    assert find_board(np.full((128, 160), value, np.uint16), BOARD) is None


def test_noise_holds_no_board():
    rng = np.random.default_rng(0)
    assert find_board(rng.integers(0, 60000, (128, 160)).astype(np.uint16), BOARD) is None


def test_a_board_cut_off_by_the_image_is_not_found(boards):
    moment = boards[0]
    left, top = moment.truth.corners_px["infrared"].mean(axis=0).astype(int)
    assert find_board(moment.images["infrared"][top:, left:], BOARD) is None


def test_a_board_of_another_size_is_not_found(boards):
    assert find_board(boards[0].images["infrared"], BoardSpec(6, 9, 0.03)) is None


def test_corners_at_the_rim_keep_their_start(boards):
    image = np.zeros((40, 40), np.float32)
    y, x = np.mgrid[0:7, 0:5]
    start = np.stack([x.ravel(), y.ravel()], axis=1) * 6.0
    placed, std = place_corners(image, start, BOARD)
    assert np.isnan(std[0])
    np.testing.assert_array_equal(placed[0], start[0])


def test_stretch_is_linear_between_its_percentiles():
    ramp = np.tile(np.linspace(1000, 3000, 200), (50, 1))
    grey = stretch(ramp).astype(int)
    inner = grey[0, 10:-10]
    assert grey.min() == 0
    assert grey.max() == 255
    assert np.abs(np.diff(inner) - np.diff(inner).mean()).max() <= 1
