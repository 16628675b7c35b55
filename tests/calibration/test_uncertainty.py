"""Predicted uncertainty against the spread of many solutions, and what can be held or freed."""

import numpy as np
import pytest
from scipy.optimize import least_squares

from calibration.adjustment import adjust, descend
from calibration.adjustment_layout import HUBER_SIGMAS, Layout
from calibration.adjustment_problem import Problem, State
from calibration.board import BoardSpec
from calibration.errors import CalibrationError
from calibration.rig_solve import solve_rig
from calibration.shift_uncertainty import _mean_depth_mm, plane_std_error_mm
from calibration.uncertainty import (
    _motion_jacobian,
    pixel_grid,
    projection_uncertainty,
    transfer_uncertainty,
)
from capture.simulation.rig import kinect2_rig
from capture.transform import RigidTransform

BOARD = BoardSpec()
RIG = kinect2_rig()
NAMES = ("color", "infrared", "thermal")
NOISE_PX = {"color": 0.06, "infrared": 0.06, "thermal": 0.1}
N_TRIALS = 40


def exact_views(n_views=24, seed=0, points_m=None):
    """Noise-free corners of boards that at least two cameras see whole, and the true state."""
    rng = np.random.default_rng(seed)
    points_m = BOARD.points_m if points_m is None else points_m
    views, poses = {}, {}
    while len(views) < n_views:
        shift_m = rng.uniform([-0.35, -0.3, 0.5], [0.25, 0.15, 1.0])
        T_infrared_board = RigidTransform.from_rotvec(np.radians(rng.uniform(-30, 30, 3)), shift_m)
        view = {}
        for name in NAMES:
            camera = RIG.camera(name)
            corners = camera.project(
                (RIG.T_camera_infrared(name) @ T_infrared_board).apply(points_m)
            )
            size_px = np.array([camera.width_px, camera.height_px])
            if (corners > 5).all() and (corners < size_px - 6).all():
                view[name] = corners
        if len(view) >= 2:
            poses[len(views)] = RIG.T_color_infrared @ T_infrared_board
            views[len(views)] = view
    state = State(
        {name: RIG.camera(name) for name in NAMES},
        {name: RIG.T_camera_infrared(name) @ RIG.T_color_infrared.inverse() for name in NAMES},
        poses,
    )
    return views, state


def with_noise(views, rng):
    return {
        number: {name: px + rng.normal(0, NOISE_PX[name], px.shape) for name, px in view.items()}
        for number, view in views.items()
    }


@pytest.fixture(scope="module")
def trials():
    """Solutions of one session seen with fresh noise each time, and the problem without any."""
    views, truth = exact_views()
    rng = np.random.default_rng(7)
    found = []
    for _ in range(N_TRIALS):
        found.append(adjust(Problem(NAMES, with_noise(views, rng), BOARD), truth))
    return Problem(NAMES, views, BOARD), found


@pytest.mark.parametrize("source", ["infrared", "thermal"])
def test_transfer_into_color_spreads_as_predicted(trials, source):
    problem, found = trials
    grid = pixel_grid(RIG.camera(source), columns=7, rows=5)[1:-1, 1:-1]
    rays = [a.state.cameras[source].unproject(grid) for a in found]
    landed = []
    for adjustment, ray in zip(found, rays, strict=True):
        state = adjustment.state
        points_m = np.concatenate([ray, np.ones((*ray.shape[:-1], 1))], axis=-1)
        in_color = state.T_camera_reference[source].inverse().apply(points_m)
        landed.append(state.cameras["color"].project(in_color))
    covariance = np.einsum(
        "tijk,tijl->ijkl", *(2 * [np.array(landed) - np.mean(landed, axis=0)])
    ) / (N_TRIALS - 1)
    actual_px = np.sqrt(np.linalg.eigvalsh(covariance)[..., -1])
    predicted_px = np.mean(
        [
            transfer_uncertainty(a, problem, source=source, target="color", pixels=grid).std_px
            for a in found[:5]
        ],
        axis=0,
    )
    assert np.median(actual_px / predicted_px) == pytest.approx(1, abs=0.25)
    assert np.sqrt((actual_px**2).mean() / (predicted_px**2).mean()) == pytest.approx(1, abs=0.25)


