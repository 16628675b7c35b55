"""The guide's web application: one page, three orders, and what it is shown."""

import asyncio
from importlib.resources import files
from pathlib import Path

from fastapi import FastAPI, Request, Response, WebSocket
from fastapi.responses import FileResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from starlette.concurrency import run_in_threadpool
from starlette.websockets import WebSocketDisconnect

from capture.console.gate import Gate
from capture.console.guard import admits_socket, page_or_cookie, protect
from capture.console.operator import Operator
from capture.errors import MavferError

from .guide import Guide

_STATIC = Path(__file__).parent / "static"
_REFRESH_S = 0.1
_REPORT_HEADERS = {
    # the report brings its own style and pictures along, and runs nothing
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}


def make_app(guide: Guide, operator: Operator, gate: Gate) -> FastAPI:
    """Return the application.

    Parameters
    ----------
    guide : Guide
    operator : Operator
        Whose previews are shown.
    gate : Gate
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    protect(app, gate)

    @app.exception_handler(MavferError)
    async def refuse(_request: Request, error: Exception) -> Response:
        return JSONResponse({"error": str(error)}, 400)

    @app.get("/")
    async def page(request: Request) -> Response:
        return page_or_cookie(gate, request, _STATIC / "index.html")

    @app.get("/report")
    def report() -> Response:
        return FileResponse(guide.report, media_type="text/html", headers=_REPORT_HEADERS)

    @app.post("/api/begin")
    def begin() -> Response:
        guide.begin()
        return _accepted()

    @app.post("/api/calibrate")
    def calibrate() -> Response:
        guide.finish(calibrate=True)
        return _accepted()

    @app.post("/api/stop")
    def stop() -> Response:
        guide.finish(calibrate=False)
        return _accepted()

    @app.websocket("/live")
    async def live(socket: WebSocket) -> None:
        if not admits_socket(gate, socket):
            await socket.close(1008)
            return
        await socket.accept()
        try:
            await _show(socket, guide, operator)
        except (WebSocketDisconnect, RuntimeError):  # the page was closed, in either direction
            return

    app.mount("/static", StaticFiles(directory=_STATIC), name="static")
    shared = Path(str(files("capture.console"))) / "static"
    app.mount("/console", StaticFiles(directory=shared), name="console")
    return app


async def _show(socket: WebSocket, guide: Guide, operator: Operator) -> None:
    """Send state and previews; a slow page gets fewer, and nobody else notices."""
    number = 0
    while True:
        await socket.send_json(await run_in_threadpool(lambda: guide.state))
        number, previews = operator.previews.newer_than(number)
        for data in previews:
            await socket.send_bytes(data)
        await asyncio.sleep(_REFRESH_S)


def _accepted() -> Response:
    return JSONResponse({}, 202)
