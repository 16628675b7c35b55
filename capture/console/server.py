"""Runs the console until somebody ends it."""

import socket
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import uvicorn

from ..config import RigConfig
from ..errors import ConfigError
from ..keys import Keys
from ..protocol import Protocol
from .app import make_app
from .gate import Gate, check_loopback
from .operator import Operator


def serve_console(
    rig: RigConfig,
    root: Path,
    *,
    host: str,
    port: int,
    keys: Keys | None,
    protocols: Mapping[str, Protocol],
    stop: threading.Event,
    on_ready: Callable[[str], None],
) -> None:
    """Serve until `stop` is set; a recording in progress is then stopped properly.

    Parameters
    ----------
    rig : RigConfig
    root : Path
        Root of sessions.
    host : str
        A loopback address.
    port : int
        0: any free one.
    keys : Keys or None
        For daemons beyond this machine.
    protocols : mapping of name to Protocol
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
        operator = Operator(rig, root, keys=keys)
        config = uvicorn.Config(
            make_app(operator, gate, root, protocols),
            log_config=None,
            access_log=False,
            server_header=False,
            ws="websockets-sansio",
            ws_max_size=4096,
            timeout_graceful_shutdown=2,
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(
            target=server.run, args=([listening],), name="mavfer-console", daemon=True
        )
        operator.start()
        try:
            thread.start()
            on_ready(gate.link)
            while thread.is_alive() and not stop.wait(0.2):
                pass
        finally:
            operator.close()  # first what matters; the page sees it happen
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
