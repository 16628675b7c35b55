"""Ratings out to every format and in again."""

import csv
import json

import numpy as np
import pytest

from annotation.afew_va import load_afew_va
from annotation.errors import AnnotationError
from annotation.export import RATINGS_FORMATS, export_labels, export_ratings, whole_folder
from annotation.frame_table import FRAME_COLUMNS, save_frame_csv
from annotation.import_ratings import ImportOptions, import_ratings
from annotation.labels import Labels, SessionLabels
from annotation.raters_csv import load_traces
from annotation.sources import Frames, Ratings, load_ratings
from annotation.trace import Trace
from capture.errors import ConfigError

FRAME_NS = 40_000_000
TEAMS = {"R1": "A", "R2": "A"}


def ratings(scale=10.0):
    time_ns = np.arange(5, dtype=np.int64) * FRAME_NS
    traces = tuple(
        Trace(session, rater, dimension, time_ns, scale / 10 * np.array([k, 1, 0, -2, 9.5 - k]))
        for session in ("S01", "S02")
        for dimension in ("arousal", "valence")
        for k, rater in enumerate(("R1", "R2"))
    )
    return Ratings(traces, scale, TEAMS)


def same(first, second):
    assert len(first) == len(second)
    for a, b in zip(first, second, strict=True):
        assert (a.session, a.rater, a.dimension) == (b.session, b.rater, b.dimension)
        assert np.array_equal(a.time_ns, b.time_ns)
        assert b.value == pytest.approx(a.value, abs=1e-12)


@pytest.mark.parametrize("form", RATINGS_FORMATS)
def test_every_format_is_whole_and_never_written_over(tmp_path, form):
    output = tmp_path / "out"
    n_files = export_ratings(ratings(), output, form, rate_hz=25.0)
    assert n_files == {"afew-va": 4, "recola": 4, "muse": 4}.get(form, 1)
    written = (
        sorted(path.name for path in output.rglob("*")) if output.is_dir() else output.read_bytes()
    )
    with pytest.raises(FileExistsError):
        export_ratings(ratings(), output, form, rate_hz=25.0)
    export_ratings(ratings(), output, form, rate_hz=25.0, overwrite=True)
    again = (
        sorted(path.name for path in output.rglob("*")) if output.is_dir() else output.read_bytes()
    )
    assert written == again
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_csv_and_parquet_are_read_as_sources(tmp_path):
    export_ratings(ratings(), tmp_path / "r.csv", "csv", rate_hz=25.0)
    export_ratings(ratings(), tmp_path / "r.parquet", "parquet", rate_hz=25.0)
    same(ratings().traces, load_ratings([tmp_path / "r.csv"]).traces)
    loaded = load_ratings([tmp_path / "r.parquet"])
    same(ratings().traces, loaded.traces)
    assert loaded.teams == TEAMS
    with pytest.raises(AnnotationError, match="in two of the sources"):
        load_ratings([tmp_path / "r.csv", tmp_path / "r.parquet"])


@pytest.mark.parametrize("form", ["recola", "muse"])
def test_tables_of_raters_come_back(tmp_path, form):
    export_ratings(ratings(), tmp_path / "out", form, rate_hz=25.0)
    back = import_ratings([tmp_path / "out"], ImportOptions(form, scale=10.0))
    assert (back.n_files, back.n_clipped) == (4, 0)
    same(sorted(ratings().traces, key=lambda t: (t.session, t.dimension, t.rater)), back.traces)


def test_afew_va_comes_back(tmp_path):
    export_ratings(ratings(scale=1.0), tmp_path / "out", "afew-va", rate_hz=25.0)
    for rater in ("R1", "R2"):
        options = ImportOptions("afew-va", rater=rater, frame_rate_hz=25.0)
        back = import_ratings([tmp_path / "out" / rater], options)
        same([t for t in ratings().traces if t.rater == rater], back.traces)


