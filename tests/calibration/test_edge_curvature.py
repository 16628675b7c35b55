"""Bent edges move a fitted corner by what their parabola's mean says; perspective does not."""

import numpy as np

from calibration.board import BoardSpec
from calibration.edge_curvature import edge_bias_px
from calibration.saddle import REACH
from capture.camera import CameraModel
from capture.transform import RigidTransform

BOARD = BoardSpec()
POSE = RigidTransform.from_rotvec([0.4, -0.3, 0.2], [0.05, 0.02, 0.6])
STRAIGHT = CameraModel(512, 424, 366, 366, 256, 208)
BENDING = CameraModel(512, 424, 366, 366, 256, 208, (0.3, 0.0, 0.0, 0.0, 0.0))


def mean_edge_crossing_px(camera):
    """Where the straight lines through each corner's bent edges cross."""
    crossings = []
    share = np.linspace(-REACH, REACH, 401)
    for corner in BOARD.points_m:
        lines = []
        for axis in (0, 1):
            points = np.tile(corner, (len(share), 1))
            points[:, axis] += share * BOARD.square_m
            pixels = camera.project(POSE.apply(points))
            direction = np.linalg.svd(pixels - pixels.mean(axis=0), full_matrices=False)[2][0]
            lines.append((np.array([-direction[1], direction[0]]), pixels.mean(axis=0)))
        normals = np.array([normal for normal, _ in lines])
        crossings.append(np.linalg.solve(normals, [n @ at for n, at in lines]))
    return np.array(crossings)


def test_the_bias_is_that_of_straight_lines_through_bent_edges():
    corners = BENDING.project(POSE.apply(BOARD.points_m))
    bias_px = mean_edge_crossing_px(BENDING) - corners
    assert np.abs(bias_px).max() > 0.003
    left_px = bias_px - edge_bias_px(corners, BOARD)
    assert np.sqrt(np.square(left_px).mean()) < 0.25 * np.sqrt(np.square(bias_px).mean())


def test_perspective_alone_bends_nothing():
    corners = STRAIGHT.project(POSE.apply(BOARD.points_m))
    np.testing.assert_allclose(edge_bias_px(corners, BOARD), 0, atol=2e-4)


def test_noise_of_the_corners_stays_what_it_is():
    rng = np.random.default_rng(0)
    corners = STRAIGHT.project(POSE.apply(BOARD.points_m))
    noise = rng.normal(0, 0.1, (200, *corners.shape))
    placed = np.array([c - edge_bias_px(c, BOARD) for c in corners + noise])
    assert placed.std(axis=0).mean() < 0.1015
