"""The clocks of all machines are set back and forth, four times a second, while they record."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from capture.session import open_session

from .processes import DEADLINE_S

SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/time.h>
#include <time.h>

int clock_gettime(clockid_t id, struct timespec *t)
{
    static int (*real)(clockid_t, struct timespec *);
    struct timespec steady;
    if (!real)
        real = dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(id, t);
    real(CLOCK_MONOTONIC, &steady);
    if (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)
        t->tv_sec += steady.tv_nsec / 250000000 % 2 ? 7200 : -86400;
    return result;
}

int gettimeofday(struct timeval *t, void *zone)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    t->tv_sec = now.tv_sec;
    t->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *t)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return t ? (*t = now.tv_sec) : now.tv_sec;
}
"""


@pytest.mark.skipif(shutil.which("cc") is None, reason="NOT TESTED: needs a C compiler")
def test_setting_the_clock_changes_nothing(
    rig_toml: Callable[..., Path],
    start_cli: Callable[..., "subprocess.Popen[str]"],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source, shim = tmp_path / "shim.c", tmp_path / "shim.so"
    source.write_text(SHIM)
    subprocess.run(["cc", "-shared", "-fPIC", source, "-o", shim, "-ldl"], check=True)
    wild = {**os.environ, "LD_PRELOAD": str(shim)}
    look = "import time\nfor _ in range(6): print(time.time()); time.sleep(0.12)"
    seen = subprocess.check_output([sys.executable, "-c", look], env=wild, text=True).split()
    assert np.ptp(np.array(seen, np.float64)) > 86_400  # it really is set

    monkeypatch.setenv("LD_PRELOAD", str(shim))
    size = {"width_px": 48, "height_px": 32}
    rig = rig_toml(
        cam={"streams": ["color", "depth"], **size}, heat={"streams": ["thermal"], **size}
    )
    root = tmp_path / "root"
    command = ("record", "--rig", rig, "--subject", "S01", "--output", root, "--json")
    record = start_cli(*command, "--duration", 3)
    told = json.loads(record.communicate(timeout=DEADLINE_S)[0])
    assert (record.returncode, told["status"], told["error"]) == (0, "complete", None)
    assert told["warnings"] == []
    assert told["stop_time_ns"] - told["start_time_ns"] == 3_000_000_000
    (folder,) = root.iterdir()
    for stream in open_session(folder).streams.values():
        assert abs(len(stream) + stream.n_dropped - 90) <= 1
        assert stream.uncertainty_ns.max() < 20_000_000
        periods = np.diff(stream.capture_time_ns) / np.diff(stream.seq)
        assert abs(periods - 1e9 / 30).max() < 20_000_000
