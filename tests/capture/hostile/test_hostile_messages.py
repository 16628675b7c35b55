"""Whatever is sent to a daemon, it answers, goes on, and a recording in progress stays whole."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zmq
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from capture.clock import ClockProbe
from capture.messages import (
    Arm,
    Describe,
    Description,
    DigestFile,
    FileList,
    Finish,
    ListFiles,
    Mark,
    Poll,
    ProbeReply,
    ProbeRequest,
    ReadFile,
    Refusal,
    Start,
    Status,
    Stop,
)
from capture.recording import open_recording
from capture.wire import MAX_HEADER_BYTES, Message, pack

TOPICS = ["describe", "arm", "start", "stop", "mark", "finish", "abort", "poll", "status", "probe"]
NAMES = ["session_id", "session_uuid", "part", "at_host_ns", "kind", "label", "t0_ns", "finished"]
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["../../x", "s1", "/etc/passwd", "\ud800", "a\0b", "marker"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=5), inner, max_size=5)
    ),
    max_leaves=10,
)
HEADER = st.builds(
    lambda version, number, body: {"version": version, "number": number, "body": body},
    st.just(1) | JSON,
    st.integers(0, 9) | JSON,
    JSON,
).map(lambda header: json.dumps(header).encode())
SOUND = st.sampled_from([Poll(), Arm("../x", "u"), Start(0), Mark("marker", "x", 0)]).map(
    lambda body: pack(Message(body))
)


@st.composite
def damaged(draw: Any) -> list[bytes]:
    """A sound message with one part cut, doubled, lost or with a bit turned."""
    parts = draw(SOUND)
    index = draw(st.integers(0, len(parts) - 1))
    part, at = parts[index], draw(st.integers(0, max(0, len(parts[index]) - 1)))
    how = draw(st.sampled_from(["cut", "twice", "lost", "bit"]))
    if how == "cut":
        parts[index] = part[:at]
    elif how == "twice":
        parts.insert(index, part)
    elif how == "lost":
        del parts[index]
    elif part:
        parts[index] = part[:at] + bytes([part[at] ^ 1 << draw(st.integers(0, 7))]) + part[at + 1 :]
    return parts


BELOW = st.sampled_from(["../bystander", "/etc/passwd", "cam.mcap", "cam_1.mcap", "..", "a\0b"])
SIZE = st.sampled_from([-1, 0, 1, 1 << 20, 1 << 21, (1 << 63) - 1, -(1 << 63)])
FILES = st.one_of(
    st.builds(ListFiles, BELOW | st.just("s1")),
    st.builds(DigestFile, st.just("s1") | BELOW, BELOW),
    st.builds(ReadFile, st.just("s1") | BELOW, BELOW, SIZE, SIZE, st.booleans()),
).map(lambda body: pack(Message(body)))
PARTS = (
    st.lists(st.binary(max_size=50), min_size=1, max_size=6)
    | st.tuples(st.sampled_from(TOPICS).map(str.encode), HEADER, st.binary(max_size=20)).map(list)
    | damaged()
)


def header(body: str, *, number: str = "0") -> bytes:
    return f'{{"version": 1, "number": {number}, "body": {body}}}'.encode()


NASTY: list[list[bytes]] = [
    [b"poll", b"[" * 200_000, b""],
    [b"poll", header('{"a":' * 5_000 + "1" + "}" * 5_000), b""],
    [b"poll", header("{}", number="9" * 10_000), b""],
    [b"poll", header("{}", number="NaN"), b""],
    [b"start", header('{"at_host_ns": 1e400}'), b""],
    [b"start", header('{"at_host_ns": 99999999999999999999999}'), b""],
    [b"start", header('{"at_host_ns": -9223372036854775808}'), b""],
    [b"stop", header('{"at_host_ns": 99999999999999999999999}'), b""],
    [b"stop", header('{"at_host_ns": Infinity}'), b""],
    [b"mark", header('{"kind": "marker", "label": "x", "at_host_ns": 1e30}'), b""],
    [b"mark", header('{"kind": "marker", "label": "x", "at_host_ns": 9223372036854775807}'), b""],
    [b"mark", header('{"kind": "marker", "label": "x", "at_host_ns": 1' + "0" * 30 + "}"), b""],
    [b"mark", header('{"kind": "nuc", "label": "x", "at_host_ns": 0}'), b""],
    [b"arm", header('{"session_id": "../../x", "session_uuid": "u"}'), b""],
    [b"arm", header('{"session_id": "s9", "session_uuid": "u"}'), b""],
    [b"arm", header('{"session_id": "s9", "session_uuid": "u", "part": 2}'), b""],
    [b"description", header("{}"), b""],
    [b"", b"", b""],
    [b"poll", b" " * MAX_HEADER_BYTES, b""],
    [b"x"] * 2_000,
]
ALWAYS_NASTY = [parts for parts in NASTY if parts[0] != b"arm" or b"s9" not in parts[1]]
"""Without those that are sound while nothing is recorded."""


def files_under(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(PARTS)
def test_anything_is_answered_and_changes_nothing(
    peer: Any, output: Path, parts: list[bytes]
) -> None:
    peer.send(parts)
    assert isinstance(peer.answer().body, Refusal | Status | Description)
    assert peer.status().state == "idle"
    assert files_under(output.parent) == set()


@pytest.fixture(params=["probe_port", "files_port"])
def other(
    request: pytest.FixtureRequest, peer: Any, make_peer: Any, address: str
) -> Iterator[tuple[Any, Message]]:
    """Another socket of the daemon, and something sound to ask there."""
    sound = {"probe_port": ProbeRequest(7), "files_port": ListFiles("s1")}
    port = getattr(peer.ask(Describe()), request.param)
    with make_peer(f"{address.rpartition(':')[0]}:{port}") as other:
        yield other, Message(sound[request.param], 1 << 40)


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(PARTS | FILES, min_size=1, max_size=3))
def test_the_other_sockets_go_on_too(
    other: tuple[Any, Message], peer: Any, output: Path, messages: list[list[bytes]]
) -> None:
    stranger, sound = other
    for parts in messages:
        stranger.send(parts)
    stranger.send(pack(sound))
    while (answer := stranger.answer()).number != sound.number:
        assert isinstance(answer.body, Refusal | ProbeReply | FileList), answer
    assert isinstance(answer.body, ProbeReply | FileList)
    assert peer.status().state == "idle"
    assert files_under(output.parent) == set()


@pytest.mark.parametrize("parts", ALWAYS_NASTY, ids=range(len(ALWAYS_NASTY)))
def test_nasty_messages_are_refused(peer: Any, output: Path, parts: list[bytes]) -> None:
    peer.send(parts)
    assert isinstance(peer.answer().body, Refusal)
    assert peer.status().state == "idle"
    assert files_under(output.parent) == set()


def record(peer: Any, session: str, meanwhile: Callable[[], None], seconds: float) -> None:
    """Record with `meanwhile` going on."""
    assert isinstance(peer.ask(Arm(session, "u-1")), Status)
    peer.until("armed")
    start_ns = time.monotonic_ns() + 20_000_000
    assert isinstance(peer.ask(Start(start_ns, "u-1")), Status)
    meanwhile()
    status = peer.status()
    assert (status.state, status.session_id) == ("recording", session), status
    stop_ns = max(start_ns + round(seconds * 1e9), time.monotonic_ns())
    assert isinstance(peer.ask(Stop(stop_ns, "u-1")), Status)
    peer.until("stopped")
    assert isinstance(peer.ask(Finish("u-1")), Status)


def check_whole(path: Path, *, n_at_least: int) -> None:
    recording = open_recording(path)
    assert recording.complete
    stream = recording.streams["color"]
    assert len(stream) >= n_at_least
    assert stream.n_dropped == 0
    assert (np.diff(stream.seq) == 1).all()
    assert [event.kind for event in recording.events] == []
    assert recording.probes == ()


def test_a_recording_is_not_disturbed_by_nasty_messages(
    peer: Any, make_peer: Any, address: str, output: Path
) -> None:
    answers: list[Refusal | Status] = []

    def send_all() -> None:
        with make_peer(address) as stranger:
            for parts in NASTY:
                stranger.send(parts)
                answers.append(stranger.answer().body)

    record(peer, "s1", send_all, 0.5)
    assert all(isinstance(answer, Refusal) for answer in answers), answers
    assert len(answers) == len(NASTY)
    check_whole(output / "s1" / "cam.mcap", n_at_least=20)
    assert files_under(output.parent) == {"output/s1/cam.mcap"}


HOUR_NS = 3_600_000_000_000
NOW = time.monotonic_ns()
LATER = NOW + 30 * 24 * HOUR_NS


@pytest.mark.parametrize(
    "probe",
    [
        ClockProbe(0, 0, 0, 0),
        ClockProbe(2**62, 2**62, 2**62, 2**62),
        ClockProbe(LATER, LATER, LATER + 1, LATER + 2),
        ClockProbe(5, -1, -2, 3),
        ClockProbe(NOW, NOW + 1_000_000, NOW + 1_000_000, NOW),  # likely, but never asked here
    ],
)
def test_probes_that_cannot_be_are_not_recorded(
    peer: Any, make_peer: Any, address: str, output: Path, probe: ClockProbe
) -> None:
    about = peer.ask(Describe())
    host = address.rpartition(":")[0]

    def send() -> None:
        with make_peer(f"{host}:{about.probe_port}") as stranger:
            for number in range(20):
                stranger.send(pack(Message(ProbeRequest(0, (probe,)), number)))
            for _ in range(20):
                stranger.answer()

    session = f"probe{abs(probe.t0_ns)}"
    record(peer, session, send, 0.1)
    check_whole(output / session / "cam.mcap", n_at_least=3)


def test_garbage_is_no_word_from_the_controller(
    make_peer: Any, serve: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a stranger could keep a recording alive whose controller has died."""
    import capture.daemon

    monkeypatch.setattr(capture.daemon, "ORPHAN_LIMIT_S", 0.6)
    with serve(tmp_path) as address:
        with make_peer(address) as peer:
            assert isinstance(peer.ask(Arm("s1", "u-1")), Status)
            peer.until("armed")
            assert isinstance(peer.ask(Start(time.monotonic_ns() + 20_000_000, "u-1")), Status)
        with make_peer(address) as stranger:
            deadline_s = time.monotonic() + 20
            while not (tmp_path / "s1").exists() or not _complete(tmp_path / "s1" / "cam.mcap"):
                assert time.monotonic() < deadline_s
                stranger.send([b"poll", b"junk", b""])
                stranger.answer()
                time.sleep(0.05)


