"""Calibrations of other programs: round trips, iai_kinect2's real files, OpenCV as the reader."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from calibration.cli import main
from calibration.errors import CalibrationError
from calibration.exchange import camera_set, compose_rig, read_source
from calibration.iai import export_iai
from calibration.opencv_file import CameraSet, read_opencv, write_opencv
from calibration.rig import CAMERAS, load_rig_calibration, save_rig_calibration
from calibration.ros_camera_info import read_camera_info, write_camera_info
from calibration.simulated import ideal_calibration
from capture.camera import CameraModel
from capture.simulation.rig import kinect2_rig
from capture.transform import RigidTransform

REAL = Path(__file__).parents[3] / "shared/data/kinect2_calibrations/iai/kinect2_bridge/data"
FINITE = st.floats(-2, 2, allow_nan=False)
CAMERA = st.builds(
    lambda w, h, f, c, d: CameraModel(w, h, f, f * 1.01, w / 2 + c, h / 2 - c, tuple(d)),
    st.integers(16, 4000),
    st.integers(16, 4000),
    st.floats(10, 5000),
    st.floats(-20, 20),
    st.sampled_from([5, 8]).flatmap(lambda n: st.lists(FINITE, min_size=n, max_size=n)),
)


def same(one: CameraModel, other: CameraModel) -> None:
    assert (one.width_px, one.height_px) == (other.width_px, other.height_px)
    np.testing.assert_allclose(one.matrix, other.matrix, rtol=1e-12)
    np.testing.assert_allclose(one.distortion, other.distortion, rtol=1e-12, atol=1e-300)


@pytest.fixture(scope="module")
def rig():
    return ideal_calibration(kinect2_rig())


@given(camera=CAMERA, scale=st.floats(0.95, 1.05), shift_mm=st.floats(-40, 40))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
def test_files_of_opencv_and_ros_say_the_same_again(tmp_path, camera, scale, shift_mm):
    turn = RigidTransform.from_rotvec(np.array([0.1, scale, -0.2]), np.array([shift_mm, 2, 3]))
    known = CameraSet({"left": camera, "right": camera}, {"right": turn}, scale, shift_mm)
    for name in ("a.yml", "a.xml", "a.json"):
        write_opencv(tmp_path / name, known, overwrite=True)
        again = read_opencv(tmp_path / name)
        assert list(again.cameras) == ["left", "right"]
        for found in again.cameras.values():
            same(found, camera)
        found_turn = again.T_reference_camera["right"]
        np.testing.assert_allclose(found_turn.rotation, turn.rotation, atol=1e-14)
        np.testing.assert_allclose(found_turn.translation_m, turn.translation_m, rtol=1e-14)
        assert again.depth_scale == pytest.approx(scale, rel=1e-14)
        assert again.depth_shift_mm == pytest.approx(shift_mm, rel=1e-14, abs=1e-300)
    write_camera_info(tmp_path / "ros.yaml", "left", camera, overwrite=True)
    same(read_camera_info(tmp_path / "ros.yaml"), camera)


def test_a_rig_goes_out_and_comes_back(rig, tmp_path, capsys):
    path, opencv, ros, iai = (tmp_path / n for n in ("rig.yaml", "rig.yml", "ros", "iai"))
    save_rig_calibration(path, rig)
    outputs = ["--opencv", str(opencv), "--ros", str(ros), "--iai", str(iai)]
    assert main(["export", str(path), *outputs]) == 0
    assert main(["export", str(path), *outputs]) == 1
    assert "exists already" in capsys.readouterr().err
    back = tmp_path / "back.yaml"
    z_min = ["--z-min-m", str(rig.crop_window.z_min_m)]
    assert main(["import", str(opencv), "-o", str(back), *z_min]) == 0
    found = load_rig_calibration(back)
    for name in CAMERAS:
        same(found.cameras[name], rig.cameras[name])
    assert found.crop_window == rig.crop_window
    assert found.depth_shift_mm == pytest.approx(rig.depth_shift_mm)
    np.testing.assert_allclose(
        found.T_color_thermal.translation_m, rig.T_color_thermal.translation_m
    )
    pieces = [f"{name}={ros / f'{name}.yaml'}" for name in CAMERAS]
    again = tmp_path / "again.yaml"
    assert main(["import", *pieces, str(iai), "--into", str(path), "-o", str(again)]) == 0
    same(load_rig_calibration(again).cameras["infrared"], rig.cameras["infrared"])
    assert load_rig_calibration(again).provenance["imported_from"] == [*pieces, str(iai)]


def test_opencv_itself_undistorts_by_the_exported_file(rig, tmp_path):
    write_opencv(tmp_path / "rig.yml", camera_set(rig))
    storage = cv2.FileStorage(str(tmp_path / "rig.yml"), cv2.FILE_STORAGE_READ)
    points = np.array([[[100.0, 200.0]], [[1500.0, 900.0]]])
    ideal = cv2.undistortPoints(
        points,
        storage.getNode("color_camera_matrix").mat(),
        storage.getNode("color_distortion_coefficients").mat(),
    )
    np.testing.assert_allclose(ideal[:, 0], rig.cameras["color"].unproject(points[:, 0]), atol=1e-6)


def test_the_quarter_pixel_is_taken_back_on_demand(rig, tmp_path):
    export_iai(tmp_path, rig)
    plain = read_source(str(tmp_path), quarter_pixel=False).cameras["infrared"]
    mended = read_source(str(tmp_path), quarter_pixel=True).cameras["infrared"]
    assert mended.cx_px == pytest.approx(plain.cx_px - 0.25)
    assert mended.cy_px == pytest.approx(plain.cy_px - 0.25)
    color = read_source(str(tmp_path), quarter_pixel=True).cameras["color"]
    same(color, rig.cameras["color"])


def test_files_of_reduced_cameras_are_not_taken_for_a_kinects(tmp_path):
    """iai_kinect2's files tell no image size."""
    export_iai(tmp_path, ideal_calibration(kinect2_rig(scale=0.45)))
    with pytest.raises(CalibrationError, match="not a camera of 1920x1080"):
        read_source(str(tmp_path), quarter_pixel=False)


