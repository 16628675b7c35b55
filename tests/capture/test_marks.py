"""Stages and markers end up in every recording and in the manifest: a real command, real lines."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from capture.config import load_rig_config
from capture.errors import ControlError
from capture.protocol import load_protocol
from capture.record_session import record_session
from capture.session import open_session

PROTOCOL = """
schema_version = 1
name = "short"

[[stage]]
name = "calm"
duration_s = 1.2

[[stage]]
name = "talk"
instruction = "ask about the weather"
"""


@pytest.fixture
def protocol(tmp_path: Path) -> Path:
    path = tmp_path / "protocol.toml"
    path.write_text(PROTOCOL, encoding="utf-8")
    return path


def test_stages_and_typed_markers_are_in_every_recording(rig_toml, protocol, tmp_path):
    rig = rig_toml(one={"width_px": 32, "height_px": 24}, two={"streams": ["thermal"]})
    command = [sys.executable, "-P", "-m", "capture.cli", "record", "--rig", str(rig)]
    command += ["--subject", "S01", "--protocol", str(protocol), "--markers-from-stdin"]
    command += ["--output", str(tmp_path / "root"), "--json"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        while "talk" not in (line := process.stderr.readline()):
            assert line, "the second stage never began"
        for words in ("she laughs", "", "next"):
            process.stdin.write(words + "\n")
            process.stdin.flush()
        out, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    session = open_session(Path(json.loads(out)["path"]))
    marks = session.manifest.marks
    told = [(mark.kind, mark.label) for mark in marks]
    assert told == [
        ("stage", "calm"),
        ("stage", "talk"),
        ("marker", "she laughs"),
        ("marker", "marker"),
    ]
    assert session.manifest.protocol is not None
    assert session.manifest.protocol["name"] == "short"
    assert marks[0].time_ns == session.start_time_ns
    assert marks[1].time_ns - marks[0].time_ns == 1_200_000_000
    assert session.manifest.stop_time_ns is not None
    assert session.manifest.stop_time_ns > marks[-1].time_ns
    for recording in session.recordings.values():
        written = [event for event in recording.events if event.kind in ("stage", "marker")]
        assert [(event.kind, event.data["label"]) for event in written] == told
        for event, mark in zip(written, marks, strict=True):
            assert abs(event.capture_time_ns - mark.time_ns) < 1_000_000


def test_a_protocol_and_a_duration_contradict_each_other(rig_toml, tmp_path):
    rig = load_rig_config(rig_toml(one={}))
    with pytest.raises(ControlError, match="both a protocol and a duration"):
        record_session(rig, tmp_path, subject="S01", duration_s=1, protocol=load_protocol("paper"))
    assert not list(tmp_path.glob("*/session.json"))
