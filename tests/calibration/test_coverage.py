"""Warnings about parts of the images that the board never reached."""

import numpy as np
import pytest

from calibration.coverage import coverage_warnings, covered_share, rayless_share
from capture.camera import CameraModel

CAMERA = CameraModel(200, 100, 150.0, 150.0, 100.0, 50.0)
FOLDING = CameraModel(200, 100, 150.0, 150.0, 100.0, 50.0, (0.0, -0.6, 0.0, 0.0, 0.0))


def test_the_share_is_that_of_the_hull_of_all_corners():
    left = np.array([[0.0, 0.0], [0.0, 50.0], [20.0, 20.0]])
    right = np.array([[100.0, 0.0], [100.0, 50.0]])
    assert covered_share([left, right], CAMERA) == pytest.approx(0.25)


def test_pixels_without_a_ray_are_counted():
    assert rayless_share(CAMERA) == 0
    assert 0.01 < rayless_share(FOLDING) < 0.5


def test_a_board_shown_everywhere_gives_no_warning():
    cameras = dict.fromkeys(("color", "infrared", "thermal"), CAMERA)
    covered = {"color": 0.6, "infrared": 0.6, "thermal": 0.1}
    assert coverage_warnings(covered, cameras) == ()


def test_a_board_in_the_middle_only_is_warned_of_for_color_and_infrared():
    cameras = {"color": CAMERA, "infrared": FOLDING, "thermal": CAMERA}
    covered = {"color": 0.6, "infrared": 0.16, "thermal": 0.5}
    narrow, folded = coverage_warnings(covered, cameras)
    assert "covered 16 % of the infrared image" in narrow
    assert "infrared has no inverse" in folded
