import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capture.clock import ClockProbe, HostIdentity
from capture.errors import ControlError
from capture.messages import (
    Abort,
    Arm,
    Describe,
    Description,
    DigestFile,
    FileChunk,
    FileDigest,
    FileEntry,
    FileList,
    Finish,
    ListFiles,
    Poll,
    Preview,
    ProbeReply,
    ProbeRequest,
    ReadFile,
    Refusal,
    Shutdown,
    Start,
    Status,
    Stop,
    StreamStatus,
)
from capture.wire import MAX_HEADER_BYTES, MAX_PAYLOAD_BYTES, Message, pack, unpack

NS = st.integers(-(2**62), 2**62)
TEXT = st.text(max_size=30)
COUNT = st.integers(0, 10**9)
PROBE = st.builds(ClockProbe, NS, NS, NS, NS)
STREAM = st.builds(
    StreamStatus, COUNT, COUNT, COUNT, COUNT, st.none() | NS, st.none() | NS, st.floats(0, 1e4)
)
STATES = ["idle", "opening", "armed", "recording", "stopping", "stopped", "failed"]
BODY = st.one_of(
    st.sampled_from([Describe(), Finish(), Abort(), Poll(), Shutdown()]),
    st.builds(Arm, TEXT, TEXT),
    st.builds(Start, NS),
    st.builds(Stop, NS),
    st.builds(Refusal, TEXT, st.none() | TEXT),
    st.builds(ProbeRequest, NS, st.lists(PROBE, max_size=20).map(tuple)),
    st.builds(ProbeReply, NS, NS, NS),
    st.builds(
        Description, TEXT, TEXT, TEXT, st.builds(HostIdentity, TEXT, TEXT, NS, NS), COUNT, COUNT
    ),
    st.builds(
        Status,
        TEXT,
        st.sampled_from(STATES),
        st.none() | TEXT,
        st.none() | TEXT,
        st.none() | TEXT,
        COUNT,
        COUNT,
        st.floats(0, 1),
        COUNT,
        st.dictionaries(TEXT, STREAM, max_size=4),
    ),
    st.builds(ListFiles, TEXT),
    st.builds(
        FileList,
        TEXT,
        st.lists(st.builds(FileEntry, TEXT, COUNT, st.booleans()), max_size=3).map(tuple),
    ),
    st.builds(ReadFile, TEXT, TEXT, NS, NS, st.booleans()),
    st.builds(FileChunk, NS, NS, TEXT),
    st.builds(DigestFile, TEXT, TEXT),
    st.builds(FileDigest, COUNT, COUNT, st.none() | TEXT),
    st.builds(Preview, TEXT, st.sampled_from(["color", "depth"]), NS, NS, NS),
)


@given(BODY, st.integers(0, 2**40), st.binary(max_size=100), st.sampled_from(["", "color", "a/b"]))
def test_every_message_round_trips(body: object, number: int, payload: bytes, detail: str) -> None:
    message = Message(body, number, payload)  # type: ignore[arg-type]  # any of the types
    assert unpack(pack(message, detail=detail)) == message


@given(st.lists(st.binary(max_size=60), max_size=5))
def test_noise_is_refused(parts: list[bytes]) -> None:
    with pytest.raises(ControlError):
        unpack(parts)


@given(
    st.sampled_from(
        ["arm", "start", "status", "probe", "preview", "description", "read-file", "file-list"]
    ),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
        max_leaves=12,
    ),
)
def test_other_json_is_refused_or_fits(topic: str, body: object) -> None:
    header = json.dumps({"version": 1, "number": 0, "body": body}).encode()
    with pytest.raises(ControlError):
        unpack([topic.encode(), header, b""])


@pytest.mark.parametrize(
    "parts",
    [
        [b"poll", b"{}", b""],
        [b"poll", b'{"version": 2, "number": 0, "body": {}}', b""],
        [b"poll", b'{"version": 1, "number": "0", "body": {}}', b""],
        [b"poll", b'{"version": 1, "number": 0, "body": {"x": 1}}', b""],
        [b"poll", b'{"version": 1, "number": 0, "body": {}}', b"", b""],
        [b"poll", b"[" * 100_000, b""],
        [b"poll", b'{"version": 1, "number": 9223372036854775808, "body": {}}', b""],
        [b"poll", b'{"version": 1, "number": 1' + b"0" * 5000 + b', "body": {}}', b""],
        [b"start", b'{"version": 1, "number": 0, "body": {"at_host_ns": 1e999}}', b""],
        [b"start", b'{"version": 1, "number": 0, "body": {"at_host_ns": NaN}}', b""],
        [
            b"start",
            b'{"version": 1, "number": 0, "body": {"at_host_ns": -9223372036854775809}}',
            b"",
        ],
        [b"poll", b" " * (MAX_HEADER_BYTES + 1), b""],
        [b"poll", b'{"version": 1, "number": 0, "body": {}}', bytes(MAX_PAYLOAD_BYTES + 1)],
        [b"\xff\xfe", b'{"version": 1, "number": 0, "body": {}}', b""],
    ],
)
def test_hostile_messages_are_refused(parts: list[bytes]) -> None:
    with pytest.raises(ControlError):
        unpack(parts)
