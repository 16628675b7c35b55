"""What a recording holds, in the words of the manifest."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from .clock import ClockProbe
from .clock_track import ClockTrack, fit_host_track
from .intake import RECORDER_DROP
from .manifest import ClockSummary, RecordingSummary, StreamSummary
from .messages import StreamStatus
from .recorded_stream import RecordedStream
from .recording import Recording


def summarise_recording(summary: RecordingSummary, recording: Recording) -> RecordingSummary:
    """Fill `summary` with what the file really holds."""
    return replace(
        summary,
        present=True,
        host=recording.host,
        clock=_summarise_clock(recording.probes, recording.host_clock),
        streams={
            name: _summarise_stream(recording, stream) for name, stream in recording.streams.items()
        },
    )


def summarise_report(
    summary: RecordingSummary, streams: Mapping[str, StreamStatus], probes: Sequence[ClockProbe]
) -> RecordingSummary:
    """Fill `summary` with what a daemon reported of a file that is not here."""
    host_clock = fit_host_track(probes)
    return replace(
        summary,
        clock=_summarise_clock(probes, host_clock),
        streams={
            name: StreamSummary(
                n_frames=status.n_frames,
                n_dropped_sensor=status.n_dropped_sensor,
                n_dropped_recorder=status.n_dropped_recorder,
                first_time_ns=_controller_ns(host_clock, status.first_time_ns),
                last_time_ns=_controller_ns(host_clock, status.last_time_ns),
                measured_rate_hz=_rate_hz(status),
            )
            for name, status in streams.items()
        },
    )


def achieved_span(
    recordings: Mapping[str, RecordingSummary],
) -> tuple[int | None, int | None]:
    """Return from when until when (controller ns) all streams have frames; None without frames."""
    first: dict[str, int] = {}
    last: dict[str, int] = {}
    for recording in recordings.values():
        for name, stream in recording.streams.items():  # one stream may be in several parts
            if stream.first_time_ns is not None:
                first[name] = min(stream.first_time_ns, first.get(name, stream.first_time_ns))
            if stream.last_time_ns is not None:
                last[name] = max(stream.last_time_ns, last.get(name, stream.last_time_ns))
    return max(first.values(), default=None), min(last.values(), default=None)


def _summarise_stream(recording: Recording, stream: RecordedStream) -> StreamSummary:
    n_recorder = sum(
        int(event.data.get("count", 0))
        for event in recording.events
        if event.kind == RECORDER_DROP and event.stream == stream.spec.name
    )
    note = recording.recovered
    n_lost = note.n_frames_lost.get(stream.spec.name, 0) if note is not None else 0
    if not len(stream):
        return StreamSummary(0, 0, n_recorder, n_lost=n_lost)
    return StreamSummary(
        n_frames=len(stream),
        n_dropped_sensor=max(0, stream.n_dropped - n_recorder - n_lost),
        n_dropped_recorder=n_recorder,
        first_time_ns=int(stream.capture_time_ns[0]),
        last_time_ns=int(stream.capture_time_ns[-1]),
        measured_rate_hz=stream.measured_rate_hz,
        uncertainty_ns=float(np.median(stream.uncertainty_ns)),
        max_uncertainty_ns=float(stream.uncertainty_ns.max()),
        skew_ppm=stream.device_skew_ppm,
        n_resets=len(stream.device_clocks) - 1,
        n_lost=n_lost,
    )


def _summarise_clock(probes: Sequence[ClockProbe], clock: ClockTrack) -> ClockSummary | None:
    if not probes:
        return None
    half_width_ns = np.concatenate([segment.half_width_ns for segment in clock.segments])
    return ClockSummary(
        n_probes=len(probes),
        offset_ns=-clock.longest.offset_ns,
        skew_ppm=0.0 - clock.longest.skew_ppm,
        uncertainty_ns=float(np.median(half_width_ns)),
        max_uncertainty_ns=float(half_width_ns.max()),
        min_rtt_ns=float(min(probe.rtt_ns for probe in probes)),
        n_resets=clock.n_resets,
    )


def _controller_ns(host_clock: ClockTrack, host_ns: int | None) -> int | None:
    return None if host_ns is None else host_clock.apply_one(host_ns)


def _rate_hz(status: StreamStatus) -> float | None:
    if status.first_time_ns is None or status.last_time_ns is None or status.n_frames < 2:
        return None
    elapsed_s = (status.last_time_ns - status.first_time_ns) * 1e-9
    return (status.n_frames - 1) / elapsed_s if elapsed_s > 0 else None
