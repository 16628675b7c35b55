"""The real command in a process of its own, and Debian's Chromium to look at it."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

DEADLINE_S = 60
KINECT2 = {"streams": ["color", "depth", "infrared"], "width_px": 64, "height_px": 48}
A65 = {"streams": ["thermal"], "rate_hz": 10.0, "width_px": 64, "height_px": 48}


@dataclass(frozen=True)
class Console:
    link: str
    root: Path
    process: "subprocess.Popen[str]"

    @property
    def address(self) -> str:
        return self.link.partition("/?")[0]

    @property
    def token(self) -> str:
        return self.link.partition("token=")[2]


@contextmanager
def running_console(rig: Path, tmp_path: Path) -> Iterator[Console]:
    """Serve `rig` until the block ends; a test may kill it before."""
    protocol = tmp_path / "short.toml"
    protocol.write_text(
        'schema_version = 1\nname = "short"\n[[stage]]\nname = "calm"\nduration_s = 600\n'
        'instruction = "show the film"\n[[stage]]\nname = "talk"\n',
        encoding="utf-8",
    )
    root = tmp_path / "sessions"
    command = [sys.executable, "-P", "-m", "capture.cli", "console", "--rig", rig]
    command += ["--output", root, "--protocol", protocol]
    with subprocess.Popen(
        list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("open http://127.0.0.1:"), line
        yield Console(line.split()[1], root, process)
        killed = process.poll() == -signal.SIGKILL
        process.send_signal(signal.SIGINT)
        try:
            _, errors = process.communicate(timeout=DEADLINE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        assert killed or process.returncode == 0, errors
        assert "Traceback" not in errors


@pytest.fixture
def console(rig_toml: Callable[..., Path], tmp_path: Path) -> Iterator[Console]:
    rig = rig_toml(kinect2=dict(KINECT2), a65=dict(A65))
    with running_console(rig, tmp_path) as console:
        yield console


@pytest.fixture
def page(console: Console, browser: Any) -> Iterator[object]:
    """The console's page, opened by its link; mistakes of its scripts fail the test."""
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.set_default_timeout(DEADLINE_S * 1000)
    mistakes: list[str] = []
    page.on("pageerror", lambda error: mistakes.append(str(error)))
    # A refused order is an answer, not a mistake.
    page.on("console", lambda said: mistakes.append(said.text) if is_mistake(said) else None)
    page.goto(console.link)
    yield page
    page.close()
    assert not mistakes


def is_mistake(message: Any) -> bool:
    expected = ("status of 400", "ERR_CONNECTION_REFUSED")  # a console that a test killed
    return message.type == "error" and not any(text in message.text for text in expected)
