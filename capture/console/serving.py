"""Serves a page on loopback until somebody ends it."""

import socket
import threading
from collections.abc import Callable
from typing import Protocol

import uvicorn
from fastapi import FastAPI

from ..errors import ConfigError
from .gate import Gate, check_loopback


class Service(Protocol):
    """What a page is about: runs as long as the page is served."""

    def start(self) -> None:
        """Begin."""

    def close(self) -> None:
        """End properly."""


def serve_page(
    make: Callable[[Gate], tuple[FastAPI, Service]],
    *,
    host: str,
    port: int,
    stop: threading.Event,
    on_ready: Callable[[str], None],
) -> None:
    """Serve until `stop` is set; then the service is closed before the page, which sees it happen.

    Parameters
    ----------
    make : callable
        Makes the application that the gate protects, and what it is about.
    host : str
        A loopback address.
    port : int
        0: any free one.
    stop : threading.Event
    on_ready : callable
        Gets the link to open.

    Raises
    ------
    ConfigError
        Not loopback, or the port is taken.
    """
    check_loopback(host)
    with _listen(host, port) as listening:
        gate = Gate(host, listening.getsockname()[1])
        app, service = make(gate)
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            ws="websockets-sansio",
            ws_max_size=4096,
            timeout_graceful_shutdown=2,
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(
            target=server.run, args=([listening],), name="mavfer-page", daemon=True
        )
        service.start()
        try:
            thread.start()
            on_ready(gate.link)
            while thread.is_alive() and not stop.wait(0.2):
                pass
        finally:
            service.close()
            server.should_exit = True
            thread.join()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen()
    except (OSError, OverflowError) as error:
        listening.close()
        raise ConfigError(
            f"cannot listen on {host} port {port}: {error}", remedy="choose another --port"
        ) from error
    return listening
