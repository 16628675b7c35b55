"""What an evaluation leaves on disk, and predictions of other software."""

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

from mavfer.derived import is_marked
from mavfer.store import ClipStore
from mavfer.withdrawal.derived_files import EVALUATION_FILES, is_about, is_of_evaluation
from mavfer.withdrawal.names import Names
from model.errors import ModelError, ModelWarning
from model.evaluate import evaluate
from model.evaluation import Evaluation
from model.fit_chain import fitted
from model.foreign import evaluate_foreign
from model.groups import read_groups
from model.predictions_file import predictions_csv, read_predictions
from model.results import check_output, describe_run, summarise, write_results
from tests.model.untrained import untrained


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

    # so that a withdrawal finds them, also where they were copied to
    assert {path.name for path in out.iterdir()} == {*EVALUATION_FILES} - {"confusion.png"}
    assert all(is_of_evaluation(path) for path in out.iterdir())
    for name in ("traces.png", "attention.png", "attention.mp4"):
        assert is_marked(out / name)
        assert is_about(out / name, Names("X0"))
        assert not is_about(out / name, Names("T0"))

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
        ({"video": [None], "time_s": [0], "predicted": [0.1]}, "1 rows have no video"),
        ({"video": ["a"], "time_s": [1], "time_ns": [1], "predicted": [0.1]}, "disagree"),
        ({"video": ["a"], "time_s": [1e100], "predicted": [0.1]}, "no times"),
        ({"video": ["a"], "time_s": [0], "predicted": [1e300]}, "beyond"),
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


def their_trace(store: ClipStore, *, scale: float = 1, clock_s: float = 0, gain: float = 1) -> dict:
    """Predictions of every video of the split whose times or values are in other units."""
    columns: dict[str, list] = {"video": [], "time_s": [], "predicted": []}
    for video in store.videos.values():
        if video.split == "test":
            time_s = store.time_ns(video.id) / 1e9
            columns["video"] += [video.id] * len(time_s)
            columns["time_s"] += list(clock_s + scale * time_s)
            columns["predicted"] += list(gain * np.cos(time_s))
    return columns


@pytest.mark.parametrize("change", [{"scale": 1000}, {"clock_s": 1.7e9}])
def test_times_of_other_units_or_clocks_are_refused(
    store: ClipStore, tmp_path: Path, change: dict
) -> None:
    path = tmp_path / "theirs.parquet"
    pyarrow.parquet.write_table(pa.table(their_trace(store, **change)), path)
    with pytest.raises(ModelError, match=r"predictions from .* s, frames from 0 to .*since the"):
        evaluate_foreign(read_predictions(path), store)


def test_values_beyond_the_range_are_told_and_scored(store: ClipStore, tmp_path: Path) -> None:
    path = tmp_path / "theirs.parquet"
    pyarrow.parquet.write_table(pa.table(their_trace(store, gain=4)), path)
    with pytest.warns(ModelWarning, match=r"lie beyond -1 to 1, as far as -?4: scored"):
        evaluation = evaluate_foreign(read_predictions(path), store)
    assert max(np.abs(video.predicted).max() for video in evaluation.videos) == pytest.approx(4)


def test_csv_of_others_keeps_the_zeros_of_a_video(tmp_path: Path) -> None:
    path = tmp_path / "theirs.csv"
    path.write_text("\ufeffvideo,time_s,predicted\r\n001,0,0.25\r\n1,0.5,1\r\n")
    traces = read_predictions(path)["valence"]
    assert {name: trace.value.tolist() for name, trace in traces.items()} == {
        "001": [0.25],
        "1": [1],
    }
    path.write_text("video,time_s,predicted,predicted\n001,0,0.25,0.5\n")
    with pytest.raises(ModelError, match="column predicted more than once"):
        read_predictions(path)


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
