"""Predictions on what is no store: a film of a face, and a rig while it records."""

import json
import subprocess
import sys
import threading
import time
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pyarrow.parquet
import pytest

from capture.client import DaemonClient
from capture.messages import Abort, Arm
from capture.simulation.rig import SimulatedRig
from capture.simulation.scene import SubjectScene
from model import evaluate_cli
from model.checkpoint import CheckpointInfo, save_checkpoint
from model.config import ModelConfig, TrainConfig
from model.initialise import build_network
from model.live import LiveWindow

DEADLINE_S = 240.0
N_FRAMES = 10
CONFIG = ModelConfig(
    "uran",
    ("color",),
    ("valence", "arousal"),
    input_px=16,
    clip_length=4,
    width=1 / 8,
    fc_units=8,
    attention="standardise",
    upsampling="bilinear",
    normalisation="clip",
)


def save_run(folder: Path, config: ModelConfig = CONFIG) -> Path:
    network = build_network(config, seed=0, initialisation="he")
    info = CheckpointInfo(config, TrainConfig(), "small", {}, "x", 3, {}, rate_hz=4.0)
    folder.mkdir()
    save_checkpoint(folder / "checkpoint.safetensors", network, info)
    return folder


@pytest.fixture(scope="module")
def faces(small_rig: SimulatedRig) -> list[np.ndarray]:
    """Color pictures (H, W, 3) BGR of a virtual subject, four a second."""
    scene = SubjectScene(small_rig, subject_seed=2, rate_hz=4.0)
    return [scene.moment(index).images["color"] for index in range(N_FRAMES)]


@pytest.fixture(scope="module")
def film(faces: list[np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("film") / "interview.mp4"
    height, width = (side // 2 * 2 for side in faces[0].shape[:2])
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=4)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"crf": "16"}
        for number, image in enumerate(faces):
            whole = np.ascontiguousarray(image[:height, :width])
            frame = av.VideoFrame.from_ndarray(whole, format="bgr24")
            frame.pts, frame.time_base = number, Fraction(1, 4)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def test_a_film_is_predicted_frame_by_frame(
    film: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, out = save_run(tmp_path / "run"), tmp_path / "out"
    words = ["--video", str(film), "--run", str(run), "-o", str(out), "--quiet", "--json"]
    assert evaluate_cli.main([*words, "--threads", "1"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["n_frames"] == N_FRAMES
    table = pyarrow.parquet.read_table(out / "predictions.parquet")
    assert table.num_rows == 2 * N_FRAMES
    assert table["predicted"].null_count == 0
    assert table["gold"].null_count == 2 * N_FRAMES
    page = (out / "report.html").read_text()
    assert "there are no labels" in page
    assert "By subject" not in page
    assert evaluate_cli.main([*words, "--threads", "1"]) == 1
    assert "exists already" in capsys.readouterr().err


def test_a_film_needs_a_run_that_sees_color_only(
    film: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = replace(CONFIG, modalities=("thermal",))
    run = save_run(tmp_path / "run", config)
    assert evaluate_cli.main(["--video", str(film), "--run", str(run), "--quiet"]) == 1
    assert "needs thermal: a film has color" in capsys.readouterr().err
    (tmp_path / "no.mp4").write_bytes(b"no film")
    color = save_run(tmp_path / "color")
    words = ["--video", str(tmp_path / "no.mp4"), "--run", str(color), "--quiet"]
    assert evaluate_cli.main([*words, "-o", str(tmp_path / "out")]) == 1
    assert capsys.readouterr().err.startswith("error: ")
    assert not (tmp_path / "out").exists()


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


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_operator_sees_scores_while_a_rig_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rig = tmp_path / "rig.toml"
    rig.write_text(
        'schema_version = 1\nname = "r"\n[[sensor]]\nname = "kinect2"\n'
        'kind = "simulated-kinect2"\naddress = "tcp://127.0.0.1:1"\n'
        "[sensor.options]\nscale = 0.4\nperiod_s = 1.0\nnoise = false\n"
    )
    run = save_run(tmp_path / "run")
    command = [sys.executable, "-m", "capture.cli", "daemon", "--rig", str(rig)]
    options = ["--sensor", "kinect2", "--output", str(tmp_path / "sessions")]
    daemon = subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True)
    try:
        assert daemon.stdout is not None
        address = daemon.stdout.readline().split()[-1]
        ended = threading.Event()
        with DaemonClient("kinect2", address) as client:
            client.request(Arm("s1", "u-1"), timeout_s=DEADLINE_S)

            def keep_alive() -> None:
                while not ended.wait(0.5):
                    client.poll(timeout_s=DEADLINE_S)

            deadline_s = time.monotonic() + DEADLINE_S
            while client.poll(timeout_s=DEADLINE_S).state != "armed":
                assert time.monotonic() < deadline_s
            controller = threading.Thread(target=keep_alive)
            controller.start()
            try:
                words = ["--live", address, "--run", str(run), "--json", "--threads", "1"]
                n_scores = 0
                while not n_scores and time.monotonic() < deadline_s:
                    assert evaluate_cli.main([*words, "--seconds", "4"]) == 0
                    told = capsys.readouterr()
                    n_scores = json.loads(told.out)["scores"]
            finally:
                ended.set()
                controller.join()
            client.request(Abort(), timeout_s=DEADLINE_S)
    finally:
        daemon.terminate()
        daemon.wait(DEADLINE_S)
        if daemon.stdout is not None:
            daemon.stdout.close()
    assert "late by that window" in told.err
    line = json.loads(next(text for text in told.err.splitlines() if text.startswith("{")))
    assert -1 <= line["valence"] <= 1
    assert line["window_s"] == 1.0


def test_nobody_at_the_address_is_one_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = save_run(tmp_path / "run")
    for address in ("tcp://127.0.0.1:9", "tcp://192.0.2.1:5570", "nonsense"):
        assert evaluate_cli.main(["--live", address, "--run", str(run), "--quiet"]) == 1
        assert capsys.readouterr().err.startswith("error: ")
