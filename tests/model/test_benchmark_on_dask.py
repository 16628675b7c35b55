"""A benchmark on a Dask cluster of real processes: the same table."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from model import benchmark_cli

pytest.importorskip("distributed", reason="the dask extra is not installed")
DEADLINE_S = 240.0


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[str]:
    """Address of a scheduler on loopback with one worker."""
    about = tmp_path / "scheduler.json"
    local = ["--host", "127.0.0.1", "--no-dashboard"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}

    def start(*words: str) -> "subprocess.Popen[bytes]":
        with (tmp_path / f"{words[0]}.log").open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "dask", *words, *local],
                stdout=log,
                stderr=log,
                env=environment,
            )

    processes = [start("scheduler", "--port", "0", "--scheduler-file", str(about))]
    try:
        end_s = time.monotonic() + DEADLINE_S
        while not about.exists():
            assert processes[0].poll() is None, (tmp_path / "scheduler.log").read_text()
            assert time.monotonic() < end_s, "no scheduler"
            time.sleep(0.05)
        address = json.loads(about.read_text())["address"]
        folder = ("--local-directory", str(tmp_path / "w"))
        processes.append(start("worker", address, "--no-nanny", "--nthreads", "1", *folder))
        yield address
    finally:
        for process in processes:
            process.kill()
            process.wait()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_cluster_gives_the_same_table(
    category_store: Path,
    scheduler: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["table10", "--store", str(category_store), "--seeds", "1", "--steps", "2", "--quiet"]
    for setting in ("width=0.05", "input_px=16", "fc_units=4"):
        words += ["--set", setting]
    far, near = tmp_path / "far", tmp_path / "near"
    end_s = time.monotonic() + DEADLINE_S
    on_cluster = [*words, "-o", str(far), "--scheduler", scheduler]
    while benchmark_cli.main(on_cluster):  # the worker may still be on its way
        assert "has no workers" in capsys.readouterr().err
        assert time.monotonic() < end_s
        time.sleep(0.2)
    assert benchmark_cli.main([*words, "-o", str(near)]) == 0
    for kind in ("csv", "md", "tex"):
        one, two = ((out / f"table10.{kind}").read_text() for out in (far, near))
        assert one == two
