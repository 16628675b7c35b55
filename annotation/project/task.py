"""Tasks: what one rater has to rate, and the pages in which they do it."""

import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ..errors import AnnotationError
from ..trace import Dimension
from .event import Event
from .ratings import split_dimensions

State = Literal["open", "submitted"]
LEASE_S = 15.0
"""A page that has not been heard of for so long does not keep others out."""
RESUME_BEFORE_S = 2.0
MAX_EVENTS_PER_TASK = 500_000
_MOVES = ("play", "set", "seen", "pause")


class BusyError(AnnotationError):
    """Another page is rating this task."""


class FinishedError(AnnotationError):
    """The task is submitted and read-only."""


@dataclass(frozen=True, slots=True)
class Task:
    """What one rater has to rate.

    Attributes
    ----------
    id, rater, video : int
    dimensions : tuple of {"valence", "arousal"}
    state : {"open", "submitted"}
    """

    id: int
    rater: int
    video: int
    dimensions: tuple[Dimension, ...]
    state: State


@dataclass(frozen=True, slots=True)
class Receipt:
    """What was stored of a page's events.

    Attributes
    ----------
    acked : int
        All events of this page up to this number are on disk; -1: none.
    superseded : bool
        Another page has taken over since: this one must stop. What it sent is kept, beneath what
        the newer page says.
    late : bool
        The task was submitted already: what was sent is kept, but does not count.
    """

    acked: int
    superseded: bool
    late: bool


def find_task(db: sqlite3.Connection, task: int, *, rater: int | None = None) -> Task | None:
    """Return a task, with `rater` only if it is that rater's."""
    row = db.execute("SELECT * FROM task WHERE id = ?", (task,)).fetchone()
    if row is None or rater not in (None, row["rater"]):
        return None
    return _task(row)


def tasks_of(db: sqlite3.Connection, rater: int) -> list[Task]:
    """Return a rater's tasks in the order they are to be done: practice first."""
    rows = db.execute(
        "SELECT task.* FROM task JOIN video ON video.id = task.video WHERE rater = ? "
        "ORDER BY video.role != 'practice', position, video.name, part",
        (rater,),
    )
    return [_task(row) for row in rows]


def open_page(db: sqlite3.Connection, task: Task, *, client: str, tab: str, take_over: bool) -> int:
    """Give a page the right to rate; an earlier page of the same tab loses it.

    Returns
    -------
    int
        The page's epoch: what it says counts over pages of lower ones.

    Raises
    ------
    FinishedError
    BusyError
        A page of another tab is at it, and `take_over` was not asked for.
    """
    if task.state == "submitted":
        raise FinishedError("this is submitted")
    newest = _newest_page(db, task.id)
    now_ns = time.time_ns()
    if newest is not None and not take_over and newest["tab"] != tab:
        # A wall clock that was set back must not lock anybody out.
        silent_s = abs(now_ns - newest["seen_ns"]) * 1e-9
        if not newest["released"] and silent_s < LEASE_S:
            raise BusyError("this is being rated in another window")
    epoch = 1 if newest is None else newest["epoch"] + 1
    db.execute(
        "INSERT INTO client (task, client, tab, epoch, seen_ns) VALUES (?, ?, ?, ?, ?)",
        (task.id, client, tab, epoch, now_ns),
    )
    return int(epoch)


