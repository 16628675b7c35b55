from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mavfer.store import ClipStore, open_store
from model import precision
from model.checkpoint import load_checkpoint
from model.config import ModelConfig, TrainConfig
from model.errors import ModelError, ModelWarning
from model.held_out import subject_roles
from model.initialise import build_network
from model.losses import training_loss
from model.pace import Pace
from model.precision import chosen_precision
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
    # Killed after its last step, a run has nothing left to do and still says how it ended.
    again = train(store, tmp_path / "run", quiet, resume=True)
    assert (again.steps, again.constant_output) == (result.steps, True)
    assert again.validation == result.validation


def test_a_split_without_labels_is_refused_before_a_folder_is_made(
    store: ClipStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unlabelled = np.full(40, np.nan, np.float32)
    monkeypatch.setattr(type(store), "labels", lambda *_: unlabelled)
    with pytest.raises(ModelError, match="12 without a valence label"):
        run(store, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_validation_people_without_labels_are_named_before_the_run(
    store: ClipStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = type(store)
    known = kind.labels

    def labels(self: ClipStore, video_id: str, dimension: str) -> np.ndarray:
        values = known(self, video_id, dimension)
        return np.full_like(values, np.nan) if video_id.startswith("V") else values

    monkeypatch.setattr(kind, "labels", labels)
    with pytest.warns(ModelWarning, match=r"V0, V1, .* valence label: the last weights are kept"):
        result = run(store, tmp_path / "run", max_steps=1)
    assert (result.n_validation_clips, result.n_validation_left_out) == (0, 6)
    # Nobody chose these weights.
    assert (
        result.validation_subjects == RunFolder(tmp_path / "run").info().validation_subjects == ()
    )
    assert "Checkpoint chosen on nobody" in (tmp_path / "run" / "MODEL_CARD.md").read_text()


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
    lines = []
    training = plan(
        max_steps=150,
        validate_every=25,
        learning_rate=2e-3,
        ccc_weight=0.3,
        seed=1,
        output_gain=1e-3,
        warmup_steps=30,
    )
    result = train(store, tmp_path / "run", training, on_validation=lines.append)
    assert result.validation["valence"]["ccc"] > 0.6
    flags = [line["constant_output"] for line in lines]
    assert flags[0]
    assert not flags[-1]
    assert result.plateau_end == lines[flags.index(False)]["step"]


def test_the_state_between_validations_is_kept_and_changes_nothing(
    store: ClipStore, tmp_path: Path
) -> None:
    run(store, tmp_path / "whole", validate_every=6)
    often = replace(plan(validate_every=6, max_steps=4), save_every_s=0.0)

    def stop(done: int, _total: int) -> None:
        if done == 4:
            raise KeyboardInterrupt

    longer = replace(often, train=replace(often.train, max_steps=6))
    with pytest.raises(KeyboardInterrupt):
        train(store, tmp_path / "parts", longer, on_progress=stop)
    assert RunFolder(tmp_path / "parts").metrics() == []
    first_seen = []
    train(
        store,
        tmp_path / "parts",
        plan(validate_every=6),
        resume=True,
        on_progress=lambda done, _: first_seen.append(done),
    )
    assert first_seen[0] == 4  # steps 1 to 3 were not repeated
    assert_same_weights(tmp_path / "whole", tmp_path / "parts")
    whole, parts = (RunFolder(tmp_path / name).metrics() for name in ("whole", "parts"))
    assert whole[0]["train_loss"] == parts[0]["train_loss"]


def test_checkpointing_changes_no_bit(store: ClipStore, tmp_path: Path) -> None:
    run(store, tmp_path / "plain", max_steps=3)
    run(store, tmp_path / "checkpointed", max_steps=3, checkpointing=True)
    assert_same_weights(tmp_path / "plain", tmp_path / "checkpointed")


def test_bfloat16_is_refused_where_it_crawls(
    store: ClipStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    assert chosen_precision("auto", CPU) == torch.float32
    with pytest.raises(ModelError, match="precision is bfloat16"):
        run(store, tmp_path / "run", precision="bfloat16")
    gpu = torch.device("cuda")
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: True)
    assert chosen_precision("auto", gpu) == torch.bfloat16
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: False)
    assert chosen_precision("auto", gpu) == torch.float32
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    monkeypatch.setattr(precision, "_gradients_are_right", lambda: True)
    assert chosen_precision("bfloat16", CPU) == torch.bfloat16
    monkeypatch.setattr(precision, "_gradients_are_right", lambda: False)
    with pytest.raises(ModelError, match="cpu gets wrong gradients in it"):
        run(store, tmp_path / "run", precision="bfloat16")
    assert not (tmp_path / "run").exists()


class WrongInHalfWidth(torch.nn.Conv3d):
    """What torch does on some processors: right scores, gradients of memory nobody wrote."""

    def forward(self, clip: torch.Tensor) -> torch.Tensor:
        if torch.is_autocast_enabled("cpu"):
            self.weight.register_hook(lambda gradient: gradient * float("nan"))
        return super().forward(clip)


def test_wrong_gradients_in_half_width_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    monkeypatch.setattr(torch.nn, "Conv3d", WrongInHalfWidth)
    precision._gradients_are_right.cache_clear()
    state = torch.get_rng_state()
    try:
        assert precision.bfloat16_fault(CPU) == precision.WRONG_GRADIENTS
    finally:
        precision._gradients_are_right.cache_clear()
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("validation", "expected"),
    [("auto", {"V0", "V1"}), ("store", {"V0", "V1"}), ("none", set()), ("train", None)],
)
def test_validation_subjects(store: ClipStore, validation: str, expected: set[str] | None) -> None:
    roles = subject_roles(store, TrainConfig(validation=validation, validation_share=0.4))
    if expected is None:  # carved out of T0 to T3, the same ones for every seed
        assert len(roles.validate) == 2
        assert roles.validate | roles.learn == {"T0", "T1", "T2", "T3"}
        again = subject_roles(store, TrainConfig(validation="train", validation_share=0.4, seed=9))
        assert roles == again
    else:
        assert (set(roles.validate), len(roles.learn)) == (expected, 4)
    assert not roles.validate & roles.learn


def test_held_out_training_subjects_stop_the_run(store: ClipStore, tmp_path: Path) -> None:
    result = run(store, tmp_path / "run", validation="train", validation_share=0.25, max_steps=3)
    assert (result.n_train_clips, result.n_validation_clips) == (9, 3)
    assert result.validation_subjects == RunFolder(tmp_path / "run").info().validation_subjects
    assert set(result.validation_subjects) < {"T0", "T1", "T2", "T3"}


def test_tensorboard_events_say_what_the_metrics_say(store: ClipStore, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    started = replace(plan(max_steps=3), tensorboard=True)
    train(store, tmp_path / "run", started)
    resumed = replace(plan(max_steps=6), tensorboard=True)
    train(store, tmp_path / "run", resumed, resume=True)
    events = EventAccumulator(str(tmp_path / "run" / "events"))
    events.Reload()
    lines = RunFolder(tmp_path / "run").metrics()
    for tag, values in (
        ("train/train_loss", [line["train_loss"] for line in lines]),
        ("validation/valence/ccc", [line["validation"]["valence"]["ccc"] for line in lines]),
    ):
        scalars = events.Scalars(tag)
        assert [s.step for s in scalars] == [3, 6]
        assert [s.value for s in scalars] == pytest.approx(values, rel=1e-6)


def test_pace_knows_the_waits() -> None:
    pace = Pace()
    assert (pace.clips_per_s, pace.data_share) == (0.0, 0.0)
    for _ in range(3):
        with pace.waiting():
            pass
        with pace.step(4):
            sum(range(10_000))
    assert pace.clips_per_s == pytest.approx(12 / sum(pace.step_s))
    assert 0 <= pace.data_share < 1
    assert "clips/s, data wait" in str(pace)