def project_ratings():
    """One trace of five frames, the third of which nobody rated, the fourth held."""
    shown = np.arange(5, dtype=np.int64) * FRAME_NS + 7
    known = [0, 1, 3, 4]
    trace = Trace("S01", "R1", "valence", shown[known], np.array([1.0, 1.0, 4.0, 5.0]))
    by_hand = np.array([True, False, False, False, True])
    frames = {("S01", "valence", "R1"): Frames(shown, by_hand)}
    return Ratings((trace,), 10.0, {"R1": "A"}, frames)


def test_frames_say_where_their_value_comes_from(tmp_path):
    path = tmp_path / "frames.csv"
    assert save_frame_csv(path, project_ratings(), rate_hz=1.0) == 5
    header, *rows = csv.reader(path.read_text().splitlines())
    assert tuple(header) == FRAME_COLUMNS
    assert [row[4] for row in rows] == ["0", "1", "2", "3", "4"]
    assert [row[6] for row in rows] == ["1", "1", "2.5", "4", "5"]
    assert [row[7] for row in rows] == ["observed", "held", "interpolated", "held", "observed"]
    assert rows[1][5] == "0.040000007"
    save_frame_csv(path, project_ratings(), rate_hz=1.0, max_gap_s=0.05, overwrite=True)
    assert path.read_text().splitlines()[3].endswith(",2,0.080000007,,missing")


def test_frames_that_nobody_rated_stay_null_in_afew_va(tmp_path):
    export_ratings(project_ratings(), tmp_path / "out", "afew-va", rate_hz=1.0)
    document = json.loads((tmp_path / "out" / "R1" / "S01.json").read_text())
    assert [f["valence"] for f in document["frames"].values()] == [1.0, 1.0, None, 4.0, 5.0]
    assert list(document["frames"]) == ["00000", "00001", "00002", "00003", "00004"]


def test_gold_labels(tmp_path):
    time_ns = np.arange(3, dtype=np.int64) * FRAME_NS
    nan = float("nan")
    each = SessionLabels(time_ns, np.array([0.1, nan, 0.3]), np.full(3, nan), np.array([3, 0, 3]))
    labels = Labels({"S01": each})
    assert export_labels(labels, tmp_path / "gold", "afew-va", rate_hz=25.0) == 1
    video = load_afew_va(tmp_path / "gold" / "S01.json")
    assert video.valence[[0, 2]] == pytest.approx([1.0, 3.0])
    assert export_labels(labels, tmp_path / "gold.parquet", "parquet", rate_hz=25.0) == 1
    with pytest.raises(AnnotationError, match="cannot be exported as recola"):
        export_labels(labels, tmp_path / "x", "recola", rate_hz=25.0)


def test_names_that_are_paths_write_nowhere_else(tmp_path):
    trace = Trace("../../S01", "R1", "valence", np.array([0, 1]), np.array([1.0, 2.0]))
    for form in ("afew-va", "recola"):
        with pytest.raises(ConfigError, match=r"session .* is not allowed"):
            export_ratings(Ratings((trace,), 10.0), tmp_path / "a" / "out", form, rate_hz=25.0)
    assert list(tmp_path.rglob("*.*")) == []


def test_only_what_an_export_wrote_is_replaced(tmp_path):
    study = tmp_path / "study"
    (study / "valence").mkdir(parents=True)
    (study / "valence" / "S01.csv").write_text("the only copy of somebody's ratings")
    for overwrite, complaint in ((False, "exists already"), (True, "was not written by export")):
        with pytest.raises((FileExistsError, AnnotationError), match=complaint):
            export_ratings(ratings(), study, "recola", rate_hz=25.0, overwrite=overwrite)
    assert (study / "valence" / "S01.csv").read_text() == "the only copy of somebody's ratings"

    mine = tmp_path / "mine"
    export_ratings(ratings(), mine, "recola", rate_hz=25.0)
    (mine / "thesis.tex").write_text("text")
    with pytest.raises(AnnotationError, match=r"holds thesis\.tex: it is not replaced"):
        export_ratings(ratings(), mine, "recola", rate_hz=25.0, overwrite=True)
    (mine / "thesis.tex").unlink()
    (mine / "valence" / "deep").mkdir()
    with pytest.raises(AnnotationError, match="holds valence/deep"):
        export_ratings(ratings(), mine, "recola", rate_hz=25.0, overwrite=True)
    with pytest.raises(AnnotationError, match="this format writes a folder"):
        export_ratings(ratings(), mine / "valence" / "S01.csv", "recola", rate_hz=25.0)