@pytest.mark.parametrize("camera", NAMES)
def test_projection_spreads_as_predicted_once_turned_alike(trials, camera):
    problem, found = trials
    grid = pixel_grid(RIG.camera(camera), columns=7, rows=5)
    rays = RIG.camera(camera).unproject(grid)
    points = np.concatenate([rays, np.ones((*rays.shape[:-1], 1))], axis=-1)
    motion = _motion_jacobian(RIG.camera(camera), points, with_shift=False).reshape(-1, 3)
    offsets = []
    for adjustment in found:
        offset = (adjustment.state.cameras[camera].project(points) - grid).reshape(-1)
        turn, *_ = np.linalg.lstsq(motion, offset, rcond=None)
        offsets.append((offset - motion @ turn).reshape(grid.shape))
    total_px = np.sqrt(np.square(offsets).sum(axis=-1).mean(axis=0))
    predicted = projection_uncertainty(found[0], problem, camera=camera, pixels=grid)
    ratio = np.sqrt((total_px**2).mean() / (predicted.std_px**2).mean())
    assert 0.75 < ratio < 1.25 * np.sqrt(2)  # of one direction, the worst; the error has two
    assert predicted.median_px <= predicted.worst_px


def test_parameters_spread_as_predicted(trials):
    _, found = trials
    names = found[0].parameters
    ratios = []
    for camera in NAMES:
        for key in ("fx_px", "fy_px", "cx_px", "cy_px"):
            values = [getattr(a.state.cameras[camera], key) for a in found]
            predicted = np.mean([a.std[camera][key] for a in found])
            ratios.append(np.std(values, ddof=1) / predicted)
    assert np.sqrt(np.mean(np.square(ratios))) == pytest.approx(1, abs=0.25)
    assert len(names) == len(found[0].covariance)


def test_the_boards_mean_distance_spreads_as_predicted(trials):
    """What the depth shift inherits: planes of all views move together, pixels stay."""
    problem, found = trials
    pixels = {view: corners["infrared"] for view, corners in problem.views.items()}
    means_mm = [_mean_depth_mm(adjustment.state, pixels) for adjustment in found]
    predicted_mm = [plane_std_error_mm(a, problem, problem.views) for a in found[:3]]
    assert np.std(means_mm, ddof=1) / np.mean(predicted_mm) == pytest.approx(1, abs=0.25)


def test_more_views_make_the_map_surer():
    few, state_few = exact_views(12, seed=3)
    many, state_many = exact_views(48, seed=3)
    rng = np.random.default_rng(1)
    widths = []
    for views, state in ((few, state_few), (many, state_many)):
        problem = Problem(NAMES, with_noise(views, rng), BOARD)
        adjustment = adjust(problem, state)
        widths.append(
            transfer_uncertainty(adjustment, problem, source="infrared", target="color").median_px
        )
    assert widths[1] < 0.7 * widths[0]


def test_scipy_finds_the_same_optimum():
    """On two cameras and eight views, single corners off; the same cost, an exact trust region."""
    names = ("color", "infrared")
    views, state = exact_views(8, seed=5)
    rng = np.random.default_rng(3)
    noisy = {
        number: {name: view[name] + rng.normal(0, 0.1, (BOARD.n_corners, 2)) for name in names}
        for number, view in views.items()
        if set(names) <= set(view)
    }
    noisy[min(noisy)]["color"][3] += 4.0
    kept = {view: state.T_reference_board[view] for view in noisy}
    poses = {name: state.T_camera_reference[name] for name in names}
    start = State({name: RIG.camera(name) for name in names}, poses, kept)
    problem = Problem(names, noisy, BOARD)
    layout, sigma_px = Layout(problem), dict.fromkeys(names, 0.1)
    first, free = layout.pack(start), np.flatnonzero(layout.free)

    def whole(part):
        vector = first.copy()
        vector[free] = part
        return vector

    def jacobian(part):
        values, rows, columns = layout.rows(whole(part), sigma_px)[1]
        dense = np.zeros((rows.max() + 1, layout.size))
        dense[rows, columns] = values
        return dense[:, free]

    theirs = least_squares(
        lambda part: layout.rows(whole(part), sigma_px)[0],
        first[free],
        jac=jacobian,
        loss="huber",
        f_scale=HUBER_SIGMAS,
        x_scale="jac",
        xtol=1e-12,
        ftol=1e-12,
        gtol=1e-12,
    )
    ours = descend(layout, first, sigma_px)
    cost = layout.linearise(ours, sigma_px)[0]
    assert cost == pytest.approx(2 * theirs.cost, rel=1e-6)
    covariance = np.linalg.inv(layout.linearise(ours, sigma_px)[1][np.ix_(free, free)])
    away = np.abs(ours[free] - theirs.x) / np.sqrt(np.diag(covariance))
    assert away.max() < 0.05


