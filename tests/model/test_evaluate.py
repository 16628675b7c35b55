"""Predictions frame by frame, and with something knocked out."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation.agreement import ccc
from mavfer.clips import clip_starts
from mavfer.errors import DatasetError
from mavfer.store import ClipStore, open_store
from mavfer.store_assembly import write_store
from mavfer.store_writer import FrameCrops, StoreLayout
from model.clip_rate import grid_rows
from model.data import ClipDataset
from model.errors import ModelError
from model.evaluate import average_clips, evaluate, onto_frames, spread
from model.evaluation import Evaluation
from model.knock_out import KnockOut, knock_outs_of, partners
from model.results import describe_run, summarise, write_results
from model.scores import score
from tests.model.untrained import CONFIG, untrained

EACH = [str(one) for one in knock_outs_of(CONFIG)]


@given(
    n_frames=st.integers(16, 90),
    stride=st.integers(1, 16),
    dropped=st.integers(0, 3),
    faceless=st.sets(st.integers(0, 89), max_size=5),
)
def test_a_frames_score_is_the_mean_over_its_clips(
    n_frames: int, stride: int, dropped: int, faceless: set[int]
) -> None:
    starts = list(clip_starts(n_frames, 16, stride_frames=stride))
    kept = starts[dropped:] or starts[-1:]
    scores = np.repeat(np.arange(len(kept), dtype=np.float32)[:, None, None], 16, 1)
    usable = np.array([row not in faceless for row in range(n_frames)])
    values, known = average_clips(scores, kept, usable=usable)
    for row in range(n_frames):
        mine = [k for k, start in enumerate(kept) if start <= row < start + 16]
        assert known[row] == (bool(mine) and usable[row])
        if known[row]:
            assert values[row, 0] == pytest.approx(np.mean(mine))
    rows = np.arange(n_frames)
    frames, filled = onto_frames(values, known, rows, rows * 250_000_000)
    assert np.array_equal(filled, ~known)
    assert np.isfinite(frames).all()
    first = int(np.flatnonzero(known)[0])
    assert frames[0, 0] == frames[first, 0]  # nothing is extrapolated at the ends


def test_frames_without_a_prediction_are_interpolated_in_time() -> None:
    values = np.array([[0.0], [np.nan], [1.0]])
    known = np.array([True, False, True])
    time_ns = np.array([0, 1, 3, 4, 9]) * 10**9
    frames, filled = onto_frames(values, known, np.array([0, 2, 3]), time_ns)
    np.testing.assert_allclose(frames[:, 0], [0, 0.25, 0.75, 1, 1])
    assert filled.tolist() == [False, False, True, False, False]


def test_scores_stand_for_the_frames_their_label_is_of() -> None:
    scores = np.array([[0.5]], np.float32)
    last = spread(scores, replace(CONFIG, label="last"))
    assert np.flatnonzero(np.isfinite(last[0, :, 0])).tolist() == [15]
    center = spread(scores, replace(CONFIG, label="center"))
    assert np.flatnonzero(np.isfinite(center[0, :, 0])).tolist() == [8]
    assert np.isfinite(spread(scores, CONFIG)).all()


def test_every_frame_of_the_test_split_is_predicted(
    store: ClipStore, evaluation: Evaluation
) -> None:
    assert [v.video_id for v in evaluation.videos] == ["X0-video", "X1-video"]
    assert all(v.predicted.shape == (40, 1) for v in evaluation.videos)
    assert evaluation.n_clips == 2 * len(clip_starts(40, 16, stride_frames=8))
    for video in evaluation.videos:  # the face detector missed these two
        assert np.flatnonzero(video.interpolated).tolist() == [3, 4]
        assert video.n_without_face == 2
        assert np.isfinite(video.predicted).all()
    gold = np.concatenate([store.labels(v.video_id, "valence") for v in evaluation.videos])
    predicted = np.concatenate([v.predicted[:, 0] for v in evaluation.videos])
    known = np.isfinite(gold)
    expected = ccc(predicted[known], gold[known])
    assert evaluation.pooled()["valence"]["ccc"] == pytest.approx(expected)
    assert evaluation.pooled()["valence"]["n"] == 78
    mean, sd = evaluation.over_videos("valence")
    each = [scores["valence"]["ccc"] for scores in evaluation.by_video().values()]
    assert (mean["ccc"], sd["ccc"]) == (pytest.approx(np.mean(each)), pytest.approx(np.std(each)))


def test_predictions_do_not_depend_on_the_batches(store: ClipStore, evaluation: Evaluation) -> None:
    network, info = untrained()
    other = evaluate(network, info, store, batch_size=3)
    for one, two in zip(evaluation.videos, other.videos, strict=True):
        np.testing.assert_allclose(one.predicted, two.predicted, atol=1e-5)


@pytest.mark.parametrize("words", EACH)
def test_knock_outs_change_what_they_should(
    store: ClipStore, evaluation: Evaluation, words: str
) -> None:
    network, info = untrained()
    spoiled = evaluate(network, info, store, knock_out=KnockOut.parse([words]))
    one, two = evaluation.videos[0].predicted, spoiled.videos[0].predicted
    assert not np.array_equal(one, two)
    if words.startswith("attention"):
        assert spoiled.attention_between_clips < 1e-6
    if words == "attention=uniform":
        assert spoiled.attention_contrast == 0
    if words == "color=blank":  # the features are gone, only the guides move the attention
        assert np.ptp(two) < np.ptp(one)


def test_knock_outs_add_up_and_are_spelled_back() -> None:
    both = KnockOut.parse(["color=blank", "guides=zero,attention=mean"])
    assert str(both) == "guides=zero,attention=mean,color=blank"
    assert both.blanked(CONFIG) == ("color", "depth", "thermal")
    assert not KnockOut()
    for words, message in (
        (["guides"], "known: guides=shuffle"),
        (["guides=mean"], "known: guides=shuffle"),
        (["guides=zero", "guides=shuffle"], "given twice"),
    ):
        with pytest.raises(ModelError, match=message):
            KnockOut.parse(words)
    uran = replace(CONFIG, architecture="uran", modalities=("color",))
    for words, message in (("guides=zero", "no guides"), ("thermal=blank", "no thermal")):
        with pytest.raises(ModelError, match=message):
            KnockOut.parse([words]).check(uran)
    with pytest.raises(ModelError, match="no attention"):
        KnockOut(attention="mean").check(replace(uran, architecture="cnn3d"))


@given(n=st.integers(2, 50))
def test_shuffled_clips_are_never_ones_own(n: int) -> None:
    found = partners(n)
    assert sorted(found) == list(range(n))
    assert all(row != partner for row, partner in enumerate(found))


def test_a_stride_that_is_none_is_refused(store: ClipStore) -> None:
    network, info = untrained()
    for stride in (0, 17):
        with pytest.raises(DatasetError, match="stride"):
            evaluate(network, info, store, stride_frames=stride)


def test_a_store_of_other_modalities_is_refused(store: ClipStore) -> None:
    network, info = untrained()
    store.modalities = ("color",)
    with pytest.raises(ModelError, match="has no depth, thermal"):
        evaluate(network, info, store)


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


def test_native_films_are_read_at_four_hertz(film_entry, tmp_path: Path) -> None:
    path = tmp_path / "film.h5"
    color = [FrameCrops({"color": frame.images["color"]}) for frame in film_entry.crops]
    n = len(color)
    time_ns = np.round(np.arange(n) * 1e9 / 25).astype(np.int64)
    layout = StoreLayout(modalities=("color",), crop_px=32, clip_length=16, rate_hz=0.0)
    entry = replace(film_entry, kind="video", crops=color, time_ns=time_ns)
    write_store(path, [entry], layout=layout, splits={"T9": "test"})
    config = replace(CONFIG, architecture="uran", modalities=("color",), clip_length=4)
    with open_store(path) as store:
        four = ClipDataset(
            store, config, split="test", stride_frames=4, min_valid_share=0.5, labelled=False
        )
        rows = four.videos[entry.id].rows
        np.testing.assert_allclose(np.diff(time_ns[rows]) / 1e9, 0.25, atol=0.051)
        crops = four[0].crops["color"].numpy()
        assert np.array_equal(crops[1], store.read(entry.id, int(rows[1]), 1, "color")[0])
        native = ClipDataset(
            store,
            replace(config, rate="native"),
            split="test",
            stride_frames=4,
            min_valid_share=0.5,
            labelled=False,
        )
        assert len(native) == -(-n // 4)  # the last window is shifted back
        network, info = untrained(config)
        found = evaluate(network, info, store)
        assert found.videos[0].predicted.shape == (n, 1)


@given(
    steps=st.lists(st.integers(1, 400_000_000), min_size=1, max_size=60),
)
def test_grid_rows_are_the_nearest(steps: list[int]) -> None:
    time_ns = np.cumsum([0, *steps]).astype(np.int64)
    rows = grid_rows(time_ns, rate_hz=4.0)
    grid = np.arange(len(rows)) * 250_000_000
    for at, row in zip(grid, rows, strict=True):
        assert abs(time_ns[row] - at) == np.abs(time_ns - at).min()


def test_categories_are_scored_by_video(category_store: Path, tmp_path: Path) -> None:
    config = replace(
        CONFIG,
        architecture="uran",
        modalities=("color",),
        outputs=("category",),
        categories=("angry", "happy"),
    )
    network, info = untrained(config)
    with open_store(category_store) as store:
        found = evaluate(network, info, store)
        assert found.confusion().sum() == 2
        pooled = found.pooled()["category"]
        assert pooled["n"] == 2
        right = np.trace(found.confusion()) / 2
        assert pooled["accuracy"] == right
        summary = summarise(found, describe_run(info, Path("c")), split="test")
        summary |= {"store": "s", "knock_out": None}
        files = write_results(found, summary, tmp_path / "out", overwrite=False)
        assert "confusion" in files
        assert "traces" not in files
        table = pyarrow.parquet.read_table(files["parquet"])
        assert set(table["dimension"].to_pylist()) == {"angry", "happy"}
