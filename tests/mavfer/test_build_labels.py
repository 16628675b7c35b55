"""mavfer-build-dataset: raters, lag and consent on the command line."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from annotation.labels import Labels, SessionLabels
from annotation.raters_csv import save_traces
from annotation.trace import Trace
from mavfer import open_store
from mavfer.build_checks import check_sources
from mavfer.build_cli import main
from mavfer.cli import main as mavfer
from mavfer.errors import DatasetError
from mavfer.labelling import Labelling
from mavfer.part import BuildPlan, SourceFile
from mavfer.splits import SplitPlan
from mavfer.store_check import check_store
from mavfer.store_traces import LabelTrace
from mavfer.store_writer import StoreLayout

from .conftest import Laboratory
from .corpora import write_video

SECOND = 1_000_000_000


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert main([*map(str, arguments), "--quiet"]) == 1
    error = capsys.readouterr().err
    assert error.splitlines()[-1].startswith("error: ")
    return error


def test_raters_and_lag_end_in_the_store(laboratory: Laboratory, tmp_path: Path) -> None:
    session = laboratory.sessions[0]
    times = np.arange(0, 6) * SECOND
    traces = [
        Trace(session.name, rater, dimension, times, slope * np.arange(6.0))
        for rater, slope in (("R1", 1.0), ("R2", -0.5))
        for dimension in ("valence", "arousal")
    ]
    save_traces(tmp_path / "raters.csv", traces)
    out = tmp_path / "store.h5"
    arguments = [session, "--calibration", laboratory.calibration, "-o", out, "--split", "none"]
    arguments += ["--raters", tmp_path / "raters.csv", "--lag-s", 0.5, "--modalities", "color"]
    assert main([*map(str, arguments), "--workers", "1", "--no-identity", "--quiet"]) == 0
    store = open_store(out)
    times_s = store.time_ns(session.name) / 1e9
    mean = 0.25 * (times_s + 0.5) / 10
    expected = np.where(times_s + 0.5 <= 5, mean, np.nan)
    np.testing.assert_allclose(store.labels(session.name, "valence"), expected, atol=1e-6)
    np.testing.assert_allclose(
        store.rater_labels(session.name, "arousal", lag_s=0)["R2"], -0.05 * times_s, atol=1e-6
    )
    assert store.provenance["options"]["label_lag_s"] == 0.5
    assert store.videos[session.name].consent is not None
    assert [f for f in check_store(out) if f.level == "error"] == []


def test_sessions_without_consent_for_the_purpose_are_left_out(
    laboratory: Laboratory, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copies = []
    for name, session in zip("abc", (laboratory.sessions * 2)[:3], strict=True):
        copies.append(tmp_path / name)
        copies[-1].mkdir()
        shutil.copy(session / "session.json", copies[-1])
    silent = copies[2] / "session.json"
    without = {k: v for k, v in json.loads(silent.read_text()).items() if k != "consent"}
    silent.write_text(json.dumps(without))
    manifest = copies[0] / "session.json"
    document = json.loads(manifest.read_text())
    document["consent"] = {"record": True, "share": True, "until": "2000-01-01"}
    manifest.write_text(json.dumps(document))
    out = tmp_path / "store.h5"
    arguments = [*copies, "--calibration", laboratory.calibration, "-o", out, "--purpose", "share"]
    error = refused(capsys, *arguments)
    assert "no session may be used for --purpose share" in error
    assert "ended on 2000-01-01" in error
    assert "does not agree to sharing" in error
    assert "no consent is on record" in error
    assert not out.exists()


@pytest.mark.parametrize("purpose", ["share", "publish"])
def test_films_are_built_for_use_where_they_are_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], purpose: str
) -> None:
    film = tmp_path / "film.mp4"
    film.touch()
    error = refused(capsys, "--video", film, "-o", tmp_path / "store.h5", "--purpose", purpose)
    assert f"--purpose {purpose} takes no --video: no consent is on record for films" in error


def test_labels_that_cannot_be_meant_are_refused(
    laboratory: Laboratory, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = [laboratory.sessions[0], "--calibration", laboratory.calibration]
    common += ["-o", tmp_path / "store.h5"]
    labels = ["--labels", laboratory.labels]
    assert "a lag of -1 s" in refused(capsys, *common, *labels, "--lag-s", "-1")
    assert "expected a number of seconds" in refused(capsys, *common, *labels, "--lag-s", "nan")
    assert "does not exist" in refused(capsys, *common, "--raters", tmp_path / "none.csv")
    wild = tmp_path / "wild.csv"
    wild.write_text("session,rater,dimension,time_s,value\nx,R,valence,0,11\n")
    assert "outside the scale" in refused(capsys, *common, "--raters", wild)
    assert "the scale is 0" in refused(capsys, *common, "--raters", wild, "--rater-scale", "0")
    assert "about none of the sources" in refused(
        capsys, *common, "--raters", wild, "--rater-scale", "20"
    )


def test_sources_without_labels_are_named_before_any_work(
    laboratory: Laboratory,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    one, other = (session.name for session in laboratory.sessions[:2])
    labels = tmp_path / "labels.csv"
    labels.write_text(f"session,time_s,valence,arousal,n_raters\n{one},0,0,0,3\n{one},9,0,0,3\n")
    arguments = [*laboratory.sessions[:2], "--calibration", laboratory.calibration]
    arguments += ["--labels", labels, "-o", tmp_path / "s.h5", "--split", "none"]
    error = refused(capsys, *arguments)
    assert f"no labels for {other}; the labels are about {one} (" in error
    assert [path.name for path in tmp_path.iterdir()] == ["labels.csv"]
    words = [*map(str, arguments), "--workers", "1", "--skip-bad", "--json", "--quiet"]
    assert main([*words, "--lag-s", "50"]) == 1
    error = capsys.readouterr().err
    assert f"no label is about a moment of its source with a lag of 50 s: {one} " in error
    assert "labels from 0 to 9 s" in error
    assert [path.name for path in tmp_path.iterdir()] == ["labels.csv"]
    assert main([*words, "--lag-s", "0.5"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert list(summary["videos"]) == [one]
    assert f"no labels for {other}" in summary["failed"][str(laboratory.sessions[1])]


def test_labels_and_lags_are_held_against_the_sources(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    films = [tmp_path / "a.mp4", tmp_path / "b.mp4"]
    for film in films:
        write_video(film, [np.zeros((32, 48, 3), np.uint8)] * 25)
    plan = BuildPlan(StoreLayout(("color",)), SplitPlan((1, 0, 0)))
    sources = [SourceFile(film, is_video=True, subject=film.stem) for film in films]

    def check(spans_s: dict[str, tuple[float, float]], lag_s: float = 0) -> None:
        sessions = {
            name: SessionLabels(
                np.array([first * SECOND, last * SECOND], np.int64), *np.zeros((3, 2))
            )
            for name, (first, last) in spans_s.items()
        }
        labelling = Labelling(Labels(sessions), lag_ns=round(lag_s * SECOND))
        check_sources(sources, replace(plan, labelling=labelling))

    with pytest.raises(DatasetError, match=r"a ends at 1\.0 s and has labels from 5 to 9 s"):
        check({"a": (5, 9), "b": (0, 1)}, lag_s=2)
    check({"a": (2, 3), "b": (0, 9)}, lag_s=2)
    assert not caplog.records
    check({"a": (0, 1), "b": (5, 9), "c": (0, 1)})
    assert "no source for the labels of c" in caplog.text
    assert "no label is about a moment of b" in caplog.text
    with pytest.raises(DatasetError, match="without labels to take it out of"):
        check_sources(sources, replace(plan, labelling=Labelling(lag_ns=SECOND)))
    ratings = {"c": (LabelTrace("valence", np.array([0]), np.zeros(1), "R"),)}
    with pytest.raises(DatasetError, match="the ratings are about none of the sources, only ab"):
        check_sources(sources, replace(plan, labelling=Labelling(raters=ratings)))


@pytest.mark.parametrize("lag", ["1e308", "-1e308", "100001"])
def test_lags_beyond_any_session_are_refused(
    laboratory: Laboratory, tmp_path: Path, capsys: pytest.CaptureFixture[str], lag: str
) -> None:
    (tmp_path / "films").mkdir()
    (tmp_path / "films" / "a.mp4").write_bytes(b"not looked into")
    store = ["-o", str(tmp_path / "s.h5")]
    assert main([str(laboratory.sessions[0]), *store, f"--lag-s={lag}"]) == 1
    assert "expected 0 to 100000 s" in capsys.readouterr().err
    assert mavfer(["import", "folder", str(tmp_path / "films"), *store, f"--lag-s={lag}"]) == 1
    assert "expected 0 to 100000 s" in capsys.readouterr().err
