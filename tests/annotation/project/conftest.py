"""A project with two videos that no browser has to play, and three raters."""

import sqlite3
from pathlib import Path

import pytest

from annotation.project.folder import Project, create_project
from annotation.project.people import add_rater
from annotation.project.settings import Settings


def add_video(db: sqlite3.Connection, name: str, *, role: str = "rating", n: int = 30) -> int:
    cursor = db.execute(
        "INSERT INTO video (name, role, file, sha256, n_bytes, codec, width_px, height_px, "
        "n_frames, rate_num, rate_den, start_ns, added_ns) "
        "VALUES (?, ?, ?, '', 1, 'h264', 64, 48, ?, 30, 1, 500, 0)",
        (name, role, f"{name}.mp4", n),
    )
    return int(cursor.lastrowid or 0)


def add_task(db: sqlite3.Connection, rater: int, video: int, dimensions: str = "valence") -> int:
    cursor = db.execute(
        "INSERT INTO task (rater, video, dimensions, position, part) VALUES (?, ?, ?, 0, 0)",
        (rater, video, dimensions),
    )
    return int(cursor.lastrowid or 0)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = create_project(tmp_path / "project", Settings())
    with made.database.write() as db:
        for name in ("R1", "R2", "R3"):
            add_rater(db, name, "A")
        add_video(db, "v1")
        add_video(db, "p1", role="practice")
    return made
