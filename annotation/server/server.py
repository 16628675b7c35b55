"""Runs the annotation server until somebody ends it."""

import ipaddress
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from ..errors import AnnotationError
from ..project.folder import Project
from ..project.people import new_token, note
from .app import make_app
from .gate import Gate
from .links import link_of


@dataclass(frozen=True, slots=True)
class Tls:
    """A certificate of our own, where no proxy in front has one."""

    certificate: Path
    key: Path


def serve_project(
    project: Project,
    *,
    host: str,
    port: int,
    url: str | None,
    tls: Tls | None,
    stop: threading.Event,
    on_ready: Callable[[str], None],
) -> None:
    """Serve until `stop` is set.

    Parameters
    ----------
    project : Project
    host : str
        Address to listen at; beyond loopback only with `tls`.
    port : int
        0: any free one.
    url : str, optional
        What raters type, where that is not ``http://host:port``.
    tls : Tls, optional
    stop : threading.Event
    on_ready : callable
        Gets the admin's link.

    Raises
    ------
    AnnotationError
        Faces would travel in clear text, the port is taken, or the certificate cannot be used.
    """
    if not _is_loopback(host) and tls is None:
        raise AnnotationError(
            f"listening at {host} without TLS would show faces to everybody on the network",
            remedy="pass --certificate and --key, or put a proxy in front: "
            "docs/how-to/annotation-server.md",
        )
    if ipaddress.ip_address(host).is_unspecified and not url:
        raise AnnotationError(
            f"{host} is every address of this machine: which one do raters type?",
            remedy="pass --url https://rate.lab.example",
        )
    with _listen(host, port) as listening:
        gate = Gate(url or _own_url(host, listening.getsockname()[1], tls))
        config = uvicorn.Config(
            make_app(project, gate),
            log_config=None,
            access_log=False,
            server_header=False,
            ws="none",
            timeout_graceful_shutdown=2,
            timeout_keep_alive=30,
            ssl_certfile=None if tls is None else str(tls.certificate),
            ssl_keyfile=None if tls is None else str(tls.key),
        )
        try:
            config.load()
        except OSError as error:
            raise AnnotationError(f"certificate or key cannot be used: {error}") from error
        server = uvicorn.Server(config)
        thread = threading.Thread(
            target=server.run, args=([listening],), name="mavfer-annotate", daemon=True
        )
        with project.database.write() as db:
            token = new_token(db, None)
            note(db, "cli", "serve", gate.url)
        try:
            thread.start()
            on_ready(link_of(gate.url, token))
            while thread.is_alive() and not stop.wait(0.2):
                pass
        finally:
            server.should_exit = True
            thread.join()
            project.database.close()


def _own_url(host: str, port: int, tls: Tls | None) -> str:
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{port}" if tls is None else f"https://{shown}:{port}"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        raise AnnotationError(
            f"{host!r:.60} is no address", remedy="write 127.0.0.1, or an address of this machine"
        ) from None


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen()
    except (OSError, OverflowError) as error:
        listening.close()
        raise AnnotationError(
            f"cannot listen on {host} port {port}: {error}", remedy="choose another --port"
        ) from error
    return listening
