import json
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mcap.reader import make_reader
from mcap.writer import CompressionType, Writer

from capture.clock import HostClock, HostIdentity
from capture.errors import CaptureError, RecordingError, SensorError
from capture.frame import Frame, StreamSpec
from capture.mcap_index import MAGIC, read_index
from capture.recording import Recording, open_recording
from capture.sensor import SensorInfo
from capture.writer import RecordingWriter

WriteRecording = Callable[..., Path]
START_NS = 5_000_000_000_000
PERIOD_NS = 33_333_333


def truth_ns(recording: Recording, stream: str) -> np.ndarray:
    return START_NS + recording.streams[stream].seq * PERIOD_NS


@pytest.fixture
def recording_path(tmp_path: Path, write_recording: WriteRecording) -> Path:
    return write_recording(tmp_path / "kinect2.mcap", missing=(11, 12, 40))


def test_what_was_written_is_read(recording_path: Path) -> None:
    recording = open_recording(recording_path)
    assert recording.complete
    assert recording.damage is None
    assert recording.daemon == "kinect2"
    assert recording.session_uuid == "u-1"
    assert recording.info.parameters == {"factory": {"fx_px": 1.5}}
    assert recording.host.hostname == "box"
    assert len(recording.probes) == 80
    for stream in recording.streams.values():
        assert len(stream) == 297
        assert stream.n_dropped == 3
        assert stream.measured_rate_hz == pytest.approx(30 * 296 / 299, rel=1e-4)
    color, depth = recording.streams["color"].read(5), recording.streams["depth"].read(296)
    assert (color.seq, color.exposure_us, color.gain) == (5, 8000.0, None)
    assert color.image.shape == (24, 32, 3)
    rng = np.random.default_rng([299, 20])
    np.testing.assert_array_equal(depth.image, rng.integers(0, 65536, (16, 20)).astype(np.uint16))
    assert "297 frames" in repr(recording.streams["color"])


def test_capture_times_are_on_the_controllers_clock(recording_path: Path) -> None:
    recording = open_recording(recording_path)
    for name, stream in recording.streams.items():
        error_ns = stream.capture_time_ns - truth_ns(recording, name)
        # Two milliseconds are the smallest delivery delay, which nothing can see.
        assert np.abs(error_ns - 2_000_000).max() < stream.uncertainty_ns[0]
        assert stream.uncertainty_ns[0] < 500_000
    event = recording.events[0]
    assert (event.kind, event.data) == ("nuc", {"n": 1})
    assert event.capture_time_ns == recording.streams["color"].capture_time_ns[7]


def test_without_probes_times_stay_on_the_hosts_clock(
    tmp_path: Path, write_recording: WriteRecording
) -> None:
    recording = open_recording(write_recording(tmp_path / "a.mcap", n=60, probes=False))
    stream = recording.streams["color"]
    assert np.isnan(stream.uncertainty_ns).all()
    assert abs(stream.capture_time_ns[0] - stream.host_time_ns[0]) < 5_000_000


def test_any_mcap_reader_sees_images_in_wall_time(recording_path: Path) -> None:
    with recording_path.open("rb") as handle:
        reader = make_reader(handle)
        summary = reader.get_summary()
        assert summary is not None
        topics = {channel.topic for channel in summary.channels.values()}
        assert topics >= {"/color", "/color/meta", "/depth", "/events", "/clock/probes"}
        schema, _, message = next(reader.iter_messages(topics="/color"))
        assert schema is not None
        assert schema.name == "foxglove.CompressedImage"
        assert abs(message.log_time - 1_700_000_000_000_000_000) < 10_000_000_000
        assert b"jpeg" in message.data
        meta = json.loads(next(reader.iter_messages(topics="/color/meta"))[2].data)
        assert meta["exposure_us"] == 8000.0


def test_raw_images_survive_too(tmp_path: Path, write_recording: WriteRecording) -> None:
    packed = open_recording(write_recording(tmp_path / "a.mcap", n=5))
    raw = open_recording(write_recording(tmp_path / "b.mcap", n=5, codec="raw"))
    for k in range(5):
        one, other = packed.streams["depth"].read(k), raw.streams["depth"].read(k)
        np.testing.assert_array_equal(one.image, other.image)


