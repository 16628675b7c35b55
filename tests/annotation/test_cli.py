"""``mavfer-annotate`` as a user types it."""

import json

import numpy as np
import pytest

from annotation.cli import main
from annotation.labels import load_labels
from annotation.raters_csv import save_traces
from annotation.trace import Trace


@pytest.fixture
def raters(tmp_path):
    time_ns = np.arange(20, dtype=np.int64) * 500_000_000
    traces = [
        Trace(session, rater, dimension, time_ns, np.round(8 * np.sin(time_ns / 2e9 + k)))
        for session in ("S01", "S02")
        for dimension in ("valence", "arousal")
        for k, rater in enumerate(("R1", "R2", "R3"))
    ]
    path = tmp_path / "raters.csv"
    save_traces(path, traces)
    return path


def test_fuse_writes_labels_that_know_where_they_come_from(raters, tmp_path, capsys):
    output = tmp_path / "labels.csv"
    assert main(["fuse", str(raters), "-o", str(output), "--rate-hz", "4", "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["sessions"] == ["S01", "S02"]
    assert summary["n_raters_min"] == 3
    labels = load_labels(output)
    assert labels.provenance["options"]["scale"] == 10.0
    assert labels.provenance["raters"] == ["R1", "R2", "R3"]
    assert labels.provenance["sources"][0]["name"] == "raters.csv"
    assert len(labels.provenance["sources"][0]["sha256"]) == 64


def test_ratings_are_never_written_over(raters, capsys):
    before = raters.read_bytes()
    assert main(["fuse", str(raters), "-o", str(raters), "--overwrite"]) == 1
    assert "is an input too" in capsys.readouterr().err
    assert raters.read_bytes() == before


def test_fuse_keeps_an_existing_file_unless_told(raters, tmp_path, capsys):
    output = tmp_path / "labels.csv"
    output.write_text("mine")
    assert main(["fuse", str(raters), "-o", str(output)]) == 1
    assert "exists already" in capsys.readouterr().err
    assert output.read_text() == "mine"
    assert main(["fuse", str(raters), "-o", str(output), "--overwrite"]) == 0
    assert "2 sessions" in capsys.readouterr().out


def test_agreement_speaks_to_people_and_programs(raters, capsys):
    assert main(["agreement", str(raters)]) == 0
    text = capsys.readouterr().out
    assert "valence:" in text
    assert "R1, R2, R3: alpha" in text
    assert main(["agreement", str(raters), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["dimensions"]["arousal"]["n_pairs"] == 6
    assert -1 <= result["dimensions"]["valence"]["mean_ccc"] <= 1


def test_undefined_numbers_are_null_in_json(tmp_path, capsys):
    path = tmp_path / "one.csv"
    time_ns = np.arange(3, dtype=np.int64) * 10**9
    save_traces(path, [Trace("S01", "R1", "valence", time_ns, np.zeros(3))])
    assert main(["agreement", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["dimensions"]["valence"]["mean_cc"] is None


def test_bad_ratings_are_one_line(tmp_path, capsys):
    path = tmp_path / "raters.csv"
    path.write_text("session,rater,dimension,time_s,value\nS,R,valence,0,99\n")
    assert main(["fuse", str(path), "-o", str(tmp_path / "labels.csv")]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "raters.csv:2" in error
    assert not (tmp_path / "labels.csv").exists()


def run(capsys, *words):
    assert main([str(word) for word in words]) == 0
    return capsys.readouterr().out


def test_the_agreement_document_stands_for_itself(raters, tmp_path, capsys):
    output = tmp_path / "agreement.json"
    text = run(capsys, "agreement", raters, "-o", output, "--resamples", "50")
    assert "Krippendorff's alpha" in text
    assert "[" in text
    document = json.loads(output.read_text())
    assert (document["format"], document["schema_version"]) == ("mavfer-agreement", 1)
    assert set(document["dimensions"]) == {"valence", "arousal"}
    assert document["sources"][0]["name"] == "raters.csv"
    assert "population moments" in document["definitions"]["ccc"]
    interval = document["dimensions"]["valence"]["intervals"]["mean_cc"]
    assert interval["n_sequences"] == 2
    assert main(["agreement", str(raters), "-o", str(output)]) == 1
    assert "exists already" in capsys.readouterr().err


def test_undefined_is_said_to_people(tmp_path, capsys):
    path = tmp_path / "two.csv"
    time_ns = np.arange(3, dtype=np.int64) * 10**9
    both = [Trace("S01", r, "valence", time_ns, np.zeros(3)) for r in ("R1", "R2")]
    save_traces(path, both)
    text = run(capsys, "agreement", path)
    assert "undefined: CC and CCC of R1 and R2 on S01: R1 and R2 never moved" in text
    assert "nan" not in text


def test_fusion_options_are_recorded(raters, tmp_path, capsys):
    output = tmp_path / "labels.csv"
    words = ["--method", "ewe-pairwise-ccc", "--lag-s", "0.5", "--edges", "hold", "--rate-hz"]
    text = run(capsys, "fuse", raters, "-o", output, *words, "native", "--align-raters", "2")
    assert "later than the others: R1" in text
    provenance = load_labels(output).provenance
    options = provenance["options"]
    assert (options["method"], options["edges"]) == ("ewe-pairwise-ccc", "hold")
    assert (options["lag_s"], options["rate_hz"]) == (0.5, None)
    assert set(options["rater_lag_s"]) == {"R1", "R2", "R3"}
    assert "weights: mean CCC with each other rater" in provenance["method"]
    assert set(provenance["fusion"]) == {"S01", "S02"}
    assert sum(provenance["fusion"]["S02"]["arousal"]["weights"]) == pytest.approx(1.0)


def test_raters_of_whom_nobody_agrees_are_a_note(tmp_path, capsys):
    path = tmp_path / "two.csv"
    time_ns = np.arange(3, dtype=np.int64) * 10**9
    save_traces(path, [Trace("S01", r, "valence", time_ns, np.zeros(3)) for r in ("R1", "R2")])
    text = run(capsys, "fuse", path, "-o", tmp_path / "labels.csv", "--method", "ewe")
    assert "note: S01, valence: no rater agrees with another, all count the same" in text


def test_export_and_import_are_inverse(raters, tmp_path, capsys):
    run(capsys, "export", raters, "--format", "muse", "-o", tmp_path / "muse")
    back = tmp_path / "back.csv"
    words = ["import", "muse", tmp_path / "muse", "--scale", "10", "-o", back]
    assert "3 raters, 2 sessions" in run(capsys, *words)
    assert sorted(back.read_text().splitlines()) == sorted(raters.read_text().splitlines())
    labels, json_folder = tmp_path / "labels.csv", tmp_path / "json"
    run(capsys, "fuse", raters, "-o", labels, "--rate-hz", "10")
    text = run(
        capsys, "export", labels, "--format", "afew-va", "--frame-rate-hz", "10", "-o", json_folder
    )
    assert "2 files" in text
    run(capsys, "export", labels, "--format", "parquet", "-o", tmp_path / "labels.parquet")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["agreement", "{raters}", "--resamples", "-1"], "--resamples -1: expected 0 to"),
        (["agreement", "{raters}", "--rate-hz", "0"], "rate_hz is 0"),
        (["agreement", "{raters}", "--scale", "0"], "the scale is 0"),
        (["agreement", "{folder}"], "project.toml does not exist"),
        (["agreement", "{raters}", "{raters}"], "already in"),
        (["fuse", "{raters}", "-o", "{folder}/x.csv", "--align-raters", "0"], "max_lag_s is 0"),
        (["fuse", "{raters}", "-o", "{folder}/x.csv", "--lag-s", "nan"], "lag_s is nan"),
        (
            [
                "export",
                "{raters}",
                "--format",
                "frames",
                "-o",
                "{folder}/x",
                "--frame-rate-hz",
                "0",
            ],
            "rate_hz is 0",
        ),
        (
            ["export", "{raters}", "--format", "recola", "-o", "{folder}", "--overwrite"],
            "is a folder around",
        ),
        (["agreement", "{raters}", "--scale", "inf"], "the scale is inf"),
        (
            ["export", "{raters}", "--format", "recola", "-o", "{folder}/raters.csv"],
            "is an input too",
        ),
        (["import", "ceap", "{raters}", "-o", "{folder}/x.csv"], "no valid JSON"),
        (["import", "recola", "{raters}", "-o", "{folder}/x.csv"], "expected a column of times"),
        (["import", "muse", "{folder}/none", "-o", "{folder}/x.csv"], "does not exist"),
    ],
)
def test_impossible_requests_are_one_line(raters, tmp_path, capsys, words, complaint):
    filled = [word.format(raters=raters, folder=tmp_path) for word in words]
    assert main(filled) == 1
    error = capsys.readouterr().err
    assert complaint in error
    assert error.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["raters.csv"]
