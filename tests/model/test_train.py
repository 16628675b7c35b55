from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from capture.files import OutputExistsError
from mavfer.store import ClipStore, open_store
from model.checkpoint import load_checkpoint
from model.config import ModelConfig, TrainConfig
from model.errors import CheckpointError, ModelError
from model.initialise import build_network
from model.losses import training_loss
from model.run_folder import RunFolder
from model.train import TrainPlan, TrainResult, train

CPU = torch.device("cpu")


def plan(model: dict | None = None, **changes) -> TrainPlan:
    config = ModelConfig(
        "mran",
        ("color", "thermal"),
        input_px=16,
        width=1 / 8,
        fc_units=16,
        dropout=0.2,
        attention="standardise",
        upsampling="bilinear",
        normalisation="clip",
    )
    base = {
        "batch_size": 4,
        "max_steps": 6,
        "learning_rate": 1e-3,
        "initialisation": "he",
        "output_gain": 0.1,
        "validate_every": 3,
        "patience": None,
        "cache": "prepared",
    }
    training = TrainConfig(**(base | changes))
    return TrainPlan(replace(config, **(model or {})), training, "small", CPU)


def run(store: ClipStore, folder: Path, **changes) -> TrainResult:
    return train(store, folder, plan(**changes))


def weights(folder: Path) -> dict[str, torch.Tensor]:
    network, _ = load_checkpoint(RunFolder(folder).checkpoint)
    return network.state_dict()


def assert_same_weights(one: Path, other: Path) -> None:
    first, second = weights(one), weights(other)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_run_leaves_its_files_and_says_how_it_ended(store: ClipStore, tmp_path: Path) -> None:
    result = run(store, tmp_path / "run")
    files = RunFolder(tmp_path / "run")
    assert (result.stopped, result.steps) == ("steps", 6)
    assert (result.n_train_clips, result.n_validation_clips) == (12, 6)
    lines = files.metrics()
    assert [line["step"] for line in lines] == [3, 6]
    assert set(lines[0]["validation"]["valence"]) == {"n", "rmse", "cc", "ccc", "sd"}
    info = files.info()
    assert info.store_fingerprint == store.fingerprint
    assert info.stats["color"]["mean"] == store.stats["color"]["mean"]
    assert result.validation == lines[result.best_step // 3 - 1]["validation"]


def test_the_seed_decides_everything(store: ClipStore, tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        torch.manual_seed(len(name) + seed)
        run(store, tmp_path / name, seed=seed)
    assert_same_weights(tmp_path / "a", tmp_path / "b")
    a, c = weights(tmp_path / "a"), weights(tmp_path / "c")
    assert not torch.equal(a["head.fc1.weight"], c["head.fc1.weight"])


@pytest.mark.parametrize("cache", ["prepared", "none"])
def test_a_resumed_run_ends_where_an_uninterrupted_one_does(
    store: ClipStore, tmp_path: Path, cache: str
) -> None:
    run(store, tmp_path / "whole", cache=cache)
    run(store, tmp_path / "parts", cache=cache, max_steps=3)
    RunFolder(tmp_path / "parts").append({"step": 5, "time_s": 0, "train_loss": 0})
    result = train(store, tmp_path / "parts", plan(), resume=True)
    assert result.steps == 6
    assert_same_weights(tmp_path / "whole", tmp_path / "parts")
    whole, parts = (RunFolder(tmp_path / name).metrics() for name in ("whole", "parts"))
    assert [line["train_loss"] for line in whole] == [line["train_loss"] for line in parts]


def test_resume_needs_a_run_and_its_store(store: ClipStore, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="nothing to resume"):
        train(store, tmp_path / "none", plan(), resume=True)
    run(store, tmp_path / "run", max_steps=1)
    store.fingerprint = "another"
    with pytest.raises(ModelError, match="another store"):
        train(store, tmp_path / "run", plan(), resume=True)


def test_a_folder_in_use_is_not_overwritten(store: ClipStore, tmp_path: Path) -> None:
    run(store, tmp_path / "run", max_steps=1)
    with pytest.raises(OutputExistsError, match="not empty"):
        run(store, tmp_path / "run")
    train(store, tmp_path / "run", plan(max_steps=1), overwrite=True)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("x")
    with pytest.raises(ModelError, match="no training run"):
        train(store, tmp_path / "mine", plan(), overwrite=True)
    assert (tmp_path / "mine" / "thesis.tex").read_text() == "x"


def test_the_time_budget_ends_a_run_with_a_checkpoint(store: ClipStore, tmp_path: Path) -> None:
    result = train(store, tmp_path / "run", replace(plan(), max_seconds=0.0))
    assert (result.stopped, result.steps) == ("time", 0)
    assert load_checkpoint(RunFolder(tmp_path / "run").checkpoint)[1].step == 0


def test_patience_ends_a_run_that_gets_no_better(store: ClipStore, tmp_path: Path) -> None:
    result = run(
        store, tmp_path / "run", learning_rate=1e-12, validate_every=1, patience=2, max_steps=50
    )
    assert result.stopped == "patience"
    assert result.steps < 50


def test_constant_output_is_noticed(store: ClipStore, tmp_path: Path) -> None:
    lines = []
    quiet = plan(output_gain=1e-6, learning_rate=1e-9)
    result = train(store, tmp_path / "run", quiet, on_validation=lines.append)
    assert result.constant_output
    assert all(line["constant_output"] for line in lines)


def test_a_split_without_labels_is_refused_before_a_folder_is_made(
    store: ClipStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unlabelled = np.full(40, np.nan, np.float32)
    monkeypatch.setattr(type(store), "labels", lambda *_: unlabelled)
    with pytest.raises(ModelError, match="12 without a valence label"):
        run(store, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_divergence_is_an_error_not_a_checkpoint(store: ClipStore, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="diverged"):
        run(store, tmp_path / "run", learning_rate=1e11)
    assert not RunFolder(tmp_path / "run").checkpoint.exists()


def test_one_color_film_trains_without_validation(film_path: Path, tmp_path: Path) -> None:
    uran = plan({"architecture": "uran", "modalities": ("color",)})
    with open_store(film_path) as store:
        result = train(store, tmp_path / "run", uran)
    assert (result.validation, result.n_validation_clips) == ({}, 0)
    assert load_checkpoint(RunFolder(tmp_path / "run").checkpoint)[1].step == 6


@pytest.mark.parametrize("attention", ["mean1", "standardise"])
def test_two_clips_can_be_learned_by_heart(attention: str) -> None:
    config = replace(plan().model, attention=attention, dropout=0.0)
    network = build_network(config, seed=0, initialisation="he", output_gain=0.1)
    generator = torch.Generator().manual_seed(0)
    clips = {
        name: torch.randn(16, 2, 3 if name == "color" else 1, 16, 16, generator=generator)
        for name in config.modalities
    }
    gold = torch.tensor([[0.7], [-0.5]])
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    for _ in range(40):
        optimizer.zero_grad()
        loss = training_loss(network(clips).score, gold, config, plan().train)
        loss.backward()
        optimizer.step()
    assert loss.item() < 1e-2


@pytest.mark.slow
def test_the_drawn_mouth_is_learned(store: ClipStore, tmp_path: Path) -> None:
    """End to end: unseen subjects, more than chance, on a task that a person solves at sight."""
    training = plan(max_steps=150, validate_every=25, learning_rate=2e-3, ccc_weight=0.3, seed=1)
    result = train(store, tmp_path / "run", training)
    assert result.validation["valence"]["ccc"] > 0.6
