"""Removing videos from a project with everything that was said about them, to the last byte."""

from collections.abc import Collection
from contextlib import closing

from .database import connect
from .folder import Project
from .video import videos


def forgotten_by(project: Project, names: Collection[str]) -> tuple[str, ...]:
    """Names of the project's videos among `names`."""
    with project.database.read() as db:
        return tuple(video.name for video in videos(db) if video.name in names)


def forget_videos(project: Project, names: Collection[str]) -> int:
    """Delete videos, their tasks and every event; the database is written anew without them.

    Parameters
    ----------
    project : Project
        No server should be running on it: raters who are at work would lose their page.
    names : collection of str
        Sessions' folders, or file names without ending.

    Returns
    -------
    int
        Videos removed.
    """
    with project.database.read() as db:
        gone = [video for video in videos(db) if video.name in names]
    for video in gone:
        file = project.videos / video.file
        for path in (file, file.with_suffix(".json")):
            path.unlink(missing_ok=True)
    with closing(connect(project.database.path)) as db:
        db.execute("PRAGMA secure_delete = ON")
        db.execute("BEGIN IMMEDIATE")
        for video in gone:
            tasks = "SELECT id FROM task WHERE video = ?"
            for table in ("event", "client"):
                db.execute(f"DELETE FROM {table} WHERE task IN ({tasks})", (video.id,))
            db.execute("DELETE FROM task WHERE video = ?", (video.id,))
            db.execute("DELETE FROM video WHERE id = ?", (video.id,))
        for name in names:
            db.execute("DELETE FROM audit WHERE instr(detail, ?) > 0", (name,))
        db.execute("COMMIT")
        db.execute("VACUUM")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return len(gone)
