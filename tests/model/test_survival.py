"""Training processes that are killed at any moment, and what going on from there gives."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from model import train_cli
from model.checkpoint import load_checkpoint
from model.run_folder import CONFIG, RESUME, RunFolder

N_STEPS = 14
KILLS = 2
DEADLINE_S = 240.0


def command(store: Path, folder: Path) -> list[str]:
    words = ("width=0.1", "input_px=16", "fc_units=8", "validate_every=5")
    settings = [word for value in words for word in ("--set", value)]
    return [
        *(sys.executable, "-m", "model.train_cli", str(store), "-o", str(folder)),
        *("--steps", str(N_STEPS), "--batch-size", "3", "--quiet", "--threads", "1"),
        *("--save-every", "0", "--modalities", "color,thermal", *settings),
    ]


def resume_command(store: Path, folder: Path) -> list[str]:
    return [
        *(sys.executable, "-m", "model.train_cli", str(store), "-o", str(folder)),
        *("--resume", "--quiet", "--threads", "1", "--save-every", "0"),
    ]


def kill_soon(process: "subprocess.Popen[bytes]", folder: Path, delay_s: float) -> bool:
    """Kill `delay_s` after the run folder has appeared; False if it had ended by itself."""
    deadline_s = time.monotonic() + DEADLINE_S
    while not (folder / CONFIG).exists() and time.monotonic() < deadline_s:
        if process.poll() is not None:
            return False
        time.sleep(0.01)
    try:
        process.wait(delay_s)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
        return True
    return False


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_run_killed_again_and_again_ends_with_the_same_bits(
    store_path: Path, tmp_path: Path
) -> None:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert train_cli.main(command(store_path, whole)[3:]) == 0
    rng = random.Random()
    words = command(store_path, killed)
    n_killed = 0
    for _ in range(KILLS):
        process = subprocess.Popen(words, env=environment)
        before = killed / RESUME
        if killed.exists() and before.exists():
            # The folder is there from the start: wait until this process has kept something.
            seen = before.stat().st_mtime_ns
            deadline_s = time.monotonic() + DEADLINE_S
            while before.stat().st_mtime_ns == seen and time.monotonic() < deadline_s:
                if process.poll() is not None:
                    break
                time.sleep(0.005)
        n_killed += kill_soon(process, killed, rng.uniform(0.0, 0.15))
        words = resume_command(store_path, killed)
    assert n_killed >= 1
    assert train_cli.main(words[3:]) == 0
    first, _ = load_checkpoint(RunFolder(whole).checkpoint)
    second, _ = load_checkpoint(RunFolder(killed).checkpoint)
    for name, tensor in first.state_dict().items():
        assert torch.equal(second.state_dict()[name], tensor), name
    one, two = RunFolder(whole).metrics(), RunFolder(killed).metrics()
    facts = ("step", "train_loss", "validation", "learning_rate")
    assert [[a[k] for k in facts] for a in one] == [[b[k] for k in facts] for b in two]
    assert not list(killed.glob(".*.partial"))
