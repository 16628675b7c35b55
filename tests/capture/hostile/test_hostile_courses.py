"""Commands in any order, with garbage between: the daemon's states stay legal, files stay put."""

import hashlib
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from capture.clock import HostClock
from capture.messages import (
    Abort,
    Arm,
    Body,
    Describe,
    Description,
    Finish,
    Mark,
    Poll,
    ProbeReply,
    Refusal,
    Start,
    Status,
    Stop,
)
from capture.recording import open_recording

BY_ITSELF: Mapping[str, set[str]] = {
    "opening": {"armed", "failed"},
    "armed": {"failed"},
    "recording": {"failed"},
    "stopping": {"stopped", "failed"},
    "stopped": {"failed"},
}
"""What a state may become without being asked."""
ENDS = dict.fromkeys(("idle", "opening", "armed", "recording", "stopping", "stopped"), "idle")
BY_COMMAND: Mapping[type, Mapping[str, str]] = {
    Arm: {"idle": "opening", "failed": "opening"},
    Start: {"armed": "recording"},
    Stop: {"recording": "stopping"},
    Finish: {**ENDS, "failed": "failed"},
    Abort: {**ENDS, "failed": "failed"},
}
"""What a state becomes when the command is carried out."""
BAD_NAMES = ["../s1", "..", ".", "", "a/b", "/tmp/x", "a\0b", "s1\n", "x" * 101, "-x", "\ud800"]
MILLISECOND_NS = 1_000_000

Command = Body | list[bytes] | Callable[[int], Body]
"""A request, garbage, or a request that needs to know what time it is."""


def at(make: Callable[[int], Body], *aheads_ms: int) -> st.SearchStrategy[Callable[[int], Body]]:
    def later(ahead_ms: int) -> Callable[[int], Body]:
        return lambda now_ns: make(now_ns + ahead_ms * MILLISECOND_NS)

    return st.sampled_from(aheads_ms).map(later)


ARM = st.builds(Arm, st.sampled_from(["s1", "s2"]), st.just("u-1"), st.sampled_from([1, 2]))
START = at(lambda now_ns: Start(now_ns, "u-1"), 10)
STOP = at(lambda now_ns: Stop(now_ns, "u-1"), 15)
HOSTILE = st.one_of(
    st.builds(Arm, st.sampled_from(BAD_NAMES), st.just("u-1")),
    st.builds(Arm, st.just("s1"), st.sampled_from([*BAD_NAMES, "u-1"]), st.integers(-3, 2000)),
    at(lambda now_ns: Start(now_ns, "u-1"), -1000, 0, 10**9, 2**43),
    at(lambda now_ns: Stop(now_ns, "u-1"), 10**9, 2**43),
    at(lambda now_ns: Mark("marker", "x" * 300, now_ns, "u-1"), 0, -50, 2**43),
    st.sampled_from([Finish("u-2"), Abort("u-2"), Finish(), Abort()]),
    st.lists(st.binary(max_size=30), min_size=1, max_size=4),
    st.sampled_from([Poll(), Describe(), ProbeReply(1, 2, 3)]),
)
END = st.sampled_from([Finish("u-1"), Abort("u-1")])
SESSION = st.tuples(ARM, st.just("wait"), START, STOP, END | st.just("wait"))
COURSE = st.lists(
    st.one_of(
        SESSION.map(list),
        st.tuples(SESSION, st.integers(1, 4)).map(lambda t: list(t[0][: t[1]])),  # broken off
        st.lists(HOSTILE, min_size=1, max_size=3),
        st.lists(END, min_size=1, max_size=3),
        st.tuples(ARM, st.integers(2, 3)).map(lambda t: [t[0]] * t[1]),  # replayed
    ),
    min_size=2,
    max_size=8,
).map(lambda pieces: [command for piece in pieces for command in piece])


WHOLE: list[Any] = [
    Arm("s1", "u-1"),
    "wait",
    lambda now_ns: Start(now_ns + 10 * MILLISECOND_NS, "u-1"),
    lambda now_ns: Stop(now_ns + 30 * MILLISECOND_NS, "u-1"),
    "wait",
    Finish("u-1"),
    Arm("s1", "u-1"),
    "wait",
]
"""Comes through every state, failed by a file that is there already."""


def reachable(states: set[str]) -> set[str]:
    """Close over what happens by itself."""
    while True:
        more = states.union(*(BY_ITSELF.get(state, set()) for state in states))
        if more == states:
            return states
        states = more


class Course:
    """Sends commands and judges what comes of them."""

    def __init__(self, peer: Any, around: Path) -> None:
        self.peer, self.around = peer, around
        self.state = "idle"
        self.seen: set[str] = set()
        (around / "bystander.mcap").write_bytes(b"somebody else's")
        self.closed = {path: digest(path) for path in around.glob("*.mcap")}

    def run(self, command: Any) -> None:
        if command == "wait":
            while self.state in ("opening", "stopping"):
                self.judge(Poll(), self.peer.ask(Poll()))
        elif isinstance(command, list):
            self.peer.send(command)
            assert isinstance(self.peer.answer().body, Refusal)
        else:
            body = command(HostClock().monotonic_ns()) if callable(command) else command
            self.judge(body, self.peer.ask(body))
        self.judge(Poll(), self.peer.ask(Poll()))
        self.check_files()

    def judge(self, body: Body, answer: Status | Refusal | Description) -> None:
        before = reachable({self.state})
        assert isinstance(answer, Refusal) or not isinstance(body, ProbeReply)
        if not isinstance(answer, Status):
            return
        moves = BY_COMMAND.get(type(body))
        after = before if moves is None else {moves[state] for state in before if state in moves}
        assert answer.state in reachable(after), (body, self.state, answer)
        self.state = answer.state
        self.seen.add(answer.state)

    def check_files(self) -> None:
        output = self.around / "output"
        for path in self.around.rglob("*"):
            if path in self.closed or path == output:
                continue
            if path.is_dir():
                assert path.parent == output
                assert path.name in {"s1", "s2"}
                continue
            assert path.parent.parent == output
            assert path.name in {
                f"cam{tail}.mcap" for tail in ["", *(f"_{n}" for n in range(1000))]
            }
            if self.state == "idle":
                assert open_recording(path).complete
                self.closed[path] = digest(path)
        for path, was in self.closed.items():
            assert digest(path) == was, f"{path} was changed"


def digest(path: Path) -> bytes:
    return hashlib.blake2b(path.read_bytes()).digest()


def test_any_course_of_commands_is_survived(serve: Any, make_peer: Any) -> None:
    seen: set[str] = set()

    # What a daemon does depends on time: a failing course is shown as it was, not made smaller.
    @settings(
        max_examples=20,
        deadline=None,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )
    @given(COURSE)
    @example(WHOLE)
    def run(course: list[Any]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            around = Path(folder)
            with serve(around / "output") as address, make_peer(address) as peer:
                judge = Course(peer, around)
                for command in course:
                    judge.run(command)
                seen.update(judge.seen)

    run()
    assert {"idle", "opening", "armed", "recording", "stopping", "stopped", "failed"} <= seen
