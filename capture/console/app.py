"""The console's web application: one page, what it asks for, and what it is shown."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response, WebSocket
from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles
from starlette.concurrency import run_in_threadpool
from starlette.websockets import WebSocketDisconnect

from ..errors import ConfigError, MavferError
from ..manifest import Consent
from ..protocol import Protocol
from ..session_plan import SessionPlan
from .gate import SECURITY_HEADERS, Gate
from .operator import Operator
from .orders import MAX_BODY_BYTES, ArmOrder, MarkOrder, RestartOrder, SessionOrder, read_order
from .past_sessions import past_sessions, session_report

_STATIC = Path(__file__).parent / "static"
_REFRESH_S = 0.1
_STATE_EVERY = 2

Handler = Callable[[Request], Awaitable[Response]]


def make_app(
    operator: Operator, gate: Gate, root: Path, protocols: Mapping[str, Protocol]
) -> FastAPI:
    """Return the application.

    Parameters
    ----------
    operator : Operator
    gate : Gate
    root : Path
        Root of sessions.
    protocols : mapping of name to Protocol
        What the form offers.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @app.middleware("http")
    async def guard(request: Request, handle: Handler) -> Response:
        response = _refusal(gate, request) or await handle(request)
        response.headers.update(SECURITY_HEADERS)
        return response

    @app.exception_handler(MavferError)
    async def refuse(_request: Request, error: Exception) -> Response:
        return JSONResponse({"error": str(error)}, 400)

    @app.get("/")
    async def page(request: Request) -> Response:
        token = request.query_params.get("token")
        if token is None:
            return FileResponse(_STATIC / "index.html")
        response = RedirectResponse("/", 303)
        response.set_cookie(gate.cookie_name, gate.cookie, httponly=True, samesite="strict")
        return response

    @app.get("/api/setup")
    async def setup() -> dict[str, Any]:
        return {"protocols": list(protocols), "output": str(root)}

    @app.get("/api/sessions")
    def sessions() -> list[dict[str, Any]]:
        return past_sessions(root)

    @app.get("/api/sessions/{name:path}")
    def session(name: str) -> dict[str, Any]:
        return {"name": name, "lines": session_report(root, name)}

    @app.post("/api/arm")
    async def arm(request: Request) -> Response:
        order = read_order(ArmOrder, await _body(request))
        operator.arm(_plan(order, protocols))
        return _accepted()

    @app.post("/api/mark")
    async def mark(request: Request) -> Response:
        operator.mark(read_order(MarkOrder, await _body(request)).label)
        return _accepted()

    @app.post("/api/restart")
    async def restart(request: Request) -> Response:
        operator.restart(read_order(RestartOrder, await _body(request)).sensor)
        return _accepted()

    @app.post("/api/resume")
    async def resume(request: Request) -> Response:
        operator.resume(read_order(SessionOrder, await _body(request)).session)
        return _accepted()

    @app.post("/api/close")
    async def close(request: Request) -> Response:
        operator.close_session(read_order(SessionOrder, await _body(request)).session)
        return _accepted()

    plain = {
        "record": operator.record,
        "stop": operator.stop,
        "disarm": operator.disarm,
        "next": operator.next_stage,
    }

    @app.post("/api/{order}")
    async def obey(order: str) -> Response:
        if order not in plain:
            return PlainTextResponse("not found", 404)
        plain[order]()
        return _accepted()

    @app.websocket("/live")
    async def live(socket: WebSocket) -> None:
        headers = socket.headers
        known = gate.admits(headers.get("host"), socket.cookies.get(gate.cookie_name))
        if not known or not gate.own_origin(headers.get("origin"), headers.get("host")):
            await socket.close(1008)
            return
        await socket.accept()
        try:
            await _show(socket, operator)
        except (WebSocketDisconnect, RuntimeError):  # the page was closed, in either direction
            return

    app.mount("/static", StaticFiles(directory=_STATIC), name="static")
    return app


def _refusal(gate: Gate, request: Request) -> Response | None:
    host = request.headers.get("host")
    if not gate.knows_host(host):
        return PlainTextResponse("this console is not served under that name", 421)
    token = request.query_params.get("token")
    if request.url.path == "/" and token is not None:
        if gate.admits_token(token):
            return None
        return PlainTextResponse("wrong token: use the link that the console printed", 403)
    if not gate.admits(host, request.cookies.get(gate.cookie_name)):
        return PlainTextResponse("open the link that the console printed at its start", 403)
    if request.method not in ("GET", "HEAD"):
        if not gate.own_origin(request.headers.get("origin"), host):
            return PlainTextResponse("refused: the request comes from another page", 403)
        length = request.headers.get("content-length", "")
        if not length.isdigit() or int(length) > MAX_BODY_BYTES:
            return PlainTextResponse("refused: a request of unknown or large size", 413)
    return None


async def _body(request: Request) -> bytes:
    return await request.body()


async def _show(socket: WebSocket, operator: Operator) -> None:
    """Send state and previews; a slow page gets fewer, and nobody else notices."""
    number, turn = 0, 0
    while True:
        if turn % _STATE_EVERY == 0:
            await socket.send_json(await run_in_threadpool(lambda: operator.state))
        number, previews = operator.previews.newer_than(number)
        for data in previews:
            await socket.send_bytes(data)
        turn += 1
        await asyncio.sleep(_REFRESH_S)


def _plan(order: ArmOrder, protocols: Mapping[str, Protocol]) -> SessionPlan:
    if order.kind == "subject" and not order.consent:
        raise ConfigError(
            "the subject has not agreed to be recorded", remedy="ask, then tick the box"
        )
    if order.protocol is not None and order.protocol not in protocols:
        raise ConfigError(f"there is no protocol {order.protocol!r:.100}")
    return SessionPlan(
        subject=order.subject,
        kind=order.kind,
        consent=_consent(order),
        duration_s=order.duration_s,
        protocol=None if order.protocol is None else protocols[order.protocol],
        allow_poor_sync=order.allow_poor_sync,
    )


def _consent(order: ArmOrder) -> Consent:
    try:
        return Consent(
            share=order.share, publish_pictures=order.publish_pictures, until=order.until
        )
    except ValueError as error:
        raise ConfigError(f"{order.until!r:.40} is no date", remedy="write 2030-12-31") from error


def _accepted() -> Response:
    return JSONResponse({}, 202)
