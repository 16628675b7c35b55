"""What everybody has rated so far, for the admin: followed event by event, never derived anew.

The server that answers raters does this, too. With thirty at work, deriving all they ever said
each time somebody looks would keep them waiting.
"""

import math
import sqlite3
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from ..agreement_report import describe_agreement
from ..project.derive import Derivation
from ..project.ratings import page_events, split_dimensions, stored_ratings, task_pages
from ..project.video import find_video
from ..trace import Trace
from .overview import quality_flags

MIN_TRACE_FRAMES = 2
"""Traces in progress with fewer rated frames say nothing about agreement yet."""
MAX_GAP_S = 1.0
"""Nothing is interpolated where a rater has not been yet."""


class RatingsWatch:
    """Follows the tasks of a project; methods may be called from any thread.

    Parameters
    ----------
    rest : float
        After a look, so many times as long as it took the answer stays the same: with 100, looking
        takes a hundredth of the server's time, however many pages ask.
    """

    def __init__(self, rest: float = 100.0) -> None:
        self._lock = threading.Lock()
        self._open: dict[int, _Followed] = {}
        self._submitted: dict[int, tuple[int, _Looked]] = {}
        self._rest = rest
        self._again_s = -math.inf
        self._found: dict[str, Any] = {}

    def look(self, db: sqlite3.Connection) -> dict[str, Any]:
        """Return agreement by dimension over all tasks, and flags by submitted task."""
        with self._lock:  # a second page of the admin waits and gets what the first one found
            began_s = time.monotonic()
            if began_s >= self._again_s:
                self._found = self._look(db)
                ended_s = time.monotonic()
                self._again_s = ended_s + self._rest * (ended_s - began_s)
            return self._found

    def _look(self, db: sqlite3.Connection) -> dict[str, Any]:
        tasks = db.execute(
            "SELECT task.*, video.name, rater.name AS who FROM task "
            "JOIN video ON video.id = task.video JOIN rater ON rater.id = task.rater "
            "WHERE video.role = 'rating'"
        ).fetchall()
        looked = {row["id"]: self._look_at(db, row) for row in tasks}
        traces = [trace for each in looked.values() for trace in each.traces]
        return {
            "agreement": _agreement(traces),
            "flags": {task: each.flags for task, each in looked.items() if each.flags},
        }

    def _look_at(self, db: sqlite3.Connection, row: sqlite3.Row) -> "_Looked":
        task: int = row["id"]
        if row["state"] == "open":
            self._submitted.pop(task, None)
            if task not in self._open:
                self._open[task] = _Followed(db, row)
            return self._open[task].look(db)
        self._open.pop(task, None)
        since, looked = self._submitted.get(task, (None, _Looked()))
        if since != row["submitted_ns"]:
            looked = _look_closely(db, task)
            self._submitted[task] = (row["submitted_ns"], looked)
        return looked


@dataclass(frozen=True, slots=True)
class _Looked:
    """One task: what it adds to agreement, and what looks wrong about it."""

    traces: list[Trace] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)


class _Followed:
    """A task in progress: only what came since the last look is played."""

    def __init__(self, db: sqlite3.Connection, row: sqlite3.Row) -> None:
        self._task: int = row["id"]
        self._who, self._session = str(row["who"]), str(row["name"])
        self._dimensions = split_dimensions(row["dimensions"])
        video = find_video(db, row["video"])
        self._time_ns = video.time_ns
        self._looked = _Looked()
        self._begin()

    def look(self, db: sqlite3.Connection) -> _Looked:
        pages = db.execute(
            "SELECT client, acked FROM client WHERE task = ? AND acked >= 0 ORDER BY epoch, client",
            (self._task,),
        ).fetchall()
        acked = {row["client"]: int(row["acked"]) for row in pages}
        if acked == self._played:
            return self._looked
        earlier = list(self._played)[:-1]
        came_late = any(acked.get(client) != self._played[client] for client in earlier)
        if came_late or list(acked)[: len(self._played)] != list(self._played):
            self._begin()  # an earlier page had something left to say: all over again
        for client, up_to in acked.items():
            if client not in self._played:
                self._derivation.begin_page()
                self._played[client] = -1
            after = self._played[client]
            if after < up_to:
                events = page_events(db, self._task, client, after=after, up_to=up_to)
                self._derivation.play(events)
                self._played[client] = up_to
        self._looked = _Looked(self._traces())
        return self._looked

    def _begin(self) -> None:
        self._derivation = Derivation(len(self._time_ns), self._dimensions)
        self._played: dict[str, int] = {}
        self._looked = _Looked()

    def _traces(self) -> list[Trace]:
        found = []
        for dimension, derived in self._derivation.derived.items():
            known = ~np.isnan(derived.value)
            if np.sum(known) >= MIN_TRACE_FRAMES:
                times_ns, values = self._time_ns[known], derived.value[known]
                found.append(Trace(self._session, self._who, dimension, times_ns, values))
        return found


def _look_closely(db: sqlite3.Connection, task: int) -> _Looked:
    """Judge a submitted task; what is still being rated has gaps by nature."""
    ratings, pages = list(stored_ratings(db, task=task)), task_pages(db, task)
    rated = [each for each in ratings if len(each.value) - each.n_missing >= MIN_TRACE_FRAMES]
    return _Looked(
        [each.trace for each in rated],
        [text for each in ratings for text in quality_flags(each, pages)],
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


def _json_value(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {key: _json_value(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_json_value(each) for each in value]
    return value
