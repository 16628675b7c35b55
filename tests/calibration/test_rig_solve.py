"""The joint solution on projected corners with known noise and known truth."""

import numpy as np
import pytest

from calibration.board import BoardSpec
from calibration.errors import CalibrationError
from calibration.intrinsics import calibrate_camera
from calibration.rig_solve import solve_rig
from capture.simulation.rig import CAMERAS, kinect2_rig
from capture.transform import RigidTransform

BOARD = BoardSpec()
RIG = kinect2_rig()
SIZES = {name: (RIG.camera(name).width_px, RIG.camera(name).height_px) for name in CAMERAS}
NOISE_PX = {"color": 0.06, "infrared": 0.06, "thermal": 0.1}


def make_views(n_views=36, seed=0, noise_px=NOISE_PX):
    """Corners of tilted boards, each camera's list in a random one of the two orders."""
    rng = np.random.default_rng(seed)
    views = []
    while len(views) < n_views:
        shift_m = rng.uniform([-0.35, -0.3, 0.5], [0.25, 0.15, 1.0])
        pose = RigidTransform.from_rotvec(np.radians(rng.uniform(-30, 30, 3)), shift_m)
        view = {}
        for name in CAMERAS:
            points_m = (RIG.T_camera_infrared(name) @ pose).apply(BOARD.points_m)
            corners_px = RIG.camera(name).project(points_m)
            if (corners_px > 5).all() and (corners_px < np.array(SIZES[name]) - 6).all():
                noisy = corners_px + rng.normal(0, noise_px[name], corners_px.shape)
                view[name] = noisy if rng.random() < 0.5 else noisy[::-1]
        if len(view) >= 2:
            views.append(view)
    return views


def test_truth_is_recovered_within_the_predicted_deviations():
    solution = solve_rig(make_views(), sizes_px=SIZES, board=BOARD)
    scores = []
    for name in CAMERAS:
        found, truth = solution.state.cameras[name], RIG.camera(name)
        std = solution.adjustment.std[name]
        for key in ("fx_px", "fy_px", "cx_px", "cy_px"):
            scores.append((getattr(found, key) - getattr(truth, key)) / std[key])
        assert solution.adjustment.sigma_px[name] == pytest.approx(NOISE_PX[name], rel=0.15)
        if name == "color":
            continue
        T_camera_color = RIG.T_camera_infrared(name) @ RIG.T_color_infrared.inverse()
        difference_m = (
            solution.state.T_camera_reference[name].translation_m - T_camera_color.translation_m
        )
        scores += [difference_m[i] / std[key] for i, key in enumerate(("tx_m", "ty_m", "tz_m"))]
    assert np.abs(scores).max() < 4
    assert 0.4 < np.sqrt(np.square(scores).mean()) < 1.7


def test_the_solution_is_near_the_truth_in_absolute_terms():
    solution = solve_rig(make_views(seed=1), sizes_px=SIZES, board=BOARD)
    for name in CAMERAS:
        found, truth = solution.state.cameras[name], RIG.camera(name)
        assert found.fx_px == pytest.approx(truth.fx_px, rel=0.003)
        T_color_camera = RIG.T_color_infrared @ RIG.T_camera_infrared(name).inverse()
        error = solution.T_reference_camera(name) @ T_color_camera.inverse()
        assert 1000 * np.linalg.norm(error.translation_m) < 0.5
        assert error.angle_deg < 0.05


def test_bad_views_are_rejected_and_named():
    views = make_views(20, seed=2)
    rng = np.random.default_rng(9)
    views[4]["infrared"] = views[4]["infrared"] + rng.normal(0, 2, (35, 2))
    views[7]["color"] = views[7]["color"] + [6.0, 0.0]  # moved between the cameras' exposures
    solution = solve_rig(views, sizes_px=SIZES, board=BOARD)
    assert "reprojection error" in solution.rejected["infrared"][4]
    blamed = {name for name in CAMERAS if 7 in solution.rejected[name]}
    assert blamed
    assert sum(len(reasons) for reasons in solution.rejected.values()) <= 4
    assert solution.rms_px("color") < 0.12


