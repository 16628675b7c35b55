import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from capture.cli import main
from capture.live import session_lines, status_lines
from capture.manifest import read_manifest
from capture.messages import Status, StreamStatus
from capture.snapshot import Snapshot

MakeRig = Callable[..., Path]


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys, capture.cli\n"
        "try: capture.cli.main(['record', '--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'cv2', 'zmq', 'mcap', 'google'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "examples:" in done.stdout


def test_a_session_is_recorded_and_summed_up(
    rig_toml: MakeRig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rig = rig_toml(cam={"streams": ["color"], "rate_hz": 50.0, "drop_every": 10})
    arguments = ["record", "--rig", str(rig), "--subject", "S01", "--duration", "0.5"]
    root = tmp_path / "root"
    assert main([*arguments, "--output", str(root), "--share", "--until", "2030-12-31"]) == 0
    output = capsys.readouterr()
    path = next(root.iterdir())
    manifest = read_manifest(path)
    assert (manifest.consent.share, manifest.consent.until) == (True, "2030-12-31")
    assert output.out.splitlines() == session_lines(path, manifest)
    assert "dropped by the sensor" in output.out
    assert "arming" in output.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--subject", "../x"], "subject '../x' is not allowed"),
        (["--subject", "S01", "--rig", "none.toml"], "cannot be read"),
        (["--subject", "S01", "--until", "soon"], "is no date"),
        (["--subject", "S01", "--duration", "0"], "expected more than 0"),
        (["--subject", "S01", "--keys", "none"], "is no key"),
    ],
)
def test_what_cannot_be_meant_is_one_line_and_leaves_nothing(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "root"
    assert main(["record", *arguments, "--output", str(root)]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert not root.exists()


def test_a_daemon_beyond_this_machine_needs_keys(
    rig_toml: MakeRig, capsys: pytest.CaptureFixture[str]
) -> None:
    rig = rig_toml(cam={"streams": ["color"]})
    command = ["daemon", "--rig", str(rig), "--sensor", "cam", "--bind", "tcp://0.0.0.0:5570"]
    assert main(command) == 1
    assert "--keys DIR" in capsys.readouterr().err
    assert main(["daemon"]) == 1
    assert "--rig and --sensor" in capsys.readouterr().err


def test_keys_are_made_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", "-o", str(tmp_path), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["files"]) == 4
    assert main(["keys", "-o", str(tmp_path)]) == 1


def test_the_status_lines_tell_what_matters() -> None:
    color = StreamStatus(n_frames=98, n_dropped_recorder=2, rate_hz=30.0, rate_out_hz=29.0)
    statuses = {
        "kinect2": Status(
            "kinect2",
            "recording",
            queue_share=0.25,
            queue_latency_ms=12.4,
            disk_left_s=6000.0,
            streams={"color": color, "depth": StreamStatus(n_frames=7, stalled=True)},
            warnings=("the queue fills",),
        ),
        "a65": Status("a65", "opening", progress_done=3, progress_total=9),
        "eye": Status("eye", "armed"),
    }
    lines = status_lines(Snapshot("recording", 3.04, statuses))
    assert lines[0] == "recording   3.0 s | a65 opening 3/9 | eye armed"
    assert " ".join(lines[1].split()) == (
        "color 30.0>29.0 Hz 98 frames 2.0% dropped queue 25% 12 ms disk 100 min"
    )
    assert lines[2].split()[:2] == ["depth", "SILENT"]
    assert max(map(len, lines)) <= 79
    assert lines[3:] == ["  WARNING kinect2: the queue fills"]
