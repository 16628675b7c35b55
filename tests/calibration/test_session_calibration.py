"""The whole way from a recorded board session to a rig calibration, against the rig's truth."""

import json
import shutil
from dataclasses import replace

import cv2
import numpy as np
import pytest

from calibration.board import BoardSpec
from calibration.cli import main
from calibration.detect import find_board
from calibration.errors import CalibrationError
from calibration.info import describe_rig_calibration
from calibration.registration import register_depth
from calibration.rig import CAMERAS, load_rig_calibration
from calibration.rig_solve import solve_rig
from calibration.session_calibration import calibrate_session
from calibration.simulated import ideal_calibration
from capture.recorded_stream import RecordedStream
from capture.session import open_session


@pytest.fixture(scope="module")
def result(board_session):
    return calibrate_session(open_session(board_session), board=BoardSpec())


@pytest.fixture(scope="module")
def truth(board_scene):
    return ideal_calibration(board_scene.rig)


def test_views_count_for_the_cameras_that_see_the_board_whole(result, board_scene):
    assert len(result.views) == board_scene.n_views
    for number, view in enumerate(result.views):
        pixels = board_scene.moment(number * board_scene.moments_per_view).truth.corners_px
        size = np.array([board_scene.rig.thermal.width_px, board_scene.rig.thermal.height_px])
        inside = np.all((pixels["thermal"] > 0) & (pixels["thermal"] < size - 1))
        assert {"color", "infrared"} <= set(view.detections)
        assert ("thermal" in view.detections) == inside
        assert view.problem is None
    assert not result.rig.quality["rejected"]
    assert not result.rig.quality["warnings"]


def test_cameras_are_near_the_truth(result, truth):
    for name in CAMERAS:
        found, true = result.rig.cameras[name], truth.cameras[name]
        assert found.fx_px == pytest.approx(true.fx_px, rel=0.003)
        assert found.fy_px == pytest.approx(true.fy_px, rel=0.003)
        assert found.cx_px == pytest.approx(true.cx_px, abs=1.0)
        assert found.cy_px == pytest.approx(true.cy_px, abs=1.0)


def test_transforms_are_near_the_truth(result, truth):
    for name, limit_mm in (("T_color_infrared", 1.0), ("T_color_thermal", 1.5)):
        found, true = getattr(result.rig, name), getattr(truth, name)
        assert 1000 * np.linalg.norm(found.translation_m - true.translation_m) < limit_mm
        assert (found @ true.inverse()).angle_deg < 0.1


@pytest.mark.parametrize("depth_m", [0.6, 0.75, 1.0])
@pytest.mark.parametrize("source", ["infrared", "thermal"])
def test_points_are_carried_to_color_within_half_a_pixel_of_the_real_image(
    result, truth, source, depth_m
):
    camera = truth.cameras[source]
    share = np.linspace(0.15, 0.85, 15)
    pixels = np.stack(np.meshgrid(share * camera.width_px, share * camera.height_px), axis=-1)
    carried = {}
    for name, rig in (("found", result.rig), ("true", truth)):
        rays = rig.cameras[source].unproject(pixels.reshape(-1, 2))
        points_m = depth_m * np.concatenate([rays, np.ones((len(rays), 1))], axis=1)
        in_color = getattr(rig, f"T_color_{source}").apply(points_m)
        carried[name] = rig.cameras["color"].project(in_color)
    error_px = np.linalg.norm(carried["found"] - carried["true"], axis=1)
    error_px *= 1920 / truth.cameras["color"].width_px
    assert np.sqrt(np.square(error_px).mean()) < 0.25
    assert error_px.max() < 0.5


def test_the_whole_infrared_image_is_carried_and_the_crop_window_is_the_true_one(result, truth):
    infrared = result.rig.cameras["infrared"]
    assert np.abs(infrared.rays() - truth.cameras["infrared"].rays()).max() < 0.01
    found, true = result.rig.crop_window, truth.crop_window
    assert (found.width_px, found.height_px) == (true.width_px, true.height_px)
    assert found.z_min_m == pytest.approx(true.z_min_m, abs=0.03)
    assert found.x_px == pytest.approx(true.x_px, abs=3)
    assert found.y_px == pytest.approx(true.y_px, abs=3)


def test_depth_shift_is_near_the_truth(result, truth):
    assert result.rig.depth_shift_mm == pytest.approx(truth.depth_shift_mm, abs=0.5)
    error_mm = abs(result.rig.depth_shift_mm - truth.depth_shift_mm)
    assert error_mm < 4 * result.depth_shift.std_error_mm
    assert result.depth_shift.std_error_mm < 1.0
    assert len(result.depth_shift.view_shift_mm) == len(result.views)


