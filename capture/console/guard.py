"""The gate before every request and socket of a local page; shared by the pages there are."""

from collections.abc import Awaitable, Callable
from pathlib import Path

from fastapi import FastAPI, Request, Response, WebSocket
from fastapi.responses import FileResponse, PlainTextResponse, RedirectResponse

from .gate import SECURITY_HEADERS, Gate
from .orders import MAX_BODY_BYTES

Handler = Callable[[Request], Awaitable[Response]]


def protect(app: FastAPI, gate: Gate) -> None:
    """Let every request through the gate, and put the security headers on every answer.

    A header that the answer has already stays.
    """

    @app.middleware("http")
    async def guard(request: Request, handle: Handler) -> Response:
        response = _refusal(gate, request) or await handle(request)
        for name, value in SECURITY_HEADERS.items():
            response.headers.setdefault(name, value)
        return response


def page_or_cookie(gate: Gate, request: Request, page: Path) -> Response:
    """Answer the first request: a link with the token gets the cookie, the cookie the page."""
    if request.query_params.get("token") is None:
        return FileResponse(page)
    response = RedirectResponse("/", 303)
    response.set_cookie(gate.cookie_name, gate.cookie, httponly=True, samesite="strict")
    return response


def admits_socket(gate: Gate, socket: WebSocket) -> bool:
    """Say whether a web socket comes from a page of this server that has the cookie."""
    host, origin = socket.headers.get("host"), socket.headers.get("origin")
    return gate.admits(host, socket.cookies.get(gate.cookie_name)) and gate.own_origin(origin, host)


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
