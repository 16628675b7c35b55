import threading

import numpy as np

from capture.clock import ClockProbe
from capture.frame import Frame
from capture.frame_queue import FrameQueue


def frame(seq: int) -> Frame:
    return Frame("depth", seq, seq, seq, np.zeros((10, 10), np.uint16))


def test_frames_beyond_the_limit_are_refused_until_there_is_room() -> None:
    queue = FrameQueue(max_bytes=500)
    assert [queue.put(frame(seq)) for seq in range(3)] == [True, True, False]
    assert queue.share == 0.8
    assert queue.put(ClockProbe(0, 0, 0, 0))
    first = queue.get(0)
    assert isinstance(first, Frame)
    assert first.seq == 0
    assert queue.put(frame(4))


def test_a_frame_larger_than_the_queue_passes_when_it_is_empty() -> None:
    queue = FrameQueue(max_bytes=10)
    assert queue.put(frame(0))
    assert not queue.put(frame(1))


def test_what_waits_at_the_end_is_still_given() -> None:
    queue = FrameQueue(max_bytes=10_000)
    queue.put(frame(0))
    queue.end()
    assert not queue.put(frame(1))
    assert not queue.exhausted
    assert queue.get(0) is not None
    assert queue.exhausted
    assert queue.get(10) is None


def test_an_empty_queue_gives_nothing_in_time() -> None:
    assert FrameQueue(max_bytes=1).get(0.01) is None


def test_a_reader_wakes_up() -> None:
    queue = FrameQueue(max_bytes=10_000)
    seen = []
    reader = threading.Thread(target=lambda: seen.append(queue.get(30)))
    reader.start()
    queue.put(frame(7))
    reader.join(30)
    assert isinstance(seen[0], Frame)
    assert seen[0].seq == 7
