"""Starts daemons on this machine as processes of their own."""

import json
import selectors
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

from .errors import ControlError
from .sensor import SensorConfig
from .structure import encode

START_TIMEOUT_S = 60.0
_END_TIMEOUT_S = 10.0
_LOG_TAIL = 400


class LocalDaemon:
    """A daemon process that serves this one.

    It reads its sensor's configuration from standard input, answers with its address on standard
    output, and takes the end of standard input for the end of its controller: it finishes what it
    records, unless another controller takes it over, and ends. It has a session of its own, so
    that Ctrl-C in the terminal reaches the controller only.

    Parameters
    ----------
    config : SensorConfig
    output : Path
        Root folder of sessions.
    """

    def __init__(self, config: SensorConfig, output: Path) -> None:
        self._name = config.name
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  # lives as long as this
        command = [sys.executable, "-P", "-m", "capture.cli", "daemon", "--spawned"]
        self._process = subprocess.Popen(
            [*command, "--output", str(output.resolve())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            start_new_session=True,
        )
        self._deadline_s = time.monotonic() + START_TIMEOUT_S
        with suppress(BrokenPipeError):  # it died at once; wait_ready tells
            self._stdin.write(json.dumps(encode(config)).encode() + b"\n")
            self._stdin.flush()

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def wait_ready(self) -> str:
        """Return the address of the control socket once the daemon listens.

        Raises
        ------
        ControlError
            It ended or said nothing in time.
        """
        with selectors.DefaultSelector() as selector:
            selector.register(self._stdout, selectors.EVENT_READ)
            left_s = max(0.0, self._deadline_s - time.monotonic())
            line = self._stdout.readline() if selector.select(left_s) else b""
        try:
            return str(json.loads(line)["control"])
        except (ValueError, KeyError, TypeError):
            words = self.last_words() or "no message"
            raise ControlError(f"the daemon of {self._name} did not start: {words}") from None

    def ended(self) -> int | None:
        """Return the exit status if the process has ended (negative: the signal)."""
        return self._process.poll()

    def last_words(self) -> str:
        """Return the end of what the process wrote to standard error, on one line."""
        if self._log.closed:
            return ""
        self._log.seek(0)
        return " ".join(self._log.read()[-_LOG_TAIL:].decode(errors="replace").split())

    def close(self) -> None:
        """End the process, kindly first; may be called twice."""
        self._process.terminate()
        with suppress(BrokenPipeError):
            self._stdin.close()
        try:
            self._process.wait(_END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._stdout.close()
        self._log.close()

    @property
    def _stdin(self) -> IO[bytes]:
        if self._process.stdin is None:
            raise ControlError("the daemon has no standard input")
        return self._process.stdin

    @property
    def _stdout(self) -> IO[bytes]:
        if self._process.stdout is None:
            raise ControlError("the daemon has no standard output")
        return self._process.stdout
