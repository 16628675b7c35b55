"""Runs the guide until somebody ends it."""

import threading
from collections.abc import Callable
from pathlib import Path

from fastapi import FastAPI

from capture.config import RigConfig
from capture.console.gate import Gate
from capture.console.operator import Operator
from capture.console.serving import serve_page
from capture.keys import Keys

from ..board import BoardSpec
from .app import make_app
from .guide import Calibrate, Guide


def serve_guide(
    rig: RigConfig,
    root: Path,
    *,
    board: BoardSpec,
    n_wanted: int,
    require_free: Callable[[], None],
    calibrate: Calibrate,
    host: str,
    port: int,
    keys: Keys | None,
    stop: threading.Event,
    on_ready: Callable[[str], None],
) -> None:
    """Serve until `stop` is set; a recording in progress is then stopped properly.

    Parameters
    ----------
    rig : RigConfig
    root : Path
        Root of sessions.
    board : BoardSpec
    n_wanted : int
        Views the calibration should have.
    require_free : callable
        Raises `MavferError` when what a calibration would write exists already.
    calibrate : callable
        Makes a calibration of the session at a path.
    host : str
        A loopback address.
    port : int
        0: any free one.
    keys : Keys or None
        For daemons beyond this machine.
    stop : threading.Event
    on_ready : callable
        Gets the link to open.

    Raises
    ------
    ConfigError
        Not loopback, or the port is taken.
    """

    def make(gate: Gate) -> tuple[FastAPI, Guide]:
        operator = Operator(rig, root, keys=keys)
        guide = Guide(
            operator,
            board=board,
            n_wanted=n_wanted,
            require_free=require_free,
            calibrate=calibrate,
        )
        return make_app(guide, operator, gate), guide

    serve_page(make, host=host, port=port, stop=stop, on_ready=on_ready)
