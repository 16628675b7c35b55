"""Verdicts follow their limits, advice names the places, and the command's exit status follows."""

from dataclasses import replace

import numpy as np
import pytest

from calibration.board import BoardSpec
from calibration.cli import main
from calibration.coverage import advise, cell_counts
from calibration.gates import judge, worst
from calibration.quality import held_out_by_camera
from calibration.report_html import write_report_page
from calibration.session_calibration import calibrate_session
from capture.session import open_session
from capture.transform import RigidTransform


@pytest.fixture(scope="module")
def result(board_session):
    return calibrate_session(open_session(board_session), board=BoardSpec())


def judged(result, **changes):
    parts = {
        "rig": result.rig,
        "solution": result.solution,
        "shift": result.depth_shift,
        "transfer": result.transfer,
        "held_out_px": held_out_by_camera(result.validation, result.solution),
    }
    return {gate.name: gate for gate in judge(**(parts | changes))}


def test_a_good_session_passes_but_for_its_few_views(result):
    gates = judged(result)
    assert {gate.verdict for name, gate in gates.items() if name != "views used"} == {"good"}
    assert gates["views used"].verdict == "fair"
    assert worst(result.gates) == "fair"
    assert result.rig.quality["verdict"] == "fair"


@pytest.mark.parametrize(
    ("baseline_m", "verdict"), [(0.0521, "good"), (0.0540, "fair"), (0.0624, "fail")]
)
def test_a_wrong_square_size_shows_in_the_baseline(result, baseline_m, verdict):
    moved = RigidTransform(result.rig.T_color_infrared.rotation, np.array([-baseline_m, 0, 0]))
    gates = judged(result, rig=replace(result.rig, T_color_infrared=moved))
    assert gates["infrared baseline"].verdict == verdict


def test_what_could_not_be_had_is_not_called_good(result):
    gates = judged(result, held_out_px={"infrared": None, "thermal": 2.0})
    assert gates["infrared to color, held-out views"].verdict == "fair"
    assert gates["thermal to color, held-out views"].verdict == "fail"
    assert worst(tuple(gates.values())) == "fail"


def test_a_shift_that_is_not_sure_is_told(result):
    gates = judged(result, shift=replace(result.depth_shift, std_error_mm=4.0))
    assert gates["depth shift, standard error"].verdict == "fail"


def test_a_failing_calibration_is_written_and_ends_with_1(board_session, tmp_path, capsys):
    output = tmp_path / "rig.yaml"
    command = [str(board_session), "-o", str(output), "--board", "5x7x0.0318", "--quiet"]
    assert main(command) == 1
    assert output.exists()
    printed = capsys.readouterr().out
    assert "fail: infrared baseline is 55." in printed
    assert "measure the squares (--board); if they are 30.0 mm, that is why" in printed
    assert "verdict: fail" in printed


def test_every_corner_is_counted_in_its_cell():
    corners = np.array([[0.0, 0.0], [99.0, 49.0], [-0.4, 49.4], [55.0, 27.0]])
    counts = cell_counts([corners[:2], corners[2:]], (100, 50))
    assert counts.sum() == 4
    assert [counts[0, 0], counts[9, 9], counts[9, 0], counts[5, 5]] == [1, 1, 1, 1]


def test_advice_names_the_empty_places_and_flat_boards():
    counts = {name: np.ones((10, 10), np.int64) for name in ("color", "infrared", "thermal")}
    assert advise(counts, np.full(10, 25.0)) == ()
    counts["color"][:3, :3] = 0
    (place,) = advise(counts, np.full(10, 25.0))
    assert place == "no board in the upper left of color: hold it there"
    _, tilt = advise(counts, np.array([2.0, 3.0, 4.0, 20.0]))
    assert tilt.startswith("25 % of the views are tilted by more than 15°")


def test_the_page_holds_every_picture_and_figure(result, board_session, tmp_path):
    (tmp_path / "overlay.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    write_report_page(tmp_path, result, open_session(board_session))
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert text.count("data:image/") == 6
    for gate in result.gates:
        assert gate.name in text
    assert 'src="http' not in text
    assert "<script" not in text
