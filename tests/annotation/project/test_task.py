"""Events arrive twice, late, in pieces, out of order, from pages that lost the right to rate."""

import random
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from annotation.errors import AnnotationError
from annotation.project.event import Event
from annotation.project.folder import Project, create_project, is_project, open_project
from annotation.project.ratings import read_project_ratings, read_project_traces
from annotation.project.settings import Settings
from annotation.project.task import (
    BusyError,
    FinishedError,
    Task,
    find_task,
    open_page,
    reopen,
    store_events,
    submit,
)

from .conftest import add_task


def take(first: int, last: int, value: int, *, seq: int = 0) -> list[Event]:
    return [
        Event(seq, "play", first, 0),
        Event(seq + 1, "set", first, 0, "valence", value, hand=True),
        Event(seq + 2, "pause", last, 0),
    ]


@pytest.fixture
def task(project: Project) -> Task:
    with project.database.write() as db:
        number = add_task(db, 1, 1)
        add_task(db, 1, 2)
        found = find_task(db, number)
    assert found is not None
    return found


def refreshed(db: sqlite3.Connection, task: Task) -> Task:
    found = find_task(db, task.id)
    assert found is not None
    return found


def values(project: Project) -> list[float]:
    (only,) = read_project_ratings(project.path, include_unsubmitted=True)
    return list(only.value)


def test_the_receipt_is_the_highest_number_without_a_gap(project: Project, task: Task) -> None:
    events = take(0, 9, 1) + take(10, 19, 2, seq=3) + take(20, 29, 3, seq=6)
    order = random.Random(0)
    with project.database.write() as db:
        open_page(db, task, client="c1", tab="t1", take_over=False)
    known: set[int] = set()
    for _ in range(40):
        batch = order.sample(events, 3)
        known |= {event.seq for event in batch}
        with project.database.write() as db:
            receipt = store_events(db, task, "c1", batch)
        assert receipt.acked == next((i for i in range(9) if i not in known), 9) - 1
    assert known == set(range(9))
    assert values(project) == [1.0] * 10 + [2.0] * 10 + [3.0] * 10
    with project.database.read() as db:
        assert db.execute("SELECT count(*) FROM event").fetchone()[0] == 9


def test_a_second_tab_waits_or_takes_over_and_late_words_of_the_first_are_kept_beneath(
    project: Project, task: Task
) -> None:
    with project.database.write() as db:
        assert open_page(db, task, client="c1", tab="t1", take_over=False) == 1
    with pytest.raises(BusyError), project.database.write() as db:
        open_page(db, task, client="c2", tab="t2", take_over=False)
    with project.database.write() as db:
        assert open_page(db, task, client="c2", tab="t2", take_over=True) == 2
        assert not store_events(db, task, "c2", take(5, 9, 7)).superseded
    with project.database.write() as db:
        receipt = store_events(db, task, "c1", take(0, 29, -1))
    assert (receipt.acked, receipt.superseded) == (2, True)
    assert values(project) == [-1.0] * 5 + [7.0] * 5 + [-1.0] * 20
    with pytest.raises(BusyError), project.database.write() as db:
        submit(db, task, "c1", 3)


def test_a_reload_and_a_closed_page_do_not_lock_out(project: Project, task: Task) -> None:
    with project.database.write() as db:
        open_page(db, task, client="c1", tab="t1", take_over=False)
        assert open_page(db, task, client="c2", tab="t1", take_over=False) == 2
        store_events(db, task, "c2", [], released=True)
        assert open_page(db, task, client="c3", tab="t2", take_over=False) == 3
        db.execute("UPDATE client SET seen_ns = seen_ns - 16000000000")
        assert open_page(db, task, client="c4", tab="t3", take_over=False) == 4
        # The server's clock was set back by a day: nobody waits until it has caught up.
        db.execute("UPDATE client SET seen_ns = seen_ns + 86400000000000")
        assert open_page(db, task, client="c5", tab="t4", take_over=False) == 5


