"""What is said at the end of a run must not let a constant pass for a result."""

from dataclasses import asdict, replace

import pytest

from model.config import TrainConfig
from model.train import TrainResult
from model.train_report import report_lines

SCORES = {"n": 6, "rmse": 0.5, "cc": 0.2, "ccc": 0.1, "sd": 0.1}
RESULT = TrainResult(
    stopped="steps",
    steps=500,
    best_step=475,
    seconds_s=100.0,
    step_s=0.2,
    clips_per_s=40.0,
    data_wait=0.0,
    validation={"valence": SCORES},
    validation_subjects=("V0",),
    n_parameters=1000,
    n_train_clips=12,
    n_validation_clips=6,
    n_without_face=0,
    n_without_label=0,
    n_validation_left_out=0,
    constant_output=False,
    plateau_end=25,
    precision="float32",
    n_ranks=1,
)
TRAIN = TrainConfig(max_steps=500)


def said(result: TrainResult, train: TrainConfig = TRAIN) -> str:
    names = {"run": "runs/x", "checkpoint": "runs/x/checkpoint.safetensors", "device": "cpu"}
    kind = {"model": "uran", "modalities": ["color"], "preset": "small"}
    return "\n".join(report_lines({**names, **kind, **asdict(result)}, train))


def test_a_run_on_the_plateau_is_told_how_to_go_on() -> None:
    text = said(RESULT)
    assert "best validation CCC is 0.100, not above 0.3" in text
    assert "mavfer-train STORE -o runs/x --resume --steps 1500" in text


def test_a_run_that_ran_out_of_patience_cannot_simply_go_on() -> None:
    text = said(replace(RESULT, stopped="patience"))
    assert "--set patience=null" in text
    assert "--resume" not in text


def test_time_that_ran_out_early_leaves_the_steps_as_planned() -> None:
    text = said(replace(RESULT, stopped="time", steps=40), TrainConfig(max_steps=20_000))
    assert "--resume --steps 20000" in text


@pytest.mark.parametrize(
    "result",
    [
        replace(RESULT, validation={"valence": SCORES | {"ccc": 0.31}}),
        replace(RESULT, validation={"category": {"n": 6, "accuracy": 0.5, "uar": 0.5, "sd": 0.1}}),
        replace(RESULT, validation={}, n_validation_clips=0),
        replace(RESULT, stopped="fitted", steps=1, best_step=1),
    ],
    ids=["past it", "categories", "no validation", "closed form"],
)
def test_nobody_else_is_told(result: TrainResult) -> None:
    assert "plateau" not in said(result)


def test_both_outputs_count() -> None:
    both = {"valence": SCORES | {"ccc": 0.5}, "arousal": SCORES | {"ccc": None}}
    assert "best validation CCC is 0.250" in said(replace(RESULT, validation=both))


def test_why_there_was_no_validation() -> None:
    none = replace(RESULT, validation={}, n_validation_clips=0)
    assert "no validation split: the checkpoint holds the last weights" in said(none)
    text = said(replace(none, n_validation_left_out=6))
    assert "the validation split has no clip with a face and a label" in text
    assert "no validation split" not in text
