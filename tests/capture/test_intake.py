from dataclasses import replace

import numpy as np
import pytest

from capture.errors import SensorError
from capture.frame import DeviceEvent, Frame, StreamSpec
from capture.intake import DEVICE_RESET, MAX_RESETS, RECORDER_DROP, STALL, STALL_END, Intake

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


def test_a_device_that_begins_anew_goes_on_in_a_new_segment() -> None:
    taken: list[Frame | DeviceEvent] = []
    intake = Intake([SPEC], lambda item: taken.append(item) is None)
    intake.start(0)
    for seq in (40, 41, 43):
        intake.take(frame(seq))
    boot_ns = 5000 * MS
    for seq in (0, 1, 3):  # it was restarted: counter and clock begin at 0, the host's goes on
        at_ns = seq * 100 * MS
        intake.take(Frame("depth", seq, at_ns, boot_ns + at_ns, IMAGE))
    frames = [item for item in taken if isinstance(item, Frame)]
    assert [(f.seq, f.segment) for f in frames] == [
        (40, 0), (41, 0), (43, 0), (44, 1), (45, 1), (47, 1),
    ]  # fmt: skip
    assert [f.device_time_ns for f in frames[3:]] == [0, 100 * MS, 300 * MS]
    (event,) = [item for item in taken if isinstance(item, DeviceEvent)]
    assert (event.kind, event.data) == (
        DEVICE_RESET,
        {"segment": 1, "seq": 44, "device_seq": 0, "device_seq_before": 43},
    )
    status = intake.status(boot_ns)["depth"]
    assert (
        status.n_dropped_sensor == 2
    )  # one before, one after; what a restart swallowed no one knows
    assert status.last_time_ns == boot_ns + 300 * MS


def test_a_device_that_never_counts_up_is_an_error() -> None:
    intake = Intake([SPEC], lambda item: True)
    for _ in range(MAX_RESETS + 1):
        intake.take(frame(5))
    with pytest.raises(SensorError, match="went back 100 times"):
        intake.take(frame(5))


def test_a_stream_that_falls_silent_is_told_once_and_when_it_is_back() -> None:
    taken: list[Frame | DeviceEvent] = []
    intake = Intake([SPEC], lambda item: taken.append(item) is None)
    intake.take(frame(0))
    intake.watch(60_000 * MS)
    assert not taken  # nothing is recorded yet
    intake.start(100 * MS)
    for seq in (1, 2):
        intake.take(frame(seq))
    intake.watch(1300 * MS)  # 10 Hz: eleven periods are no stall
    assert not intake.status(1300 * MS)["depth"].stalled
    for now_ms in (1500, 2500):
        intake.watch(now_ms * MS)
        assert intake.status(now_ms * MS)["depth"].stalled
    intake.take(frame(30))
    assert not intake.status(3000 * MS)["depth"].stalled
    events = [item for item in taken if isinstance(item, DeviceEvent)]
    assert [event.kind for event in events] == [STALL, STALL_END]
    assert events[1].data == {"silent_s": pytest.approx(2.8)}
    intake.stop(3100 * MS)
    intake.watch(9000 * MS)
    assert not intake.status(9000 * MS)["depth"].stalled  # after the stop silence is right


def test_a_stream_that_fell_silent_before_the_start_is_told_too() -> None:
    taken: list[Frame | DeviceEvent] = []
    intake = Intake([SPEC], lambda item: taken.append(item) is None)
    intake.take(frame(0))
    intake.start(5000 * MS)
    intake.watch(6000 * MS)  # 10 Hz: ten periods of the recording are no stall
    assert not intake.status(6000 * MS)["depth"].stalled
    intake.watch(6500 * MS)
    assert intake.status(6500 * MS)["depth"].stalled
    assert [item.kind for item in taken if isinstance(item, DeviceEvent)] == [STALL]


def test_a_color_camera_that_halves_its_rate_in_the_dark_neither_drops_nor_stalls() -> None:
    taken: list[Frame | DeviceEvent] = []
    intake = Intake([replace(SPEC, nominal_rate_hz=30.0)], lambda item: taken.append(item) is None)
    intake.start(0)
    for seq in range(60):
        intake.take(replace(frame(seq), device_time_ns=seq * 67 * MS, host_time_ns=seq * 67 * MS))
        intake.watch((seq * 67 + 66) * MS)
    status = intake.status(59 * 67 * MS)["depth"]
    assert (status.n_dropped_sensor, status.n_dropped_recorder, status.stalled) == (0, 0, False)
    assert not [item for item in taken if isinstance(item, DeviceEvent)]


def test_the_rate_written_is_told_beside_the_rate_received() -> None:
    intake = Intake([SPEC], lambda item: True)
    intake.start(0)
    for seq in range(20):
        intake.take(frame(seq))
        if seq % 2:
            intake.count_written("depth", seq * 100 * MS)
    status = intake.status(1900 * MS)["depth"]
    assert status.rate_hz == pytest.approx(10)
    assert status.rate_out_hz == pytest.approx(5)
