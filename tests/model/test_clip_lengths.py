"""Clips as long as the videos, and longer: nothing is left out without a word."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mavfer.store import open_store
from mavfer.store_assembly import write_store
from mavfer.store_writer import StoreLayout, VideoEntry
from model.benchmark import BenchmarkPlan, carry_out, plan_rows
from model.benchmark_tables import make_table
from model.checkpoint import CheckpointInfo
from model.clip_ceiling import clip_ceiling
from model.clip_length_figure import ceilings_by_length, draw_clip_lengths, scores_by_length
from model.config import ModelConfig, TrainConfig
from model.errors import ModelError
from model.evaluate import evaluate
from model.experiments import CLIP_LENGTHS, EXPERIMENTS
from model.initialise import build_network
from model.results import describe_run, summarise, write_results

SPLITS = {"T0": "train", "T1": "train", "V0": "validation", "X0": "test", "X1": "test"}
N_FRAMES = 32


def cut(entry: VideoEntry, subject: str, n_frames: int = N_FRAMES) -> VideoEntry:
    part = slice(n_frames)
    return replace(
        entry,
        id=f"{subject}-video",
        subject=subject,
        crops=list(entry.crops)[part],
        **{
            name: getattr(entry, name)[part]
            for name in (
                *("time_ns", "valence", "arousal", "face_source"),
                *("landmarks_px", "T_crop_color"),
            )
        },
    )


@pytest.fixture
def short_store(film_entry: VideoEntry, tmp_path: Path) -> Path:
    path = tmp_path / "short.h5"
    layout = StoreLayout(
        modalities=("color", "depth", "thermal"), crop_px=32, clip_length=16, rate_hz=4.0
    )
    entries = [cut(film_entry, subject) for subject in SPLITS]
    entries[-1] = cut(film_entry, "X1", N_FRAMES - 1)
    write_store(path, entries, layout=layout, splits=SPLITS)
    return path


def test_clips_of_every_length_of_fig11_fit_videos_of_32_frames(
    short_store: Path, tmp_path: Path
) -> None:
    experiment = EXPERIMENTS["fig11"]
    small = {"width": 0.05, "input_px": 16, "fc_units": 4}
    with open_store(short_store) as store:
        plan = BenchmarkPlan(store, tmp_path, n_seeds=1, steps=1, settings=small)
        rows = plan_rows(experiment, plan)
        assert [row.specs[0].model.clip_length for row in rows] == list(CLIP_LENGTHS)
        rows = (rows[0], rows[-1])
        assert carry_out(rows, plan) == {}
        table = make_table(experiment, rows, plan, {})
        ceilings = ceilings_by_length(rows, store)
    lengths = scores_by_length(table, rows[::-1])
    assert list(lengths) == [CLIP_LENGTHS[0], N_FRAMES]
    paths = draw_clip_lengths(lengths, ceilings, tmp_path, "fig11")
    again = draw_clip_lengths(lengths, ceilings, tmp_path / "again", "fig11")
    for kind, path in paths.items():
        assert path.read_bytes() == again[kind].read_bytes()
    drawn = paths["figure_svg"].read_text()
    for text in (
        "RMSE",
        "CC",
        "CCC",
        "frames of a clip",
        "paper: best",
        "labels of the clips",
        "4",
    ):
        assert f"<!-- {text} -->" in drawn
    assert CLIP_LENGTHS[-1] == N_FRAMES
    for row in table.rows:
        assert len(row.scores["rmse"].known) == 1
        assert "one score a clip, without any error, would have CCC 0." in row.note
        told = "1 test videos are shorter than a clip or show no face: not scored" in row.note
        assert told == (row.label == f"T = {N_FRAMES}")


def test_one_score_a_clip_says_less_the_longer_the_clip(short_store: Path) -> None:
    config = ModelConfig("cnn3d", ("color",), input_px=16)
    found = {}
    with open_store(short_store) as store:
        for frames in (1, 4, 16, N_FRAMES):
            scores = clip_ceiling(store, replace(config, clip_length=frames))
            assert scores is not None
            found[frames] = scores
        whole = store.labels("X0-video", "valence").astype(np.float64)
    assert found[1]["ccc"] == pytest.approx(1, abs=1e-4)
    assert found[1]["ccc"] > found[4]["ccc"] > found[16]["ccc"]
    # One clip a video is one number a video: its error is what the labels differ from their mean.
    assert found[N_FRAMES]["n"] == np.isfinite(whole).sum() > N_FRAMES - 3
    assert found[N_FRAMES]["rmse"] == pytest.approx(np.nanstd(whole), rel=1e-5)


def test_videos_of_one_clip_have_no_mean_over_videos(short_store: Path, tmp_path: Path) -> None:
    config = ModelConfig(
        *("cnn3d", ("color",)),
        input_px=16,
        width=1 / 8,
        clip_length=N_FRAMES,
        normalisation="clip",
    )
    info = CheckpointInfo(config, TrainConfig(), "small", {}, "x", 0, {})
    network = build_network(config, seed=0, initialisation="he")
    with open_store(short_store) as store:
        found = evaluate(network, info, store)
        assert found.left_out == ("X1-video",)
        assert found.n_clips == 1
        mean, spread = found.over_videos("valence")
        assert (mean["n"], mean["ccc"], spread["ccc"]) == (0, None, None)
        summary = summarise(found, describe_run(info, Path("c")), split="test")
        summary |= {"store": "s", "knock_out": None}
        write_results(found, summary, tmp_path / "out", overwrite=False)
        page = (tmp_path / "out" / "report.html").read_text()
        assert "No video is longer than a clip" in page
        assert "shorter than a clip or show no face: X1-video" in page
        longer = replace(config, clip_length=48)
        other = build_network(longer, seed=0, initialisation="he")
        with pytest.raises(ModelError, match=r"no clip of 48 frames .* 2 videos") as error:
            evaluate(other, replace(info, model=longer), store)
    assert "shorter clips" in str(error.value.remedy)
