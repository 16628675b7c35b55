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
