"""How a recording in progress and a finished one look in a terminal."""

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from .controller import Phase, Progress
from .course import StageProgress
from .messages import Status
from .session import Manifest, RecordingSummary, StreamSummary

_INTERACTIVE_INTERVAL_S = 0.2
_PLAIN_INTERVAL_S = 5.0


class StatusLine:
    """One line on standard error: redrawn in a terminal, repeated rarely in a log file.

    Parameters
    ----------
    enabled : bool
    """

    def __init__(self, *, enabled: bool = True) -> None:
        self._enabled = enabled
        self._interactive = sys.stderr.isatty()
        self._shown_s = float("-inf")
        self._phase: Phase | None = None

    def show(self, progress: Progress) -> None:
        """Show where the session is, if it is time to."""
        now_s = time.monotonic()
        interval_s = _INTERACTIVE_INTERVAL_S if self._interactive else _PLAIN_INTERVAL_S
        changed = progress.phase != self._phase
        if not self._enabled or (not changed and now_s - self._shown_s < interval_s):
            return
        self._shown_s, self._phase = now_s, progress.phase
        text = status_text(progress)
        sys.stderr.write(f"\r\033[K{text}" if self._interactive else f"{text}\n")
        sys.stderr.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._enabled and self._interactive:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()


def status_text(progress: Progress) -> str:
    """Put a `Progress` on one line."""
    head: str = progress.phase
    if progress.phase in ("recording", "stopping"):
        head = f"{head} {progress.elapsed_s:5.1f} s"
    if progress.stage is not None:
        head = f"{head} | {_stage_text(progress.stage)}"
    parts = [_daemon_text(status) for status in progress.statuses.values()]
    return " | ".join([head, *parts])


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
    if status.state not in ("recording", "stopping", "stopped"):
        return f"{status.name} {status.state}"
    return f"{_streams_text(status)} queue {status.queue_share:.0%}"


def _streams_text(status: Status) -> str:
    texts = []
    for name, stream in status.streams.items():
        dropped = stream.n_dropped_sensor + stream.n_dropped_recorder
        lost = f" {dropped} dropped" if dropped else ""
        texts.append(f"{name} {stream.rate_hz:.1f} Hz {stream.n_frames}{lost}")
    return ", ".join(texts)


def _recording_text(name: str, recording: RecordingSummary) -> str:
    clock = recording.clock
    sync = "no clock probes"
    if clock is not None and clock.uncertainty_ns is not None:
        sync = f"clock ±{clock.uncertainty_ns / 1e3:.0f} us over {clock.n_probes} probes"
    where = recording.file if recording.present else f"{recording.file} on {recording.address}"
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
