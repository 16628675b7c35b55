"""Smoothing, centring and scaling, and on whom they are fitted."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation.agreement import ccc
from mavfer.store import ClipStore
from model.errors import ModelError
from model.evaluation import Evaluation
from model.fit_chain import chain_of_run, fitted
from model.post_processing import (
    PostProcessing,
    fit_post_processing,
    read_chain,
    smoothed,
    write_chain,
)
from tests.model.untrained import untrained


def traces(seed: int = 0, *, scale: float = 0.4, shift: float = 0.3, noise: float = 0.1):
    rng = np.random.default_rng(seed)
    time_ns = np.arange(400) * 250_000_000
    gold = 0.7 * np.sin(2 * np.pi * time_ns / 40e9 + rng.uniform(0, 6))
    predicted = scale * gold + shift + noise * rng.standard_normal(len(gold))
    return predicted, gold, time_ns


def test_post_processing_undoes_shift_and_scale_and_smooths() -> None:
    chain = fit_post_processing([traces(1), traces(2)])
    assert chain.window_s > 0
    assert chain.shift == pytest.approx(-0.3, abs=0.03)
    assert chain.scale == pytest.approx(1 / 0.4, rel=0.1)
    predicted, gold, time_ns = traces(3)  # people it was not fitted on
    assert ccc(chain.apply(predicted, time_ns), gold) > 0.95 > ccc(predicted, gold) + 0.3


def test_steps_that_do_not_help_are_left_out() -> None:
    predicted, gold, time_ns = traces(1, scale=1.0, shift=0.0, noise=0.0)
    assert fit_post_processing([(predicted, gold, time_ns)]) == PostProcessing()
    assert fit_post_processing([]) == PostProcessing()
    unlabelled = np.full_like(gold, np.nan)
    assert fit_post_processing([(predicted, unlabelled, time_ns)]) == PostProcessing()


@given(seed=st.integers(0, 200), scale=st.floats(-1, 3), shift=st.floats(-1, 1))
def test_post_processing_never_lowers_the_ccc_it_was_fitted_to(
    seed: int, scale: float, shift: float
) -> None:
    predicted, gold, time_ns = traces(seed, scale=scale, shift=shift)
    chain = fit_post_processing([(predicted, gold, time_ns)])
    before, after = ccc(predicted, gold), ccc(chain.apply(predicted, time_ns), gold)
    assert after >= before - 1e-9


def test_medians_are_of_an_odd_number_of_frames() -> None:
    values = np.zeros(41)
    values[20] = 1.0
    time_ns = np.arange(41) * 250_000_000
    assert smoothed(values, time_ns, window_s=0.75).max() == 0
    assert smoothed(values, time_ns, window_s=0.2)[20] == 1.0  # less than three frames
    assert len(smoothed(values, time_ns, window_s=1000.0)) == 41


def test_the_chain_is_fitted_on_validation_subjects_only_and_kept(
    store: ClipStore, tmp_path: Path
) -> None:
    network, info = untrained()
    info = replace(info, store_fingerprint=store.fingerprint)
    seen: list[str] = []
    original = store.read

    def read(video_id: str, *args, **kwargs):
        seen.append(video_id)
        return original(video_id, *args, **kwargs)

    store.read = read  # type: ignore[method-assign]
    chain = chain_of_run(network, info, store, run=tmp_path)
    assert chain is not None
    assert set(seen) == {"V0-video", "V1-video"}
    assert chain.subjects == ("V0", "V1")
    assert read_chain(tmp_path / "post_processing.json") == chain
    seen.clear()
    assert chain_of_run(network, info, store, run=tmp_path) == chain
    assert not seen  # read, not fitted again
    other = replace(info, store_fingerprint="another", step=5)
    assert chain_of_run(network, other, store, run=None) is None


def test_a_damaged_chain_is_one_error(tmp_path: Path, evaluation: Evaluation) -> None:
    _, info = untrained()
    path = tmp_path / "post_processing.json"
    assert read_chain(path) is None
    write_chain(path, fitted(evaluation, info, ["V0"]))
    whole = json.loads(path.read_text())
    for damage in ("[]", "{", "3", json.dumps(whole | {"outputs": {"valence": {"scale": "x"}}})):
        path.write_text(damage)
        with pytest.raises(ModelError):
            read_chain(path)
