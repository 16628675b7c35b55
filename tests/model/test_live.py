"""Predictions while a rig records: real daemons, real sockets."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from capture.client import DaemonClient
from capture.keys import Keys, create_keys
from capture.manifest import read_manifest
from capture.messages import Abort, Arm
from capture.session import create_session
from model import evaluate_cli
from model.checkpoint import CheckpointInfo
from model.config import TrainConfig
from model.initialise import build_network
from model.live import LiveWindow
from tests.model.test_film import CONFIG, save_run

DEADLINE_S = 240.0
RIG = """\
schema_version = 1
name = "r"
[[sensor]]
name = "a65"
kind = "simulated-a65"
[sensor.options]
scale = 0.2
period_s = 1.0
noise = false
[[sensor]]
name = "kinect2"
kind = "simulated-kinect2"
[sensor.options]
scale = 0.4
period_s = 1.0
noise = false
"""


def test_a_live_window_fills_skips_what_is_old_and_starts_anew(
    faces: list[np.ndarray], tmp_path: Path
) -> None:
    info = CheckpointInfo(CONFIG, TrainConfig(), "small", {}, "x", 3, {}, rate_hz=4.0)
    window = LiveWindow(build_network(CONFIG, seed=0, initialisation="he"), info)
    assert window.window_s == 1.0
    assert window.score() is None
    step_ns = 333_000_000  # previews are slower than the clips
    found = [window.see(image, number * step_ns) for number, image in enumerate(faces[:4])]
    assert sum(found) >= 3
    score = window.score()
    assert score is not None
    assert set(score.values) == {"valence", "arousal"}
    assert score.time_ns == 3 * step_ns
    assert not window.see(faces[0], 2 * step_ns)  # came late
    assert window.score() == score
    blind = np.zeros_like(faces[0])
    for number in range(4, 9):
        assert not window.see(blind, number * step_ns)
    assert window.score() is None  # too few faces
    window.see(faces[0], -(10**12))  # the host was restarted
    assert window.score() is None


@contextmanager
def ended(process: "subprocess.Popen[str]") -> Iterator["subprocess.Popen[str]"]:
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(DEADLINE_S)
        finally:
            process.kill()
            if process.stdout is not None:
                process.stdout.close()


def capture(*words: object, **options: object) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "capture.cli", *map(str, words)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, text=True, env=environment, **options)  # type: ignore[call-overload]


def until(what: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + DEADLINE_S
    while not what():
        assert time.monotonic() < deadline_s
        time.sleep(0.1)


def look(words: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    """Look on until there is a score; return what was said last on both streams."""
    deadline_s = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline_s:
        assert evaluate_cli.main([*words, "--threads", "1", "--seconds", "4"]) == 0
        told = capsys.readouterr()
        if "--json" not in words:
            if not re.search(r"^0 scores", told.out, re.MULTILINE):
                return told.out, told.err
        elif json.loads(told.out)["scores"]:
            return told.out, told.err
    raise AssertionError("no score in time")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_operator_sees_scores_of_the_session_in_a_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rig, root = tmp_path / "rig.toml", tmp_path / "sessions"
    rig.write_text(RIG)
    run = save_run(tmp_path / "run")
    # The daemons are the controller's: nobody has given them an address.
    words = ("record", "--rig", rig, "--subject", "S01", "--output", root, "--allow-poor-sync")
    with ended(capture(*words, "--duration", 600, "--quiet", stderr=subprocess.DEVNULL)) as process:

        def runs() -> bool:
            assert process.poll() is None
            folders = list(root.glob("*/session.json"))
            return bool(folders) and read_manifest(folders[0].parent).start_time_ns is not None

        until(runs)
        (folder,) = root.iterdir()
        out, err = look(["--live", str(folder), "--run", str(run), "--json"], capsys)
    assert json.loads(out)["pictures"] > 0
    assert "late by that window" in err
    line = json.loads(next(text for text in err.splitlines() if text.startswith("{")))
    assert -1 <= line["valence"] <= 1
    assert line["window_s"] == 1.0
    assert read_manifest(folder).status in ("complete", "interrupted")
    assert evaluate_cli.main(["--live", str(folder), "--run", str(run)]) == 1
    assert "not running" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_daemon_with_keys_is_looked_at_by_who_has_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rig, keys = tmp_path / "rig.toml", tmp_path / "keys"
    rig.write_text(RIG)
    create_keys(keys)
    run = save_run(tmp_path / "run")
    words = ("daemon", "--rig", rig, "--sensor", "kinect2", "--keys", keys)
    with ended(capture(*words, "--output", tmp_path / "s", stdout=subprocess.PIPE)) as daemon:
        assert daemon.stdout is not None
        address = daemon.stdout.readline().split()[-1]
        over = threading.Event()
        with DaemonClient("kinect2", address, keys=Keys.load(keys, "controller")) as client:
            client.request(Arm("s1", "u-1"), timeout_s=DEADLINE_S)
            until(lambda: client.poll(timeout_s=DEADLINE_S).state == "armed")

            def keep_alive() -> None:
                while not over.wait(0.5):
                    client.poll(timeout_s=DEADLINE_S)

            controller = threading.Thread(target=keep_alive)
            controller.start()
            try:
                live = ["--live", address, "--run", str(run)]
                out, err = look([*live, "--keys", str(keys)], capsys)
                assert evaluate_cli.main([*live, "--seconds", "4"]) == 1
                stranger = capsys.readouterr().err
            finally:
                over.set()
                controller.join()
            client.request(Abort(), timeout_s=DEADLINE_S)
    assert "late by that window" in err
    score = next(text for text in out.splitlines() if "valence" in text)
    value = r"([+-]\d\.\d\d) (\S{21})"
    found = re.fullmatch(rf" +\d+\.\d s  valence {value}  arousal {value}  faces \d+%", score)
    assert found, score
    for number, bar in ((found[1], found[2]), (found[3], found[4])):
        assert abs(bar.index("█") - (float(number) + 1) * 10) < 0.6
    assert "did not answer" in stranger


def test_nobody_there_is_one_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = save_run(tmp_path / "run")
    session = create_session(tmp_path / "sessions", subject="S01")
    said = {
        "tcp://127.0.0.1:9": "did not answer",
        "tcp://192.0.2.1:5570": "there are no keys",
        "nonsense": "neither tcp://host:port nor a folder",
        str(tmp_path): "has no session.json",
        str(session.path): "no daemon records yet",
    }
    for where, message in said.items():
        assert evaluate_cli.main(["--live", where, "--run", str(run), "--quiet"]) == 1
        error = capsys.readouterr().err
        assert error.startswith("error: ")
        assert message in error
