"""How a recording in progress and a finished one look in a terminal."""

import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from .config import LOCAL
from .course import StageProgress
from .manifest import Manifest, RecordingSummary, StreamSummary
from .messages import Status, StreamStatus
from .snapshot import Phase, Snapshot

_INTERACTIVE_INTERVAL_S = 0.2
_PLAIN_INTERVAL_S = 5.0
_RECORDS = ("recording", "stopping", "stopped")


class StatusLine:
    """A few lines on standard error: redrawn in a terminal, repeated rarely in a log file.

    Parameters
    ----------
    enabled : bool
    """

    def __init__(self, *, enabled: bool = True) -> None:
        self._enabled = enabled
        self._interactive = sys.stderr.isatty()
        self._shown_s = float("-inf")
        self._phase: Phase | None = None
        self._n_lines = 0

    def show(self, progress: Snapshot) -> None:
        """Show where the session is, if it is time to."""
        now_s = time.monotonic()
        interval_s = _INTERACTIVE_INTERVAL_S if self._interactive else _PLAIN_INTERVAL_S
        changed = progress.phase != self._phase
        if not self._enabled or (not changed and now_s - self._shown_s < interval_s):
            return
        self._shown_s, self._phase = now_s, progress.phase
        lines = status_lines(progress)
        with self._while_it_is_there():
            self._clear()
            if self._interactive:
                width = shutil.get_terminal_size().columns - 1
                lines = [line[:width] for line in lines]  # one that wraps could not be redrawn
                self._n_lines = len(lines)
            sys.stderr.write("\n".join(lines) + "\n")
            sys.stderr.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._enabled:
            with self._while_it_is_there():
                self._clear()
                sys.stderr.flush()

    @contextmanager
    def _while_it_is_there(self) -> Iterator[None]:
        """Show nothing any more once the terminal, or the reader of a pipe, is gone."""
        try:
            yield
        except OSError:
            self._enabled = False

    def _clear(self) -> None:
        sys.stderr.write("\033[F\033[K" * self._n_lines)
        self._n_lines = 0


def status_lines(progress: Snapshot) -> list[str]:
    """Return a headline, a line for every stream that is recorded, and the warnings."""
    head: str = progress.phase
    if progress.phase in ("recording", "stopping"):
        head = f"{head} {progress.elapsed_s:5.1f} s"
    if progress.stage is not None:
        head = f"{head} | {_stage_text(progress.stage)}"
    states = [text for status in progress.statuses.values() if (text := _daemon_text(status))]
    lines = [" | ".join([head, *states])]
    for status in progress.statuses.values():
        if status.state in _RECORDS:
            lines += [_health_text(name, s, status) for name, s in status.streams.items()]
    for name, status in progress.statuses.items():
        lines += [f"  WARNING {name}: {warning}" for warning in status.warnings]
    lines += [f"  WARNING {warning}" for warning in progress.warnings]
    return lines


def session_lines(path: Path, manifest: Manifest) -> list[str]:
    """Tell what a finished session holds."""
    lines = [f"{path}: {manifest.status}"]
    if manifest.error:
        lines.append(f"  {manifest.error}")
    lines += [f"  warning: {warning}" for warning in manifest.warnings]
    if manifest.marks:
        n_stages = sum(mark.kind == "stage" for mark in manifest.marks)
        lines.append(f"  {n_stages} stages, {len(manifest.marks) - n_stages} markers")
    for name, recording in manifest.recordings.items():
        lines.append(_recording_text(name, recording))
        lines += [_stream_text(stream, counts) for stream, counts in recording.streams.items()]
    return lines


def _stage_text(stage: StageProgress) -> str:
    until = "type next" if stage.duration_s is None else f"{stage.duration_s:.0f} s"
    return f"{stage.number}/{stage.count} {stage.name} {stage.elapsed_s:.0f} of {until}"


def _daemon_text(status: Status) -> str:
    if status.state == "opening" and status.progress_total:
        return f"{status.name} opening {status.progress_done}/{status.progress_total}"
    return "" if status.state in _RECORDS else f"{status.name} {status.state}"


def _health_text(name: str, stream: StreamStatus, status: Status) -> str:
    dropped = stream.n_dropped_sensor + stream.n_dropped_recorder
    share = dropped / max(1, dropped + stream.n_frames)
    left = "" if status.disk_left_s is None else f" disk {status.disk_left_s / 60:.0f} min"
    rates = f"{stream.rate_hz:.1f}>{stream.rate_out_hz:.1f} Hz"
    return (  # fits into 80 columns
        f"  {name:8s} {'SILENT' if stream.stalled else rates:12s} {stream.n_frames:6d} frames "
        f"{share:.1%} dropped queue {status.queue_share:.0%} {status.queue_latency_ms:.0f} ms{left}"
    )


def _recording_text(name: str, recording: RecordingSummary) -> str:
    clock = recording.clock
    sync = "no clock probes"
    if clock is not None and clock.uncertainty_ns is not None:
        sync = f"clock ±{clock.uncertainty_ns / 1e3:.0f} us over {clock.n_probes} probes"
    away = "no file" if recording.address == LOCAL else f"{recording.file} on {recording.address}"
    where = recording.file if recording.present else away
    return f"  {name}: {recording.status}, {where}, {sync}"


def _stream_text(name: str, stream: StreamSummary) -> str:
    rate = "" if stream.measured_rate_hz is None else f" at {stream.measured_rate_hz:.2f} Hz"
    parts: Mapping[str, int] = {
        "dropped by the sensor": stream.n_dropped_sensor,
        "dropped by the recorder": stream.n_dropped_recorder,
    }
    drops = ", ".join(f"{count} {how}" for how, count in parts.items() if count) or "none dropped"
    sync = ""
    if stream.uncertainty_ns is not None:
        sync = f", times ±{stream.uncertainty_ns / 1e6:.2f} ms"
    return f"    {name}: {stream.n_frames} frames{rate}, {drops}{sync}"
