"""Tables of one column a rater, as RECOLA and MuSe have them, in both directions."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation.errors import AnnotationError
from annotation.trace import Trace
from annotation.wide_csv import (
    WideRatings,
    load_wide_csv,
    place_of,
    save_wide_csv,
    wide_ratings,
    wide_traces,
)

RECOLA = "time;FM1 ;FM2 ;FF1\n0.00;0.00;0.01;-0.5\n0.04;0.02;;-0.5\n0.08;0.02;NaN;-0.4\n"
MUSE = "timeStamp,1,2,7 \n0.25,-33.925,0.0,270.0 \n0.5,-23.65,0.0,352.5 \n"
rating = st.floats(-1, 1) | st.just(float("nan"))
rater = st.text("abcFM1ü ;,\"'#", min_size=1, max_size=6).filter(lambda name: name.strip() == name)


def write(tmp_path, text, name="P16.csv"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


@st.composite
def tables(draw):
    raters = tuple(sorted(draw(st.sets(rater, min_size=1, max_size=4))))
    times = sorted(draw(st.sets(st.integers(0, 10**13), min_size=1, max_size=6)))
    values = [draw(st.lists(rating, min_size=len(times), max_size=len(times))) for _ in raters]
    return WideRatings(np.array(times, dtype=np.int64), raters, np.array(values))


@given(table=tables(), layout=st.sampled_from(["recola", "muse"]))
def test_round_trip(table, layout, tmp_path_factory):
    path = tmp_path_factory.mktemp("wide") / "P16.csv"
    save_wide_csv(path, table, layout=layout)
    loaded = load_wide_csv(path)
    assert loaded.raters == table.raters
    assert np.array_equal(loaded.time_ns, table.time_ns)
    assert np.array_equal(loaded.values, table.values, equal_nan=True)


@given(tables())
def test_traces_and_tables_hold_the_same(table):
    traces = wide_traces(table, "P16", "arousal")
    known = np.isfinite(table.values)
    assert [trace.rater for trace in traces] == [
        name for name, row in zip(table.raters, known, strict=True) if row.any()
    ]
    if traces:
        again = wide_ratings(traces)
        kept = np.any(known, axis=0)
        assert np.array_equal(again.time_ns, table.time_ns[kept])
        rows = table.values[np.any(known, axis=1)][:, kept]
        assert np.array_equal(again.values, rows, equal_nan=True)


def test_recola(tmp_path):
    table = load_wide_csv(write(tmp_path, RECOLA))
    assert table.raters == ("FM1", "FM2", "FF1")
    assert table.time_ns.tolist() == [0, 40_000_000, 80_000_000]
    assert table.values[1] == pytest.approx([0.01, np.nan, np.nan], nan_ok=True)
    second = wide_traces(table, "P16", "arousal")[1]
    assert (second.rater, second.time_ns.tolist()) == ("FM2", [0])


def test_muse_and_its_milliseconds(tmp_path):
    path = write(tmp_path, MUSE)
    assert load_wide_csv(path).raters == ("1", "2", "7")
    assert load_wide_csv(path).time_ns[0] == 250_000_000
    late = write(tmp_path, "timestamp,1\n0,1\n250000,2\n")
    assert load_wide_csv(late, time_unit="ms").time_ns.tolist() == [0, 250_000_000_000]
    with pytest.raises(AnnotationError, match="--time-unit ms"):
        load_wide_csv(late)


def test_where_a_file_lies_says_what_it_is(tmp_path):
    assert place_of(tmp_path / "Arousal" / "P16.csv") == ("P16", "arousal")
    with pytest.raises(AnnotationError, match="pass --dimension"):
        place_of(tmp_path / "P16.csv")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "expected a column of times"),
        ("time\n1\n", "expected a column of times"),
        ("seconds;A\n0;1\n", "expected a column of times"),
        ("time;A;A\n0;1;1\n", "P16.csv:1: rater 'A' has two columns"),
        ("time;A;\n0;1;1\n", "column 3 has no name"),
        ("time;A;B\n0;1\n", "P16.csv:2: 2 cells, expected 3 separated by ';'"),
        ("time;A\n0;x\n", "P16.csv:2: the rating of A is 'x'"),
        ("time;A\n0;inf\n", "the rating of A is 'inf'"),
        ("time;A\n0;1\n\n0;1\n", "P16.csv:4: the time 0 is not later"),
        ("time;A\n1;1\n0.5;1\n", "P16.csv:3: the time 0.5 is not later"),
        ("time;A\n-1;1\n", "the time is -1 s, expected 0 to 100000"),
        ("time;A\nnan;1\n", "the time is 'nan'"),
        ("time;A\n", "holds no ratings"),
        ("time;" + ";".join(f"R{k}" for k in range(2000)) + "\n", "2000 columns"),
        ('time;A\n0;"1\n', "P16.csv"),
        ("time;A\n0;" + "x" * 200_000, "field larger than field limit"),
        ("time;A\n0;1\0\n", "P16.csv:2"),
    ],
)
def test_damaged_tables_are_refused_in_one_sentence(tmp_path, text, complaint):
    with pytest.raises(AnnotationError, match=complaint) as caught:
        load_wide_csv(write(tmp_path, text))
    assert len(str(caught.value)) < 400


def test_a_table_holds_one_dimension_of_one_session():
    def trace(session):
        return Trace(session, "A", "valence", np.array([0]), np.array([1.0]))

    with pytest.raises(AnnotationError, match="one dimension of one session"):
        wide_ratings([trace("S1"), trace("S2")])


def test_existing_file_is_kept(tmp_path):
    path = write(tmp_path, RECOLA)
    with pytest.raises(FileExistsError):
        save_wide_csv(path, load_wide_csv(path))
    assert Path(path).read_text() == RECOLA