def test_a_folder_that_fails_half_way_leaves_what_was_there(tmp_path):
    export_ratings(ratings(), tmp_path / "out", "recola", rate_hz=25.0)
    before = sorted(path.read_bytes() for path in (tmp_path / "out").rglob("*.csv"))

    def fail():
        with whole_folder(tmp_path / "out", overwrite=True) as folder:
            (folder / "half.csv").write_text("x")
            raise RuntimeError("disk full")

    with pytest.raises(RuntimeError):
        fail()
    assert sorted(path.read_bytes() for path in (tmp_path / "out").rglob("*.csv")) == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_imports_that_cannot_be_meant(tmp_path):
    export_ratings(ratings(), tmp_path / "out", "recola", rate_hz=25.0)
    with pytest.raises(AnnotationError, match=r"rated S01 9.5, outside the scale of -1 to 1"):
        import_ratings([tmp_path / "out"], ImportOptions("recola"))
    clipped = import_ratings([tmp_path / "out"], ImportOptions("recola", scale=5.0, clip=True))
    assert clipped.n_clipped == 8
    assert max(np.max(trace.value) for trace in clipped.traces) == 10.0
    with pytest.raises(AnnotationError, match=r"holds no \.json files of ceap"):
        import_ratings([tmp_path / "out"], ImportOptions("ceap"))
    export_ratings(ratings(), tmp_path / "json", "afew-va", rate_hz=25.0)
    with pytest.raises(AnnotationError, match="pass --frame-rate-hz"):
        import_ratings([tmp_path / "json"], ImportOptions("afew-va"))
    both = ImportOptions("afew-va", frame_rate_hz=25.0)
    with pytest.raises(AnnotationError, match="with --rater naming whose they are"):
        import_ratings([tmp_path / "json"], both)
    table = tmp_path / "S01.csv"
    table.write_text("time;A\n0;\n")
    with pytest.raises(AnnotationError, match="no rating has a value"):
        import_ratings([table], ImportOptions("recola", dimension="valence"))


def test_files_that_count_from_one_are_noted(tmp_path):
    frames = {f"{k:05d}": {"valence": k, "arousal": 0} for k in (1, 2, 3)}
    path = tmp_path / "video1.json"
    path.write_text(json.dumps({"frames": frames}))
    counted = import_ratings([path], ImportOptions("afew-va", frame_rate_hz=25.0))
    assert counted.traces[0].time_ns[0] == FRAME_NS
    (note,) = counted.notes
    assert "frame is number 1, taken to be 0.040 s" in note
    assert "--first-frame 1" in note
    from_one = ImportOptions("afew-va", frame_rate_hz=25.0, first_frame=1)
    assert import_ratings([path], from_one).notes == ()


def test_a_rater_in_two_teams_is_contradictory(tmp_path):
    one = ratings()
    export_ratings(one, tmp_path / "a.parquet", "parquet", rate_hz=25.0)
    moved = [Trace("S03", t.rater, t.dimension, t.time_ns, t.value) for t in one.traces[:4]]
    other = Ratings(tuple(moved), 10.0, {"R1": "B"})
    export_ratings(other, tmp_path / "b.parquet", "parquet", rate_hz=25.0)
    with pytest.raises(AnnotationError, match="R1 is in team A of one source and B of another"):
        load_ratings([tmp_path / "a.parquet", tmp_path / "b.parquet"])


def test_a_csv_export_is_the_ratings_format(tmp_path):
    export_ratings(ratings(), tmp_path / "r.csv", "csv", rate_hz=1.0)
    same(ratings().traces, load_traces([tmp_path / "r.csv"]))
