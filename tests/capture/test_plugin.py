"""``docs/how-to/add-a-sensor.md``, done: a package of its own, installed and recorded with."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from capture.client import DaemonClient
from capture.messages import Arm, Finish, Start, State, Stop
from capture.recording import open_recording

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "add-a-sensor.md"
DEADLINE_S = 60.0
RIG = """\
schema_version = 1
name = "my rig"
[[sensor]]
name = "watcher"
kind = "lamp"
[sensor.options]
rate_hz = 60.0
"""


def files_of_the_page() -> dict[str, str]:
    """Return what the page says the files contain: "`name`:", then a fenced block."""
    found = re.findall(r"`(mavfer-lamp/[\w./]+)`:\n\n```\w+\n(.*?)```", PAGE.read_text(), re.DOTALL)
    return dict(found)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package's folder; beside it `site`, where pip put it."""
    root = tmp_path_factory.mktemp("plugin")
    for name, text in files_of_the_page().items():
        path = root / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    target = ["--no-build-isolation", "--target", str(root / "site"), str(root / "mavfer-lamp")]
    subprocess.run([*command, *target], check=True, timeout=DEADLINE_S)
    return root


@pytest.fixture
def environment(installed: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(installed / "site")}


def test_the_page_has_all_files() -> None:
    assert [name.rpartition("/")[2] for name in files_of_the_page()] == [
        "pyproject.toml",
        "mavfer_lamp.py",
        "test_lamp.py",
    ]


def test_its_own_test_passes(installed: Path, environment: dict[str, str]) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_lamp.py"]
    subprocess.run(
        command, check=True, cwd=installed / "mavfer-lamp", env=environment, timeout=DEADLINE_S
    )


@pytest.fixture
def address(installed: Path, environment: dict[str, str], tmp_path: Path) -> Iterator[str]:
    """A daemon process that knows the package, and nothing else of it."""
    rig = tmp_path / "rig.toml"
    rig.write_text(RIG)
    command = [sys.executable, "-m", "capture.cli", "daemon", "--rig", str(rig)]
    options = ["--sensor", "watcher", "--output", str(tmp_path / "output")]
    with subprocess.Popen(
        [*command, *options], stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            assert process.stdout is not None
            found = re.search(r"tcp://\S+", process.stdout.readline())
            assert found
            yield found[0]
        finally:
            process.terminate()
            process.wait(DEADLINE_S)


def test_a_daemon_records_with_it(address: str, tmp_path: Path) -> None:
    with DaemonClient("watcher", address) as client:

        def until(state: State) -> None:
            deadline_s = time.monotonic() + DEADLINE_S
            while (status := client.poll(timeout_s=DEADLINE_S)).state != state:
                assert status.state != "failed", status
                assert time.monotonic() < deadline_s
                time.sleep(0.01)

        client.request(Arm("s1", "u-1"), timeout_s=DEADLINE_S)
        until("armed")
        start_ns = time.monotonic_ns() + 50_000_000
        client.request(Start(start_ns))
        client.request(Stop(start_ns + 400_000_000))
        until("stopped")
        client.request(Finish(), timeout_s=DEADLINE_S)
    recording = open_recording(tmp_path / "output" / "s1" / "watcher.mcap")
    assert recording.complete
    assert recording.info.vendor == "example"
    assert recording.info.parameters == {"color_temperature_k": 2700}
    stream = recording.streams["lamp"]
    assert len(stream) > 10
    assert stream.n_dropped == 0
    for index in range(len(stream)):
        assert abs(int(stream.read(index).image.mean()) - stream.seq[index] % 256) <= 1
