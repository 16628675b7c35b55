"""The demonstration, small: real-time daemons at full size, then the cohort, to the report."""

import base64
import json
import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest


def demo(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            *(Path(sys.executable).with_name("mavfer"), "demo", "--fast", "--json"),
            *("--output", folder),
        ],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_fast_demonstration_runs_the_whole_chain_and_reports_it(tmp_path):
    folder = tmp_path / "demo"
    first = demo(folder)
    assert first.returncode == 0, first.stderr[-4000:]
    result = json.loads(first.stdout)
    assert set(result["stages_s"]) == {
        *("board", "calibrate", "subjects", "labels", "build"),
        *("cohort", "cohort-build", "train", "evaluate"),
    }
    assert "simulated" in first.stderr

    page = Path(result["report"]).read_text(encoding="utf-8")
    assert "All data on this page are simulated" in page
    against_truth = page.split("gold label against truth")[1].split("</table>")[0]
    cccs = re.findall(r"<td>([\d.]+)</td></tr>", against_truth)  # the raters' lag taken out
    assert len(cccs) == 2
    assert all(float(value) > 0.6 for value in cccs)
    pictures = re.findall(r'<img src="data:image/(?:png|jpeg);base64,([^"]+)"', page)
    assert len(pictures) == len(re.findall("<img ", page)) >= 10
    for picture in pictures:
        data = np.frombuffer(base64.b64decode(picture), np.uint8)
        decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
        assert decoded is not None
        assert decoded.std() > 1
    assert not re.findall(r'(?:src|href)="(?!data:|#)', page)

    stages = json.loads((folder / "stages.json").read_text())["stages"]
    calibrated = stages["calibrate"]["result"]
    assert calibrated["depth_shift"]["shift_mm"] == pytest.approx(-13.354, abs=2.0)
    assert calibrated["transforms"]["T_color_infrared"]["baseline_mm"] == pytest.approx(52, abs=2)
    assert stages["build"]["result"]["face_percent"] >= 95
    for recorded in stages["subjects"]["result"].values():
        assert recorded["status"] == "complete"

    recordings = {p: p.stat().st_mtime_ns for p in folder.rglob("*.mcap")}
    again = demo(folder)
    assert again.returncode == 0, again.stderr[-4000:]
    assert again.stderr.count("[done earlier]") == len(stages)
    assert {p: p.stat().st_mtime_ns for p in folder.rglob("*.mcap")} == recordings