def test_a_compressed_copy_reads_the_same(recording_path: Path, tmp_path: Path) -> None:
    """``mcap compress`` and ``mcap recover`` write zstd chunks."""
    copy = tmp_path / "copy.mcap"
    with recording_path.open("rb") as source, copy.open("wb") as target:
        reader = make_reader(source)
        writer = Writer(target, compression=CompressionType.ZSTD)
        writer.start()
        for metadata in reader.iter_metadata():
            writer.add_metadata(metadata.name, metadata.metadata)
        for item in reader.iter_attachments():
            writer.add_attachment(
                item.create_time, item.log_time, item.name, item.media_type, item.data
            )
        channels: dict[int, int] = {}
        for schema, channel, message in reader.iter_messages(log_time_order=False):
            if channel.id not in channels:
                number = writer.register_schema(schema.name, schema.encoding, schema.data)
                channels[channel.id] = writer.register_channel(
                    channel.topic, channel.message_encoding, number
                )
            writer.add_message(
                channels[channel.id],
                message.log_time,
                message.data,
                message.publish_time,
                message.sequence,
            )
        writer.finish()
    one, other = open_recording(recording_path), open_recording(copy)
    assert other.complete
    for name, stream in one.streams.items():
        np.testing.assert_array_equal(other.streams[name].capture_time_ns, stream.capture_time_ns)
        np.testing.assert_array_equal(other.streams[name].read(33).image, stream.read(33).image)


def test_an_existing_file_is_never_touched(recording_path: Path, host: HostIdentity) -> None:
    before = recording_path.read_bytes()
    with pytest.raises(RecordingError, match="exists already"):
        RecordingWriter(
            recording_path,
            daemon="kinect2",
            info=SensorInfo("", "", "", "", ()),
            session_uuid="",
            host=host,
        )
    assert recording_path.read_bytes() == before


def test_an_unfinished_file_is_readable(tmp_path: Path, write_recording: WriteRecording) -> None:
    path = write_recording(tmp_path / "open.mcap", n=50, close=False)
    recording = open_recording(path)
    assert not recording.complete
    assert [len(s) for s in recording.streams.values()] == [50, 50]
    assert recording.streams["depth"].read(49).seq == 49


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, int]:
    """The bytes of a recording of many small chunks, and where its preamble ends."""
    path = tmp_path_factory.mktemp("whole") / "a.mcap"
    spec = StreamSpec("depth", "depth", 20, 16, "Mono16", "mm", 30.0)
    info = SensorInfo("", "", "", "", (spec,))
    host = HostIdentity("box", "boot", 0, 10**18)
    writer = RecordingWriter(path, daemon="d", info=info, session_uuid="u", host=host)
    preamble = path.stat().st_size
    rng = np.random.default_rng(0)
    for seq in range(40):
        image = rng.integers(0, 65536, spec.shape).astype(np.uint16)
        writer.append(Frame("depth", seq, seq * 10**6, seq * 10**6 + 500, image))
        writer.sync()
    writer.close()
    return path.read_bytes(), preamble


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(share=st.floats(0, 1))
def test_cut_off_anywhere_everything_before_the_open_chunk_is_salvaged(
    whole: tuple[bytes, int], share: float, tmp_path: Path
) -> None:
    data, preamble = whole
    length = preamble + round(share * (len(data) - 1 - preamble))
    path = tmp_path / "cut.mcap"
    path.write_bytes(data[:length])
    recording = open_recording(path)
    assert not recording.complete
    assert recording.damage
    stream = recording.streams["depth"]
    one_frame = (len(data) - preamble) / 40
    assert len(stream) >= (length - preamble) / one_frame * 0.8 - 3
    for k in range(len(stream)):
        assert stream.read(k).seq == k


