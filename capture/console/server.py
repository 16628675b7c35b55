"""Runs the console until somebody ends it."""

import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from fastapi import FastAPI

from ..config import RigConfig
from ..keys import Keys
from ..protocol import Protocol
from .app import make_app
from .gate import Gate
from .operator import Operator
from .serving import serve_page


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

    def make(gate: Gate) -> tuple[FastAPI, Operator]:
        operator = Operator(rig, root, keys=keys)
        return make_app(operator, gate, root, protocols), operator

    serve_page(make, host=host, port=port, stop=stop, on_ready=on_ready)
