"""What a rater's pages ask for: their tasks, the videos of these, and a place for their events."""

import sqlite3
import threading
import time
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse
from numpy.typing import NDArray

from capture.manifest import Consent

from ..errors import AnnotationError
from ..project.consent import consent_of
from ..project.derive import derive
from ..project.file_hash import sha256_of
from ..project.people import Identity, Rater, note, prolong
from ..project.ratings import task_pages
from ..project.task import (
    BusyError,
    Task,
    comment_of,
    find_task,
    open_page,
    resume_frame,
    store_events,
    submit,
    tasks_of,
)
from ..project.video import Video, find_video, videos
from .markdown import render_instructions
from .messages import EventsMessage, OpenMessage, SubmitMessage, read_message
from .web import STATIC, Desk, NotAllowedError, body_of, require_rater

Body = Annotated[bytes, Depends(body_of)]
_MEDIA_TYPES = {".mp4": "video/mp4", ".webm": "video/webm"}


def rater_routes(desk: Desk) -> APIRouter:
    """Return the routes; `desk` tells who asks."""
    router = APIRouter()
    project = desk.project
    shown = _Shown(project.videos)

    @router.get("/api/me")
    def me(request: Request) -> dict[str, Any]:
        with desk.writing(request) as (db, identity):
            prolong(db, desk.cookie(request))
            rater = require_rater(identity)
            return {
                "rater": rater.name,
                "project": project.id,
                "title": project.settings.title,
                "instructed": rater.instructed,
                "tasks": _task_list(db, rater),
            }

    @router.get("/rate/{number}")
    def rate_page(request: Request, number: int) -> Response:
        with desk.reading(request) as (db, identity):
            _own_task(db, identity, number)
        return FileResponse(STATIC / "rate.html")

    @router.get("/instructions")
    def instructions(request: Request) -> Response:
        with desk.reading(request):
            text = project.instructions.read_text(encoding="utf-8")
        shell = (STATIC / "instructions.html").read_text(encoding="utf-8")
        return HTMLResponse(shell.replace("<!-- instructions -->", render_instructions(text)))

    @router.get("/examples/{name}")
    def example(request: Request, name: str) -> Response:
        with desk.reading(request):
            known = {path.name: path for path in project.examples.iterdir() if path.is_file()}
        if name not in known:
            raise NotAllowedError(404)
        media_type = _MEDIA_TYPES.get(known[name].suffix.lower())
        return FileResponse(known[name], media_type=media_type)

    @router.post("/api/instructed")
    def instructed(request: Request) -> dict[str, Any]:
        with desk.writing(request) as (db, identity):
            rater = require_rater(identity)
            db.execute(
                "UPDATE rater SET instructed_ns = ? WHERE id = ? AND instructed_ns IS NULL",
                (time.time_ns(), rater.id),
            )
            note(db, rater.name, "instructed")
        return {}

    @router.get("/api/tasks/{number}")
    def task_facts(request: Request, number: int) -> dict[str, Any]:
        with desk.reading(request) as (db, identity):
            task = _own_task(db, identity, number)
            video = find_video(db, task.video)
            _require_ready(db, require_rater(identity), task)
            shown.check(video)
            return {
                **_describe(db, task, video),
                "rater": identity.name,
                "project": project.id,
                "frame_step": project.settings.frame_step,
            }

    @router.get("/video/{number}")
    def video_file(request: Request, number: int) -> Response:
        with desk.reading(request) as (db, identity):
            task = find_task(db, number)
            if task is None or (identity.rater is not None and identity.rater.id != task.rater):
                raise NotAllowedError(404)
            video = find_video(db, task.video)
        shown.check(video)
        path = project.videos / video.file
        return FileResponse(
            path,
            media_type=_MEDIA_TYPES[path.suffix],
            headers={"Cache-Control": "private, no-cache"},
        )

    @router.post("/api/tasks/{number}/open")
    def open_(request: Request, number: int, body: Body) -> dict[str, Any]:
        message = read_message(OpenMessage, body)
        with desk.writing(request) as (db, identity):
            task = _own_task(db, identity, number)
            _require_ready(db, require_rater(identity), task)
            open_page(db, task, client=message.client, tab=message.tab, take_over=message.take_over)
            # Read again in the same transaction: nothing can have come in between.
            return _describe(db, task, find_video(db, task.video))

    @router.post("/api/tasks/{number}/events")
    def events(request: Request, number: int, body: Body) -> dict[str, Any]:
        message = read_message(EventsMessage, body)
        with desk.writing(request) as (db, identity):
            task = _own_task(db, identity, number)
            _check_events(db, task, message)
            receipt = store_events(
                db, task, message.client, message.events, released=message.released
            )
        return {
            "acked": receipt.acked,
            "superseded": receipt.superseded,
            "late": receipt.late,
        }

    @router.post("/api/tasks/{number}/submit")
    def submit_(request: Request, number: int, body: Body) -> Response:
        message = read_message(SubmitMessage, body)
        with desk.reading(request) as (db, identity):
            task = _own_task(db, identity, number)
            missing = _missing(db, task)
        if task.state == "open" and missing and not message.with_gaps:
            return JSONResponse({"kind": "gaps", "n_missing": missing}, 409)
        with desk.writing(request) as (db, identity):
            task = _own_task(db, identity, number)
            submit(db, task, message.client, message.n_events)
            note(db, identity.name, "submit", f"task {task.id}, {missing} frames missing")
        return JSONResponse({})

    return router


