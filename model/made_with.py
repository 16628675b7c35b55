"""Software and machine that figures were made with."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

import torch

_PACKAGES = ("mavfer", "torch", "numpy")


def made_with() -> dict[str, str]:
    """Return versions, and the processor or GPU, by name."""
    versions = {name: version(name) for name in _PACKAGES}
    return versions | {"python": platform.python_version(), "machine": _machine()}


def _machine() -> str:
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    cores = f"{os.cpu_count() or 1} cores"
    return f"{_processor()}, {cores}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.machine()