def test_submitted_is_read_only_until_it_is_reopened(project: Project, task: Task) -> None:
    with project.database.write() as db:
        open_page(db, task, client="c1", tab="t1", take_over=False)
        store_events(db, task, "c1", take(0, 29, 4))
    with pytest.raises(AnnotationError, match="3 of 4 events"), project.database.write() as db:
        submit(db, task, "c1", 4)
    with pytest.raises(AnnotationError, match="submitted yet"):
        read_project_traces(project.path)
    with project.database.write() as db:
        submit(db, task, "c1", 3)
        submit(db, refreshed(db, task), "c1", 3)
    with project.database.write() as db:
        receipt = store_events(db, refreshed(db, task), "c1", take(0, 29, 9, seq=3))
    assert (receipt.acked, receipt.late) == (5, True)
    with pytest.raises(FinishedError), project.database.write() as db:
        open_page(db, refreshed(db, task), client="c2", tab="t1", take_over=True)
    (trace,) = read_project_traces(project.path)
    assert (trace.session, trace.rater, trace.dimension) == ("v1", "R1", "valence")
    assert set(trace.value) == {4.0}
    assert trace.time_ns[0] == 500
    assert trace.time_ns[29] == 500 + round(29e9 / 30)
    with project.database.write() as db:
        reopen(db, task.id)
        open_page(db, refreshed(db, task), client="c2", tab="t1", take_over=False)
        store_events(db, refreshed(db, task), "c2", take(29, 29, -4))
    assert values(project) == [4.0] * 29 + [-4.0]


def test_a_page_that_a_restored_database_does_not_know_is_listened_to(
    project: Project, task: Task
) -> None:
    with project.database.write() as db:
        assert store_events(db, task, "lost", take(0, 3, 6)).acked == 2
    assert values(project)[:4] == [6.0] * 4


def test_a_transaction_that_fails_leaves_nothing(project: Project, task: Task) -> None:
    def store_and_fail() -> None:
        with project.database.write() as db:
            store_events(db, task, "c1", take(0, 3, 6))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        store_and_fail()
    with pytest.raises(AnnotationError, match="nothing has been rated"):
        read_project_traces(project.path, include_unsubmitted=True)
    with project.database.write() as db:
        assert store_events(db, task, "c1", take(0, 3, 6)).acked == 2


def test_practice_is_left_out(project: Project) -> None:
    with project.database.write() as db:
        practice = find_task(db, add_task(db, 1, 2))
        assert practice is not None
        store_events(db, practice, "c1", take(0, 3, 6))
    assert read_project_ratings(project.path, include_unsubmitted=True) == ()


def test_values_are_what_numpy_says(project: Project, task: Task) -> None:
    with project.database.write() as db:
        store_events(db, task, "c1", take(3, 5, 2))
    (only,) = read_project_ratings(project.path, include_unsubmitted=True)
    assert (only.n_missing, only.team, only.submitted) == (27, "A", False)
    assert list(np.flatnonzero(only.by_hand)) == [3]
    assert list(only.trace.value) == [2.0] * 3


def test_what_is_no_project_is_said(tmp_path: Path, project: Project) -> None:
    assert is_project(project.path)
    assert not is_project(tmp_path)
    with pytest.raises(AnnotationError, match="does not exist"):
        open_project(tmp_path / "none")
    with pytest.raises(AnnotationError, match=r"project\.toml does not exist"):
        open_project(tmp_path)
    with pytest.raises(AnnotationError, match="exists already"):
        create_project(project.path, Settings())
    (project.path / "project.toml").write_text('titel = "x"')
    with pytest.raises(AnnotationError, match="did you mean 'title'"):
        open_project(project.path)
    create_project(tmp_path / "p2", Settings(title='a "quoted" \\ title', together=True))
    again = open_project(tmp_path / "p2")
    assert again.settings == Settings(title='a "quoted" \\ title', together=True)
    drawn = again.id
    (tmp_path / "p2").rename(tmp_path / "p3")
    assert open_project(tmp_path / "p3").id == drawn
    (tmp_path / "p3").rename(tmp_path / "p2")
    (tmp_path / "p2" / "ratings.sqlite").write_bytes(b"no database" * 400)
    with pytest.raises(AnnotationError, match="cannot be read as a database"):
        open_project(tmp_path / "p2")
    (tmp_path / "p2" / "ratings.sqlite").unlink()
    with sqlite3.connect(tmp_path / "p2" / "ratings.sqlite") as other:
        other.execute("CREATE TABLE t (x)")
    other.close()
    with pytest.raises(AnnotationError, match="no database of an annotation project"):
        open_project(tmp_path / "p2")