def _complete(path: Path) -> bool:
    return open_recording(path).complete


def flood(send: Callable[[Sequence[bytes]], None], n: int) -> None:
    for number in range(n):
        send(NASTY[number % 3] if number % 500 == 0 else [b"\xff" * 20, b"{", b"\0" * 200])


def test_a_flood_loses_no_frame(peer: Any, make_peer: Any, address: str, output: Path) -> None:
    def send_all() -> None:
        with make_peer(address) as stranger:
            stranger.socket.sndhwm = 0
            flood(lambda parts: stranger.socket.send_multipart(parts), 10_000)
            deadline_s = time.monotonic() + 60
            n_answers = 0
            while n_answers < 10_000 and time.monotonic() < deadline_s:
                if not stranger.socket.poll(500):
                    break  # answers nobody fetched in time are dropped, never hoarded
                stranger.socket.recv_multipart()
                n_answers += 1
            assert n_answers > 0

    record(peer, "flood", send_all, 1.0)
    check_whole(output / "flood" / "cam.mcap", n_at_least=45)


def test_large_messages_are_not_even_received(peer: Any, make_peer: Any, address: str) -> None:
    with make_peer(address) as stranger:
        stranger.send([b"poll", b"{}", bytes(64 << 20)])
        assert not stranger.socket.poll(300, zmq.POLLIN)
    assert peer.status().state == "idle"
