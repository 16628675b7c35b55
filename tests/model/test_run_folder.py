"""What a run leaves on disk: never over something else, and of use whatever happened to it."""

from pathlib import Path

import pytest
import torch

from capture.files import OutputExistsError
from mavfer.store import ClipStore
from model.checkpoint import load_checkpoint
from model.errors import CheckpointError, ModelError
from model.run_folder import Progress, RunFolder
from model.train import train
from tests.model.test_train import assert_same_weights, plan, run, weights


@pytest.mark.parametrize(
    "line",
    [
        "[]",
        '{"a": 1}',
        "7",
        '{"step": "3", "time_s": 1, "train_loss": 1, "validation": {}}',
        '{"step": 3, "time_s": null, "train_loss": 1, "validation": {}}',
        '{"step": 3, "time_s": 1, "train_loss": 1, "validation": {"valence": 1}}',
        '{"step": 3, "time_s": 1, "train_loss": [], "validation": {}}',
        '{"step": 3, "time_s": 1, "tra',
    ],
)
def test_what_is_no_line_of_metrics_is_left_out(tmp_path: Path, line: str) -> None:
    files = RunFolder(tmp_path)
    good = {"step": 3, "time_s": 2.5, "train_loss": None, "validation": {"valence": {"ccc": 0.5}}}
    (tmp_path / "metrics.jsonl").write_text(f"{line}\n")
    files.append(good)
    assert files.metrics() == [good]
    assert files.trained_s() == 2.5
    files.forget_after(3)
    assert files.metrics() == [good]


def test_a_lost_checkpoint_is_not_passed_over(store: ClipStore, tmp_path: Path) -> None:
    run(store, tmp_path / "run")
    RunFolder(tmp_path / "run").checkpoint.unlink()
    with pytest.raises(CheckpointError, match=r"checkpoint.safetensors is missing.*--overwrite"):
        train(store, tmp_path / "run", plan(), resume=True)


def test_a_config_cut_off_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"format": "mavfer-ch')
    with pytest.raises(CheckpointError, match=r"config.json cannot be read.*undamaged copy"):
        RunFolder(tmp_path).info()


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


def test_a_wrong_path_of_weights_leaves_no_folder(store: ClipStore, tmp_path: Path) -> None:
    vgg = {"architecture": "vgg16", "modalities": ("color",), "width": 1.0, "backbone_px": 32}
    wanted = plan(vgg, initialisation="pretrained", pretrained=str(tmp_path / "none.pth"))
    with pytest.raises(ModelError, match="no pretrained weights at"):
        train(store, tmp_path / "run", wanted)
    assert not (tmp_path / "run").exists()


def test_a_diverged_run_keeps_its_last_good_checkpoint(store: ClipStore, tmp_path: Path) -> None:
    run(store, tmp_path / "run", max_steps=3)
    before = weights(tmp_path / "run")
    files = RunFolder(tmp_path / "run")
    network, info = load_checkpoint(files.checkpoint)
    with torch.no_grad():
        network.head.fc1.weight.fill_(3e38)
    optimizer = torch.optim.Adam(network.parameters())
    progress = Progress(step=3, best_step=3, best_score=0.1)
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    files.save_resume(network, optimizer, info, progress)
    with pytest.raises(ModelError, match=r"diverged; the checkpoint of step 3 is kept.*learning"):
        train(store, tmp_path / "run", plan(), resume=True)
    after = weights(tmp_path / "run")
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_run_killed_before_anything_was_kept_begins_again(
    store: ClipStore, tmp_path: Path
) -> None:
    run(store, tmp_path / "whole")
    run(store, tmp_path / "killed")
    for name in ("resume.safetensors", "checkpoint.safetensors", "metrics.jsonl"):
        (tmp_path / "killed" / name).unlink()
    (tmp_path / "killed" / ".resume.safetensors.0a0a.partial").write_bytes(b"half")
    result = train(store, tmp_path / "killed", plan(), resume=True)
    assert result.steps == 6
    assert_same_weights(tmp_path / "whole", tmp_path / "killed")
    assert not list((tmp_path / "killed").glob("*.partial"))
