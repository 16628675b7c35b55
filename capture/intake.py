"""Which frames of a free-running sensor belong to the session, and the count of every one.

Pure bookkeeping: no threads, no files. Times are of the daemon's host clock.
"""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from .clock import DeviceClockTracker
from .errors import SensorError
from .frame import DeviceEvent, Frame, StreamSpec
from .messages import StreamStatus

RECORDER_DROP = "recorder-drop"
"""Kind of the event that stands in the file for frames the full queue refused."""
DEVICE_RESET = "device-reset"
"""Kind of the event where a device's counter or clock began anew."""
MAX_RESETS = 100
"""A device that begins anew more often is not restarting but broken."""
STALL = "stall"
"""Kind of the event where a stream that is recorded falls silent."""
STALL_END = "stall-end"
STALL_PERIODS = 12
MIN_STALL_NS = 1_000_000_000
"""A color camera in the dark halves its rate, a shutter closes for half a second: no stalls."""
_RATE_WINDOW = 64
_SILENT_PERIODS = 4


@dataclass(slots=True)
class _Stream:
    spec: StreamSpec
    status: StreamStatus = field(default_factory=StreamStatus)
    tracker: DeviceClockTracker = field(default_factory=DeviceClockTracker)
    arrivals_ns: deque[int] = field(default_factory=lambda: deque(maxlen=_RATE_WINDOW))
    written_ns: deque[int] = field(default_factory=lambda: deque(maxlen=_RATE_WINDOW))
    stalled: bool = False
    latest: Frame | None = None
    last_seq: int | None = None
    ended: bool = False
    refused: list[int] = field(default_factory=list)
    seen: Frame | None = None
    shift: int = 0
    segment: int = 0


class Intake:
    """Passes on what was captured between start and stop.

    Frames are judged by capture time, freed from delivery delay: not by when they arrive.

    Parameters
    ----------
    specs : iterable of StreamSpec
    put : callable
        Takes an item for the file; False refuses a frame.
    """

    def __init__(
        self, specs: Iterable[StreamSpec], put: Callable[[Frame | DeviceEvent], bool]
    ) -> None:
        self._streams = {spec.name: _Stream(spec) for spec in specs}
        self._put = put
        self._from_ns: int | None = None
        self._until_ns: int | None = None
        self.n_accepted = 0
        self.n_written = 0

    def start(self, at_ns: int) -> None:
        """Pass on what is captured from `at_ns` on."""
        self._from_ns = at_ns

    def stop(self, at_ns: int) -> None:
        """Pass on nothing captured from `at_ns` on."""
        self._until_ns = at_ns

    @property
    def silent(self) -> list[str]:
        """Streams that have not delivered anything yet."""
        return [name for name, s in self._streams.items() if not s.status.n_received]

    @property
    def ended(self) -> bool:
        """Every stream has delivered something captured after the stop."""
        return all(stream.ended for stream in self._streams.values())

    def take(self, item: Frame | DeviceEvent) -> None:
        """Judge and count one item from the sensor.

        Raises
        ------
        SensorError
            Its stream was not announced.
        """
        stream = self._streams.get(item.stream)
        if stream is None:
            raise SensorError(f"item of stream {item.stream!r}, which was not announced")
        if isinstance(item, DeviceEvent):
            if self._wanted(item.host_time_ns):
                self._put(item)
            return
        item, reset = _continue_numbers(stream, item)
        self._end_stall(stream, item)
        stream.latest = item
        stream.arrivals_ns.append(item.host_time_ns)
        stream.status = replace(stream.status, n_received=stream.status.n_received + 1)
        at_ns = stream.tracker.host_time_ns(item.device_time_ns, item.host_time_ns)
        if self._wanted(at_ns):
            if reset is not None:
                self._put(reset)
            self._offer(stream, item, at_ns)
        elif self._until_ns is not None and at_ns >= self._until_ns:
            self._report_refused(stream, item)
            stream.ended = True

    def count_written(self, name: str, now_ns: int) -> None:
        """Count a frame that reached the file."""
        stream = self._streams[name]
        stream.written_ns.append(now_ns)
        stream.status = replace(stream.status, n_frames=stream.status.n_frames + 1)
        self.n_written += 1

    def status(self, now_ns: int) -> dict[str, StreamStatus]:
        """Return the counts of every stream; the rate falls when nothing arrives any more."""
        return {
            name: replace(
                stream.status,
                rate_hz=_rate_hz(stream.arrivals_ns, now_ns),
                rate_out_hz=_rate_hz(stream.written_ns, now_ns),
                stalled=stream.stalled,
            )
            for name, stream in self._streams.items()
        }

    def watch(self, now_ns: int) -> None:
        """Notice streams that fell silent while they are recorded; call it once a second or so."""
        if self._from_ns is None or not self._wanted(now_ns):
            return
        for name, stream in self._streams.items():
            if stream.stalled or not stream.arrivals_ns or stream.latest is None:
                continue
            silent_ns = now_ns - stream.arrivals_ns[-1]
            missed_ns = min(silent_ns, now_ns - self._from_ns)  # it may have died before the start
            period_ns = 1e9 / stream.spec.nominal_rate_hz
            if missed_ns > max(MIN_STALL_NS, STALL_PERIODS * period_ns):
                stream.stalled = True
                times = (stream.latest.device_time_ns, now_ns)
                self._put(DeviceEvent(name, STALL, *times, {"silent_s": silent_ns * 1e-9}))

    def latest(self) -> list[tuple[StreamSpec, Frame]]:
        """Return the newest frame of every stream that has one."""
        return [(s.spec, s.latest) for s in self._streams.values() if s.latest is not None]

    def _end_stall(self, stream: _Stream, frame: Frame) -> None:
        if stream.stalled:
            stream.stalled = False
            silent_s = (frame.host_time_ns - stream.arrivals_ns[-1]) * 1e-9
            times = (frame.device_time_ns, frame.host_time_ns)
            self._put(DeviceEvent(frame.stream, STALL_END, *times, {"silent_s": silent_s}))

    def _wanted(self, at_ns: int) -> bool:
        if self._from_ns is None or at_ns < self._from_ns:
            return False
        return self._until_ns is None or at_ns < self._until_ns

    def _offer(self, stream: _Stream, frame: Frame, at_ns: int) -> None:
        status = stream.status
        if stream.last_seq is not None:
            missing = max(0, frame.seq - stream.last_seq - 1)
            status = replace(status, n_dropped_sensor=status.n_dropped_sensor + missing)
        stream.last_seq = frame.seq
        if self._put(frame):
            self.n_accepted += 1
            self._report_refused(stream, frame)
            first_ns = at_ns if status.first_time_ns is None else status.first_time_ns
            status = replace(status, first_time_ns=first_ns, last_time_ns=at_ns)
        else:
            stream.refused.append(frame.seq)
            status = replace(status, n_dropped_recorder=status.n_dropped_recorder + 1)
        stream.status = status

    def _report_refused(self, stream: _Stream, frame: Frame) -> None:
        if not stream.refused:
            return
        data = {
            "count": len(stream.refused),
            "first_seq": stream.refused[0],
            "last_seq": stream.refused[-1],
            "reason": "queue full",
        }
        times = (frame.device_time_ns, frame.host_time_ns)
        self._put(DeviceEvent(frame.stream, RECORDER_DROP, *times, data))
        stream.refused = []


