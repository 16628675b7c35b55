"""The rig file: exact round trip, and one clear error for everything that is not one."""

import dataclasses
import math

import numpy as np
import pytest
import yaml

from calibration.errors import CalibrationError
from calibration.info import describe_rig_calibration
from calibration.rig import RigCalibration, load_rig_calibration, save_rig_calibration
from calibration.simulated import ideal_calibration
from capture.files import OutputExistsError
from capture.simulation.rig import kinect2_rig


@pytest.fixture(scope="module")
def rig():
    return ideal_calibration(kinect2_rig(scale=0.25))


@pytest.fixture
def document(rig, tmp_path):
    save_rig_calibration(tmp_path / "rig.yaml", rig)
    return yaml.safe_load((tmp_path / "rig.yaml").read_text())


def load(document, tmp_path):
    path = tmp_path / "changed.yaml"
    path.write_text(yaml.safe_dump(document))
    return load_rig_calibration(path)


def test_round_trip_is_exact(rig, tmp_path):
    save_rig_calibration(tmp_path / "rig.yaml", rig)
    loaded = load_rig_calibration(tmp_path / "rig.yaml")
    for name, camera in rig.cameras.items():
        assert dataclasses.astuple(loaded.cameras[name]) == dataclasses.astuple(camera)
    for field in ("T_color_infrared", "T_color_thermal"):
        ours, theirs = getattr(loaded, field), getattr(rig, field)
        assert (ours.rotation == theirs.rotation).all()
        assert (ours.translation_m == theirs.translation_m).all()
    assert loaded.depth_shift_mm == rig.depth_shift_mm
    assert loaded.crop_window == rig.crop_window
    assert loaded.provenance == rig.provenance


def test_an_existing_file_is_kept_unless_told_otherwise(rig, tmp_path):
    path = tmp_path / "rig.yaml"
    path.write_text("precious")
    with pytest.raises(OutputExistsError):
        save_rig_calibration(path, rig)
    assert path.read_text() == "precious"
    save_rig_calibration(path, rig, overwrite=True)
    load_rig_calibration(path)


@pytest.mark.parametrize(
    ("where", "value", "complaint"),
    [
        (("format",), "other", "not a rig calibration"),
        (("schema_version",), 2, "schema version 2: expected 1"),
        (("cameras", "color", "fx_px"), math.nan, "fx_px is nan: expected a finite number"),
        (("cameras", "color", "fx_px"), "many", "fx_px is 'many'"),
        (("cameras", "color", "fx_px"), -3.0, "must be positive"),
        (("cameras", "color", "width_px"), 480.5, "expected a whole number"),
        (("cameras", "color", "width_px"), True, "expected a whole number"),
        (("cameras", "infrared", "model"), "fisheye", "expected"),
        (("cameras", "infrared", "distortion"), [0.0] * 4, "expected 5 numbers"),
        (("cameras", "infrared", "distortion"), [math.inf] + [0.0] * 4, "finite"),
        (("cameras", "thermal"), None, "expected a mapping"),
        (("cameras",), {}, "missing key 'color', 'infrared', 'thermal'"),
        (("T_color_infrared", "rotation"), [[1, 0, 0], [0, 1, 0], [0, 0, 2]], "not a rotation"),
        (("T_color_infrared", "rotation"), [[1, 0, 0], [0, 1, 0]], "expected 3 x 3 numbers"),
        (("T_color_infrared", "translation_m"), 4, "expected 3 numbers"),
        (("depth_shift_mm",), None, "depth_shift_mm is None"),
        (("crop_window", "x_px"), 999, "leaves the 480x270 color image"),
        (("crop_window", "zmin"), 1, "did you mean 'z_min_m'"),
        (("camera",), {}, "unknown key 'camera'; did you mean 'cameras'"),
        (("quality",), [1], "expected a mapping"),
    ],
)
def test_what_is_not_a_calibration_is_refused(document, tmp_path, where, value, complaint):
    part = document
    for key in where[:-1]:
        part = part[key]
    part[where[-1]] = value
    with pytest.raises(CalibrationError, match=complaint):
        load(document, tmp_path)


@pytest.mark.parametrize("key", ["cameras", "T_color_thermal", "depth_shift_mm", "provenance"])
def test_a_missing_key_is_named(document, tmp_path, key):
    del document[key]
    with pytest.raises(CalibrationError, match=f"missing key '{key}'"):
        load(document, tmp_path)


@pytest.mark.parametrize(
    "content",
    [b"", b"[1, 2", b"\xff\xfe\x00", b"- a\n", b"&a [*a]", b"!!python/object:os.system {}"],
)
def test_foreign_bytes_are_refused(tmp_path, content):
    (tmp_path / "rig.yaml").write_bytes(content)
    with pytest.raises(CalibrationError):
        load_rig_calibration(tmp_path / "rig.yaml")


def test_a_missing_file_says_how_to_make_one(tmp_path):
    with pytest.raises(CalibrationError, match="run mavfer-calibrate"):
        load_rig_calibration(tmp_path / "none.yaml")


def test_a_file_cut_anywhere_is_refused(rig, tmp_path):
    rig = dataclasses.replace(rig, quality={"baseline_mm": 52.0, "warnings": ["the left edge"]})
    save_rig_calibration(tmp_path / "rig.yaml", rig)
    text = (tmp_path / "rig.yaml").read_text()
    free = text.index("\nquality:")  # from here on mappings of any length, looked at byte by byte
    whole = len(text) - 1  # without the newline alone nothing is missing
    for length in (*range(0, free, 17), *range(free, whole)):
        (tmp_path / "cut.yaml").write_text(text[:length])
        with pytest.raises(CalibrationError):
            load_rig_calibration(tmp_path / "cut.yaml")


def test_cameras_must_be_the_three_of_the_rig(rig):
    with pytest.raises(CalibrationError, match="expected exactly"):
        dataclasses.replace(rig, cameras={"color": rig.cameras["color"]})


def test_description_is_json_of_the_main_figures(rig, tmp_path):
    quality = {"cameras": {"color": {"rms_px": 0.1}, "infrared": [1], "thermal": 3}}
    save_rig_calibration(tmp_path / "rig.yaml", dataclasses.replace(rig, quality=quality))
    about = describe_rig_calibration(tmp_path / "rig.yaml")
    assert about["cameras"]["color"]["size_px"] == [480, 270]
    assert about["cameras"]["color"]["rms_px"] == 0.1
    assert about["cameras"]["infrared"]["rms_px"] is None
    np.testing.assert_allclose(about["T_color_infrared_mm"], [-52.05, -0.46, 0.89], atol=0.01)
    assert isinstance(rig, RigCalibration)


def test_the_depth_scale_is_kept_and_may_be_absent(rig, document, tmp_path):
    path = tmp_path / "scaled.yaml"
    save_rig_calibration(path, dataclasses.replace(rig, depth_scale=1.004))
    assert load_rig_calibration(path).depth_scale == 1.004
    assert load_rig_calibration(path).true_depth_mm(1000) == 1004 + rig.depth_shift_mm
    del document["depth_scale"]
    old = tmp_path / "old.yaml"
    old.write_text(yaml.safe_dump(document), encoding="utf-8")
    assert load_rig_calibration(old).depth_scale == 1
    with pytest.raises(CalibrationError, match="depth_scale is 1000"):
        dataclasses.replace(rig, depth_scale=1000.0)
