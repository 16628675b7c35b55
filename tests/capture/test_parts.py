"""A daemon that was lost and came back leaves two files; readers see one stream with a gap."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from capture.errors import RecordingError
from capture.info import describe_session
from capture.manifest import RecordingSummary
from capture.parts import join_parts
from capture.recording import open_recording
from capture.session import Session, create_session, open_session
from capture.summary import summarise_recording
from capture.sync import match_nearest

WriteRecording = Callable[..., Path]
START_NS = 5_000_000_000_000
PERIOD_NS = 33_333_333
SECOND, THIRD = 150, 400
"""Periods after which the second and the third part begin; the first has 90 frames."""


@pytest.fixture
def session(tmp_path: Path, write_recording: WriteRecording) -> Session:
    folder = create_session(tmp_path, subject="S01")
    uuid, path = folder.manifest.uuid, folder.path
    write_recording(path / "kinect2.mcap", n=90, uuid=uuid, missing=(11, 12), close=False)
    write_recording(path / "kinect2_2.mcap", n=200, uuid=uuid, first=SECOND, missing=(50,))
    write_recording(path / "kinect2_10.mcap", n=60, uuid=uuid, first=THIRD)
    recordings = {
        file.stem: summarise_recording(RecordingSummary(file.name, "local"), open_recording(file))
        for file in path.glob("*.mcap")
    }
    folder.update(recordings=recordings, start_time_ns=START_NS)
    return open_session(path)


def test_streams_of_all_parts_are_one_in_capture_time(session: Session) -> None:
    assert set(session.recordings) == {"kinect2", "kinect2_2", "kinect2_10"}
    for stream in session.streams.values():
        assert len(stream) == 88 + 199 + 60
        assert stream.part_starts == (0, 88, 88 + 199)
        expected = np.r_[
            np.delete(np.arange(90), (11, 12)),
            SECOND + np.delete(np.arange(200), 50),
            THIRD + np.arange(60),
        ]
        # Two milliseconds are the smallest delivery delay, which nothing can see.
        error_ns = stream.capture_time_ns - (START_NS + expected * PERIOD_NS) - 2_000_000
        assert np.abs(error_ns).max() < stream.uncertainty_ns.max()
        assert (np.diff(stream.capture_time_ns) > 0).all()
        assert len(match_nearest(stream.capture_time_ns, stream.capture_time_ns, max_gap_ns=0))


def test_images_come_from_the_part_they_are_in(session: Session) -> None:
    stream = session.streams["depth"]
    for index, (stem, inside) in {
        0: ("kinect2", 0),
        87: ("kinect2", 87),
        88: ("kinect2_2", 0),
        286: ("kinect2_2", 198),
        287: ("kinect2_10", 0),
        346: ("kinect2_10", 59),
    }.items():
        frame, own = stream.read(index), session.recordings[stem].streams["depth"].read(inside)
        np.testing.assert_array_equal(frame.image, own.image)
        assert (frame.seq, frame.device_time_ns) == (own.seq, own.device_time_ns)
    with pytest.raises(IndexError):
        stream.read(347)


def test_drops_and_rate_are_those_of_the_parts(session: Session) -> None:
    for stream in session.streams.values():
        assert stream.n_dropped == 3
        assert stream.measured_rate_hz == pytest.approx(
            30 * (87 + 198 + 59) / (89 + 199 + 59), rel=1e-3
        )


def test_a_description_tells_the_parts_apart(session: Session) -> None:
    described = describe_session(session.path)
    json.dumps(described, allow_nan=False)
    assert described["missing"] == []
    assert described["recordings"]["kinect2"]["damage"]
    counts = {n: r["streams"]["color"]["n_frames"] for n, r in described["recordings"].items()}
    assert counts == {"kinect2": 88, "kinect2_2": 199, "kinect2_10": 60}


def test_a_part_without_frames_is_no_obstacle(
    session: Session, write_recording: WriteRecording
) -> None:
    write_recording(session.path / "kinect2_11.mcap", n=0, uuid=session.manifest.uuid)
    assert len(open_session(session.path).streams["color"]) == 347
    empty = open_recording(session.path / "kinect2_11.mcap")
    assert len(join_parts([empty, empty])["color"]) == 0


def test_parts_that_overlap_are_refused(session: Session, write_recording: WriteRecording) -> None:
    uuid = session.manifest.uuid
    write_recording(session.path / "kinect2_3.mcap", n=30, uuid=uuid, first=SECOND + 180)
    with pytest.raises(RecordingError, match=r"and kinect2_3\.mcap both hold color"):
        open_session(session.path)


def test_parts_of_other_pictures_are_refused(session: Session) -> None:
    recordings = [session.recordings["kinect2"], session.recordings["kinect2_2"]]
    stream = recordings[1].streams["color"]
    other = replace(stream, spec=replace(stream.spec, width_px=64))
    recordings[1] = replace(recordings[1], streams={"color": other})
    with pytest.raises(RecordingError, match="color is"):
        join_parts(recordings)