def test_held_out_views_are_predicted_and_noise_is_reported(result):
    for name, errors in result.validation.held_out_px.items():
        assert len(errors) == sum(name in view.detections for view in result.views)
        assert max(errors.values()) < 0.5
    held_out = result.rig.quality["held_out_rms_px"]
    assert 0.01 < held_out["infrared_to_color"] < 0.3
    for name in CAMERAS:
        assert 0.005 < result.rig.quality["cameras"][name]["rms_px"] < 0.15


def test_a_calibrated_rig_registers_a_fresh_scene(result, truth, scene, measure_depth):
    depth_mm = measure_depth(scene, truth.cameras["infrared"], truth.depth_shift_mm)
    window = truth.crop_window
    area = (window.x_px, window.y_px, window.width_px, window.height_px)
    found = register_depth(depth_mm, result.rig, window=area).astype(int)
    true = register_depth(depth_mm, truth, window=area).astype(int)
    both = (found > 0) & (true > 0)
    assert both.mean() > 0.9
    assert np.median(np.abs(found - true)[both]) <= 2


def test_the_command_writes_everything_it_says(board_session, tmp_path, capsys):
    out, report, iai = tmp_path / "rig.yaml", tmp_path / "report", tmp_path / "iai"
    arguments = [str(board_session), "-o", str(out), "--report", str(report)]
    assert main([*arguments, "--iai", str(iai), "--json", "--quiet"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["output"] == str(out)
    assert len(printed["views"]) == 20
    assert printed["cameras"]["color"]["n_views_found"] == 20
    rig = load_rig_calibration(out)
    assert rig.provenance["session"] == board_session.name
    assert describe_rig_calibration(out)["cameras"]["thermal"]["rms_px"] < 0.2
    assert json.loads((report / "report.json").read_text())["depth_shift"]["n_views"] == 20
    picture = cv2.imread(str(report / "overlay.png"))
    assert picture.shape[1] > 1000
    assert picture.std() > 20
    pose = cv2.FileStorage(str(iai / "calib_pose.yaml"), cv2.FILE_STORAGE_READ)
    np.testing.assert_allclose(pose.getNode("rotation").mat(), rig.T_color_infrared.rotation)
    translation_m = pose.getNode("translation").mat().ravel()
    np.testing.assert_allclose(translation_m, rig.T_color_infrared.translation_m)
    depth = cv2.FileStorage(str(iai / "calib_depth.yaml"), cv2.FILE_STORAGE_READ)
    assert depth.getNode("depthShift").real() == pytest.approx(rig.depth_shift_mm)
    before = out.read_bytes()
    assert main(arguments) == 1
    assert "exists already" in capsys.readouterr().err
    assert out.read_bytes() == before


@pytest.mark.parametrize(
    ("extra", "complaint"),
    [
        (["--board", "5by7"], "expected COLUMNSxROWSxMETRES"),
        (["--board", "6x9x0.03"], "the board was found in: color 0, infrared 0, thermal 0"),
        ([], "of 3 still views the board was found in: color 3, infrared 3, thermal 3"),
        (["--z-min-m", "0"], "expected metres"),
        (["--z-min-m", "nan"], "expected metres"),
        (["--lens", "color=fisheye"], "no model 'fisheye'"),
        (["--lens", "nose=rational"], "--lens nose=rational: expected CAMERA="),
        (["--fix", "thermal"], "--fix thermal: expected CAMERA="),
    ],
)
def test_wrong_options_end_in_one_line(tiny_board_session, tmp_path, capsys, extra, complaint):
    out = tmp_path / "rig.yaml"
    assert main([str(tiny_board_session), "-o", str(out), "--quiet", *extra]) == 1
    error = capsys.readouterr().err
    assert complaint in error
    assert error.count("\n") == 1
    assert not out.exists()


def test_a_session_without_thermal_says_what_is_missing(board_session, tmp_path, capsys):
    copy = tmp_path / "session"
    copy.mkdir()
    for name in ("session.json", "kinect2.mcap"):
        shutil.copy(board_session / name, copy / name)
    assert main([str(copy), "-o", str(tmp_path / "rig.yaml"), "--quiet"]) == 1
    assert "no frames of stream 'thermal'" in capsys.readouterr().err


def test_a_subjects_session_is_refused(tiny_board_session, tmp_path, capsys):
    copy = tmp_path / "S01"
    shutil.copytree(tiny_board_session, copy)
    manifest = (copy / "session.json").read_text()
    (copy / "session.json").write_text(manifest.replace('"kind": "board"', '"kind": "subject"', 1))
    assert main([str(copy), "-o", str(tmp_path / "rig.yaml"), "--quiet"]) == 1
    assert "is a subject session, expected a board session" in capsys.readouterr().err


def test_a_folder_that_is_no_session_is_refused(tmp_path, capsys):
    assert main([str(tmp_path), "-o", str(tmp_path / "rig.yaml")]) == 1
    assert "session.json" in capsys.readouterr().err


def test_a_board_that_thermal_never_shows_is_explained(tiny_board_session, monkeypatch):
    session = open_session(tiny_board_session)
    cold = session.streams["thermal"]
    even = np.full(cold.spec.shape, 7500, np.uint16)
    monkeypatch.setattr(
        "calibration.views.mean_image",
        lambda stream, frames: even.astype(np.float32) if stream is cold else _mean(stream, frames),
    )
    with pytest.raises(CalibrationError, match=r"thermal 0; .*warm the board"):
        calibrate_session(session, board=BoardSpec())


def test_a_saturated_infrared_image_is_explained(tiny_board_session, monkeypatch):
    session = open_session(tiny_board_session)
    stream = session.streams["infrared"]
    read = stream.read

    def blinded(index):
        frame = read(index)
        return replace(frame, image=np.minimum(frame.image, 300))

    monkeypatch.setattr(
        type(stream), "read", lambda own, i: blinded(i) if own is stream else _read(own, i)
    )
    with pytest.raises(CalibrationError, match=r"infrared 0, .*images are saturated, \d+ %"):
        calibrate_session(session, board=BoardSpec())


_read = RecordedStream.read


@pytest.mark.parametrize(
    ("camera", "how", "complaint"),
    [
        ("infrared", "mirrored", "infrared camera: its pictures are mirrored"),
        ("thermal", "mirrored", "thermal camera: its pictures are mirrored"),
        ("thermal", "upside down", "thermal camera: its pictures are upside down"),
        ("infrared", "both", "infrared camera: its pictures are mirrored and upside down"),
    ],
)
def test_pictures_the_wrong_way_round_are_named(result, board_scene, camera, how, complaint):
    size_px = {
        name: (board_scene.rig.camera(name).width_px, board_scene.rig.camera(name).height_px)
        for name in CAMERAS
    }
    last_px = np.array(size_px[camera]) - 1.0
    flips = {"mirrored": [1, 0], "upside down": [1, 1], "both": [0, 1]}[how]
    views = []
    for view in result.views:
        found = {name: detection.corners_px for name, detection in view.detections.items()}
        if camera in found:
            found[camera] = np.where(flips, last_px - found[camera], found[camera])
        views.append(found)
    with pytest.raises(CalibrationError, match=complaint):
        solve_rig(views, sizes_px=size_px, board=BoardSpec())


def test_a_board_named_the_other_way_round_is_the_same_board(result, board_scene):
    """7x5 is 5x7 lying on its side: nothing can go wrong, and nothing does."""
    lying = BoardSpec(7, 5, 0.03)
    for number, view in enumerate(result.views[:6]):
        image = board_scene.moment(number * board_scene.moments_per_view).images["infrared"]
        found = find_board(image, lying)
        upright = view.detections["infrared"].corners_px
        gaps = np.linalg.norm(found.corners_px[:, None] - upright[None], axis=-1).min(axis=1)
        assert gaps.max() < 0.5


def _mean(stream, frames):
    return np.mean([stream.read(i).image.astype(np.float32) for i in frames[:1]], axis=0)


def test_lens_models_and_fixed_parameters_are_the_commands_to_choose(
    board_session, tmp_path, capsys
):
    out = tmp_path / "rig.yaml"
    options = ["--lens", "color=rational", "--fix", "thermal=k3,p1,p2", "--board-warp"]
    assert main([str(board_session), "-o", str(out), "--quiet", *options]) in (0, 1)
    rig = load_rig_calibration(out)
    assert rig.cameras["color"].model == "rational"
    assert rig.cameras["thermal"].distortion[2:] == (0.0, 0.0, 0.0)
    std = rig.quality["cameras"]["thermal"]["std"]
    assert not std.get("k3")
    assert std["k1"] > 0
    assert main([str(board_session), "-o", str(tmp_path / "b"), "--fix", "thermal=k9"]) == 1
    assert "no parameter 'k9' to hold fixed" in capsys.readouterr().err
