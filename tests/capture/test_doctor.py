"""The doctor on machines made of folders, and libraries that are missing, broken or hang."""

import json
import sys
from pathlib import Path

import pytest

import capture.doctor
from capture.cli import main
from capture.doctor import Finding, Machine, examine


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine on which everything is fine but no vendor's library is installed."""
    root = tmp_path / "machine"
    made = Machine(root / "proc", root / "sys", root / "dev", python=sys.executable)
    write(made.sys / "devices/system/clocksource/clocksource0/current_clocksource", "tsc")
    write(made.proc / "sys/net/core/rmem_max", "33554432")
    kinect = made.sys / "bus/usb/devices/2-1"
    for name, value in {
        "idVendor": "045e",
        "idProduct": "02c4",
        "speed": "5000",
        "busnum": "2",
        "devnum": "7",
    }.items():
        write(kinect / name, value)
    write(made.dev / "bus/usb/002/007", "")
    write(made.dev / "video0", "")
    return made


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n")


def pretend(machine: Machine, tmp_path: Path, modules: dict[str, str]) -> Machine:
    """Let the machine's Python find modules of our own making."""
    folder = tmp_path / "modules"
    for name, text in modules.items():
        write(folder / f"{name}.py", text)
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH={folder} exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    return Machine(machine.proc, machine.sys, machine.dev, str(python))


LIBRARY = """
class FrameType:
    Color = 1
class CpuPacketPipeline: pass
class OpenCLPacketPipeline: pass
class Freenect2:
    def enumerateDevices(self): return 1
class SyncMultiFrameListener:
    def __init__(self, types): pass
    def waitForNewFrame(self, milliseconds): {wait}
def setGlobalLogger(logger): print("[Info] the library talks")
"""


def states(findings: list[Finding], subject: str) -> list[tuple[str, str]]:
    return [(f.state, f.text) for f in findings if f.subject == subject]


def test_a_machine_that_has_all_it_needs(machine: Machine, tmp_path: Path) -> None:
    ready = pretend(machine, tmp_path, {"pylibfreenect2": LIBRARY.format(wait="return None")})
    findings = examine(["kinect2", "opencv"], tmp_path / "not" / "yet", ready)
    assert states(findings, "kinect2") == [
        ("ok", "depth pipelines OpenCL, Cpu"),
        ("ok", "1 Kinect v2 answer to libfreenect2"),
        ("ok", "a Kinect at 2-1, 5000 Mbit/s"),
    ]
    assert states(findings, "clock") == [("ok", "clock source tsc")]
    assert states(findings, "opencv") == [("ok", "video devices: video0")]
    assert "MB/s" in states(findings, "disk")[1][1]
    assert not list(tmp_path.glob("**/.mavfer-doctor*"))


def test_a_library_that_waits_for_ever_is_found_out(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capture.doctor, "_LIBRARY_TIMEOUT_S", 2.0)
    wait = "import time; time.sleep(60)"
    hanging = pretend(machine, tmp_path, {"pylibfreenect2": LIBRARY.format(wait=wait)})
    missing = [f for f in examine(["kinect2"], tmp_path, hanging) if f.state == "missing"]
    assert ["without C++11 threading" in f.text for f in missing] == [True]


@pytest.mark.parametrize(
    ("module", "complaint"),
    [
        ("raise ImportError('libfreenect2.so.0.2: not found')", "libfreenect2.so.0.2: not found"),
        ("import os; os.kill(os.getpid(), 11)", "it crashes (signal 11)"),
    ],
)
def test_a_library_that_is_broken_is_told(
    module: str, complaint: str, machine: Machine, tmp_path: Path
) -> None:
    broken = pretend(machine, tmp_path, {"pylibfreenect2": module})
    (state, text), *_ = states(examine(["kinect2"], tmp_path, broken), "kinect2")
    assert state == "missing"
    assert complaint in text


def test_a_slow_port_no_rights_and_no_device(machine: Machine, tmp_path: Path) -> None:
    write(machine.sys / "bus/usb/devices/2-1/speed", "480")
    (machine.dev / "bus/usb/002/007").unlink()
    found = states(examine(["kinect2"], tmp_path, machine), "kinect2")
    assert ("missing", "a Kinect at 2-1, 480 Mbit/s") in found
    assert any("may not be opened" in text for _, text in found)
    write(machine.sys / "bus/usb/devices/2-1/idVendor", "1234")
    assert ("missing", "no Kinect v2 on the USB bus") in states(
        examine(["kinect2"], tmp_path, machine), "kinect2"
    )


def test_the_wrong_pyspin_and_little_room_in_sockets(machine: Machine, tmp_path: Path) -> None:
    write(machine.proc / "sys/net/core/rmem_max", "212992")
    wrong = pretend(machine, tmp_path, {"PySpin": "spin = 1", "gi": "raise ImportError('no gi')"})
    assert states(examine(["a65"], tmp_path, wrong), "a65") == [
        ("missing", "a PySpin that has nothing to do with cameras"),
        ("warning", "sockets may hold 208 KiB"),
    ]
    neither = pretend(
        machine,
        tmp_path,
        {"PySpin": "raise ImportError('no PySpin')", "gi": "import nothing"},
    )
    (state, text), _ = states(examine(["a65"], tmp_path, neither), "a65")
    assert state == "missing"
    assert "no PySpin" in text


def test_a_clock_that_is_slow_to_read_is_worth_a_warning(machine: Machine, tmp_path: Path) -> None:
    write(machine.sys / "devices/system/clocksource/clocksource0/current_clocksource", "hpet")
    assert states(examine([], tmp_path, machine), "clock") == [("warning", "clock source hpet")]


def test_a_folder_that_cannot_be_written(machine: Machine, tmp_path: Path) -> None:
    write(tmp_path / "file", "in the way")
    found = states(examine([], tmp_path / "file" / "sessions", machine), "disk")
    assert found == [("missing", f"{tmp_path / 'file'} cannot be written")]


def test_the_command_fails_for_what_the_rig_needs_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rig = tmp_path / "rig.toml"
    entry = '[[sensor]]\nname = "{0}"\nkind = "{0}"\naddress = "{1}"\n'
    head = 'schema_version = 1\nname = "lab"\n'
    rig.write_text(head + entry.format("kinect2", "tcp://10.0.0.7:5570"))
    output = ["--output", str(tmp_path)]
    assert main(["doctor", "--rig", str(rig), *output]) == 0  # it is served elsewhere
    assert main(["doctor", "--rig", str(rig), "--sensor", "kinect2", *output, "--json"]) == 1
    printed = capsys.readouterr().out
    said = json.loads(printed[printed.index("{") :])
    assert not said["healthy"]
    assert {finding["subject"] for finding in said["findings"]} >= {"disk", "kinect2"}
    assert main(["doctor", *output]) == 0
    assert "missing  kinect2" in capsys.readouterr().out
    assert main(["doctor", "--sensor", "kinect2"]) == 1
    assert "--sensor without --rig" in capsys.readouterr().err
