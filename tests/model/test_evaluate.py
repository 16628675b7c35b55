import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pyarrow as pa
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
from model.checkpoint import CheckpointInfo
from model.config import ModelConfig, TrainConfig
from model.data import ClipDataset, grid_rows
from model.errors import ModelError
from model.evaluate import average_clips, evaluate, onto_frames, spread
from model.evaluation import Evaluation
from model.fit_chain import chain_of_run, fitted
from model.foreign import evaluate_foreign
from model.groups import read_groups
from model.initialise import build_network
from model.knock_out import KnockOut, knock_outs_of, partners
from model.post_processing import (
    PostProcessing,
    fit_post_processing,
    read_chain,
    smoothed,
    write_chain,
)
from model.prediction import Network
from model.predictions_file import predictions_csv, read_predictions
from model.results import check_output, describe_run, summarise, write_results
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
EACH = [str(one) for one in knock_outs_of(CONFIG)]


def untrained(config: ModelConfig = CONFIG) -> tuple[Network, CheckpointInfo]:
    info = CheckpointInfo(
        config, TrainConfig(), "small", {}, "x", 0, {}, validation_subjects=("V0", "V1")
    )
    return build_network(config, seed=0, initialisation="he"), info


@pytest.fixture(scope="module")
def evaluation(store_path: Path) -> Evaluation:
    network, info = untrained()
    with open_store(store_path) as store:
        return evaluate(network, info, store)


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


# ---------------------------------------------------------------- post-processing


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


# ---------------------------------------------------------------- files


def test_results_are_complete_and_all_or_none(
    store: ClipStore, evaluation: Evaluation, tmp_path: Path
) -> None:
    _, info = untrained()
    info = replace(info, store_fingerprint=store.fingerprint)
    chain = fitted(evaluation, info, ["V0", "V1"])
    out = tmp_path / "out"
    facts = describe_run(info, Path("c"))
    summary = summarise(evaluation, facts, split="test", chain=chain)
    summary |= {"store": "drawn.h5", "knock_out": None}
    summary["controls"] = {"guides=zero": evaluation.pooled()}
    assert summary["pooled"] == summary["outputs"]["valence"]["pooled"]
    assert (summary["n_frames"], summary["n_subjects"]) == (80, 2)
    assert (summary["n_frames_interpolated"], summary["n_frames_without_face"]) == (4, 4)
    files = write_results(evaluation, summary, out, chain=chain, overwrite=False)
    assert {Path(path).name for path in files.values()} == {p.name for p in out.iterdir()}
    assert json.loads((out / "metrics.json").read_text())["pooled"] == summary["pooled"]

    table = pyarrow.parquet.read_table(out / "predictions.parquet")
    metadata = json.loads(table.schema.metadata[b"mavfer"])
    assert (metadata["format"], metadata["schema_version"]) == ("mavfer-predictions", 1)
    assert table.num_rows == 80
    assert table["gold"].null_count == 2  # the first frame of each video has no label
    again = evaluate_foreign(read_predictions(out / "predictions.parquet"), store)
    assert again.pooled()["valence"]["ccc"] == pytest.approx(summary["pooled"]["ccc"], abs=1e-6)
    from_csv = evaluate_foreign(read_predictions(out / "predictions.csv"), store)
    assert from_csv.pooled()["valence"]["ccc"] == pytest.approx(summary["pooled"]["ccc"], abs=1e-3)

    page = (out / "report.html").read_text()
    for words in ("Traces", "By subject", "What the network uses", "data:video/mp4;base64,"):
        assert words in page
    with av.open(str(out / "attention.mp4")) as film:
        stream = film.streams.video[0]
        frames = [frame.time for frame in film.decode(stream)]
    n_shown = sum(len(example.rows) for example in evaluation.examples)
    assert len(frames) == n_shown + len(evaluation.examples)
    assert frames[1] - frames[0] == pytest.approx(0.25)

    with pytest.raises(OSError, match="exists already"):
        check_output(out, overwrite=False)
    before = (out / "metrics.json").read_bytes()
    with pytest.raises(ValueError, match="JSON compliant"):
        write_results(evaluation, summary | {"seed": float("nan")}, out, overwrite=True)
    assert (out / "metrics.json").read_bytes() == before
    assert len(list(out.iterdir())) == len(files)


def test_table_of_predictions(evaluation: Evaluation) -> None:
    rows = list(csv.DictReader(io.StringIO(predictions_csv(evaluation))))
    assert len(rows) == 80
    assert rows[0]["gold"] == ""
    assert float(rows[41]["time_s"]) == 0.25
    assert float(rows[41]["predicted"]) == pytest.approx(
        float(evaluation.videos[1].predicted[1, 0]), abs=1e-5
    )


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"video": ["X0-video"], "predicted": [0.1]}, "no column time_s"),
        ({"video": ["X0-video"], "time_s": ["x"], "predicted": [0.1]}, "expected numbers"),
        ({"video": ["a", "a"], "time_s": [0, 0], "predicted": [0.1, 0.2]}, "of one moment"),
        ({"video": ["a"], "time_s": [0], "predicted": [0.1]}, "predictions of video X0-video"),
        (
            {"video": ["a"], "time_s": [0], "predicted": [0.1], "dimension": ["joy"]},
            "expected valence or arousal",
        ),
    ],
)
def test_wrong_predictions_are_one_error(
    store: ClipStore, tmp_path: Path, columns: dict, message: str
) -> None:
    path = tmp_path / "theirs.parquet"
    pyarrow.parquet.write_table(pa.table(columns), path)
    with pytest.raises(ModelError, match=message):
        evaluate_foreign(read_predictions(path), store)


def test_files_that_are_no_predictions_are_one_error(tmp_path: Path) -> None:
    for name in ("a.parquet", "a.csv"):
        path = tmp_path / name
        with pytest.raises(ModelError, match="no predictions at"):
            read_predictions(path)
        path.write_bytes(b"\x00\xff\n1,2\n1\n")
        with pytest.raises(ModelError):
            read_predictions(path)


def test_groups_come_from_a_table(store: ClipStore, tmp_path: Path) -> None:
    path = tmp_path / "groups.csv"
    path.write_text("subject,light,glasses\nX0,dim,yes\nX1,normal,\n")
    groups = read_groups(path, store)
    assert groups == {
        "light": {"X0-video": "dim", "X1-video": "normal"},
        "glasses": {"X0-video": "yes"},
    }
    network, info = untrained()
    found = evaluate(network, info, store, groups=groups).by_group()
    assert {name: set(table) for name, table in found.items()} == {
        "light": {"dim", "normal"},
        "glasses": {"yes"},
    }
    for text, message in (
        ("subject\nX0\n", "at least one column"),
        ("subject,light\nX9,dim\n", "no subject of"),
        ("subject,light\nX0,dim\nX0,dim\n", "is twice"),
        ("subject,light\nX0\n", "not 2 values"),
    ):
        path.write_text(text)
        with pytest.raises(ModelError, match=message):
            read_groups(path, store)


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


# ---------------------------------------------------------------- rates and categories


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
