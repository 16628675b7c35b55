"""Gold labels on disk and at any moment."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation.errors import AnnotationError
from annotation.labels import LABEL_COLUMNS, Labels, SessionLabels, load_labels, save_labels

HEADER = ",".join(LABEL_COLUMNS)
S = 1_000_000_000
label = st.floats(-1, 1) | st.just(float("nan"))


@st.composite
def label_sets(draw):
    sessions = {}
    for name in draw(st.sets(st.sampled_from(["S01", "S02", "a, b", "ü"]), min_size=1)):
        times = sorted(draw(st.sets(st.integers(0, 10**13), min_size=1, max_size=6)))
        n = len(times)
        columns = [np.array(draw(st.lists(label, min_size=n, max_size=n))) for _ in range(2)]
        counts = np.array(draw(st.lists(st.integers(0, 9), min_size=n, max_size=n)))
        spread = st.lists(st.floats(0, 2) | st.just(float("nan")), min_size=n, max_size=n)
        spreads = [np.array(draw(spread)) for _ in range(2)]
        time_ns = np.array(times, dtype=np.int64)
        sessions[name] = SessionLabels(time_ns, *columns, counts, *spreads)
    return Labels(sessions, {"options": {"lag_s": 0.5}})


@given(labels=label_sets())
def test_round_trip(labels, tmp_path_factory):
    path = tmp_path_factory.mktemp("labels") / "labels.csv"
    save_labels(path, labels)
    loaded = load_labels(path)
    assert loaded.provenance == labels.provenance
    assert set(loaded.sessions) == set(labels.sessions)
    for name, each in labels.sessions.items():
        other = loaded.sessions[name]
        assert np.array_equal(each.time_ns, other.time_ns)
        assert np.array_equal(each.n_raters, other.n_raters)
        for dimension in ("valence", "arousal"):
            assert other.values(dimension) == pytest.approx(
                each.values(dimension), abs=1e-9, nan_ok=True
            )
            assert other.spread(dimension) == pytest.approx(
                each.spread(dimension), abs=1e-9, nan_ok=True
            )


def test_at_interpolates_and_never_extrapolates(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text(f"{HEADER}\nS01,0,0.0,,3\nS01,1,0.5,1,3\nS01,2,,-1,3\n")
    labels = load_labels(path)
    at = np.array([-1, 0, S // 2, S, S + 1, 3 * S])
    assert labels.at("S01", "valence", at) == pytest.approx(
        [np.nan, 0.0, 0.25, 0.5, np.nan, np.nan], nan_ok=True
    )
    assert labels.at("S01", "arousal", at) == pytest.approx(
        [np.nan, np.nan, np.nan, 1.0, 1.0, np.nan], nan_ok=True, abs=1e-6
    )
    assert "S01" in labels
    assert "S02" not in labels
    with pytest.raises(AnnotationError, match=r"no labels for session 'S02'.*S01"):
        labels.at("S02", "valence", at)
    with pytest.raises(AnnotationError, match="unknown dimension 'liking'"):
        labels.at("S01", "liking", at)


def test_hand_made_file_needs_no_provenance_and_no_order(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text(f"# by hand\n{HEADER}\nS01,1,0.5,0,3\nS01,0,-0.5,0,2\n")
    labels = load_labels(path)
    assert labels.provenance == {}
    assert labels.sessions["S01"].valence.tolist() == [-0.5, 0.5]


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("S01,1,5,0,3", "gold labels lie in -1 to 1"),
        ("S01,1,x,0,3", "valence is 'x'"),
        ("S01,1,0,nan,3", "arousal is 'nan'"),
        ("S01,0.0,0,0,3", "already on line 2"),
        ("S01,1,0,0,2.5", "n_raters is 2.5"),
        ("S01,1,0,0,-1", "n_raters is -1"),
        ("S01,1,0", "3 cells, expected 5"),
    ],
)
def test_bad_line_is_named(tmp_path, row, complaint):
    path = tmp_path / "labels.csv"
    path.write_text(f"{HEADER}\nS01,0,0,0,3\n{row}\n")
    with pytest.raises(AnnotationError, match=complaint) as caught:
        load_labels(path)
    assert "labels.csv:3" in str(caught.value)


def test_cut_off_file_is_noticed_even_at_a_line_end(tmp_path):
    path = tmp_path / "labels.csv"
    time_ns = np.arange(5, dtype=np.int64) * S
    each = SessionLabels(time_ns, np.zeros(5), np.zeros(5), np.full(5, 3))
    save_labels(path, Labels({"S01": each}))
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-2]))
    with pytest.raises(AnnotationError, match="has 3 rows but was written with 5"):
        load_labels(path)


@pytest.mark.parametrize(
    ("first_line", "complaint"),
    [
        ('{"format": "mavfer-labels", "schema_version": 3}', "schema version 3, this software"),
        ('{"format": "something"}', "does not say format"),
        ("{", "not valid JSON"),
        ("[" * 100_000, None),
    ],
)
def test_unknown_headers_are_refused(tmp_path, first_line, complaint):
    path = tmp_path / "labels.csv"
    path.write_text(f"# {first_line}\n{HEADER}\nS01,0,0,0,3\n")
    if complaint is None:  # no JSON object: a remark, as in a hand-made file
        assert "S01" in load_labels(path)
        return
    with pytest.raises(AnnotationError, match=complaint):
        load_labels(path)


def test_empty_table_is_refused(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text(f"{HEADER}\n")
    with pytest.raises(AnnotationError, match="holds no labels"):
        load_labels(path)


def test_files_of_version_one_have_no_spread(tmp_path):
    path = tmp_path / "labels.csv"
    header = '# {"format": "mavfer-labels", "schema_version": 1, "n_rows": 1, "provenance": {}}'
    path.write_text(f"{header}\n{HEADER}\nS01,0,0.5,,3\n")
    labels = load_labels(path).sessions["S01"]
    assert labels.valence_sd is None
    assert np.isnan(labels.spread("valence")[0])
    with pytest.raises(AnnotationError, match="unknown dimension"):
        labels.spread("liking")


def test_spread_is_read_and_cannot_be_negative(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text(f"{HEADER},valence_sd,arousal_sd\nS01,0,0.5,0.1,3,0.25,\n")
    labels = load_labels(path).sessions["S01"]
    assert labels.spread("valence").tolist() == [0.25]
    assert np.isnan(labels.spread("arousal")[0])
    path.write_text(f"{HEADER},valence_sd,arousal_sd\nS01,0,0.5,0.1,3,-0.25,\n")
    with pytest.raises(AnnotationError, match=r"labels.csv:2: valence_sd is -0.25"):
        load_labels(path)
    path.write_text(f"{HEADER},valence_sd\nS01,0,0.5,0.1,3,0.25\n")
    with pytest.raises(AnnotationError, match="the header is"):
        load_labels(path)