@pytest.mark.skipif(not REAL.exists(), reason=f"{REAL} is not here: real files of iai_kinect2")
@pytest.mark.parametrize(("device", "shift_mm"), [("299150235147", None), ("196605135147", True)])
def test_real_files_of_iai_kinect2_are_read(rig, device, shift_mm):
    source = read_source(str(REAL / device), quarter_pixel=True)
    assert source.cameras["infrared"].fx_px == pytest.approx(366, abs=5)
    assert source.cameras["color"].fx_px == pytest.approx(1060, abs=30)
    baseline_m = np.linalg.norm(source.T_reference_camera["infrared"].translation_m)
    assert baseline_m == pytest.approx(0.052, abs=0.004)
    assert (source.depth_shift_mm is not None) == bool(shift_mm)
    composed = compose_rig([source], base=rig)
    assert composed.crop_window.width_px > 1000


@pytest.mark.parametrize(
    ("sources", "complaint"),
    [
        (["thermal={ros}"], "nobody says the color camera"),
        (["nose={ros}"], "no camera 'nose'"),
        (["thermal={junk}"], "is neither ROS camera info"),
        (["{junk}"], "no file of OpenCV's FileStorage"),
        (["{empty}"], "calib_color.yaml: no such file"),
        (["{missing}"], "no such file"),
        (["thermal={fisheye}"], "distortion_model is 'equidistant'"),
        (["thermal={nan}"], "expected a finite 3x3 camera matrix"),
    ],
)
def test_what_cannot_be_read_is_one_clear_error(rig, tmp_path, capsys, sources, complaint):
    files = {name: tmp_path / name for name in ("ros", "junk", "empty", "fisheye", "nan")}
    write_camera_info(files["ros"], "x", rig.cameras["thermal"])
    document = yaml.safe_load(files["ros"].read_text())
    files["fisheye"].write_text(yaml.safe_dump(document | {"distortion_model": "equidistant"}))
    document["camera_matrix"]["data"][0] = float("nan")
    files["nan"].write_text(yaml.safe_dump(document))
    files["junk"].write_bytes(b"\x00\xffjunk: [")
    files["empty"].mkdir()
    named = {name: str(path) for name, path in files.items()} | {"missing": str(tmp_path / "no")}
    out = tmp_path / "out.yaml"
    arguments = [source.format(**named) for source in sources]
    assert main(["import", *arguments, "-o", str(out)]) == 1
    error = capsys.readouterr().err
    assert complaint in error
    assert error.count("\n") == 1
    assert not out.exists()


def test_models_of_more_terms_are_refused(tmp_path):
    storage = cv2.FileStorage(str(tmp_path / "a.yml"), cv2.FILE_STORAGE_WRITE)
    storage.write("image_width", 640)
    storage.write("image_height", 480)
    storage.write("camera_matrix", np.diag([500.0, 500.0, 1.0]))
    storage.write("distortion_coefficients", np.full((1, 14), 0.1))
    storage.release()
    with pytest.raises(CalibrationError, match="14 distortion coefficients"):
        read_opencv(tmp_path / "a.yml")
