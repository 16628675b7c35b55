from dataclasses import replace

import cv2
import dlib
import numpy as np
import pytest
from numpy.typing import NDArray

from capture.errors import ConfigError
from capture.frame import KELVIN_PER_COUNT
from capture.simulation.behaviour import SubjectState
from capture.simulation.expression import Expression, units_from_affect
from capture.simulation.head_grid import head_grid
from capture.simulation.light import LIGHTS
from capture.simulation.moment import Moment
from capture.simulation.motion import HeadPose
from capture.simulation.rig import CAMERAS, SimulatedRig, kinect2_rig
from capture.simulation.room import WALL_Z_M
from capture.simulation.scene import SubjectScene


def test_images_have_the_sizes_and_types_of_the_sensors(
    ideal_moment: Moment, small_rig: SimulatedRig
) -> None:
    images = ideal_moment.images
    assert images["color"].shape == (small_rig.color.height_px, small_rig.color.width_px, 3)
    assert images["color"].dtype == np.uint8
    for name in ("depth", "infrared", "thermal"):
        camera = small_rig.camera(name)
        assert images[name].shape == (camera.height_px, camera.width_px)
        assert images[name].dtype == np.uint16
    assert images["thermal"].max() < 1 << 14


def test_full_size_is_the_real_sensors() -> None:
    rig = kinect2_rig()
    sizes = [(rig.camera(name).width_px, rig.camera(name).height_px) for name in CAMERAS]
    assert sizes == [(1920, 1080), (512, 424), (640, 512)]


def test_moments_are_pure_functions_of_seed_and_index(small_rig: SimulatedRig) -> None:
    first, second = (SubjectScene(small_rig, subject_seed=2, speech=0.5) for _ in range(2))
    expected = {index: first.moment(index) for index in (0, 5, 40)}
    for index in (40, 0, 5, 0):
        again = second.moment(index)
        for name, image in expected[index].images.items():
            np.testing.assert_array_equal(image, again.images[name], err_msg=name)
        assert again.truth.affect == expected[index].truth.affect


def test_noise_differs_from_moment_to_moment(small_rig: SimulatedRig) -> None:
    scene = SubjectScene(small_rig, subject_seed=2)
    still = SubjectState()
    one, two = scene.render(still, 0), scene.render(still, 1)
    for name in one.images:
        assert np.mean(one.images[name] != two.images[name]) > 0.2, name


def test_without_noise_depth_is_the_rounded_truth(
    ideal_moment: Moment, small_rig: SimulatedRig
) -> None:
    true_mm = 1000 * ideal_moment.truth.depth_m.astype(np.float64)
    expected = np.round(true_mm - small_rig.depth_shift_mm)
    np.testing.assert_array_equal(ideal_moment.images["depth"], expected)


def test_without_noise_thermal_counts_are_the_rounded_truth(ideal_moment: Moment) -> None:
    kelvin = ideal_moment.images["thermal"] * KELVIN_PER_COUNT
    error = kelvin - (ideal_moment.truth.temperature_c + 273.15)
    assert np.abs(error).max() <= KELVIN_PER_COUNT / 2 + 1e-3


def test_the_wall_is_where_a_wall_is(ideal_moment: Moment, small_rig: SimulatedRig) -> None:
    assert ideal_moment.truth.depth_m[0, 0] == pytest.approx(WALL_Z_M, abs=1e-6)
    assert ideal_moment.truth.depth_m.min() > 0.6


def cut_mesh(ray: NDArray[np.float64], corners: NDArray[np.float64]) -> float:
    """Depth at which `ray` first meets any of the triangles (T, 3, 3): plain linear algebra."""
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    system = np.stack([b - a, c - a, np.broadcast_to(-ray, a.shape)], axis=-1)
    solvable = np.abs(np.linalg.det(system)) > 1e-16
    w = np.linalg.solve(system[solvable], -a[solvable][..., None])[..., 0]
    edge = -1e-6
    inside = (w[:, 0] >= edge) & (w[:, 1] >= edge) & (w[:, 0] + w[:, 1] <= 1 - edge)
    # the mesh is closed: the front face is the nearest cut
    return float(w[inside, 2].min(initial=np.inf))


def test_depth_of_the_head_agrees_with_brute_force(
    ideal_scene: SubjectScene, small_rig: SimulatedRig
) -> None:
    state = ideal_scene.state_at(0.4)
    depth_m = ideal_scene.render(state, 12).truth.depth_m
    corners = ideal_scene._points[head_grid().triangles]
    rays = small_rig.infrared.rays()
    on_head = np.argwhere(depth_m < 1.2)
    chosen = on_head[np.random.default_rng(1).choice(len(on_head), 60, replace=False)]
    expected = [cut_mesh(np.append(rays[v, u], 1.0), corners) for v, u in chosen]
    error = np.abs(depth_m[tuple(chosen.T)] - expected)
    # a ray through a silhouette's edge may meet either side of it
    assert np.median(error) < 1e-6
    assert np.mean(error < 1e-5) > 0.95


