"""What a machine lacks for the sensors it is to serve: looked at, not changed.

Facts come from ``/proc``, ``/sys``, from importing vendors' libraries in processes of their own (a
broken one may crash or hang) and from writing a little to the folder of recordings.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

State = Literal["ok", "warning", "missing"]
_KINECT_IDS = {"02c4", "02d8", "02d9"}
_MICROSOFT = "045e"
_USB3_MBIT_S = 5000
_STEADY_CLOCKS = {"tsc", "kvm-clock", "arch_sys_counter", "hyperv_clocksource_tsc_page", "xen"}
_MIN_RECEIVE_BYTES = 1 << 20
_MIN_WRITE_MB_S = 60.0
"""Three times what the paper's rig writes."""
_RIG_BYTES_S = 17e6
_PROBE_BYTES = 64 << 20
_MIN_FREE_BYTES = 20 << 30
_LIBRARY_TIMEOUT_S = 20.0
_PYTHON = sys.executable

_ASK_KINECT = """
import json, sys
import pylibfreenect2 as p
p.setGlobalLogger(None)
names = [n for n in ("Cuda", "OpenCL", "OpenGL", "Cpu") if hasattr(p, n + "PacketPipeline")]
print(json.dumps({"pipelines": names, "n_devices": p.Freenect2().enumerateDevices()}), flush=True)
p.SyncMultiFrameListener(int(p.FrameType.Color)).waitForNewFrame(milliseconds=100)
print(json.dumps({"waits": True}), flush=True)
"""
_ASK_ARAVIS = """
import json
import gi
gi.require_version("Aravis", "0.8")
from gi.repository import Aravis
Aravis.update_device_list()
print(json.dumps({"cameras": [Aravis.get_device_id(i) for i in range(Aravis.get_n_devices())]}))
"""
_ASK_PYSPIN = "import json, PySpin; print(json.dumps({'system': hasattr(PySpin, 'System')}))"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes
    ----------
    subject : str
        What it is about: a kind of sensor, "disk", "clock".
    state : {"ok", "warning", "missing"}
    text : str
    remedy : str or None
    """

    subject: str
    state: State
    text: str
    remedy: str | None = None


@dataclass(frozen=True, slots=True)
class Machine:
    """Where facts about this machine are read; tests put their own folders here."""

    proc: Path = Path("/proc")
    sys: Path = Path("/sys")
    dev: Path = Path("/dev")
    python: str = _PYTHON


def examine(kinds: Iterable[str], output: Path, machine: Machine | None = None) -> list[Finding]:
    """Look at everything that recording with sensors of these kinds needs.

    Parameters
    ----------
    kinds : iterable of str
        Kinds of sensors, as in a rig file; those without needs of their own are fine.
    output : Path
        Where recordings are to go; need not exist yet.
    machine : Machine, optional

    Returns
    -------
    list of Finding
    """
    machine = machine or Machine()
    wanted = set(kinds)
    found = [*_disk(output), *_clock(machine)]
    if "kinect2" in wanted:
        found += [*_kinect_library(machine), *_kinect_usb(machine)]
    if "a65" in wanted:
        found += [*_thermal_libraries(machine), *_network(machine)]
    if "opencv" in wanted:
        found += _video_devices(machine)
    return found


def _disk(output: Path) -> Iterator[Finding]:
    folder = output
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        yield Finding("disk", "missing", f"{folder} cannot be written", "choose another --output")
        return
    free = shutil.disk_usage(folder).free
    minutes = free / _RIG_BYTES_S / 60
    text = f"{free / 1e9:.0f} GB free in {folder}, {minutes:.0f} minutes of the paper's rig"
    enough = free > _MIN_FREE_BYTES
    yield Finding(
        "disk",
        "ok" if enough else "warning",
        text,
        None if enough else "an hour of the paper's rig takes 60 GB: make room",
    )
    if free < 4 * _PROBE_BYTES:
        return
    mb_s = _write_mb_s(folder)
    fast = mb_s > _MIN_WRITE_MB_S
    yield Finding(
        "disk",
        "ok" if fast else "warning",
        f"it takes {mb_s:.0f} MB/s",
        None if fast else "the paper's rig writes 17 MB/s without a pause: record to a faster disk",
    )


def _write_mb_s(folder: Path) -> float:
    path = folder / f".mavfer-doctor-{os.getpid()}"
    data = os.urandom(1 << 20)
    try:
        begun_s = time.perf_counter()
        with path.open("xb", buffering=0) as handle:
            for _ in range(_PROBE_BYTES >> 20):
                handle.write(data)
            os.fsync(handle.fileno())
        return _PROBE_BYTES / 1e6 / (time.perf_counter() - begun_s)
    finally:
        path.unlink(missing_ok=True)


def _clock(machine: Machine) -> Iterator[Finding]:
    source = _read(machine.sys / "devices/system/clocksource/clocksource0/current_clocksource")
    if source is None:
        return
    steady = source in _STEADY_CLOCKS
    yield Finding(
        "clock",
        "ok" if steady else "warning",
        f"clock source {source}",
        None if steady else "slow or coarse: boot with clocksource=tsc if the processor has it",
    )


def _kinect_library(machine: Machine) -> Iterator[Finding]:
    answers, error = _ask(machine, _ASK_KINECT)
    if not answers:
        yield Finding(
            "kinect2",
            "missing",
            f"pylibfreenect2 cannot be used: {error}",
            "install libfreenect2 and it: docs/how-to/sensor-kinect2.md",
        )
        return
    pipelines = [str(name) for name in answers.get("pipelines", [])]
    fast = [name for name in pipelines if name != "Cpu"]
    yield Finding(
        "kinect2",
        "ok" if fast else "warning",
        f"depth pipelines {', '.join(pipelines) or 'none'}",
        None if fast else "the CPU alone is slow: build libfreenect2 with OpenCL or CUDA",
    )
    if not answers.get("waits"):
        yield Finding(
            "kinect2",
            "missing",
            "libfreenect2 was built without C++11 threading: waiting for a frame never ends",
            "build it anew with that option on: docs/how-to/sensor-kinect2.md",
        )
    count = int(answers.get("n_devices", 0))
    yield Finding(
        "kinect2",
        "ok" if count else "missing",
        f"{count} Kinect v2 answer to libfreenect2",
        None if count else "check power supply, USB 3 port and udev rule",
    )


def _kinect_usb(machine: Machine) -> Iterator[Finding]:
    for folder in sorted((machine.sys / "bus/usb/devices").glob("*")):
        vendor, product = _read(folder / "idVendor"), _read(folder / "idProduct")
        if vendor != _MICROSOFT or product not in _KINECT_IDS:
            continue
        speed = int(float(_read(folder / "speed") or 0))
        yield Finding(
            "kinect2",
            "ok" if speed >= _USB3_MBIT_S else "missing",
            f"a Kinect at {folder.name}, {speed} Mbit/s",
            None if speed >= _USB3_MBIT_S else "plug it into a USB 3 port (blue), without a hub",
        )
        bus, number = (int(_read(folder / name) or 0) for name in ("busnum", "devnum"))
        node = machine.dev / f"bus/usb/{bus:03d}/{number:03d}"
        if not os.access(node, os.R_OK | os.W_OK):
            yield Finding(
                "kinect2",
                "missing",
                f"{node} may not be opened by this user",
                "install libfreenect2's udev rule and plug the Kinect in again",
            )
        return
    yield Finding(
        "kinect2", "missing", "no Kinect v2 on the USB bus", "check cable, adapter and its power"
    )


def _thermal_libraries(machine: Machine) -> Iterator[Finding]:
    aravis, aravis_error = _ask(machine, _ASK_ARAVIS)
    pyspin, pyspin_error = _ask(machine, _ASK_PYSPIN)
    if aravis:
        cameras = [str(camera) for camera in aravis["cameras"]]
        yield Finding(
            "a65",
            "ok" if cameras else "warning",
            f"Aravis sees {', '.join(cameras) or 'no camera'}",
            None if cameras else "check cable, power and subnet; or set ip in the rig file",
        )
    if pyspin:
        right = bool(pyspin.get("system"))
        yield Finding(
            "a65",
            "ok" if right else "missing",
            "PySpin is there" if right else "a PySpin that has nothing to do with cameras",
            None if right else "its wheel comes with the vendor's SDK, not from PyPI",
        )
    if not aravis and not pyspin:
        yield Finding(
            "a65",
            "missing",
            f"neither Aravis ({aravis_error}) nor PySpin ({pyspin_error})",
            "install one of them: docs/how-to/sensor-a65.md",
        )


def _network(machine: Machine) -> Iterator[Finding]:
    room = int(_read(machine.proc / "sys/net/core/rmem_max") or 0)
    enough = room >= _MIN_RECEIVE_BYTES
    yield Finding(
        "a65",
        "ok" if enough else "warning",
        f"sockets may hold {room >> 10} KiB",
        None if enough else "sudo sysctl -w net.core.rmem_max=33554432: room for a stall",
    )


def _video_devices(machine: Machine) -> Iterator[Finding]:
    devices = sorted(path.name for path in machine.dev.glob("video*"))
    yield Finding(
        "opencv",
        "ok" if devices else "warning",
        f"video devices: {', '.join(devices) or 'none'}",
        None if devices else "plug in a camera; a video file needs none",
    )


def _ask(machine: Machine, program: str) -> tuple[dict[str, Any], str]:
    """Run a little program; return what its lines of JSON say together, and why it said nothing."""
    try:
        done = subprocess.run(
            [machine.python, "-P", "-c", program],
            capture_output=True,
            timeout=_LIBRARY_TIMEOUT_S,
            check=False,
        )
        printed, complaint = done.stdout, done.stderr.decode(errors="replace").strip()
        if done.returncode < 0:
            complaint = f"it crashes (signal {-done.returncode})"
    except subprocess.TimeoutExpired as error:
        printed, complaint = error.stdout or b"", "it hangs"
    answers: dict[str, Any] = {}
    for line in printed.decode(errors="replace").splitlines():
        try:
            said = json.loads(line)
        except ValueError:
            continue  # a library that talks
        if isinstance(said, dict):
            answers |= said
    return answers, complaint.splitlines()[-1] if complaint else "it says nothing"


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None
