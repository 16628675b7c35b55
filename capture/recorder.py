"""Records one sensor: a thread reads it, a bounded queue, a thread that encodes and writes.

No sockets here: a daemon drives it by requests, tests drive it directly. Times are of the daemon's
host clock.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from .clock import ClockProbe, HostClock, HostIdentity
from .disk_space import check_disk, disk_left_s, disk_remedy, free_bytes
from .errors import CaptureError, ControlError, MavferError, SensorError
from .frame import DeviceEvent, Frame, StreamSpec
from .frame_queue import FrameQueue
from .intake import Intake
from .messages import MarkKind, State, Status, StreamStatus
from .names import check_name
from .recorder_health import RecorderHealth
from .registry import open_sensor
from .sensor import Sensor, SensorConfig
from .terminal import OnProgress
from .writer import RecordingWriter

logger = logging.getLogger(__name__)

QUEUE_BYTES = 256 << 20
"""About a second of the paper's rig: a stalling disk is ridden out, a dead one is noticed."""
FIRST_FRAME_TIMEOUT_NS = 15_000_000_000
DRAIN_TIMEOUT_NS = 3_000_000_000
"""How long after the stop time a stream may take to deliver its last frames."""
_JOIN_TIMEOUT_S = 30.0
_WRITER_WAIT_S = 0.25
_DISK_CHECK_NS = 1_000_000_000
_DISK_WARNING_S = 600.0
_QUEUE_WARNING_SHARE = 0.5

MAX_PARTS = 999
MAX_LABEL = 200
MAX_AWAY_NS = 86_400_000_000_000
"""A time further from now than this was not meant for this host's clock."""

Opener = Callable[[SensorConfig, OnProgress], Sensor]


@dataclass(slots=True)
class _Run:
    """One session of the recorder, from arming to the end."""

    queue: FrameQueue
    state: State = "idle"
    session_id: str | None = None
    part: int = 1
    error: str | None = None
    remedy: str | None = None
    progress: tuple[int, int] = (0, 0)
    n_bytes: int = 0
    session_uuid: str | None = None
    disk_free_bytes: int | None = None
    health: RecorderHealth = field(default_factory=RecorderHealth)
    intake: Intake | None = None
    sensor: Sensor | None = None
    path: Path | None = None
    made_folder: bool = False
    opened_ns: int = 0
    until_ns: int = 0
    closing: threading.Event = field(default_factory=threading.Event)
    threads: list[threading.Thread] = field(default_factory=list)