@pytest.mark.parametrize("length", [0, 4, 8, 20, 150])
def test_cut_off_before_anything_was_recorded_is_one_clear_error(
    whole: tuple[bytes, int], length: int, tmp_path: Path
) -> None:
    path = tmp_path / "cut.mcap"
    path.write_bytes(whole[0][:length])
    with pytest.raises(RecordingError):
        open_recording(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(share=st.floats(0, 0.999), flip=st.integers(1, 255))
def test_a_flipped_byte_is_noticed_or_harmless(
    whole: tuple[bytes, int], share: float, flip: int, tmp_path: Path
) -> None:
    data = bytearray(whole[0])
    data[round(share * (len(data) - 1))] ^= flip
    path = tmp_path / "flipped.mcap"
    path.write_bytes(data)
    try:
        recording = open_recording(path)
        for stream in recording.streams.values():
            for k in range(len(stream)):
                stream.read(k)
    except CaptureError:
        pass  # one clear error, never another exception


@pytest.mark.parametrize("content", [b"", b"hello", MAGIC, MAGIC + bytes(40), MAGIC + b"\x01" * 99])
def test_other_files_are_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.mcap"
    path.write_bytes(content)
    with pytest.raises(RecordingError):
        open_recording(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="is not a file"):
        open_recording(tmp_path / "none.mcap")


def test_records_that_claim_exabytes_do_not_allocate(tmp_path: Path) -> None:
    path = tmp_path / "x.mcap"
    path.write_bytes(MAGIC + struct.pack("<BQ", 6, 2**60) + bytes(64))
    assert read_index(path).damage


@pytest.mark.parametrize(("seq", "device_time_ns"), [(5, 10**9), (4, 10**9), (6, 500), (6, 400)])
def test_frames_that_go_back_are_refused(
    seq: int, device_time_ns: int, tmp_path: Path, host: HostIdentity
) -> None:
    spec = StreamSpec("depth", "depth", 4, 3, "Mono16", "mm", 30.0)
    image = np.zeros((3, 4), np.uint16)
    info = SensorInfo("", "", "", "", (spec,))
    with RecordingWriter(
        tmp_path / "a.mcap", daemon="d", info=info, session_uuid="u", host=host
    ) as writer:
        writer.append(Frame("depth", 5, 500, 0, image))
        with pytest.raises(SensorError, match="increase"):
            writer.append(Frame("depth", seq, device_time_ns, 1, image))
        with pytest.raises(SensorError, match="not announced"):
            writer.append(Frame("color", seq, device_time_ns, 1, image))
        with pytest.raises(SensorError, match="expected"):
            writer.append(Frame("depth", 9, 900, 1, image[:2]))
    assert len(open_recording(tmp_path / "a.mcap").streams["depth"]) == 1


def test_an_index_outside_is_an_index_error(recording_path: Path) -> None:
    stream = open_recording(recording_path).streams["color"]
    for index in (-1, len(stream)):
        with pytest.raises(IndexError):
            stream.read(index)


def test_a_simulated_clock_is_undone_by_probes(recording_path: Path) -> None:
    recording = open_recording(recording_path)
    clock = HostClock(offset_ns=987_654_321_000, skew_ppm=25.0)
    at_ns = START_NS + 4_000_000_000
    assert abs(recording.host_clock.apply_one(clock.at(at_ns)) - at_ns) < 50_000


def test_a_device_that_began_anew_is_followed_in_both_segments(tmp_path: Path) -> None:
    spec = StreamSpec("depth", "depth", 4, 3, "Mono16", "mm", 10.0)
    info = SensorInfo("v", "m", "s", "f", (spec,))
    host = HostIdentity("h", "b", 0, 0)
    image = np.zeros((3, 4), np.uint16)
    path = tmp_path / "a.mcap"
    with RecordingWriter(path, daemon="cam", info=info, session_uuid="u", host=host) as writer:
        for seq in range(100):
            segment = int(seq >= 60)
            taken_ns = (1000 + seq) * 100_000_000 + segment * 3_000_000_000
            device_ns = seq * 100_000_000 + 77 if not segment else (seq - 60) * 100_000_000 + 5
            frame = Frame("depth", seq, device_ns, taken_ns + 4_000_000, image, segment=segment)
            writer.append(frame)
        with pytest.raises(SensorError, match="increase"):
            writer.append(replace(frame, seq=100, device_time_ns=5))
    stream = open_recording(path).streams["depth"]
    assert stream.segment.tolist() == [0] * 60 + [1] * 40
    assert len(stream.device_clocks) == 2
    np.testing.assert_array_equal(stream.capture_time_ns, stream.host_time_ns)
    assert stream.read(99).segment == 1


def test_brightness_alone_and_repeated_images(recording_path: Path) -> None:
    streams = open_recording(recording_path).streams
    color, depth = streams["color"], streams["depth"]
    grey = color.read_grey(7)
    assert grey.shape == (24, 32)
    weights = np.array([0.114, 0.587, 0.299])
    assert np.abs(grey - color.read(7).image @ weights).mean() < 3
    assert not any(depth.repeats(index) for index in range(4))
    with pytest.raises(RecordingError, match=r"depth frame 3: only JPEG"):
        depth.read_grey(3)
    with pytest.raises(IndexError):
        color.read_grey(297)


def test_a_repeated_image_is_told_from_a_similar_one(tmp_path: Path) -> None:
    spec = StreamSpec("thermal", "thermal", 8, 6, "Mono14", "0.04 K", 10.0)
    info = SensorInfo("V", "M", "1", "1", (spec,))
    writer = RecordingWriter(
        tmp_path / "a65.mcap", daemon="a65", info=info, session_uuid="u", host=HostIdentity.read()
    )
    images = [np.full((6, 8), value, np.uint16) for value in (7000, 7000, 7001)]
    for number, image in enumerate(images):
        at_ns = START_NS + number * PERIOD_NS
        writer.append(Frame("thermal", number, at_ns, at_ns, image))
    writer.close()
    stream = open_recording(tmp_path / "a65.mcap").streams["thermal"]
    assert [stream.repeats(index) for index in range(3)] == [False, True, False]
