"""What the admin sees: who is how far, what looks wrong, how well raters agree right now."""

import sqlite3
from dataclasses import asdict
from typing import Any

import numpy as np

from ..project.conduct import flag_conduct
from ..project.derive import derive
from ..project.event import Event
from ..project.people import raters
from ..project.ratings import FrameRatings, split_dimensions, stored_ratings, task_pages
from ..project.settings import Settings
from ..project.task import comment_of
from ..project.video import find_video, videos
from ..quality import flag_trace
from ..trace import Trace

MAX_SKIPPED_SHARE = 0.02
SKIPPED = "skipped "
"""How a page begins the note that the browser left frames out; their number follows."""


def project_overview(db: sqlite3.Connection, settings: Settings) -> dict[str, Any]:
    """Describe raters, videos and tasks, for the tables of the page."""
    every = videos(db)
    names = {video.id: video.name for video in every}
    return {
        "title": settings.title,
        "raters_per_video": settings.raters_per_video,
        "raters": [asdict(rater) | {"seen_s": _seen_s(db, rater.id)} for rater in raters(db)],
        "videos": [
            {
                "id": video.id,
                "name": video.name,
                "role": video.role,
                "duration_s": video.duration_s,
            }
            for video in every
        ],
        "tasks": [
            {
                "id": row["id"],
                "rater": row["rater"],
                "video": row["video"],
                "name": names[row["video"]],
                "dimensions": row["dimensions"].split("+"),
                "state": row["state"],
                "started": bool(row["started"]),
            }
            for row in db.execute(
                "SELECT task.*, EXISTS (SELECT 1 FROM client WHERE task = task.id AND acked >= 0) "
                "AS started FROM task ORDER BY id"
            )
        ],
    }


def task_details(db: sqlite3.Connection, task: int) -> dict[str, Any] | None:
    """Describe one task for the admin: values, comment, what the events show."""
    row = db.execute(
        "SELECT task.*, rater.name AS who FROM task JOIN rater ON rater.id = task.rater "
        "WHERE task.id = ?",
        (task,),
    ).fetchone()
    if row is None:
        return None
    video = find_video(db, row["video"])
    pages = task_pages(db, task)
    dimensions = split_dimensions(row["dimensions"])
    derived = derive(pages, n_frames=video.n_frames, dimensions=dimensions)
    n_late = db.execute("SELECT count(*) FROM event WHERE task = ? AND late", (task,)).fetchone()[0]
    return {
        "id": task,
        "rater": row["who"],
        "video": video.name,
        "state": row["state"],
        "rate_hz": float(video.rate_hz),
        "comment": comment_of(pages),
        "n_pages": len(pages),
        "n_takes": sum(event.kind == "play" for page in pages for event in page),
        "n_events": sum(map(len, pages)),
        "n_late": n_late,
        "values": {
            name: [None if np.isnan(v) else int(v) for v in each.value]
            for name, each in derived.items()
        },
        "n_missing": {name: int(np.sum(np.isnan(each.value))) for name, each in derived.items()},
        "flags": {
            each.dimension: quality_flags(each, pages)
            for each in stored_ratings(db, task=task, practice=True)
        },
    }


def quality_flags(ratings: FrameRatings, pages: list[list[Event]]) -> list[str]:
    """Say in words what looks wrong about one trace.

    Parameters
    ----------
    ratings : FrameRatings
    pages : list of list of Event
        Of its task: how the video was played, and what the rater's machine was too slow to show.
    """
    n_frames, n_skipped = len(ratings.value), _n_skipped(pages)
    frame_ns = ratings.time_ns - ratings.time_ns[0]
    told = [flag.text for flag in flag_conduct(pages, frame_ns)]
    if n_skipped > MAX_SKIPPED_SHARE * n_frames:
        told.append(f"{n_skipped} of {n_frames} frames were not shown: a slow computer?")
    if ratings.n_missing == n_frames:
        return told
    trace = ratings.trace
    start_ns = int(ratings.time_ns[0])
    since = Trace(
        trace.session, trace.rater, trace.dimension, trace.time_ns - start_ns, trace.value
    )
    return told + [flag.text for flag in flag_trace(since, duration_ns=int(frame_ns[-1]))]


def _n_skipped(pages: list[list[Event]]) -> int:
    """Sum up what pages said of frames that the browser left out."""
    said = [event.detail for page in pages for event in page if event.kind == "note"]
    counts = [text.removeprefix(SKIPPED) for text in said if text.startswith(SKIPPED)]
    return sum(int(count) for count in counts if count.isdecimal())


def _seen_s(db: sqlite3.Connection, rater: int) -> float | None:
    """Time of the last word of a rater's pages, since 1970."""
    row = db.execute(
        "SELECT max(seen_ns) FROM client WHERE task IN (SELECT id FROM task WHERE rater = ?)",
        (rater,),
    ).fetchone()
    return None if row[0] is None else row[0] * 1e-9
