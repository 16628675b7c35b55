"""How a video was played, seen from its events."""

import numpy as np

from annotation.project.conduct import flag_conduct
from annotation.project.event import Event

S = 1_000_000_000
FRAME_NS = np.arange(91, dtype=np.int64) * S // 30


def take(first: int, last: int, speed: float, *, seq: int = 0) -> list[Event]:
    return [
        Event(seq, "play", first, 1000 * seq, speed=speed),
        Event(seq + 1, "seen", last, 1000 * seq + 500, speed=speed),
        Event(seq + 2, "pause", last, 1000 * seq + 500, speed=speed),
    ]


def test_allowed_speeds_and_single_frames_are_fine() -> None:
    pages = [
        take(0, 9, 1.0) + take(9, 20, 0.5, seq=3),
        take(20, 29, 0.75) + take(30, 30, 0.0, seq=3),
    ]
    assert flag_conduct(pages, FRAME_NS) == ()


def test_a_video_in_slow_motion_is_told_where_it_began() -> None:
    (flag,) = flag_conduct([take(0, 9, 1.0) + take(60, 90, 0.1, seq=3)], FRAME_NS)
    assert (flag.kind, flag.start_ns, flag.measured, flag.limit) == (
        "playback_rate",
        2 * S,
        0.1,
        0.5,
    )
    assert flag.text == "at 2.0 s the video played at 0.1 times its speed (0.5)"


def test_a_clock_that_runs_backwards_is_no_browsers() -> None:
    events = [Event(0, "play", 0, 5000), Event(1, "seen", 9, 4000), Event(2, "pause", 9, 6000)]
    (flag,) = flag_conduct([events, take(0, 9, 1.0)], FRAME_NS)
    assert (flag.kind, flag.measured) == ("out_of_order", 1.0)
    assert flag_conduct([[]], FRAME_NS) == ()
