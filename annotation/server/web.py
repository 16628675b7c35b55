"""What every route needs: the guard in front, who asks, answers to mistakes and full disks."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fastapi import FastAPI, Request, Response
from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from capture.errors import MavferError

from ..project.folder import Project
from ..project.people import Identity, Rater, identify
from ..project.task import BusyError, FinishedError
from .gate import SECURITY_HEADERS, Gate
from .messages import MAX_BODY_BYTES

STATIC = Path(__file__).parent / "static"


class NotAllowedError(Exception):
    """Who asks is nobody, or nobody for whom this exists.

    Parameters
    ----------
    status : int
        401: log in; 404: there is no such thing for you.
    """

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Guard:
    """Refuses what comes under another name, from another page or too large; adds headers."""

    def __init__(self, app: ASGIApp, gate: Gate) -> None:
        self._app, self._gate = app, gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        refusal = self._refusal(Request(scope))
        await (refusal or self._app)(scope, receive, send_safely)

    def _refusal(self, request: Request) -> Response | None:
        host = request.headers.get("host")
        if not self._gate.knows_host(host):
            return PlainTextResponse("nothing is served under that name", 421)
        if request.method not in ("GET", "HEAD"):
            if not self._gate.own_origin(request.headers.get("origin"), host):
                return PlainTextResponse("refused: the request comes from another page", 403)
            length = request.headers.get("content-length", "")
            if not length.isdigit() or int(length) > MAX_BODY_BYTES:
                return PlainTextResponse("refused: a request of unknown or large size", 413)
        return None


class Desk:
    """Finds out who asks.

    Parameters
    ----------
    project : Project
    gate : Gate
    """

    def __init__(self, project: Project, gate: Gate) -> None:
        self.project, self.gate = project, gate

    @contextmanager
    def reading(self, request: Request) -> Iterator[tuple[sqlite3.Connection, Identity]]:
        """Yield a reading connection and who asks; `NotAllowedError` if that is nobody."""
        with self.project.database.read() as db:
            yield db, self._identity(db, request)

    @contextmanager
    def writing(self, request: Request) -> Iterator[tuple[sqlite3.Connection, Identity]]:
        """Yield a transaction and who asks; `NotAllowedError` if that is nobody."""
        with self.project.database.write() as db:
            yield db, self._identity(db, request)

    def cookie(self, request: Request) -> str:
        """Return the secret of the login that a request comes with, or nothing."""
        return request.cookies.get(self.gate.cookie_name, "")

    def _identity(self, db: sqlite3.Connection, request: Request) -> Identity:
        found = identify(db, self.cookie(request))
        if found is None:
            raise NotAllowedError(401)
        return found


def require_rater(identity: Identity) -> Rater:
    """Return the rater who asks; for the admin this does not exist."""
    if identity.rater is None:
        raise NotAllowedError(404)
    return identity.rater


def require_admin(identity: Identity) -> None:
    """Pretend to everybody else that there is nothing."""
    if identity.rater is not None:
        raise NotAllowedError(404)


async def body_of(request: Request) -> bytes:
    """Return the body; its announced size was checked by the guard."""
    return await request.body()


def add_error_answers(app: FastAPI) -> None:
    """Turn exceptions into answers that pages understand."""

    @app.exception_handler(NotAllowedError)
    async def not_allowed(request: Request, error: Exception) -> Response:
        status = error.status if isinstance(error, NotAllowedError) else 404
        if status == 401 and "text/html" in request.headers.get("accept", ""):
            return FileResponse(STATIC / "start.html", status)
        told = "your access has ended" if status == 401 else "there is nothing here"
        return JSONResponse({"error": told}, status)

    @app.exception_handler(OverflowError)
    async def no_such_number(_request: Request, _error: Exception) -> Response:
        """Answer a number in an address that no database can count to."""
        return JSONResponse({"error": "there is nothing here"}, 404)

    @app.exception_handler(MavferError)
    async def refuse(_request: Request, error: Exception) -> Response:
        if isinstance(error, BusyError | FinishedError):
            kind = "busy" if isinstance(error, BusyError) else "finished"
            return JSONResponse({"error": str(error), "kind": kind}, 409)
        return JSONResponse({"error": str(error)}, 400)

    @app.exception_handler(sqlite3.Error)
    @app.exception_handler(OSError)
    async def not_stored(_request: Request, error: Exception) -> Response:
        return JSONResponse({"error": f"the server cannot store or read now: {error}"}, 507)