def store_events(
    db: sqlite3.Connection,
    task: Task,
    client: str,
    events: Sequence[Event],
    *,
    released: bool = False,
) -> Receipt:
    """Store what a page reports; what is stored already is not stored twice.

    Parameters
    ----------
    db : Connection
        In a transaction: the receipt holds once it is committed.
    task : Task
    client : str
    events : sequence of Event
        In any order; may be empty, to say that the page is still there.
    released : bool
        The page is being closed.

    Raises
    ------
    AnnotationError
        The page sent more than anybody can have done.
    """
    page = db.execute(
        "SELECT * FROM client WHERE task = ? AND client = ?", (task.id, client)
    ).fetchone()
    if page is None:  # a page from before the database was restored from a copy
        db.execute(
            "INSERT INTO client (task, client, tab, epoch, seen_ns) VALUES (?, ?, '', 0, 0)",
            (task.id, client),
        )
    acked = -1 if page is None else int(page["acked"])
    late = task.state == "submitted"
    if events and max(event.seq for event in events) >= MAX_EVENTS_PER_TASK:
        raise AnnotationError(f"more than {MAX_EVENTS_PER_TASK} events from one page")
    now_ns = time.time_ns()
    db.executemany(
        "INSERT OR IGNORE INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                *(task.id, client, event.seq, event.kind, event.frame, event.at_us),
                *(event.dimension, event.value, event.hand, event.speed, _whole(event.detail)),
                *(late, now_ns),
            )
            for event in events
        ],
    )
    acked = _contiguous(db, task.id, client, acked)
    db.execute(
        "UPDATE client SET acked = ?, seen_ns = ?, released = ? WHERE task = ? AND client = ?",
        (acked, now_ns, released, task.id, client),
    )
    newest = _newest_page(db, task.id)
    superseded = newest is not None and newest["client"] != client
    return Receipt(acked, superseded, late)


def submit(db: sqlite3.Connection, task: Task, client: str, n_events: int) -> None:
    """Declare a task finished, if all that the page ever said is here.

    Submitting twice is submitting once.

    Raises
    ------
    BusyError
        Another page has taken over.
    AnnotationError
        Events are missing.
    """
    if task.state == "submitted":
        return
    newest = _newest_page(db, task.id)
    if newest is None or newest["client"] != client:
        raise BusyError("this is being rated in another window")
    if newest["acked"] + 1 != n_events:
        raise AnnotationError(
            f"{newest['acked'] + 1} of {n_events} events are here", remedy="wait until all is saved"
        )
    db.execute(
        "UPDATE task SET state = 'submitted', submitted_ns = ? WHERE id = ?",
        (time.time_ns(), task.id),
    )


def reopen(db: sqlite3.Connection, task: int) -> None:
    """Let a rater go on with a submitted task."""
    db.execute("UPDATE task SET state = 'open', submitted_ns = NULL WHERE id = ?", (task,))


def comment_of(pages: Sequence[Sequence[Event]]) -> str:
    """Return what a rater last wrote beside the ratings."""
    said = [event.detail for page in pages for event in page if event.kind == "comment"]
    return said[-1] if said else ""


def resume_frame(pages: Sequence[Sequence[Event]], n_frames: int, rate_hz: float) -> int:
    """Return where to go on: a little before what was last seen, or the start if that is the end.

    Of single frames, the one last judged.
    """
    moves = [event for event in (pages[-1] if pages else ()) if event.kind in _MOVES]
    if not moves or moves[-1].frame >= n_frames - 1:
        return 0
    stepped = moves[-1].speed == 0
    return max(0, moves[-1].frame - (0 if stepped else round(RESUME_BEFORE_S * rate_hz)))


def _whole(text: str) -> str:
    """Replace halves of characters: a page can say them, a database cannot keep them."""
    return text.encode("utf-8", "replace").decode()


def _newest_page(db: sqlite3.Connection, task: int) -> sqlite3.Row | None:
    row: sqlite3.Row | None = db.execute(
        "SELECT * FROM client WHERE task = ? ORDER BY epoch DESC LIMIT 1", (task,)
    ).fetchone()
    return row


def _contiguous(db: sqlite3.Connection, task: int, client: str, acked: int) -> int:
    """Return the number up to which nothing is missing."""
    rows = db.execute(
        "SELECT seq FROM event WHERE task = ? AND client = ? AND seq > ? ORDER BY seq",
        (task, client, acked),
    )
    for (seq,) in rows:
        if seq != acked + 1:
            break
        acked = seq
    return acked


def _task(row: sqlite3.Row) -> Task:
    return Task(
        row["id"],
        row["rater"],
        row["video"],
        split_dimensions(row["dimensions"]),
        row["state"],
    )
