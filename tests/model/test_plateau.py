"""When a run leaves the plateau, and how long it goes on then."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mavfer.store import ClipStore
from model.config import TrainConfig
from model.errors import ModelError
from model.plateau import curve_of_metrics, last_step, plateau_left
from model.run_folder import RunFolder
from model.train import train
from tests.model.test_train import assert_same_weights, plan, run


def line(step: int, **ccc: float | None) -> dict:
    return {"step": step, "validation": {output: {"ccc": v} for output, v in ccc.items()}}


def test_the_curve_is_the_mean_over_outputs() -> None:
    lines = [line(25, valence=0.5, arousal=None), line(50, valence=0.5, arousal=0.3), line(75)]
    assert curve_of_metrics(lines) == [(25, 0.25), (50, 0.4)]
    assert plateau_left(curve_of_metrics(lines)) == 50


def test_categories_never_leave_it() -> None:
    lines = [{"step": 25, "validation": {"category": {"accuracy": 1.0, "uar": 1.0}}}]
    assert plateau_left(curve_of_metrics(lines)) is None


@given(
    max_steps=st.integers(1, 100),
    past=st.none() | st.integers(1, 100),
    left=st.none() | st.integers(1, 300),
)
def test_who_leaves_it_in_time_has_as_long_after_it(
    max_steps: int, past: int | None, left: int | None
) -> None:
    config = TrainConfig(max_steps=max_steps, steps_past_plateau=past)
    last = last_step(config, left)
    assert max_steps <= last <= config.most_steps
    if past is not None and left is not None and left <= max_steps:
        assert last >= left + past
    else:
        assert last == max_steps


@pytest.mark.parametrize("cache", ["prepared", "none"])
def test_a_run_that_left_late_goes_on_and_can_be_interrupted_there(
    store: ClipStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: str
) -> None:
    wanted = {"cache": cache, "steps_past_plateau": 6}
    kept = run(store, tmp_path / "kept", **wanted)
    assert kept.steps == 6  # on the plateau to the end
    monkeypatch.setattr("model.plateau.PLATEAU_CCC", -2.0)
    seen: list[tuple[int, int]] = []
    whole = train(
        store, tmp_path / "whole", plan(**wanted), on_progress=lambda *at: seen.append(at)
    )
    assert (whole.steps, whole.stopped) == (9, "steps")
    assert seen[0] == (1, 6)
    assert seen[-1] == (9, 9)
    assert RunFolder(tmp_path / "whole").metrics()[-1]["step"] == 9
    # The same run, ended at step 6 and gone on with: it knows when it left.
    parts = train(store, tmp_path / "kept", plan(**wanted), resume=True)
    assert parts.steps == 9
    assert_same_weights(tmp_path / "whole", tmp_path / "kept")


def test_no_steps_past_it_are_refused() -> None:
    with pytest.raises(ModelError, match="steps_past_plateau is 0"):
        TrainConfig(steps_past_plateau=0)
