import numpy as np
import pytest

from capture.errors import SensorError
from capture.frame import DeviceEvent, Frame, StreamSpec
from capture.intake import RECORDER_DROP, Intake

SPEC = StreamSpec("depth", "depth", 4, 3, "Mono16", "mm", 10.0)
IMAGE = np.zeros((3, 4), np.uint16)
MS = 1_000_000


def frame(seq: int, *, delay_ms: float = 0.0) -> Frame:
    """Captured at seq * 100 ms of the host's clock."""
    at_ns = seq * 100 * MS
    return Frame("depth", seq, at_ns + 7, at_ns + round(delay_ms * MS), IMAGE)


def test_frames_between_start_and_stop_are_taken() -> None:
    taken: list[Frame | DeviceEvent] = []
    intake = Intake([SPEC], lambda item: taken.append(item) is None)
    assert intake.silent == ["depth"]
    intake.take(frame(0))
    assert intake.silent == []
    intake.start(200 * MS)
    intake.stop(500 * MS)
    for seq in range(1, 8):
        intake.take(frame(seq))
        assert intake.ended == (seq >= 5)
    assert [item.seq for item in taken if isinstance(item, Frame)] == [2, 3, 4]
    status = intake.status(800 * MS)["depth"]
    assert (status.n_received, status.n_dropped_sensor) == (8, 0)
    assert (status.first_time_ns, status.last_time_ns) == (200 * MS, 400 * MS)
    assert status.rate_hz == pytest.approx(10)
    assert intake.status(70_000 * MS)["depth"].rate_hz < 0.2


def test_a_late_arrival_does_not_move_a_frame_across_the_start() -> None:
    taken: list[Frame | DeviceEvent] = []
    intake = Intake([SPEC], lambda item: taken.append(item) is None)
    intake.take(frame(0))
    intake.start(150 * MS)
    intake.take(frame(1, delay_ms=80))  # captured before the start, arrives after it
    intake.take(frame(2, delay_ms=80))
    assert [item.seq for item in taken if isinstance(item, Frame)] == [2]


def test_gaps_of_the_sensor_and_refusals_of_the_queue_are_told_apart() -> None:
    taken: list[Frame | DeviceEvent] = []
    full = False

    def put(item: Frame | DeviceEvent) -> bool:
        if full and isinstance(item, Frame):
            return False
        taken.append(item)
        return True

    intake = Intake([SPEC], put)
    intake.start(0)
    for seq in (0, 1, 4):
        intake.take(frame(seq))
    full = True
    for seq in (5, 6):
        intake.take(frame(seq))
    full = False
    intake.take(frame(7))
    status = intake.status(800 * MS)["depth"]
    assert (status.n_dropped_sensor, status.n_dropped_recorder) == (2, 2)
    events = [item for item in taken if isinstance(item, DeviceEvent)]
    assert [event.kind for event in events] == [RECORDER_DROP]
    assert dict(events[0].data) == {
        "count": 2,
        "first_seq": 5,
        "last_seq": 6,
        "reason": "queue full",
    }
    assert intake.n_accepted == 4


def test_refusals_at_the_very_end_are_reported_too() -> None:
    events: list[DeviceEvent] = []
    intake = Intake([SPEC], lambda item: isinstance(item, DeviceEvent) and not events.append(item))
    intake.start(0)
    intake.stop(200 * MS)
    for seq in range(4):
        intake.take(frame(seq))
    assert [event.data["count"] for event in events] == [2]


def test_events_follow_the_same_window() -> None:
    taken: list[Frame | DeviceEvent] = []
    intake = Intake([SPEC], lambda item: taken.append(item) is None)
    for start in (None, 100 * MS):
        if start is not None:
            intake.start(start)
        intake.take(DeviceEvent("depth", "nuc", 0, 150 * MS))
    assert len(taken) == 1


def test_a_stream_nobody_announced_is_an_error() -> None:
    with pytest.raises(SensorError, match="not announced"):
        Intake([], lambda _: True).take(frame(0))
