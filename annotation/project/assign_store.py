"""Applies the assignment to a project: reads who is there, writes the tasks that are missing."""

import sqlite3
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from ..errors import AnnotationError
from .assignment import Assigned, Member, Pass, assign, name_teams, team_name
from .people import add_rater, note, raters
from .ratings import split_dimensions
from .settings import Settings
from .video import videos


@dataclass(frozen=True, slots=True)
class Assignment:
    """What was added, and what could not be.

    Attributes
    ----------
    n_tasks : int
        New ones.
    short : tuple of str
        Videos with fewer raters than asked for.
    """

    n_tasks: int
    short: tuple[str, ...]


def add_raters(
    db: sqlite3.Connection,
    names: Sequence[str],
    settings: Settings,
    *,
    team: str | None = None,
    who: str,
) -> list[int]:
    """Add raters to `team`, or spread them so that teams are of equal size.

    Raises
    ------
    AnnotationError
        A name is taken or comes twice.
    """
    if len(set(names)) != len(names):
        raise AnnotationError("a rater is named twice", remedy="give everybody a name of their own")
    present = [each for each in raters(db) if not each.removed]
    if team is not None:
        members = [Member(name, team) for name in names]
    elif not present and len(names) >= settings.n_teams:
        members = name_teams(names, settings.n_teams, settings.seed)
    else:
        sizes = {team_name(i): 0 for i in range(settings.n_teams)}
        for each in present:
            sizes[each.team] = sizes.get(each.team, 0) + 1
        members = []
        for name in names:
            smallest = min(sizes, key=lambda key: (sizes[key], key))
            sizes[smallest] += 1
            members.append(Member(name, smallest))
    ids = {member.name: add_rater(db, member.name, member.team) for member in members}
    for member in members:
        note(db, who, "add rater", f"{member.name} to team {member.team}")
    return [ids[name] for name in names]


def assign_tasks(db: sqlite3.Connection, settings: Settings, *, who: str) -> Assignment:
    """Give every video its raters, and every rater the practice videos.

    Raises
    ------
    AnnotationError
        No team is large enough.
    """
    active = [each for each in raters(db) if not each.removed]
    rater_ids = {each.name: each.id for each in active}
    every = videos(db)
    video_ids = {each.name: each.id for each in every}
    known = _existing(db)
    added = assign(
        [Member(each.name, each.team) for each in active],
        {each.name: each.duration_s for each in every if each.role == "rating"},
        known,
        passes=settings.passes,
        raters_per_video=settings.raters_per_video,
        seed=settings.seed,
    )
    taken = {(each.rater, each.video) for each in known}
    added += [
        Assigned(rater.name, video.name, video.id, settings.passes)
        for rater in active
        for video in every
        if video.role == "practice" and (rater.name, video.name) not in taken
    ]
    n_tasks = 0
    for each in added:
        for part, dimensions in enumerate(each.passes):
            db.execute(
                "INSERT INTO task (rater, video, dimensions, position, part) "
                "VALUES (?, ?, ?, ?, ?)",
                (
                    rater_ids[each.rater],
                    video_ids[each.video],
                    "+".join(dimensions),
                    each.position,
                    part,
                ),
            )
            n_tasks += 1
    if n_tasks:
        note(db, who, "assign", f"{n_tasks} tasks")
    pairs = {(each.rater, each.video) for each in (*known, *added) if each.rater in rater_ids}
    count = Counter(video for _, video in pairs)
    short = tuple(
        each.name
        for each in every
        if each.role == "rating" and count[each.name] < settings.raters_per_video
    )
    return Assignment(n_tasks, short)


def _existing(db: sqlite3.Connection) -> list[Assigned]:
    rows = db.execute(
        "SELECT rater.name AS rater, video.name AS video, position, dimensions FROM task "
        "JOIN rater ON rater.id = task.rater JOIN video ON video.id = task.video "
        "ORDER BY rater.name, video.name, part"
    )
    found = []
    for (rater, video), parts in groupby(rows, key=lambda row: (row["rater"], row["video"])):
        tasks = list(parts)
        passes: tuple[Pass, ...] = tuple(split_dimensions(row["dimensions"]) for row in tasks)
        found.append(Assigned(rater, video, tasks[0]["position"], passes))
    return found