def _continue_numbers(stream: _Stream, frame: Frame) -> tuple[Frame, DeviceEvent | None]:
    """Let `seq` go on when the device began anew; returns the event that says so, too."""
    seen, stream.seen = stream.seen, frame
    reset = None
    if seen and (frame.seq <= seen.seq or frame.device_time_ns <= seen.device_time_ns):
        stream.segment += 1
        if stream.segment > MAX_RESETS:
            raise SensorError(
                f"{frame.stream}: numbers or times of its frames went back {MAX_RESETS} times, "
                f"last from {seen.seq} at {seen.device_time_ns} ns to {frame.seq} at "
                f"{frame.device_time_ns} ns",
                remedy="restart the sensor; a plug-in's frames must count up, in time, too",
            )
        stream.shift += seen.seq + 1 - frame.seq
        stream.tracker = DeviceClockTracker()
        data = {"segment": stream.segment, "seq": frame.seq + stream.shift}
        data |= {"device_seq": frame.seq, "device_seq_before": seen.seq}
        times = (frame.device_time_ns, frame.host_time_ns)
        reset = DeviceEvent(frame.stream, DEVICE_RESET, *times, data)
    if not stream.segment:
        return frame, None
    return replace(frame, seq=frame.seq + stream.shift, segment=stream.segment), reset


def _rate_hz(arrivals_ns: "deque[int]", now_ns: int) -> float:
    if len(arrivals_ns) < 2 or arrivals_ns[-1] <= arrivals_ns[0]:
        return 0.0
    period_ns = (arrivals_ns[-1] - arrivals_ns[0]) / (len(arrivals_ns) - 1)
    if now_ns - arrivals_ns[-1] > _SILENT_PERIODS * period_ns:
        period_ns = (now_ns - arrivals_ns[0]) / len(arrivals_ns)
    return 1e9 / period_ns