class Recorder:
    """One sensor, session after session. Methods may be called from any thread.

    Parameters
    ----------
    config : SensorConfig
    output : Path
        Recordings go to ``<output>/<session id>/<sensor name>.mcap``.
    clock : HostClock, optional
    opener : callable, optional
        Opens the sensor; the registry's by default.
    queue_bytes : int
    """

    def __init__(
        self,
        config: SensorConfig,
        output: Path,
        *,
        clock: HostClock | None = None,
        opener: Opener | None = None,
        queue_bytes: int = QUEUE_BYTES,
    ) -> None:
        self._config = config
        self._output = output
        self._clock = clock or HostClock()
        self._opener = opener or (lambda c, report: open_sensor(c, on_progress=report))
        self._queue_bytes = queue_bytes
        self._lock = threading.RLock()
        self._run = _Run(FrameQueue(queue_bytes))

    def arm(self, session_id: str, session_uuid: str, *, part: int = 1) -> None:
        """Open sensor and file in the background; `status` says "armed" when frames flow.

        `part` numbers this sensor's files of one session.

        Raises
        ------
        ControlError
            Not idle.
        """
        check_name(session_id, what="session id")
        check_name(session_uuid, what="session uuid")
        if not 1 <= part <= MAX_PARTS:
            raise ControlError(f"part {part}, expected 1 to {MAX_PARTS}")
        if self._run.state not in ("idle", "failed"):
            raise ControlError(
                f"{self._config.name} is {self._run.state}, expected idle",
                remedy="another controller may be using it; it is let go after 2 min of silence",
            )
        self._join(self._run)
        with self._lock:
            run = _Run(
                FrameQueue(self._queue_bytes),
                state="opening",
                session_id=session_id,
                session_uuid=session_uuid,
                part=part,
            )
            self._run = run
            self._start_thread(run, "sensor", lambda: self._read(run, session_uuid))

    def start(self, at_host_ns: int) -> None:
        """Record what is captured from `at_host_ns` on."""
        with self._lock:
            intake = self._expect("armed")
            if at_host_ns < self._clock.monotonic_ns():
                raise ControlError(
                    f"{self._config.name}: the start time has passed already",
                    remedy="the network or this machine is too slow; try again",
                )
            self._check_time(at_host_ns)
            intake.start(at_host_ns)
            self._run.state = "recording"

    def stop(self, at_host_ns: int) -> None:
        """Record nothing captured from `at_host_ns` on; "stopped" when all before is written."""
        with self._lock:
            intake = self._expect("recording")
            self._check_time(at_host_ns)
            intake.stop(at_host_ns)
            self._run.until_ns, self._run.state = at_host_ns, "stopping"

    def finish(self) -> None:
        """Write what is left, close file and sensor."""
        run = self._run
        self._shut(run)
        run.path = None  # a late abort must not remove what was finished
        if run.state != "failed":
            run.state = "idle"

    def abort(self) -> None:
        """Close everything; a file without frames is removed, and its folder if empty then."""
        run = self._run
        self._shut(run)
        path = run.path
        self.finish()
        if path is not None and not (run.intake and run.intake.n_written):
            path.unlink(missing_ok=True)
            if run.made_folder:
                with suppress(OSError):  # not empty: others record there too
                    path.parent.rmdir()

    def mark(self, kind: MarkKind, label: str, at_host_ns: int) -> None:
        """Write a remark or the beginning of a stage into the recording in progress."""
        with self._lock:
            self._expect("recording")
            self._check_time(at_host_ns)
            data = {"label": label[:MAX_LABEL]}
            self._run.queue.put(DeviceEvent("", kind, at_host_ns, at_host_ns, data))

    def log_probe(self, probe: ClockProbe) -> None:
        """Write a finished clock probe into the recording in progress, if there is one."""
        self._run.queue.put(probe)

    def status(self) -> Status:
        """Say how things are."""
        with self._lock:
            run = self._run
            self._advance(run)
            now_ns = self._clock.monotonic_ns()
            if run.intake is not None and run.state == "recording":
                run.intake.watch(now_ns)
            streams = run.intake.status(now_ns) if run.intake else {}
            left_s = disk_left_s(run.disk_free_bytes, run.health.write_rate_bytes_s(now_ns))
            idle = run.state == "idle"
            return Status(
                name=self._config.name,
                state=run.state,
                session_id=run.session_id,
                error=run.error,
                remedy=run.remedy,
                progress_done=run.progress[0],
                progress_total=run.progress[1],
                queue_share=run.queue.share,
                n_bytes=run.n_bytes,
                streams=streams,
                session_uuid=run.session_uuid,
                file=run.path.name if run.path is not None else None,
                disk_free_bytes=free_bytes(self._output) if idle else run.disk_free_bytes,
                disk_left_s=left_s,
                queue_latency_ms=run.health.queue_latency_ms(now_ns),
                cpu_share=run.health.cpu_share(),
                warnings=tuple(_warnings(run.queue.share, left_s, streams)),
            )

    def spent_on_previews(self, cpu_ns: int) -> None:
        """Note how much processor time previews have taken in all."""
        with self._lock:
            if self._run.intake is not None:
                self._run.health.spent("preview", self._clock.monotonic_ns(), cpu_ns)

    def latest_frames(self) -> list[tuple[StreamSpec, Frame]]:
        """Return the newest frame of every stream, for the preview."""
        with self._lock:
            return self._run.intake.latest() if self._run.intake else []

    def _expect(self, state: State) -> Intake:
        run = self._run
        self._advance(run)
        if run.state != state or run.intake is None:
            detail = f": {run.error}" if run.error else ""
            message = f"{self._config.name} is {run.state}, expected {state}{detail}"
            raise ControlError(message, remedy=run.remedy)
        return run.intake

    def _check_time(self, at_host_ns: int) -> None:
        away_ns = at_host_ns - self._clock.monotonic_ns()
        if abs(away_ns) > MAX_AWAY_NS:
            raise ControlError(
                f"{self._config.name}: a time {away_ns / 1e9:.0f} s away, expected within a day",
                remedy="times are of the daemon's own host clock",
            )

    def _advance(self, run: _Run) -> None:
        """Move on where time or counts say so; the lock is held."""
        if run.intake is None:
            return
        now_ns = self._clock.monotonic_ns()
        if run.state == "opening":
            silent = run.intake.silent
            if not silent:
                run.state = "armed"
            elif now_ns - run.opened_ns > FIRST_FRAME_TIMEOUT_NS:
                waited = f"{FIRST_FRAME_TIMEOUT_NS / 1e9:.0f} s"
                error = SensorError(
                    f"no frame of {', '.join(silent)} within {waited}",
                    remedy="check cable and power, then restart the sensor",
                )
                self._fail(run, error)
        elif run.state == "stopping":
            ended = run.intake.ended or now_ns > run.until_ns + DRAIN_TIMEOUT_NS
            if ended and run.intake.n_written == run.intake.n_accepted:
                run.state = "stopped"

    def _fail(self, run: _Run, error: Exception) -> None:
        with self._lock:
            if run.closing.is_set() or run.state == "failed":
                logger.debug("after the end: %s", error)
                return
            run.state = "failed"
            run.error = error.message if isinstance(error, MavferError) else str(error)
            run.remedy = disk_remedy(error)
            logger.warning("%s failed: %s", self._config.name, error)
            run.queue.end()
            if run.sensor is not None:
                run.sensor.stop()

    def _shut(self, run: _Run) -> None:
        with self._lock:
            run.closing.set()
            sensor = run.sensor
        if sensor is not None:
            sensor.stop()
        run.queue.end()
        self._join(run)

    def _join(self, run: _Run) -> None:
        for thread in run.threads:  # not a copy: the reading thread may be adding the writing one
            thread.join(_JOIN_TIMEOUT_S)
            if thread.is_alive():
                raise CaptureError(
                    f"{thread.name} does not end", remedy="kill this daemon and start it anew"
                )

    def _start_thread(self, run: _Run, what: str, work: Callable[[], None]) -> None:
        def guarded() -> None:
            try:
                work()
            except (MavferError, OSError) as error:
                self._fail(run, error)
            except Exception as error:  # plug-ins may raise anything: reported
                logger.debug("unexpected", exc_info=True)
                self._fail(run, SensorError(f"{type(error).__name__}: {error}"))

        name = f"mavfer-{self._config.name}-{what}"
        thread = threading.Thread(target=guarded, name=name, daemon=True)
        run.threads.append(thread)
        thread.start()

    def _read(self, run: _Run, session_uuid: str) -> None:
        """Open the sensor and feed the queue until the session ends: the reading thread."""

        def report(done: int, total: int) -> None:
            run.progress = (done, total)

        with self._opener(self._config, report) as sensor:
            intake = Intake(sensor.info.streams, run.queue.put)
            writer = self._open_writer(run, sensor, session_uuid)
            self._start_thread(run, "writer", lambda: self._write(run, writer, intake))
            with self._lock:
                run.sensor, run.opened_ns = sensor, self._clock.monotonic_ns()
                run.intake = intake
                if run.closing.is_set():
                    return
            for item in sensor.frames():
                stamped = replace(item, host_time_ns=self._clock.at(item.host_time_ns))
                cpu_ns = time.thread_time_ns()
                with self._lock:
                    intake.take(stamped)
                    run.health.spent("read", stamped.host_time_ns, cpu_ns)
        self._fail(run, SensorError("the sensor ended by itself", remedy="restart the sensor"))

    def _open_writer(self, run: _Run, sensor: Sensor, session_uuid: str) -> RecordingWriter:
        folder = self._output / str(run.session_id)
        run.made_folder = not folder.exists()
        folder.mkdir(parents=True, exist_ok=True)
        run.disk_free_bytes = check_disk(folder)
        path = folder / part_name(self._config.name, run.part)
        writer = RecordingWriter(
            path,
            daemon=self._config.name,
            info=sensor.info,
            session_uuid=session_uuid,
            host=HostIdentity.read(self._clock),
            jpeg_quality=self._config.jpeg_quality,
            codec=self._config.codec,
        )
        run.path = path  # only now: an existing file of that name is not ours to remove
        return writer

    def _write(self, run: _Run, writer: RecordingWriter, intake: Intake) -> None:
        """Drain the queue into the file: the writing thread."""
        checked_ns = 0
        with writer:
            while not run.queue.exhausted:
                item = run.queue.get(_WRITER_WAIT_S)
                if isinstance(item, Frame):
                    size = writer.append(item)
                    written_ns, cpu_ns = self._clock.monotonic_ns(), time.thread_time_ns()
                    waited_ns = written_ns - item.host_time_ns
                    with self._lock:
                        intake.count_written(item.stream, written_ns)
                        run.n_bytes += size
                        run.health.wrote(written_ns, waited_ns=waited_ns, n_bytes=size)
                        run.health.spent("encode", written_ns, writer.encode_cpu_ns)
                        run.health.spent("write", written_ns, cpu_ns - writer.encode_cpu_ns)
                elif isinstance(item, DeviceEvent):
                    writer.event(item)
                elif item is not None:
                    writer.probe(item)
                writer.sync_when_due()
                now_ns = self._clock.monotonic_ns()
                if now_ns - checked_ns > _DISK_CHECK_NS:
                    run.disk_free_bytes = check_disk(writer.path.parent)
                    checked_ns = now_ns


def part_name(daemon: str, part: int) -> str:
    """Return the name of a daemon's file number `part` of a session."""
    return f"{daemon}.mcap" if part == 1 else f"{daemon}_{part}.mcap"


def _warnings(
    queue_share: float, left_s: float | None, streams: Mapping[str, StreamStatus]
) -> Iterator[str]:
    for name, stream in streams.items():
        if stream.stalled:
            yield f"{name}: nothing arrives any more; check cable and power"
        if stream.n_dropped_recorder:
            yield f"{name}: {stream.n_dropped_recorder} frames dropped: disk or processor too slow"
    if queue_share > _QUEUE_WARNING_SHARE:
        yield f"queue {queue_share:.0%} full: disk or processor too slow"
    if left_s is not None and left_s < _DISK_WARNING_S:
        yield f"the disk is full in {left_s / 60:.0f} minutes"
