"""What the admin sees: who is how far, what looks wrong, how well raters agree right now."""

import math
import sqlite3
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..agreement_report import describe_agreement
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
MAX_GAP_S = 1.0
"""Nothing is interpolated where a rater has not been yet."""
MIN_TRACE_FRAMES = 2
"""Traces in progress with fewer rated frames say nothing about agreement yet."""


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


class RatingsWatch:
    """What everybody has rated so far; only tasks in which something happened are derived anew."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[int, tuple[tuple[Any, ...], _Looked]] = {}

    def look(self, db: sqlite3.Connection) -> dict[str, Any]:
        """Return agreement by dimension, and flags by task."""
        stamps = {
            row["id"]: (row["state"], row["pages"], row["acked"])
            for row in db.execute(
                "SELECT task.id, task.state, count(client) AS pages, sum(acked) AS acked FROM task "
                "JOIN client ON client.task = task.id GROUP BY task.id"
            )
        }
        with self._lock:  # a second page of the admin waits and gets what the first one found
            for task, stamp in stamps.items():
                if task not in self._known or self._known[task][0] != stamp:
                    self._known[task] = (stamp, _look_at(db, task))
            looked = {task: self._known[task][1] for task in stamps}
        traces = [trace for each in looked.values() for trace in each.traces]
        return {
            "agreement": _agreement(traces),
            "flags": {task: each.flags for task, each in looked.items() if each.flags},
        }


@dataclass(frozen=True, slots=True)
class _Looked:
    """One task: what it adds to agreement, and what looks wrong about it."""

    traces: list[Trace]
    flags: list[str]


def _look_at(db: sqlite3.Connection, task: int) -> _Looked:
    ratings = list(stored_ratings(db, task=task))
    pages = task_pages(db, task)
    submitted = any(each.submitted for each in ratings)
    return _Looked(
        [each.trace for each in ratings if len(each.value) - each.n_missing >= MIN_TRACE_FRAMES],
        # What is still being rated has gaps by nature.
        [text for each in ratings for text in quality_flags(each, pages) if submitted],
    )


def _agreement(traces: list[Trace]) -> dict[str, Any]:
    return {
        report.dimension: _json_value(
            {
                "n_traces": sum(trace.dimension == report.dimension for trace in traces),
                "n_pairs": report.n_pairs,
                "mean_rmse": report.mean_rmse,
                "mean_cc": report.mean_cc,
                "mean_ccc": report.mean_ccc,
                "pooled_ccc": report.pooled_ccc,
                "teams": [asdict(team) for team in report.teams],
            }
        )
        for report in describe_agreement(traces, max_gap_s=MAX_GAP_S)
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


def _json_value(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {key: _json_value(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_json_value(each) for each in value]
    return value
