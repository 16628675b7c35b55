"""Ratings and gold labels as Parquet: the same back to the bit, damaged files in one sentence."""

import json
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotation import parquet_columns
from annotation.errors import AnnotationError
from annotation.labels import Labels, SessionLabels, is_labels, load_labels
from annotation.labels_parquet import save_labels_parquet
from annotation.parquet import load_traces_parquet, save_ratings_parquet
from annotation.sources import Ratings
from annotation.trace import Trace

names = st.text(st.characters(exclude_categories=("Cs", "Cc", "Z")), min_size=1, max_size=6)


@st.composite
def trace_sets(draw):
    dimension = st.sampled_from(["valence", "arousal"])
    keys = draw(st.sets(st.tuples(names, dimension, names), min_size=1, max_size=4))
    traces = []
    for session, dimension, rater in sorted(keys):
        times = sorted(draw(st.sets(st.integers(0, 10**10), min_size=1, max_size=5)))
        values = np.array([draw(st.floats(-10, 10)) for _ in times])
        traces.append(Trace(session, rater, dimension, np.array(times), values))
    return tuple(traces)


@settings(max_examples=40)
@given(traces=trace_sets())
def test_ratings_come_back_to_the_bit(traces, tmp_path_factory):
    path = tmp_path_factory.mktemp("parquet") / "ratings.parquet"
    teams = {trace.rater: "A" for trace in traces[:1]}
    save_ratings_parquet(path, Ratings(traces, 10.0, teams), rate_hz=4.0)
    loaded, loaded_teams = load_traces_parquet(path, scale=10.0)
    assert loaded_teams == teams
    assert len(loaded) == len(traces)
    by_key = {(t.session, t.dimension, t.rater): t for t in loaded}
    for trace in traces:
        other = by_key[trace.session, trace.dimension, trace.rater]
        assert np.array_equal(trace.time_ns, other.time_ns)
        assert np.array_equal(trace.value, other.value)


def test_the_table_says_where_values_come_from(tmp_path):
    path = tmp_path / "ratings.parquet"
    times = np.array([0, 600_000_000, 1_000_000_000])
    trace = Trace("S01", "R1", "valence", times, np.array([1.0, 2.0, 3.0]))
    n_rows = save_ratings_parquet(path, Ratings((trace,), 10.0), rate_hz=2.0)
    table = pq.read_table(path)
    assert n_rows == table.num_rows == 4
    rows = table.to_pylist()
    assert [row["frame"] for row in rows] == [0, 1, None, 2]
    assert [row["source"] for row in rows] == ["observed", "interpolated", "observed", "observed"]
    assert rows[1]["value"] == pytest.approx(1 + 5 / 6)
    header = json.loads(table.schema.metadata[b"mavfer"])
    assert (header["format"], header["schema_version"]) == ("mavfer-ratings", 1)


def test_labels(tmp_path):
    path = tmp_path / "labels.parquet"
    nan = float("nan")
    each = SessionLabels(
        np.array([0, 5]), np.array([0.5, nan]), np.array([nan, nan]), np.array([2, 0])
    )
    assert save_labels_parquet(path, Labels({"S01": each}, {"method": "mean"})) == 2
    table = pq.read_table(path)
    assert table.column("valence").to_pylist() == [0.5, None]
    assert table.column("valence_sd").to_pylist() == [None, None]
    assert table.column("n_raters").to_pylist() == [2, 0]
    assert json.loads(table.schema.metadata[b"mavfer"])["provenance"] == {"method": "mean"}


unknown = st.just(float("nan"))
label = st.floats(-1, 1) | unknown


@st.composite
def label_sets(draw):
    sessions = {}
    for name in draw(st.sets(names, min_size=1, max_size=3)):
        times = sorted(draw(st.sets(st.integers(0, 10**13), min_size=1, max_size=5)))
        n = len(times)
        value, other = (np.array(draw(st.lists(label, min_size=n, max_size=n))) for _ in range(2))
        count = np.array(draw(st.lists(st.integers(0, 9), min_size=n, max_size=n)))
        spread = np.array(draw(st.lists(st.floats(0, 2) | unknown, min_size=n, max_size=n)))
        sessions[name] = SessionLabels(np.array(times), value, other, count, spread, spread)
    return Labels(sessions, {"options": {"lag_s": 0.5}})


