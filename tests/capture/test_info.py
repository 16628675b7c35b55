import json
from collections.abc import Callable
from pathlib import Path

import pytest

from capture.errors import RecordingError
from capture.info import describe_recording, describe_session, session_overview
from capture.manifest import RecordingSummary
from capture.recording import open_recording
from capture.session import create_session
from capture.summary import summarise_recording

WriteRecording = Callable[..., Path]


def test_a_recording_is_described(tmp_path: Path, write_recording: WriteRecording) -> None:
    path = write_recording(tmp_path / "kinect2.mcap", n=60, missing=(5,))
    described = describe_recording(path)
    assert json.loads(json.dumps(described, allow_nan=False)) == described
    assert described["type"] == "recording"
    assert described["complete"]
    assert described["n_events"] == {"nuc": 1}
    color = described["streams"]["color"]
    assert (color["n_frames"], color["n_dropped"], color["size_px"]) == (59, 1, [32, 24])
    assert color["measured_rate_hz"] == pytest.approx(29.5, rel=1e-2)


def test_a_recording_without_frames_or_probes_is_described(
    tmp_path: Path, write_recording: WriteRecording
) -> None:
    described = describe_recording(write_recording(tmp_path / "a.mcap", n=0))
    assert described["streams"]["color"]["n_frames"] == 0
    assert described["clock_uncertainty_us"] is None
    json.dumps(described, allow_nan=False)


def test_a_session_is_described_with_what_is_missing(
    tmp_path: Path, write_recording: WriteRecording
) -> None:
    folder = create_session(tmp_path, subject="S01")
    write_recording(folder.path / "kinect2.mcap", n=30, uuid=folder.manifest.uuid)
    folder.update(
        recordings={
            name: RecordingSummary(file=f"{name}.mcap", address="local")
            for name in ("kinect2", "a65")
        }
    )
    described = describe_session(folder.path)
    assert json.loads(json.dumps(described, allow_nan=False)) == described
    assert described["type"] == "session"
    assert described["missing"] == ["a65"]
    assert described["manifest"]["subject"] == "S01"
    assert described["recordings"]["kinect2"]["streams"]["depth"]["n_frames"] == 30


def test_other_files_are_not_described(tmp_path: Path) -> None:
    with pytest.raises(RecordingError):
        describe_session(tmp_path)


def test_an_overview_says_each_thing_once(tmp_path: Path, write_recording: WriteRecording) -> None:
    folder = create_session(tmp_path, subject="S01")
    write_recording(folder.path / "kinect2.mcap", n=30, uuid=folder.manifest.uuid)
    folder.update(start_time_ns=5 * 10**12, stop_time_ns=5 * 10**12 + 10**9, status="complete")
    described = describe_session(folder.path)
    overview = session_overview(described)
    assert overview["duration_s"] == 1.0
    assert overview["kinect2.mcap"]["depth"]["n_frames"] == 30
    assert overview["kinect2.mcap"]["sensor"].endswith("complete")


def test_skew_has_one_sign_in_manifest_and_description(
    tmp_path: Path, write_recording: WriteRecording
) -> None:
    path = write_recording(tmp_path / "kinect2.mcap", n=300)
    summary = summarise_recording(RecordingSummary("kinect2.mcap", "local"), open_recording(path))
    described = describe_recording(path)["streams"]["color"]
    assert described["device_skew_ppm"] == summary.streams["color"].skew_ppm
    assert described["device_skew_ppm"] > 0  # the fixture's device runs 15 ppm fast of its host
