"""Predictions on a film of a face."""

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pyarrow.parquet
import pytest

from model import evaluate_cli
from model.checkpoint import CheckpointInfo, save_checkpoint
from model.config import ModelConfig, TrainConfig
from model.initialise import build_network

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
    film: Path, faces: list[np.ndarray], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, out = save_run(tmp_path / "run"), tmp_path / "out"
    words = ["--video", str(film), "--run", str(run), "-o", str(out), "--quiet", "--json"]
    assert evaluate_cli.main([*words, "--threads", "1"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["n_frames"] == len(faces)
    table = pyarrow.parquet.read_table(out / "predictions.parquet")
    assert table.num_rows == 2 * len(faces)
    assert table["predicted"].null_count == 0
    assert table["gold"].null_count == 2 * len(faces)
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


def write_noise(path: Path, n_frames: int) -> None:
    rng = np.random.default_rng(0)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=4)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for number in range(n_frames):
            image = rng.integers(0, 256, (64, 64, 3), np.uint8)
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            frame.pts, frame.time_base = number, Fraction(1, 4)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing.mp4", "no video file at"),
        ("text.mp4", "cannot be read as video"),
        ("noise.mp4", "a face is in 0 of 6 frames, expected one in most of 4 frames in a row"),
        ("short.mp4", "of 2 frames, expected one in most of 4 frames in a row"),
    ],
)
def test_a_film_that_cannot_be_used_is_told_of_in_one_line_and_not_of_stores(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, message: str
) -> None:
    (tmp_path / "text.mp4").write_bytes(b"no film")
    write_noise(tmp_path / "noise.mp4", 6)
    write_noise(tmp_path / "short.mp4", 2)
    run = save_run(tmp_path / "run")
    words = ["--video", str(tmp_path / name), "--run", str(run), "--quiet"]
    assert evaluate_cli.main([*words, "-o", str(tmp_path / "out")]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in error
    assert error.strip().count("\n") == 0
    assert not any(word in error for word in ("store", "source", "--skip-bad", "--split"))
    assert not (tmp_path / "out").exists()