def test_landmarks_are_the_same_points_for_all_cameras(
    ideal_moment: Moment, small_rig: SimulatedRig
) -> None:
    truth = ideal_moment.truth
    assert truth.landmarks_m is not None
    for name in CAMERAS:
        in_camera = small_rig.T_camera_infrared(name).apply(truth.landmarks_m)
        pixels = small_rig.camera(name).project(in_camera)
        np.testing.assert_allclose(truth.landmarks_px[name], pixels)
        assert pixels.shape == (68, 2)


def test_visible_landmarks_lie_on_the_depth_image(
    ideal_scene: SubjectScene, small_rig: SimulatedRig
) -> None:
    truth = ideal_scene.render(SubjectState(), 0).truth
    assert truth.landmarks_m is not None
    inner = slice(27, 68)
    u, v = np.rint(truth.landmarks_px["infrared"][inner]).astype(int).T
    gap_mm = 1000 * np.abs(truth.depth_m[v, u] - truth.landmarks_m[inner, 2])
    assert np.median(gap_mm) < 2.5


def test_the_head_pose_is_the_pose_of_the_nose(ideal_scene: SubjectScene) -> None:
    left = ideal_scene.render(SubjectState(pose=HeadPose(yaw_deg=-15)), 0).truth
    right = ideal_scene.render(SubjectState(pose=HeadPose(yaw_deg=15)), 0).truth
    assert left.T_infrared_head is not None
    assert right.T_infrared_head is not None
    relative = left.T_infrared_head.inverse() @ right.T_infrared_head
    assert relative.angle_deg == pytest.approx(30)
    assert left.landmarks_px["color"][30, 0] < right.landmarks_px["color"][30, 0] - 5


def face_level(scene: SubjectScene, state: SubjectState | None = None) -> float:
    moment = scene.render(state or SubjectState(), 0)
    u, v = np.rint(moment.truth.landmarks_px["color"][27:36]).astype(int).T
    return float(moment.images["color"][v, u].mean())


def test_dark_rooms_make_dark_pictures_but_the_same_infrared(small_rig: SimulatedRig) -> None:
    scenes = {name: SubjectScene(small_rig, subject_seed=4, light=name) for name in LIGHTS}
    assert face_level(scenes["near-dark"]) < face_level(scenes["dim"]) - 15
    assert face_level(scenes["dim"]) < face_level(scenes["normal"]) - 15
    infrared = [s.render(SubjectState(), 3).images["infrared"] for s in scenes.values()]
    for other in infrared[1:]:
        np.testing.assert_array_equal(infrared[0], other)
    assert scenes["dim"].color_rate_hz == 15
    assert scenes["normal"].color_rate_hz == 30


def test_skin_tones_differ_in_color_and_hardly_in_infrared(small_rig: SimulatedRig) -> None:
    base = SubjectScene(small_rig, subject_seed=4).identity
    levels, returns = [], []
    for tone in (0.0, 5.0):
        who = replace(base, tone=tone, beard=0.0)
        scene = SubjectScene(small_rig, subject_seed=4, identity=who, noise=False)
        levels.append(face_level(scene))
        moment = scene.render(SubjectState(), 0)
        u, v = np.rint(moment.truth.landmarks_px["infrared"][27:31]).astype(int).T
        returns.append(float(moment.images["infrared"][v, u].mean()))
    assert levels[1] < 0.75 * levels[0]
    assert returns[1] > 0.65 * returns[0]


def test_the_nose_cools_with_arousal(ideal_scene: SubjectScene) -> None:
    def nose_c(arousal: float) -> float:
        state = SubjectState(arousal=arousal, expression=Expression(units_from_affect(0, 0)))
        truth = ideal_scene.render(state, 0).truth
        u, v = np.rint(truth.landmarks_px["thermal"][30]).astype(int)
        return float(truth.temperature_c[v, u])

    assert nose_c(0.9) < nose_c(0.0) - 0.5


def test_unknown_lights_are_refused(small_rig: SimulatedRig) -> None:
    with pytest.raises(ConfigError, match="expected one of bright"):
        SubjectScene(small_rig, subject_seed=1, light="noon")


@pytest.mark.slow
def test_a_detector_finds_the_faces_in_color_and_infrared() -> None:
    detector = dlib.get_frontal_face_detector()
    rig = kinect2_rig(scale={"color": 0.5, "infrared": 1.0, "thermal": 0.2})
    rng = np.random.default_rng(3)
    for seed in range(4):
        scene = SubjectScene(rig, subject_seed=300 + seed)
        for index in range(2):
            valence, arousal, yaw = rng.uniform(-0.9, 0.9, 3)
            expression = Expression(units_from_affect(float(valence), float(arousal)))
            state = SubjectState(
                float(valence), float(arousal), expression, HeadPose(yaw_deg=20 * float(yaw))
            )
            images = scene.render(state, index).images
            grey = cv2.cvtColor(images["color"], cv2.COLOR_BGR2GRAY)
            assert len(detector(grey, 0)) == 1
            root = np.sqrt(images["infrared"] / np.percentile(images["infrared"], 99.5))
            assert len(detector(np.clip(root * 255, 0, 255).astype(np.uint8), 1)) == 1
