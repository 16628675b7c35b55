"""A project's folder is a source of ratings like any file."""

import csv
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from annotation.cli import main
from annotation.errors import AnnotationError
from annotation.labels import load_labels
from annotation.project.event import Event
from annotation.project.folder import Project
from annotation.project.task import find_task, open_page, store_events, submit
from annotation.sources import load_ratings
from annotation.trace import DIMENSIONS

from .conftest import add_task

FRAME_NS = 10**9 / 30


def rate(
    project: Project, rater: int, values: tuple[int, int], *, gap: bool = False, done: bool = True
) -> None:
    """Let a rater say `values` in the first and second half of the video, both dimensions."""
    events = [Event(0, "play", 0, 0)]
    for number, name in enumerate(DIMENSIONS):
        value = values[0] + number
        events.append(Event(len(events), "set", 0, 0, name, value, hand=True))
    if gap:
        events += [Event(len(events), "pause", 9, 0), Event(len(events) + 1, "play", 15, 0)]
    for number, name in enumerate(DIMENSIONS):
        value = values[1] + number
        events.append(Event(len(events), "set", 15, 0, name, value, hand=True))
    events.append(Event(len(events), "pause", 29, 0))
    with project.database.write() as db:
        task = find_task(db, add_task(db, rater, 1, "valence+arousal"))
        assert task is not None
        open_page(db, task, client=f"c{rater}", tab="t", take_over=False)
        store_events(db, task, f"c{rater}", events)
        task = find_task(db, task.id)
        assert task is not None
        if done:
            submit(db, task, f"c{rater}", len(events))


@pytest.fixture
def rated(project: Project) -> Path:
    rate(project, 1, (-2, 4))
    rate(project, 2, (0, 6), gap=True)
    rate(project, 3, (1, 1), done=False)
    return project.path


def test_submitted_ratings_with_their_teams_and_frames(rated: Path) -> None:
    ratings = load_ratings([rated])
    assert (ratings.raters, ratings.sessions) == (("R1", "R2"), ("v1",))
    assert ratings.teams == {"R1": "A", "R2": "A"}
    assert ratings.all_from_projects
    assert [len(trace) for trace in ratings.traces] == [30, 25, 30, 25]
    assert ratings.origins[0]["name"] == "project"
    assert len(ratings.origins[0]["ratings_sha256"]) == 64
    assert load_ratings([rated], include_unsubmitted=True).raters == ("R1", "R2", "R3")
    small = load_ratings([rated], scale=1.0)
    assert small.traces[0].value == pytest.approx(ratings.traces[0].value / 10)


def test_nothing_submitted_says_what_to_do(project: Project) -> None:
    with pytest.raises(AnnotationError, match=r"nothing has been submitted yet .*--unsubmitted"):
        load_ratings([project.path])
    with pytest.raises(AnnotationError, match=r"project\.toml does not exist"):
        load_ratings([project.videos])


def test_labels_are_frames_of_the_video(rated: Path, tmp_path: Path) -> None:
    output = tmp_path / "labels.csv"
    assert main(["fuse", str(rated), "-o", str(output), "--json"]) == 0
    labels = load_labels(output).sessions["v1"]
    assert labels.time_ns.tolist() == [500 + round(k * FRAME_NS) for k in range(30)]
    assert labels.valence[:10].tolist() == [-0.1] * 10
    assert labels.valence[15:].tolist() == [0.5] * 15
    bridged = (np.full(5, -2) + np.linspace(0, 6, 7)[1:6]) / 20
    assert labels.valence[10:15] == pytest.approx(bridged, abs=1e-6)
    assert labels.valence_sd is not None
    assert labels.valence_sd[0] == pytest.approx(np.sqrt(2) / 10)
    fused = load_labels(output).provenance["fusion"]["v1"]
    valence, arousal = fused["valence"], fused["arousal"]
    assert (valence["n_rated"], valence["n_interpolated"]) == (55, 5)
    assert arousal["raters"] == ["R1", "R2"]


def test_every_command_takes_the_folder(
    rated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["agreement", str(rated), "--json", "--rate-hz", "30"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["teams"] == {"R1": "A", "R2": "A"}
    assert document["dimensions"]["valence"]["teams"][0]["name"] == "A"
    frames = tmp_path / "frames.csv"
    assert main(["export", str(rated), "--format", "frames", "-o", str(frames)]) == 0
    rows = list(csv.DictReader(frames.read_text().splitlines()))
    assert len(rows) == 4 * 30
    of_r2 = [r for r in rows if (r["rater"], r["dimension"]) == ("R2", "valence")]
    assert [r["source"] for r in of_r2[:16]] == [
        *["observed"],
        *["held"] * 9,
        *["interpolated"] * 5,
        *["observed"],
    ]
    page = tmp_path / "report.html"
    capsys.readouterr()
    assert main(["report", str(rated), "-o", str(page), "--quiet"]) == 0
    assert "Krippendorff's alpha" in capsys.readouterr().out
    assert "2 raters, 1 sessions" in page.read_text()
    assert "<pre>mavfer-annotate" in page.read_text()


def test_a_project_is_not_written_over(rated: Path, capsys: pytest.CaptureFixture[str]) -> None:
    database = rated / "ratings.sqlite"
    before = database.read_bytes()
    command = ["export", str(rated), "--format", "recola", "-o", str(rated), "--overwrite"]
    assert main(command) == 1
    assert "is an input too" in capsys.readouterr().err
    for inside in (database, rated / "new.csv"):
        assert main(["fuse", str(rated), "-o", str(inside), "--overwrite"]) == 1
        assert "lies inside" in capsys.readouterr().err
    assert database.read_bytes() == before


@pytest.mark.parametrize("damage", ["garbage", "cut", "other table"])
def test_a_damaged_database_is_one_line(
    rated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: str
) -> None:
    path = rated / "ratings.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        if damage == "other table":
            connection.execute("DROP TABLE event")
    content = bytearray(path.read_bytes())
    if damage == "garbage":
        content[4096:] = bytes(byte ^ 0x5A for byte in content[4096:])
        path.write_bytes(content)
    elif damage == "cut":
        path.write_bytes(content[: len(content) // 3])
    for words in (
        ["agreement", str(rated)],
        ["fuse", str(rated), "-o", str(tmp_path / "labels.csv")],
        ["export", str(rated), "-o", str(tmp_path / "out.csv")],
    ):
        assert main(words) == 1
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert "ratings.sqlite" in error
    for words in (["assign", str(rated), "R9"], ["link", str(rated), "R1"]):
        assert main(words) in (0, 1)  # what it needs may be whole still
        assert "Traceback" not in capsys.readouterr().err
    assert not (tmp_path / "labels.csv").exists()
