"""What raters said, frame by frame, read out of a project: the way to fusion and export."""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import AnnotationError
from ..trace import DIMENSIONS, Dimension, Trace
from .derive import Derived, derive
from .event import Event
from .folder import open_project
from .video import find_video


@dataclass(frozen=True, slots=True, eq=False)
class FrameRatings:
    """One rater, one dimension, one video: a value for every frame, or none.

    Attributes
    ----------
    session : str
        Name of the session's folder, or of the video file without its ending.
    rater, team : str
    dimension : {"valence", "arousal"}
    submitted : bool
        The rater declared this finished.
    time_ns : (N,) int64
        Of every frame of the video, since the session's start.
    value : (N,) float64
        -10 to 10; NaN where missing.
    by_hand : (N,) bool
        The slider was moved while this frame was shown; elsewhere its position was held.
    """

    session: str
    rater: str
    team: str
    dimension: Dimension
    submitted: bool
    time_ns: NDArray[np.int64]
    value: NDArray[np.float64]
    by_hand: NDArray[np.bool_]

    @property
    def n_missing(self) -> int:
        """Frames without a value."""
        return int(np.sum(np.isnan(self.value)))

    @property
    def trace(self) -> Trace:
        """The frames that have a value."""
        known = ~np.isnan(self.value)
        return Trace(
            self.session, self.rater, self.dimension, self.time_ns[known], self.value[known]
        )


def read_project_ratings(
    path: Path, *, include_unsubmitted: bool = False
) -> tuple[FrameRatings, ...]:
    """Derive every frame's value from the events of a project; practice is left out.

    Reads beside a running server.

    Parameters
    ----------
    path : Path
        The project's folder.
    include_unsubmitted : bool
        Also ratings in progress.

    Returns
    -------
    tuple of FrameRatings
        Sorted by session, dimension and rater; those without a single value are left out.

    Raises
    ------
    AnnotationError
        Not a project, or damaged.
    """
    project = open_project(path)
    try:
        with project.database.read() as db:
            found = list(stored_ratings(db))
    except sqlite3.Error as error:
        raise AnnotationError(
            f"{project.database.path} cannot be read: {error}",
            remedy="restore it from a copy, together with its -wal file if there is one",
        ) from error
    wanted = [each for each in found if each.submitted or include_unsubmitted]
    return tuple(
        sorted(
            (each for each in wanted if each.n_missing < len(each.value)),
            key=lambda each: (each.session, each.dimension, each.rater),
        )
    )


def read_project_traces(path: Path, *, include_unsubmitted: bool = False) -> tuple[Trace, ...]:
    """Return what `read_project_ratings` finds as traces, one sample a rated frame.

    Raises
    ------
    AnnotationError
        Not a project, damaged, or nothing was rated yet.
    """
    ratings = read_project_ratings(path, include_unsubmitted=include_unsubmitted)
    if not ratings:
        state = "rated" if include_unsubmitted else "submitted"
        raise AnnotationError(f"{path}: nothing has been {state} yet")
    return tuple(each.trace for each in ratings)


def stored_ratings(
    db: sqlite3.Connection, *, task: int | None = None, practice: bool = False
) -> Iterator[FrameRatings]:
    """Yield the ratings of every task, empty ones too.

    Parameters
    ----------
    db : Connection
    task : int, optional
        Only of this one.
    practice : bool
        Also of practice videos.
    """
    tasks = db.execute(
        "SELECT task.id, task.video, task.dimensions, task.state, rater.name, rater.team "
        "FROM task JOIN rater ON rater.id = task.rater JOIN video ON video.id = task.video "
        "WHERE (:practice OR video.role = 'rating') AND (:task IS NULL OR task.id = :task) "
        "ORDER BY task.id",
        {"practice": practice, "task": task},
    ).fetchall()
    for row in tasks:
        video = find_video(db, row["video"])
        time_ns = video.time_ns
        for dimension, derived in derive_task(
            db, row["id"], row["dimensions"], video.n_frames
        ).items():
            yield FrameRatings(
                session=video.name,
                rater=row["name"],
                team=row["team"],
                dimension=dimension,
                submitted=row["state"] == "submitted",
                time_ns=time_ns,
                value=derived.value,
                by_hand=derived.by_hand,
            )


def derive_task(
    db: sqlite3.Connection, task: int, dimensions: str, n_frames: int
) -> dict[Dimension, Derived]:
    """Derive the values of one task; events that came after its submission do not count."""
    return derive(task_pages(db, task), n_frames=n_frames, dimensions=split_dimensions(dimensions))


def split_dimensions(text: str) -> tuple[Dimension, ...]:
    """Undo ``valence+arousal``."""
    return tuple(name for name in DIMENSIONS if name in text.split("+"))


def task_pages(db: sqlite3.Connection, task: int) -> list[list[Event]]:
    """Return a task's events, page by page from the oldest to the newest, in their order."""
    rows = db.execute(
        "SELECT event.* FROM event JOIN client "
        "ON client.task = event.task AND client.client = event.client "
        "WHERE event.task = ? AND NOT late ORDER BY epoch, event.client, seq",
        (task,),
    )
    return [
        [_event(row) for row in page] for _, page in groupby(rows, key=lambda row: row["client"])
    ]


def page_events(
    db: sqlite3.Connection, task: int, client: str, *, after: int, up_to: int
) -> list[Event]:
    """Return the events of one page numbered from `after` + 1 to `up_to`, in order."""
    rows = db.execute(
        "SELECT * FROM event WHERE task = ? AND client = ? AND seq > ? AND seq <= ? AND NOT late "
        "ORDER BY seq",
        (task, client, after, up_to),
    )
    return [_event(row) for row in rows]


def _event(row: sqlite3.Row) -> Event:
    return Event(
        seq=row["seq"],
        kind=row["kind"],
        frame=row["frame"],
        at_us=row["at_us"],
        dimension=row["dimension"],
        value=row["value"],
        hand=bool(row["hand"]),
        speed=row["speed"],
        detail=row["detail"],
    )
