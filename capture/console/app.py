"""The console's web application: one page, what it asks for, and what it is shown."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response, WebSocket
from fastapi.responses import JSONResponse, PlainTextResponse
from fastapi.staticfiles import StaticFiles
from starlette.concurrency import run_in_threadpool
from starlette.websockets import WebSocketDisconnect

from ..errors import ConfigError, MavferError
from ..manifest import Consent
from ..protocol import Protocol
from ..session_plan import SessionPlan
from .gate import Gate
from .guard import admits_socket, page_or_cookie, protect
from .operator import Operator
from .orders import ArmOrder, MarkOrder, RestartOrder, SessionOrder, read_order
from .past_sessions import past_sessions, session_report

_STATIC = Path(__file__).parent / "static"
_REFRESH_S = 0.1
_STATE_EVERY = 2


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

    protect(app, gate)

    @app.exception_handler(MavferError)
    async def refuse(_request: Request, error: Exception) -> Response:
        return JSONResponse({"error": str(error)}, 400)

    @app.get("/")
    async def page(request: Request) -> Response:
        return page_or_cookie(gate, request, _STATIC / "index.html")

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
        if not admits_socket(gate, socket):
            await socket.close(1008)
            return
        await socket.accept()
        try:
            await _show(socket, operator)
        except (WebSocketDisconnect, RuntimeError):  # the page was closed, in either direction
            return

    app.mount("/static", StaticFiles(directory=_STATIC), name="static")
    return app


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
