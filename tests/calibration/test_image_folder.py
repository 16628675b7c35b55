"""From pictures: of a simulated rig under iai_kinect2's names, and OpenCV's real pairs."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from calibration.cli import main
from calibration.opencv_file import read_opencv
from calibration.rig import load_rig_calibration
from calibration.views import find_still, mean_depth, mean_image
from capture.session import open_session

STEREO = Path(__file__).parents[3] / "shared/data/opencv_stereo"
SUFFIX = {"color": "color", "infrared": "ir", "thermal": "thermal", "depth": "depth"}


@pytest.fixture(scope="module")
def pictures(board_session, tmp_path_factory):
    """A picture of every camera for every still moment of the simulated board session."""
    folder = tmp_path_factory.mktemp("pictures")
    session = open_session(board_session)
    watched = session.streams["infrared"]
    for number, still in enumerate(find_still(watched)):
        at_ns = watched.capture_time_ns[[still.first, still.last]] + [-1, 1]
        for name, suffix in SUFFIX.items():
            times_ns = session.streams[name].capture_time_ns
            frames = np.flatnonzero((times_ns >= at_ns[0]) & (times_ns <= at_ns[1]))[:8].tolist()
            if not frames:
                continue
            average = mean_depth if name == "depth" else mean_image
            image = average(session.streams[name], frames)
            kind = np.uint8 if name == "color" else np.uint16
            path = folder / f"{number:04d}_sync_{suffix}.png"
            assert cv2.imwrite(str(path), np.rint(image).astype(kind))
    return folder


def test_pictures_give_the_cameras_of_the_simulated_rig(pictures, board_scene, tmp_path, capsys):
    out, rig = tmp_path / "cameras.yml", tmp_path / "rig.yaml"
    assert main(["images", str(pictures), "-o", str(out), "--json", "--quiet"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["reference"] == "color"
    assert printed["cameras"]["color"]["n_pictures"] == 20
    for name, place in printed["transforms"].items():
        assert place["held_out_px"] < 0.3, name
    truth = board_scene.rig
    found = read_opencv(out)
    for name in ("color", "infrared", "thermal"):
        camera, true = found.cameras[name], truth.camera(name)
        assert camera.fx_px == pytest.approx(true.fx_px, rel=0.005)
        assert camera.cx_px == pytest.approx(true.cx_px, abs=1.0)
    found_mm = 1000 * found.T_reference_camera["infrared"].translation_m
    np.testing.assert_allclose(found_mm, 1000 * truth.T_color_infrared.translation_m, atol=1.0)
    assert found.depth_shift_mm == pytest.approx(truth.depth_shift_mm, abs=3.0)
    assert main(["import", str(out), "-o", str(rig)]) == 0
    assert load_rig_calibration(rig).depth_shift_mm == pytest.approx(found.depth_shift_mm)


def test_one_camera_alone(pictures, tmp_path, capsys):
    out = tmp_path / "ir.json"
    arguments = ["images", str(pictures), "--camera", "ir=*_ir.png", "-o", str(out), "--quiet"]
    assert main(arguments) == 0
    assert "depth shift" not in capsys.readouterr().out
    assert list(read_opencv(out).cameras) == ["ir"]
    assert main(arguments) == 1
    assert "exists already" in capsys.readouterr().err


@pytest.mark.skipif(not STEREO.exists(), reason=f"{STEREO} is not here: OpenCV's stereo pictures")
def test_opencvs_stereo_pictures(tmp_path, capsys):
    """Published: f 535.9; other solvers on these pictures: 533 to 538 and a baseline of 83.2 mm."""
    for path in STEREO.glob("*.jpg"):
        shutil.copy(path, tmp_path)
    arguments = ["images", str(tmp_path), "--board", "9x6x0.025", "-o", str(tmp_path / "s.yml")]
    arguments += ["--camera", "left=left*.jpg", "--camera", "right=right*.jpg"]
    assert main([*arguments, "--json", "--quiet"]) == 0
    printed = json.loads(capsys.readouterr().out)
    for camera in printed["cameras"].values():
        assert camera["n_found"] == 13
        assert camera["f_px"][0] == pytest.approx(535.5, abs=3.0)
        assert camera["rms_px"] <= 0.26
    baseline_mm = np.linalg.norm(printed["transforms"]["right"]["translation_mm"])
    assert baseline_mm == pytest.approx(83.2, abs=0.4)


def blank(path, height_px):
    assert cv2.imwrite(str(path), np.full((height_px, 99), 255, np.uint16))


@pytest.mark.parametrize(
    ("prepare", "extra", "complaint"),
    [
        (lambda d: None, [], "no pictures *_color.*, *_ir.*, *_thermal.*"),
        (lambda d: None, ["--camera", "x"], "--camera x: expected CAMERA="),
        (lambda d: (d / "1_color.png").write_bytes(b"no"), [], "cannot be read as a picture"),
        (
            lambda d: [blank(d / f"{n}1_color.png", 99) for n in "ab"],
            [],
            "are both color pictures of one moment",
        ),
        (
            lambda d: [blank(d / f"{n}_ir.png", 90 + n) for n in (1, 2)],
            [],
            "is 99x92, the infrared pictures before 99x91",
        ),
        (
            lambda d: blank(d / "1_ir.png", 90),
            [],
            "the board was found in: infrared 0 of 1",
        ),
        (lambda d: None, ["--lens", "nose=rational"], "--lens nose=rational: expected CAMERA="),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_one_clear_error(tmp_path, capsys, prepare, extra, complaint):
    prepare(tmp_path)
    out = tmp_path / "out.yml"
    assert main(["images", str(tmp_path), "-o", str(out), "--quiet", *extra]) == 1
    error = capsys.readouterr().err
    assert complaint in error
    assert error.count("\n") == 1
    assert not out.exists()