@settings(max_examples=40)
@given(labels=label_sets())
def test_labels_come_back_to_the_bit(labels, tmp_path_factory):
    path = tmp_path_factory.mktemp("parquet") / "labels.parquet"
    save_labels_parquet(path, labels)
    assert is_labels(path)
    loaded = load_labels(path)
    assert loaded.provenance == labels.provenance
    assert set(loaded.sessions) == set(labels.sessions)
    for name, each in labels.sessions.items():
        other = loaded.sessions[name]
        assert np.array_equal(each.time_ns, other.time_ns)
        assert np.array_equal(each.n_raters, other.n_raters)
        for dimension in ("valence", "arousal"):
            assert np.array_equal(each.values(dimension), other.values(dimension), equal_nan=True)
            assert np.array_equal(each.spread(dimension), other.spread(dimension), equal_nan=True)


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"valence": [0.1, 1.5]}, "valence is 1.5, expected -1 to 1"),
        ({"valence": [0.1, float("inf")]}, "valence is inf"),
        ({"n_raters": [1, None]}, "n_raters needs 0, 1, 2"),
        ({"n_raters": [1, -1]}, "n_raters is -1"),
        ({"n_raters": [1, 1.5]}, "n_raters needs 0, 1, 2"),
        ({"valence_sd": [0.1, -0.1]}, "valence_sd is -0.1"),
        ({"time_ns": [0, 0]}, "session S has two labels at 0 s"),
        ({"session": ["S", None]}, "column session has 1 rows without a name"),
        ({"arousal": ["a", "b"]}, "column arousal holds string"),
        ({"arousal": None}, "has no column 'arousal'"),
    ],
)
def test_labels_that_cannot_be_meant_are_refused(tmp_path, changed, complaint):
    table = {"session": ["S", "S"], "time_ns": [0, 1], "valence": [0.1, 0.2]}
    table |= {"arousal": [0.1, None], "n_raters": [3, 3], **changed}
    path = tmp_path / "labels.parquet"
    pq.write_table(pa.table({k: v for k, v in table.items() if v is not None}), path)
    with pytest.raises(AnnotationError, match=complaint) as caught:
        load_labels(path)
    assert "labels.parquet" in str(caught.value)


def columns(**changed):
    table = {
        "session": ["S", "S"],
        "rater": ["R", "R"],
        "dimension": ["valence", "valence"],
        "time_ns": [0, 1],
        "value": [1.0, 2.0],
    } | changed
    return {name: values for name, values in table.items() if values is not None}


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        (columns(value=None), "has no column 'value'"),
        (columns(value=[1.0, None]), "1 rows that were rated have no number"),
        (columns(value=[1.0, float("nan")]), "1 rows that were rated have no number"),
        (columns(value=[1.0, float("inf")]), "a value is inf, outside the scale"),
        (columns(value=[1.0, 99.0]), "a value is 99, outside the scale of -10 to 10"),
        (columns(value=["1", "2"]), "column value holds string, expected numbers"),
        (columns(time_ns=[0, 0]), "R rated S at 0 s twice"),
        (columns(time_ns=[0, -1]), "a time lies outside"),
        (columns(time_ns=[0, 10**18]), "a time lies outside"),
        (columns(time_ns=[0.5, 1.0]), "column time_ns holds double"),
        (columns(time_ns=[0, None]), "with nulls, expected whole nanoseconds"),
        (columns(dimension=["valence", "liking"]), "dimension is 'liking'"),
        (columns(session=["S", None]), "column session has 1 rows without a name"),
        (columns(rater=["R", " "]), "a rater is empty"),
        (columns(rater=["R", "x" * 1000]), "a rater is 1000 characters long"),
        (columns(rater=[1, 2]), "column rater holds int64, expected text"),
        (columns(source=["missing", "missing"]), "holds no ratings"),
        (columns(team=["A", "B"]), "R is in two teams"),
        (
            columns(session=[], rater=[], dimension=[], time_ns=[], value=[]),
            "|".join(["holds no ratings", "expected"]),
        ),
    ],
)
def test_tables_that_cannot_be_meant_are_refused(tmp_path, table, complaint):
    path = tmp_path / "bad.parquet"
    pq.write_table(pa.table(table), path)
    with pytest.raises(AnnotationError, match=complaint) as caught:
        load_traces_parquet(path, scale=10.0)
    assert "bad.parquet" in str(caught.value)


def test_what_is_no_parquet_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "ratings.parquet"
    with pytest.raises(AnnotationError, match="does not exist"):
        load_traces_parquet(path, scale=10.0)
    pq.write_table(pa.table(columns()), path)
    whole = path.read_bytes()
    for content in (b"", b"PAR1", whole[: len(whole) // 2], whole[:-4] + b"XXXX", b"a,b\n" * 99):
        path.write_bytes(content)
        with pytest.raises(AnnotationError, match="is no whole Parquet file") as caught:
            load_traces_parquet(path, scale=10.0)
        assert "\n" not in str(caught.value)
    path.write_bytes(whole)
    monkeypatch.setattr(parquet_columns, "MAX_ROWS", 1)
    with pytest.raises(AnnotationError, match="has 2 rows, at most 1 are read"):
        load_traces_parquet(path, scale=10.0)


def test_without_pyarrow_the_remedy_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    trace = Trace("S01", "R1", "valence", np.array([0]), np.array([1.0]))
    with pytest.raises(AnnotationError, match=r"pip install 'mavfer\[parquet\]'"):
        save_ratings_parquet(tmp_path / "x.parquet", Ratings((trace,), 10.0), rate_hz=4.0)
    assert list(tmp_path.iterdir()) == []