def test_single_bad_corners_are_named_and_hardly_count():
    views = make_views(24, seed=5)
    numbers = [n for n, view in enumerate(views) if {"color", "infrared"} <= set(view)][:2]
    clean = solve_rig(views, sizes_px=SIZES, board=BOARD)
    assert clean.outlying_corners == ()
    spoilt = [dict(view) for view in views]
    for number, name, shift_px in zip(numbers, ("color", "infrared"), (2.5, 1.5), strict=True):
        moved = spoilt[number][name].copy()
        true = clean.problem.views[number][name][8]  # row 1, column 3
        moved[np.argmin(np.linalg.norm(moved - true, axis=1))] += [shift_px, 0]
        spoilt[number][name] = moved
    solution = solve_rig(spoilt, sizes_px=SIZES, board=BOARD)
    assert [(c.camera, c.view, c.row, c.column) for c in solution.outlying_corners] == [
        ("color", numbers[0], 1, 3),
        ("infrared", numbers[1], 1, 3),
    ]
    assert solution.outlying_corners[0].distance_px == pytest.approx(2.5, abs=0.4)
    std = clean.adjustment.std["color"]["fx_px"]
    moved_px = solution.state.cameras["color"].fx_px - clean.state.cameras["color"].fx_px
    assert abs(moved_px) < std


def test_a_wrong_square_size_scales_the_rig_and_nothing_else():
    solution = solve_rig(make_views(15), sizes_px=SIZES, board=BoardSpec(5, 7, 0.036))
    baseline_m = np.linalg.norm(solution.T_reference_camera("infrared").translation_m)
    truth_m = np.linalg.norm(RIG.T_color_infrared.translation_m)
    assert baseline_m == pytest.approx(1.2 * truth_m, rel=0.02)


def test_swapped_axes_of_the_board_are_refused_or_fit_badly():
    with pytest.raises(CalibrationError):
        solve_rig(
            [{name: px[:30] for name, px in view.items()} for view in make_views(4)],
            sizes_px=SIZES,
            board=BoardSpec(5, 6, 0.03),
        )


def test_too_few_views_say_how_many_there_were():
    with pytest.raises(CalibrationError, match=r"color camera: 4 usable views .* at least 6"):
        solve_rig(make_views(4), sizes_px=SIZES, board=BOARD)


def test_cameras_that_never_see_the_board_together_are_refused():
    views = make_views(30, seed=3)
    apart = [{"color": v["color"]} for v in views[:15] if "color" in v]
    apart += [{"infrared": v["infrared"]} for v in views[15:] if "infrared" in v]
    sizes = {name: SIZES[name] for name in ("color", "infrared")}
    with pytest.raises(CalibrationError, match="see the board together in 0 views"):
        solve_rig(apart, sizes_px=sizes, board=BOARD)


def test_one_camera_alone_names_its_outlier():
    views = {i: v["infrared"] for i, v in enumerate(make_views(seed=5)) if "infrared" in v}
    ordered = {i: px if px[-1, 1] > px[0, 1] else px[::-1] for i, px in views.items()}
    worst = next(iter(ordered))
    ordered[worst] = ordered[worst] + np.random.default_rng(0).normal(0, 3, (35, 2))
    single = calibrate_camera("infrared", ordered, size_px=SIZES["infrared"], board=BOARD)
    assert list(single.rejected) == [worst]
    assert single.camera.fx_px == pytest.approx(RIG.infrared.fx_px, rel=0.005)


def test_board_images_of_a_real_stereo_camera_match_published_solutions(shared_data):
    """OpenCV's stereo sample: 13 pairs, 9 x 6 corners, squares of 25 mm."""
    import cv2

    from calibration.detect import find_board

    folder = shared_data / "opencv_stereo"
    if not folder.is_dir():
        pytest.skip(f"{folder} does not exist")
    board = BoardSpec(9, 6, 0.025)
    views = []
    for left in sorted(folder.glob("left[0-9]*.jpg")):
        pair = {"color": left, "right": left.with_name(left.name.replace("left", "right"))}
        found = {
            n: find_board(cv2.imread(str(p), cv2.IMREAD_GRAYSCALE), board) for n, p in pair.items()
        }
        views.append({name: d.corners_px for name, d in found.items() if d is not None})
    sizes = {"color": (640, 480), "right": (640, 480)}
    solution = solve_rig(views, sizes_px=sizes, board=board)
    assert sum("color" in view for view in views) == 13
    assert solution.state.cameras["color"].fx_px == pytest.approx(533.5, abs=2.5)
    assert solution.state.cameras["right"].fx_px == pytest.approx(536.5, abs=3.5)
    baseline_mm = 1000 * np.linalg.norm(solution.T_reference_camera("right").translation_m)
    assert 82.7 < baseline_mm < 83.6
    assert solution.rms_px("color") < 0.26
    assert solution.rms_px("right") < 0.26
