"""An old calibration holds for the same rig and does not for one that was bumped."""

import json
from dataclasses import replace

import numpy as np
import pytest

from calibration.board import BoardSpec
from calibration.check import check_calibration
from calibration.cli import main
from calibration.errors import CalibrationError
from calibration.rig import save_rig_calibration
from calibration.simulated import ideal_calibration
from capture.session import open_session
from capture.transform import RigidTransform


@pytest.fixture(scope="module")
def rig(board_scene):
    return ideal_calibration(board_scene.rig)


def turned(transform, degrees):
    turn = RigidTransform.from_rotvec([0, np.radians(degrees), 0], [0, 0, 0])
    return turn @ transform


def test_the_rig_that_was_calibrated_passes(rig, board_session, tmp_path, capsys):
    save_rig_calibration(tmp_path / "rig.yaml", rig)
    command = ["check", str(tmp_path / "rig.yaml"), str(board_session), "--quiet"]
    assert main(command) == 0
    assert "the calibration holds" in capsys.readouterr().out


def test_a_camera_that_was_turned_is_named(rig, board_session, tmp_path, capsys):
    bumped = replace(rig, T_color_thermal=turned(rig.T_color_thermal, 0.4))
    save_rig_calibration(tmp_path / "rig.yaml", bumped)
    command = ["check", str(tmp_path / "rig.yaml"), str(board_session), "--quiet", "--json"]
    assert main(command) == 1
    document = json.loads(capsys.readouterr().out)
    verdicts = {camera["camera"]: camera["verdict"] for camera in document["cameras"]}
    assert verdicts == {"infrared": "good", "thermal": "fail"}
    thermal = next(c for c in document["cameras"] if c["camera"] == "thermal")
    expected_px = np.tan(np.radians(0.4)) * rig.cameras["color"].fx_px
    assert thermal["offset_px"][0] == pytest.approx(expected_px, rel=0.15)


def test_another_rigs_calibration_is_refused(rig, board_session):
    camera = replace(rig.cameras["thermal"], width_px=320)
    other = replace(rig, cameras={**rig.cameras, "thermal": camera})
    with pytest.raises(CalibrationError, match=r"thermal is .* in the session, 320x"):
        check_calibration(other, open_session(board_session), board=BoardSpec())
