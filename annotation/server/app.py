"""The web application: logging in, the shells of the pages, and the two sets of routes."""

from typing import Annotated

from fastapi import Depends, FastAPI, Request, Response
from fastapi.responses import FileResponse, JSONResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles
from starlette.types import ASGIApp

from ..project.folder import Project
from ..project.people import LOGIN_DAYS, identify, log_in, note
from .admin_routes import admin_routes
from .gate import Gate, Throttle
from .messages import LoginMessage, read_message
from .rater_routes import rater_routes
from .web import STATIC, Desk, Guard, add_error_answers, body_of

_MAX_FAILED_LOGINS = 30
_FAILED_WITHIN_S = 60.0


def make_app(project: Project, gate: Gate) -> ASGIApp:
    """Return the application over an open project."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    desk = Desk(project, gate)
    throttle = Throttle(_MAX_FAILED_LOGINS, _FAILED_WITHIN_S)
    add_error_answers(app)

    @app.get("/")
    def home(request: Request) -> Response:
        with project.database.read() as db:
            identity = identify(db, desk.cookie(request))
        if identity is None:
            return FileResponse(STATIC / "start.html")
        if identity.rater is None:
            return RedirectResponse("/admin", 303)
        return FileResponse(STATIC / "home.html")

    @app.get("/start")
    def start() -> Response:
        return FileResponse(STATIC / "start.html")

    @app.post("/api/login")
    def login(body: Annotated[bytes, Depends(body_of)]) -> Response:
        if throttle.blocked():
            return JSONResponse({"error": "too many wrong links lately: wait a minute"}, 429)
        token = read_message(LoginMessage, body).token
        with project.database.write() as db:
            cookie = log_in(db, token)
            if cookie is not None:
                identity = identify(db, cookie)
                note(db, identity.name if identity else "?", "log in")
        if cookie is None:
            throttle.failed()
            return JSONResponse(
                {"error": "this link is not valid (any more): ask for a new one"}, 403
            )
        response = JSONResponse({})
        response.set_cookie(
            gate.cookie_name,
            cookie,
            max_age=round(LOGIN_DAYS * 86_400),
            httponly=True,
            samesite="strict",
            secure=gate.secure,
        )
        return response

    app.include_router(rater_routes(desk))
    app.include_router(admin_routes(desk))
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    return Guard(app, gate)
