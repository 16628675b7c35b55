"""Ratings on disk: nothing lost on the way, and every bad line named."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation import strict_csv
from annotation.errors import AnnotationError
from annotation.raters_csv import RATER_COLUMNS, load_traces, save_traces
from annotation.trace import Trace

HEADER = ",".join(RATER_COLUMNS)
names = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Z")), min_size=1, max_size=8
).filter(lambda name: not name.startswith("#"))


def write(tmp_path, *rows, name="raters.csv"):
    path = tmp_path / name
    path.write_text("\n".join((HEADER, *rows)) + "\n", encoding="utf-8")
    return path


@st.composite
def trace_sets(draw):
    keys = draw(
        st.sets(
            st.tuples(names, st.sampled_from(["valence", "arousal"]), names),
            min_size=1,
            max_size=4,
        )
    )
    traces = []
    for session, dimension, rater in sorted(keys):
        times = sorted(draw(st.sets(st.integers(0, 10**13), min_size=1, max_size=5)))
        values = [draw(st.floats(-10, 10)) for _ in times]
        time_ns = np.array(times, dtype=np.int64)
        traces.append(Trace(session, rater, dimension, time_ns, np.array(values)))
    return traces


@given(traces=trace_sets())
def test_round_trip_keeps_every_nanosecond_and_every_bit(traces, tmp_path_factory):
    path = tmp_path_factory.mktemp("csv") / "raters.csv"
    save_traces(path, traces)
    loaded = load_traces([path])
    assert len(loaded) == len(traces)
    for ours, theirs in zip(traces, loaded, strict=True):
        key = (ours.session, ours.rater, ours.dimension)
        assert key == (theirs.session, theirs.rater, theirs.dimension)
        assert np.array_equal(ours.time_ns, theirs.time_ns)
        assert np.array_equal(ours.value, theirs.value)


def test_rows_out_of_order_are_sorted(tmp_path):
    path = write(tmp_path, "S,R,valence,1.5,3", "S,R,valence,0.5,1", "S,Q,valence,0,2")
    q, r = load_traces([path])
    assert (q.rater, r.rater) == ("Q", "R")
    assert r.time_ns.tolist() == [500_000_000, 1_500_000_000]
    assert r.value.tolist() == [1.0, 3.0]


def test_byte_order_mark_and_windows_line_ends_are_fine(tmp_path):
    path = tmp_path / "raters.csv"
    path.write_bytes(b"\xef\xbb\xbf" + f"{HEADER}\r\nS,R,arousal,0,-10\r\n".encode())
    assert load_traces([path])[0].value.tolist() == [-10.0]


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("S,R,valence,1,10.5", "outside the scale of -10 to 10"),
        ("S,R,valence,1,nan", "value is 'nan', expected a number"),
        ("S,R,valence,1,inf", "value is 'inf'"),
        ("S,R,valence,1,", "leave a missing rating's row out"),
        ("S,R,valence,1,1_0", "value is '1_0'"),
        ("S,R,valence,-1,3", "seconds since the session's start"),
        ("S,R,valence,1e300,3", "seconds since the session's start"),
        ("S,R,liking,1,3", "dimension is 'liking'"),
        ("S,,valence,1,3", "the rater is empty"),
        (" ,R,valence,1,3", "the session is empty"),
        ("S,R,valence,1", "4 cells, expected 5"),
        ("S,R,valence,0.50,3", "at 0.5 s already on line 2"),
        ('S,R,valence,"1,3', "raters.csv:3"),
    ],
)
def test_bad_line_is_named(tmp_path, row, complaint):
    path = write(tmp_path, "S,R,valence,0.5,3", row)
    with pytest.raises(AnnotationError, match=complaint) as caught:
        load_traces([path])
    assert "raters.csv:3" in str(caught.value)


def test_other_files_are_refused_in_one_sentence(tmp_path):
    with pytest.raises(AnnotationError, match="does not exist"):
        load_traces([tmp_path / "none.csv"])
    with pytest.raises(AnnotationError, match="is a folder"):
        load_traces([tmp_path])
    for content, complaint in [
        (b"", "is empty"),
        (b"a,b\n1,2\n", "expected 'session,rater,dimension,time_s,value'"),
        (b"\xff\xfe\x00\x01", "not UTF-8"),
        (HEADER.encode(), "holds no ratings"),
        (HEADER.encode() + b"\n" + b"x" * 200_000, "field larger than field limit"),
    ]:
        path = tmp_path / "bad.csv"
        path.write_bytes(content)
        with pytest.raises(AnnotationError, match=complaint):
            load_traces([path])


def test_progress_is_told_in_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr(strict_csv, "_PROGRESS_ROWS", 100)
    path = write(tmp_path, *(f"S,R,valence,{k},1" for k in range(5000)))
    told = []
    load_traces([path], on_progress=lambda done, total: told.append((done, total)))
    assert len(told) == 50
    assert {total for _, total in told} == {path.stat().st_size}
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1][0] <= told[-1][1]


def test_bytes_that_are_no_text_far_down_are_found(tmp_path):
    path = write(tmp_path, *(f"S,R,valence,{k},1" for k in range(5000)))
    path.write_bytes(path.read_bytes() + b"S,R\xff,valence,9000,1\n")
    with pytest.raises(AnnotationError, match=r"raters\.csv is not UTF-8"):
        load_traces([path])


def test_a_trace_in_two_files_is_contradictory(tmp_path):
    first = write(tmp_path, "S,R,valence,0,1", name="a.csv")
    second = write(tmp_path, "S,R,arousal,0,1", "S,R,valence,1,2", name="b.csv")
    with pytest.raises(AnnotationError, match=r"b.csv:3: R rated valence of S already in .*a.csv"):
        load_traces([first, second])


def test_another_scale_is_possible(tmp_path):
    path = write(tmp_path, "S,R,valence,0,100")
    assert load_traces([path], scale=100.0)[0].value.tolist() == [100.0]
    with pytest.raises(AnnotationError, match="expected a number above 0"):
        load_traces([path], scale=0.0)


def test_existing_file_is_kept(tmp_path):
    path = write(tmp_path, "S,R,valence,0,1")
    before = path.read_bytes()
    with pytest.raises(FileExistsError):
        save_traces(path, [])
    assert path.read_bytes() == before