class _Shown:
    """Lets videos be shown that are as they were added and whose subjects still agree.

    A file is hashed once until it changes; consent ends at midnight while the server runs.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._good: dict[str, tuple[tuple[int, ...], Consent]] = {}
        self._lock = threading.Lock()

    def check(self, video: Video) -> None:
        path = self._folder / video.file
        try:
            status, manifest = path.stat(), path.with_suffix(".json").stat()
        except FileNotFoundError:
            raise BusyError(f"video {video.id} is gone: tell the admin") from None
        seen = (status.st_mtime_ns, status.st_size, manifest.st_mtime_ns, manifest.st_size)
        with self._lock:
            known, consent = self._good.get(video.file, (None, Consent()))
            if known != seen:
                if status.st_size != video.n_bytes or sha256_of(path) != video.sha256:
                    raise BusyError(f"video {video.id} was replaced: tell the admin")
                consent = consent_of(path)
                self._good[video.file] = (seen, consent)
        if not consent.record or consent.ended(date.today()):  # noqa: DTZ011 - the subject's day
            raise BusyError(f"the consent for video {video.id} has ended: tell the admin")


def _own_task(db: sqlite3.Connection, identity: Identity, number: int) -> Task:
    task = find_task(db, number, rater=require_rater(identity).id)
    if task is None:
        raise NotAllowedError(404)
    return task


def _require_ready(db: sqlite3.Connection, rater: Rater, task: Task) -> None:
    """First the instructions, then the practice, then what counts."""
    if not rater.instructed:
        raise BusyError("read the instructions first")
    practice = {video.id for video in videos(db) if video.role == "practice"}
    undone = any(each.state == "open" and each.video in practice for each in tasks_of(db, rater.id))
    if undone and task.video not in practice:
        raise BusyError("do the practice first")


def _check_events(db: sqlite3.Connection, task: Task, message: EventsMessage) -> None:
    n_frames = db.execute("SELECT n_frames FROM video WHERE id = ?", (task.video,)).fetchone()[0]
    for event in message.events:
        if event.frame >= n_frames:
            raise AnnotationError(f"frame {event.frame} of a video of {n_frames} frames")
        if event.dimension is not None and event.dimension not in task.dimensions:
            raise AnnotationError(f"this task does not ask for {event.dimension}")


def _describe(db: sqlite3.Connection, task: Task, video: Video) -> dict[str, Any]:
    pages = task_pages(db, task.id)
    derived = derive(pages, n_frames=video.n_frames, dimensions=task.dimensions)
    return {
        "id": task.id,
        "state": task.state,
        "dimensions": list(task.dimensions),
        "practice": video.role == "practice",
        "video": {
            "url": f"/video/{task.id}",
            "codec": video.codec,
            "width_px": video.width_px,
            "height_px": video.height_px,
            "n_frames": video.n_frames,
            "rate_num": video.rate_hz.numerator,
            "rate_den": video.rate_hz.denominator,
        },
        "values": {name: _json_values(each.value) for name, each in derived.items()},
        "resume_frame": resume_frame(pages, video.n_frames, float(video.rate_hz)),
        "comment": comment_of(pages),
    }


def _json_values(values: NDArray[np.float64]) -> list[int | None]:
    return [None if np.isnan(value) else int(value) for value in values]


def _missing(db: sqlite3.Connection, task: Task) -> int:
    video = find_video(db, task.video)
    derived = derive(
        task_pages(db, task.id), n_frames=video.n_frames, dimensions=task.dimensions
    ).values()
    missing = np.any([np.isnan(each.value) for each in derived], axis=0)
    return int(np.sum(missing))


def _task_list(db: sqlite3.Connection, rater: Rater) -> list[dict[str, Any]]:
    """Describe a rater's tasks without the videos' names, which may say too much."""
    known = {video.id: video for video in videos(db)}
    started = {
        row["task"]
        for row in db.execute(
            "SELECT DISTINCT task FROM client WHERE acked >= 0 AND task IN "
            "(SELECT id FROM task WHERE rater = ?)",
            (rater.id,),
        )
    }
    tasks = tasks_of(db, rater.id)
    numbers: dict[int, int] = {}
    count = {"practice": 0, "rating": 0}
    for task in tasks:
        if task.video not in numbers:
            count[known[task.video].role] += 1
            numbers[task.video] = count[known[task.video].role]
    return [
        {
            "id": task.id,
            "number": numbers[task.video],
            "dimensions": list(task.dimensions),
            "practice": known[task.video].role == "practice",
            "duration_s": known[task.video].duration_s,
            "state": "started" if task.state == "open" and task.id in started else task.state,
        }
        for task in tasks
    ]
