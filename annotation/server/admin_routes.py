"""What the admin's page asks for and does; everybody else finds nothing here."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import FileResponse

from capture.errors import ConfigError

from ..project.assign_store import add_raters, assign_tasks
from ..project.people import find_rater, new_token, note, remove_rater, revoke
from ..project.task import find_task, reopen
from .links import link_of
from .messages import RatersMessage, read_message
from .overview import project_overview, task_details
from .watch import RatingsWatch
from .web import STATIC, Desk, NotAllowedError, body_of, require_admin

Body = Annotated[bytes, Depends(body_of)]
_MAX_NEW = 200


def admin_routes(desk: Desk) -> APIRouter:
    """Return the routes; `desk` tells who asks."""
    router = APIRouter()
    settings = desk.project.settings
    watch = RatingsWatch()

    @router.get("/admin")
    def page(request: Request) -> Response:
        with desk.reading(request) as (_, identity):
            require_admin(identity)
        return FileResponse(STATIC / "admin.html")

    @router.get("/api/admin/overview")
    def overview(request: Request) -> dict[str, Any]:
        with desk.reading(request) as (db, identity):
            require_admin(identity)
            return project_overview(db, settings)

    @router.get("/api/admin/ratings")
    def ratings(request: Request) -> dict[str, Any]:
        with desk.reading(request) as (db, identity):
            require_admin(identity)
            return watch.look(db)

    @router.get("/api/admin/tasks/{number}")
    def details(request: Request, number: int) -> dict[str, Any]:
        with desk.reading(request) as (db, identity):
            require_admin(identity)
            found = task_details(db, number)
        if found is None:
            raise NotAllowedError(404)
        return found

    @router.post("/api/admin/tasks/{number}/reopen")
    def reopen_(request: Request, number: int) -> dict[str, Any]:
        with desk.writing(request) as (db, identity):
            require_admin(identity)
            if find_task(db, number) is None:
                raise NotAllowedError(404)
            reopen(db, number)
            note(db, "admin", "reopen", f"task {number}")
        return {}

    @router.post("/api/admin/raters")
    def add(request: Request, body: Body) -> dict[str, Any]:
        message = read_message(RatersMessage, body)
        if not 1 <= len(message.names) <= _MAX_NEW:
            raise ConfigError(f"{len(message.names)} raters, expected 1 to {_MAX_NEW}")
        with desk.writing(request) as (db, identity):
            require_admin(identity)
            ids = add_raters(db, message.names, settings, team=message.team, who="admin")
            tokens = [new_token(db, rater) for rater in ids]
        links = [link_of(desk.gate.url, token) for token in tokens]
        return {"links": dict(zip(message.names, links, strict=True))}

    @router.post("/api/admin/raters/{number}/link")
    def link(request: Request, number: int) -> dict[str, Any]:
        with desk.writing(request) as (db, identity):
            require_admin(identity)
            rater = find_rater(db, number)
            if rater is None or rater.removed:
                raise NotAllowedError(404)
            revoke(db, number)
            token = new_token(db, number)
            note(db, "admin", "new link", rater.name)
        return {"links": {rater.name: link_of(desk.gate.url, token)}}

    @router.post("/api/admin/raters/{number}/remove")
    def remove(request: Request, number: int) -> dict[str, Any]:
        with desk.writing(request) as (db, identity):
            require_admin(identity)
            rater = find_rater(db, number)
            if rater is None:
                raise NotAllowedError(404)
            remove_rater(db, number)
            note(db, "admin", "remove rater", rater.name)
        return {}

    @router.post("/api/admin/assign")
    def assign_(request: Request) -> dict[str, Any]:
        with desk.writing(request) as (db, identity):
            require_admin(identity)
            done = assign_tasks(db, settings, who="admin")
        return {"n_tasks": done.n_tasks, "short": list(done.short)}

    return router