def test_a_bulging_board_is_measured_when_asked_for():
    bulge = State({}, {}, {}, (0.0008, -0.0005))
    views, state = exact_views(24, seed=4, points_m=bulge.points_m(BOARD))
    problem = Problem(NAMES, with_noise(views, np.random.default_rng(2)), BOARD, board_warp=True)
    adjustment = adjust(problem, state)
    for found, true, key in zip(
        adjustment.state.board_warp_m, bulge.board_warp_m, ("warp_x_m", "warp_y_m"), strict=True
    ):
        assert abs(found - true) < 4 * adjustment.std[""][key]
        assert adjustment.std[""][key] < 1e-4
    flat = adjust(Problem(NAMES, problem.views, BOARD), state)
    assert flat.state.board_warp_m == (0.0, 0.0)
    assert flat.sigma_px["color"] > 1.2 * adjustment.sigma_px["color"]


def test_the_rational_model_fits_what_plumb_bob_made():
    views, state = exact_views(24, seed=5)
    noisy = with_noise(views, np.random.default_rng(3))
    models = dict.fromkeys(NAMES, "rational")
    adjustment = adjust(Problem(NAMES, noisy, BOARD, models=models), state)
    for name in NAMES:
        camera = adjustment.state.cameras[name]
        assert camera.model == "rational"
        assert camera.fx_px == pytest.approx(RIG.camera(name).fx_px, rel=0.005)
        assert adjustment.sigma_px[name] == pytest.approx(NOISE_PX[name], rel=0.15)


def test_what_is_fixed_stays_and_has_no_deviation():
    views, _ = exact_views(24, seed=6)
    noisy = with_noise(views, np.random.default_rng(4))
    sizes = {n: (RIG.camera(n).width_px, RIG.camera(n).height_px) for n in NAMES}
    solution = solve_rig(
        list(noisy.values()), sizes_px=sizes, board=BOARD, fixed={"thermal": {"k3", "p1", "p2"}}
    )
    k1, _, p1, p2, k3 = solution.state.cameras["thermal"].distortion
    assert (p1, p2, k3) == (0, 0, 0)
    assert k1 != 0
    assert solution.adjustment.std["thermal"]["k3"] == 0
    with pytest.raises(CalibrationError, match="no parameter 'k9'"):
        solve_rig(list(noisy.values()), sizes_px=sizes, board=BOARD, fixed={"thermal": {"k9"}})


@pytest.mark.parametrize("names", [("infrared",), ("infrared", "thermal")])
def test_one_camera_or_any_pair_can_be_solved(names):
    views, _ = exact_views(30, seed=8)
    noisy = with_noise(views, np.random.default_rng(5))
    picked = [{n: px for n, px in view.items() if n in names} for view in noisy.values()]
    sizes = {n: (RIG.camera(n).width_px, RIG.camera(n).height_px) for n in names}
    solution = solve_rig(picked, sizes_px=sizes, board=BOARD, reference="infrared")
    for name in names:
        error_px = solution.state.cameras[name].fx_px - RIG.camera(name).fx_px
        assert abs(error_px) < 4 * solution.adjustment.std[name]["fx_px"]
    for name in names[1:]:
        error = solution.state.T_camera_reference[name] @ RIG.T_camera_infrared(name).inverse()
        assert 1000 * np.linalg.norm(error.translation_m) < 2
