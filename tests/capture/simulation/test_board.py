import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from capture.frame import Image
from capture.simulation.board import BoardScene
from capture.simulation.board_shape import BOARD_COLUMNS, BOARD_ROWS, SQUARE_M, board_points_m
from capture.simulation.rig import CAMERAS, SimulatedRig, kinect2_rig

LIMIT_PX = {"color": 0.1, "infrared": 0.15, "thermal": 0.2}


def stretched(name: str, image: Image) -> NDArray[np.uint8]:
    if name == "color":
        return cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).astype(np.uint8)
    values = np.sqrt(image.astype(np.float32)) if name == "infrared" else image.astype(np.float32)
    low, high = np.percentile(values, [0.5, 99.8])
    eight_bit = np.clip((values - low) / (high - low) * 255, 0, 255).astype(np.uint8)
    return cv2.resize(eight_bit, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC).astype(np.uint8)


@pytest.fixture(scope="module")
def scene() -> BoardScene:
    rig = kinect2_rig(scale={"color": 0.6})
    return BoardScene(rig, n_views=4, seed=3, hold_s=0.2, rate_hz=10)


@pytest.mark.slow
@pytest.mark.parametrize("name", CAMERAS)
def test_corners_are_found_where_they_are(scene: BoardScene, name: str) -> None:
    squared = []
    for view in range(scene.n_views):
        moment = scene.moment(view * scene.moments_per_view)
        grey = stretched(name, moment.images[name])
        flags = cv2.CALIB_CB_EXHAUSTIVE | cv2.CALIB_CB_ACCURACY
        ok, corners = cv2.findChessboardCornersSB(grey, (BOARD_COLUMNS, BOARD_ROWS), flags)
        assert ok, f"view {view}"
        # the detector alone is up to 0.2 px off on tilted boards
        stop = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 50, 1e-4)
        seen = cv2.cornerSubPix(grey, corners, (5, 5), (-1, -1), stop).reshape(-1, 2)
        if name != "color":
            seen = (seen + 0.5) / 2 - 0.5
        true = moment.truth.corners_px[name]
        squared.append(min(((order - true) ** 2).sum(1).mean() for order in (seen, seen[::-1])))
    assert np.sqrt(np.mean(squared)) < LIMIT_PX[name]


def test_points_are_the_inner_corners_row_by_row() -> None:
    points = board_points_m()
    assert points.shape == (35, 3)
    np.testing.assert_allclose(points[1] - points[0], [SQUARE_M, 0, 0])
    np.testing.assert_allclose(points[5] - points[0], [0, SQUARE_M, 0])


def test_the_board_is_a_plane_exactly_where_its_pose_says(small_rig: SimulatedRig) -> None:
    scene = BoardScene(small_rig, n_views=3, seed=1, noise=False)
    rays = small_rig.infrared.rays()
    for view in range(3):
        moment = scene.moment(view * scene.moments_per_view)
        pose = scene.poses[view]
        normal = pose.rotation[:, 2]
        z_m = (normal @ pose.translation_m) / (rays @ normal[:2] + normal[2])
        on_board = pose.inverse().apply(np.dstack([rays * z_m[..., None], z_m]))[..., :2]
        inside = np.all((on_board > 0) & (on_board < (0.12, 0.18)), axis=-1)
        assert inside.sum() > 20
        np.testing.assert_allclose(moment.truth.depth_m[inside], z_m[inside], rtol=3e-7)
        measured = moment.images["depth"][inside] + small_rig.depth_shift_mm
        assert np.abs(measured - 1000 * z_m[inside]).max() <= 0.501


def test_views_are_held_and_then_come_round_again(small_rig: SimulatedRig) -> None:
    scene = BoardScene(small_rig, n_views=3, hold_s=0.5, rate_hz=10)
    assert [scene.view_of(k) for k in (0, 4, 5, 14, 15)] == [0, 0, 1, 2, 0]
    first, held, other = (scene.moment(k) for k in (0, 1, 5))
    np.testing.assert_array_equal(first.truth.corners_px["color"], held.truth.corners_px["color"])
    assert not np.array_equal(first.images["color"], held.images["color"])
    assert np.abs(first.truth.corners_px["color"] - other.truth.corners_px["color"]).max() > 2


def test_truth_of_a_camera_that_misses_the_board_lies_outside_its_image() -> None:
    rig = kinect2_rig(scale=0.2)
    scene = BoardScene(rig, n_views=20, seed=8, hold_s=0.1, rate_hz=10, noise=False)
    n_partly = 0
    for view in range(20):
        moment = scene.moment(view)
        seen = {name: inside(moment.truth.corners_px[name], rig, name) for name in CAMERAS}
        assert seen["color"].all()
        assert seen["infrared"].all()
        n_partly += bool(seen["thermal"].any() and not seen["thermal"].all())
        if seen["thermal"].all():
            assert moment.truth.temperature_c.max() > 28
    assert n_partly >= 2


def inside(pixels: NDArray[np.float64], rig: SimulatedRig, name: str) -> NDArray[np.bool_]:
    size = (rig.camera(name).width_px, rig.camera(name).height_px)
    return np.all((pixels > 0) & (pixels < np.array(size) - 1), axis=1)


def test_toner_is_dark_in_color_and_infrared_and_warm_in_thermal(small_rig: SimulatedRig) -> None:
    rig = kinect2_rig(scale={"color": 0.3})
    scene = BoardScene(rig, n_views=1, seed=3, noise=False)
    moment = scene.moment(0)
    centres = board_points_m() + np.array([SQUARE_M / 2, SQUARE_M / 2, 0])
    dark = (np.arange(35) % BOARD_COLUMNS + np.arange(35) // BOARD_COLUMNS) % 2 == 0
    for name, sign in (("color", -1), ("infrared", -1), ("thermal", 1)):
        in_camera = rig.T_camera_infrared(name).apply(scene.poses[0].apply(centres))
        u, v = np.rint(rig.camera(name).project(in_camera)).astype(int).T
        image = moment.images[name].astype(float)
        values = (image if image.ndim == 2 else image.mean(axis=2))[v, u]
        assert sign * (values[dark].mean() - values[~dark].mean()) > 10, name
