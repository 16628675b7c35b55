"""A build on a Dask cluster of real processes: the same bytes, with a worker killed on the way."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mavfer.build_cli import main
from mavfer.errors import DatasetError
from mavfer.executors import open_executor
from mavfer.store import open_store

distributed = pytest.importorskip("distributed", reason="the dask extra is not installed")

DEADLINE_S = 120.0


def start(arguments: list[str], log: Path) -> subprocess.Popen:
    environment = {**os.environ, "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1"}
    with log.open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "dask", *arguments],
            stdout=output,
            stderr=output,
            env=environment,
            start_new_session=True,
        )


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[str, list[subprocess.Popen]]]:
    """A scheduler and two workers on loopback: its address, and the workers."""
    about = tmp_path / "scheduler.json"
    local = ["--host", "127.0.0.1", "--no-dashboard"]
    scheduler = start(
        ["scheduler", *local, "--port", "0", "--scheduler-file", str(about)], tmp_path / "s.log"
    )
    processes = [scheduler]
    try:
        end_s = time.monotonic() + DEADLINE_S
        while not about.exists():
            assert scheduler.poll() is None, (tmp_path / "s.log").read_text()
            assert time.monotonic() < end_s, "no scheduler"
            time.sleep(0.05)
        address = json.loads(about.read_text())["address"]
        workers = [
            start(
                [
                    *("worker", address, *local, "--no-nanny", "--nthreads", "1"),
                    *("--local-directory", str(tmp_path / f"w{n}")),
                ],
                tmp_path / f"w{n}.log",
            )
            for n in range(2)
        ]
        processes += workers
        with distributed.Client(address, set_as_default=False) as client:
            client.wait_for_workers(2, timeout=DEADLINE_S)
        yield address, workers
    finally:
        for process in processes:
            process.kill()
            process.wait()


@pytest.mark.slow
def test_a_cluster_builds_the_same_store_though_a_worker_is_killed(
    laboratory, cluster, tmp_path, capsys
) -> None:
    address, workers = cluster
    arguments = [
        *map(str, laboratory.sessions),
        *("--calibration", str(laboratory.calibration), "--labels", str(laboratory.labels)),
        *("--crop-px", "32", "--segment-rows", "6", "--quiet"),
    ]
    here, there = tmp_path / "here.h5", tmp_path / "there.h5"
    assert main([*arguments, "-o", str(here), "--workers", "1"]) == 0
    capsys.readouterr()
    child = os.fork()
    if child == 0:  # kills a worker as soon as the cluster has finished two segments
        work = there.with_name(f".{there.name}.parts")
        end_s = time.monotonic() + DEADLINE_S
        while time.monotonic() < end_s and len(list(work.glob("*/faces-*.npz"))) < 2:
            time.sleep(0.005)
        os.kill(workers[0].pid, signal.SIGKILL)
        os._exit(0)
    status = main([*arguments, "-o", str(there), "--scheduler", address, "--json"])
    os.waitpid(child, 0)
    assert status == 0
    assert workers[0].wait(timeout=DEADLINE_S) == -signal.SIGKILL
    assert json.loads(capsys.readouterr().out)["failed"] == {}
    assert open_store(here).fingerprint == open_store(there).fingerprint


@pytest.mark.parametrize("address", ["", "foo://bar", "tcp://", "tls://127.0.0.1:9", "silent"])
def test_whatever_is_no_scheduler_is_one_error(monkeypatch, address: str) -> None:
    monkeypatch.setattr("mavfer.executors._CONNECT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        if address == "silent":
            address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(DatasetError, match="no Dask scheduler answers at"):
            open_executor(workers=1, scheduler=address)


def test_no_scheduler_and_contradictory_options_are_named(laboratory, tmp_path, capsys) -> None:
    arguments = [str(laboratory.sessions[0]), "--calibration", str(laboratory.calibration)]
    arguments += ["-o", str(tmp_path / "s.h5"), "--split", "none", "--quiet"]
    assert main([*arguments, "--scheduler", "tcp://127.0.0.1:9"]) == 1
    assert "no Dask scheduler answers at tcp://127.0.0.1:9" in capsys.readouterr().err
    assert main([*arguments, "--scheduler", "tcp://127.0.0.1:9", "--workers", "2"]) == 1
    assert "--scheduler brings its own workers" in capsys.readouterr().err
