import csv
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation.agreement import ccc
from mavfer.clips import clip_starts
from mavfer.store import ClipStore
from model.checkpoint import CheckpointInfo
from model.config import ModelConfig, TrainConfig
from model.errors import ModelError
from model.evaluate import Evaluation, average_clips, evaluate
from model.initialise import build_network
from model.knock_out import KNOCK_OUTS, guide_partners
from model.network import RecurrentAttentionNetwork
from model.results import predictions_csv, summarise
from model.scores import score

CONFIG = ModelConfig(
    "mran",
    ("color", "depth", "thermal"),
    input_px=16,
    width=1 / 8,
    fc_units=8,
    attention="standardise",
    upsampling="bilinear",
    normalisation="clip",
)


def untrained(config: ModelConfig = CONFIG) -> tuple[RecurrentAttentionNetwork, CheckpointInfo]:
    info = CheckpointInfo(config, TrainConfig(), "small", {}, "x", 0, {})
    return build_network(config, seed=0, initialisation="he"), info


@pytest.fixture
def evaluation(store: ClipStore) -> Evaluation:
    network, info = untrained()
    return evaluate(network, info, store)


@given(
    n_frames=st.integers(16, 90),
    stride=st.integers(1, 16),
    dropped=st.integers(0, 3),
)
def test_a_frames_score_is_the_mean_over_its_clips(
    n_frames: int, stride: int, dropped: int
) -> None:
    starts = list(clip_starts(n_frames, 16, stride_frames=stride))
    kept = starts[dropped:] or starts[-1:]
    values = np.arange(len(kept), dtype=np.float32)[:, None]
    frames, n_interpolated = average_clips(values, kept, n_frames=n_frames, clip_length=16)
    covered = 0
    for row in range(n_frames):
        mine = [k for k, start in enumerate(kept) if start <= row < start + 16]
        if mine:
            covered += 1
            assert frames[row, 0] == pytest.approx(np.mean(mine))
    assert n_interpolated == n_frames - covered
    if kept[0] > 0:
        assert frames[0, 0] == frames[kept[0], 0]  # nothing is extrapolated at the ends


def test_gaps_between_clips_are_interpolated() -> None:
    frames, n = average_clips(
        np.array([[0.0], [1.0]], np.float32), [0, 6], n_frames=8, clip_length=2
    )
    assert n == 4
    np.testing.assert_allclose(frames[:, 0], [0, 0, 0.2, 0.4, 0.6, 0.8, 1, 1], atol=1e-6)


def test_every_frame_of_the_test_split_is_predicted(
    store: ClipStore, evaluation: Evaluation
) -> None:
    assert [v.video_id for v in evaluation.videos] == ["X0-video", "X1-video"]
    assert all(v.predicted.shape == (40, 1) for v in evaluation.videos)
    assert evaluation.n_clips == 2 * len(clip_starts(40, 16, stride_frames=8))
    gold = np.concatenate([store.labels(v.video_id, "valence") for v in evaluation.videos])
    predicted = np.concatenate([v.predicted[:, 0] for v in evaluation.videos])
    known = np.isfinite(gold)
    expected = ccc(predicted[known], gold[known])
    assert evaluation.pooled()["valence"]["ccc"] == pytest.approx(expected)
    assert evaluation.pooled()["valence"]["n"] == 78
    assert set(evaluation.by_subject()) == {"X0", "X1"}


def test_predictions_do_not_depend_on_the_batches(store: ClipStore, evaluation: Evaluation) -> None:
    network, info = untrained()
    other = evaluate(network, info, store, batch_size=3)
    for one, two in zip(evaluation.videos, other.videos, strict=True):
        np.testing.assert_allclose(one.predicted, two.predicted, atol=1e-5)


@pytest.mark.parametrize("knock_out", KNOCK_OUTS)
def test_knock_outs_change_what_they_should(
    store: ClipStore, evaluation: Evaluation, knock_out: str
) -> None:
    network, info = untrained()
    spoiled = evaluate(network, info, store, knock_out=knock_out)
    one, two = evaluation.videos[0].predicted, spoiled.videos[0].predicted
    assert not np.array_equal(one, two)
    if knock_out.endswith("-attention"):
        assert spoiled.attention_between_clips < 1e-6
    if knock_out == "uniform-attention":
        assert spoiled.attention_contrast == 0


def test_a_network_without_guides_has_none_to_knock_out(store: ClipStore) -> None:
    network, info = untrained(replace(CONFIG, architecture="uran", modalities=("color",)))
    with pytest.raises(ModelError, match="no guides"):
        evaluate(network, info, store, knock_out="zero-guides")


@given(n=st.integers(2, 50))
def test_shuffled_guides_are_never_ones_own(n: int) -> None:
    partners = guide_partners(n)
    assert sorted(partners) == list(range(n))
    assert all(row != partner for row, partner in enumerate(partners))


def test_a_store_of_other_modalities_is_refused(store: ClipStore) -> None:
    network, info = untrained()
    store.modalities = ("color",)
    with pytest.raises(ModelError, match="has no depth, thermal"):
        evaluate(network, info, store)


def test_summary_and_table_of_predictions(evaluation: Evaluation) -> None:
    _, info = untrained()
    summary = summarise(evaluation, info, checkpoint=Path("c"), split="test")
    assert summary["pooled"] == summary["outputs"]["valence"]["pooled"]
    assert (summary["n_frames"], summary["n_subjects"]) == (80, 2)
    rows = list(csv.DictReader(io.StringIO(predictions_csv(evaluation))))
    assert len(rows) == 80
    assert rows[0]["gold"] == ""
    assert float(rows[41]["time_s"]) == 0.25
    assert float(rows[41]["predicted"]) == pytest.approx(
        float(evaluation.videos[1].predicted[1, 0]), abs=1e-5
    )


def test_scores_leave_out_the_unknown_and_name_the_undefined() -> None:
    found = score(np.array([0.1, 0.2, np.nan, 0.4]), np.array([0.1, np.nan, 0.3, 0.5]))
    assert found["n"] == 2
    assert score(np.ones(3), np.array([0.0, 1, 2]))["cc"] is None
    assert score(np.array([]), np.array([])) == {
        "n": 0,
        "rmse": None,
        "cc": None,
        "ccc": None,
        "sd": None,
    }
