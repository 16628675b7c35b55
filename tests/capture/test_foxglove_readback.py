"""Recordings as everybody else's tools see them: only public readers and schemas here.

Files are written by this software and read with nothing of it.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from foxglove_schemas_protobuf import CompressedImage_pb2, RawImage_pb2
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from mcap.reader import make_reader
from mcap.stream_reader import StreamReader
from mcap.well_known import MessageEncoding, SchemaEncoding
from mcap_protobuf.decoder import DecoderFactory

from capture.recover import recover_recording

WriteRecording = Callable[..., Path]
N_FRAMES = 40
KNOWN_FORMATS = {"jpeg", "png", "webp", "avif"}
"""Of foxglove.CompressedImage, by its documentation."""
FIRST_WALL_NS = 1_700_000_000_000_000_000
PUBLIC = {
    "foxglove.CompressedImage": CompressedImage_pb2.CompressedImage,
    "foxglove.RawImage": RawImage_pb2.RawImage,
}


@pytest.fixture(params=["complete", "recovered", "raw"])
def path(request: pytest.FixtureRequest, tmp_path: Path, write_recording: WriteRecording) -> Path:
    codec = "raw" if request.param == "raw" else "compressed"
    path = write_recording(tmp_path / "kinect2.mcap", n=N_FRAMES, codec=codec)
    if request.param == "recovered":
        path.write_bytes(path.read_bytes()[:-3000])
        assert recover_recording(path).damage
    return path


@pytest.fixture
def messages(path: Path) -> dict[str, list[Any]]:
    """Every message by topic, decoded through the file's index and its own schemas."""
    found: dict[str, list[Any]] = {}
    with path.open("rb") as handle:
        reader = make_reader(handle, decoder_factories=[DecoderFactory()], validate_crcs=True)
        for schema, channel, message in reader.iter_messages():
            body = message.data
            if channel.message_encoding == MessageEncoding.Protobuf:
                body = DecoderFactory().decoder_for(channel.message_encoding, schema)(body)
            found.setdefault(channel.topic, []).append((schema, channel, message, body))
    return found


def test_the_file_has_a_whole_index(path: Path) -> None:
    with path.open("rb") as handle:
        reader = make_reader(handle, validate_crcs=True)
        assert reader.get_header().profile == "mavfer-recording"
        summary = reader.get_summary()
        assert summary is not None
        assert summary.statistics is not None
        counts = summary.statistics.channel_message_counts
        by_topic = {summary.channels[number].topic: n for number, n in counts.items()}
        assert by_topic["/color"] == by_topic["/color/meta"] >= N_FRAMES - 2
        assert by_topic["/depth"] == by_topic["/depth/meta"] >= N_FRAMES - 2
        assert sum(counts.values()) == summary.statistics.message_count
        assert len(summary.chunk_indexes) == summary.statistics.chunk_count
        indexed = sum(1 for _ in reader.iter_messages(topics="/color"))
        assert indexed == by_topic["/color"]
    with path.open("rb") as handle:  # and record by record, as `mcap doctor` goes
        records = list(StreamReader(handle, validate_crcs=True).records)
    assert type(records[0]).__name__ == "Header"
    assert type(records[-1]).__name__ == "Footer"


def test_schemas_are_the_published_ones(messages: dict[str, list[Any]]) -> None:
    for topic in ("/color", "/depth"):
        schema, channel, message, decoded = messages[topic][0]
        assert channel.message_encoding == MessageEncoding.Protobuf
        assert schema.encoding == SchemaEncoding.Protobuf
        public = PUBLIC[schema.name]
        ours = {f.name for f in FileDescriptorSet.FromString(schema.data).file}
        assert public.DESCRIPTOR.file.name in ours
        assert "google/protobuf/timestamp.proto" in ours  # all that it imports is in the file
        again = public.FromString(message.data)
        assert again.SerializeToString() == decoded.SerializeToString() == message.data
    for topic in ("/color/meta", "/events", "/clock/probes"):
        schema, channel, message, _ = messages[topic][0]
        assert channel.message_encoding == MessageEncoding.JSON
        assert schema.encoding == SchemaEncoding.JSONSchema
        described = json.loads(schema.data)
        assert described["type"] == "object"
        assert json.loads(message.data).keys() == described["properties"].keys()


def test_times_are_wall_times_and_in_order(messages: dict[str, list[Any]]) -> None:
    for topic in ("/color", "/depth"):
        stamps = []
        for _, _, message, image in messages[topic]:
            assert image.timestamp.ToNanoseconds() == message.log_time
            assert image.frame_id == topic[1:]
            stamps.append(message.log_time)
        assert stamps == sorted(stamps)
        assert 0 <= stamps[0] - FIRST_WALL_NS < 100_000_000
        span_s = (stamps[-1] - stamps[0]) * 1e-9
        assert span_s == pytest.approx((len(stamps) - 1) / 30, abs=0.01)


def test_color_is_jpeg_that_any_decoder_reads(messages: dict[str, list[Any]]) -> None:
    for _, _, message, image in messages["/color"]:
        assert image.format == "jpeg"
        assert image.format in KNOWN_FORMATS
        assert image.data[:3] == b"\xff\xd8\xff"
        pixels = cv2.imdecode(np.frombuffer(image.data, np.uint8), cv2.IMREAD_COLOR)
        level = (np.mgrid[:24, :32].sum(0) * 3 + message.sequence) % 200
        assert pixels.shape == (24, 32, 3)
        assert np.abs(pixels.astype(int).mean(2) - level).mean() < 8


def test_16_bit_images_are_plain_or_named_for_what_they_are(
    messages: dict[str, list[Any]],
) -> None:
    for schema, _, message, image in messages["/depth"]:
        rng = np.random.default_rng([message.sequence, 20])
        expected = rng.integers(0, 65536, (16, 20)).astype(np.uint16)
        if schema.name == "foxglove.RawImage":
            assert (image.width, image.height) == (20, 16)
            assert (image.encoding, image.step) == ("mono16", 2 * 20)
            pixels = np.frombuffer(image.data, "<u2").reshape(16, 20)
            np.testing.assert_array_equal(pixels, expected)
        else:  # no viewer must take it for a picture that it knows
            assert image.format == "mavfer-z16"
            assert image.data[:4] == b"MZ16"


def test_metadata_and_sensor_are_there_for_everybody(path: Path) -> None:
    with path.open("rb") as handle:
        reader = make_reader(handle)
        metadata = {record.name: record.metadata for record in reader.iter_metadata()}
        attachments = {record.name: record for record in reader.iter_attachments()}
    assert metadata["mavfer/recording"]["daemon"] == "kinect2"
    assert attachments["sensor.json"].media_type == "application/json"
    assert json.loads(attachments["sensor.json"].data)["model"] == "test"
