"""What a recording or a session is, as plain data for people and programs."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .recorded_stream import RecordedStream
from .recording import Recording, open_recording
from .session import Session, open_session
from .structure import encode
from .sync import match_streams

_SHOWN_OF_A_STREAM = (
    "n_frames",
    "n_dropped",
    "size_px",
    "measured_rate_hz",
    "uncertainty_us",
    "max_uncertainty_us",
    "device_skew_ppm",
    "n_device_resets",
)
_PERIOD_SHARE = 0.6
"""Frames are partners within half a period; a little more, since periods jitter."""


def describe_recording(path: Path) -> dict[str, Any]:
    """Describe one ``*.mcap`` recording.

    Returns
    -------
    dict
        ``type`` "recording", sensor, whether it is complete, and per stream counts, times, rate,
        drops and sync quality; JSON values only.
    """
    recording = open_recording(path)
    return {"type": "recording", "path": str(path), **_recording(recording)}


def describe_session(path: Path) -> dict[str, Any]:
    """Describe the session in the folder `path`.

    Returns
    -------
    dict
        ``type`` "session", the manifest, and each recording as its file really is.
    """
    session = open_session(path)
    return {
        "type": "session",
        "path": str(path),
        "id": session.id,
        "manifest": encode(session.manifest),
        "recordings": {name: _recording(r) for name, r in session.recordings.items()},
        "matching": _matching(session),
        "missing": sorted(set(session.manifest.recordings) - set(session.recordings)),
    }


def session_overview(described: Mapping[str, Any]) -> dict[str, Any]:
    """Shorten what `describe_session` returned to one screen: each fact once, as files have it.

    Returns
    -------
    dict
        Who, when, consent, duration, and per recording its sensor, state and streams.
    """
    manifest = described["manifest"]
    span_ns = [manifest[f"{end}_time_ns"] for end in ("start", "stop")]
    overview = {name: described[name] for name in ("path", "kind", "id") if name in described}
    overview |= {name: manifest[name] for name in ("subject", "created", "status", "error")}
    overview["session_kind"] = manifest["kind"]
    overview["duration_s"] = None if None in span_ns else (span_ns[1] - span_ns[0]) * 1e-9
    overview["consent"] = manifest["consent"]
    overview["rig"] = manifest["rig"].get("name")
    for name, recording in described["recordings"].items():
        overview[f"{name}.mcap"] = {
            "sensor": ", ".join(
                [
                    recording["sensor"],
                    f"host {recording['host']}",
                    _clock(recording),
                    _state(recording),
                ]
            ),
            **{
                stream: {key: facts[key] for key in _SHOWN_OF_A_STREAM}
                for stream, facts in recording["streams"].items()
            },
        }
    overview["matching"] = _matching_text(described["matching"])
    overview["missing"] = described["missing"]
    return overview


def _matching_text(matching: Mapping[str, Any]) -> str:
    if not matching:
        return "fewer than two streams"
    others = {n: facts for n, facts in matching.items() if n not in ("reference", "n_frames")}
    counts = ", ".join(f"{name} {facts['n_unmatched']}" for name, facts in others.items())
    return (
        f"{matching['n_frames']} {matching['reference']} frames, of which without a partner in "
        f"{counts}"
    )


def _clock(recording: Mapping[str, Any]) -> str:
    if not recording["n_probes"]:
        return "no clock probes"
    resets = f", {recording['n_clock_resets']} resets" if recording["n_clock_resets"] else ""
    return (
        f"clock ±{recording['clock_uncertainty_us']:.0f} us over {recording['n_probes']} probes"
        f"{resets}"
    )


def _state(recording: Mapping[str, Any]) -> str:
    if not recording["complete"]:
        return f"cut off: {recording['damage']}"
    recovered = recording["recovered"]
    return f"recovered: {recovered['damage']}" if recovered else "complete"


def _recording(recording: Recording) -> dict[str, Any]:
    info = recording.info
    half_width_ns = np.concatenate([s.half_width_ns for s in recording.host_clock.segments])
    clock_us = float(np.median(half_width_ns)) / 1e3 if len(half_width_ns) else None
    kinds = sorted({event.kind for event in recording.events})
    return {
        "daemon": recording.daemon,
        "session_uuid": recording.session_uuid,
        "software_version": recording.software_version,
        "sensor": f"{info.vendor} {info.model} {info.serial}",
        "host": recording.host.hostname,
        "complete": recording.complete,
        "damage": recording.damage,
        "recovered": encode(recording.recovered),
        "n_probes": len(recording.probes),
        "clock_uncertainty_us": clock_us,
        "clock_skew_ppm": 0.0 - recording.host_clock.longest.skew_ppm,
        "n_clock_resets": recording.host_clock.n_resets,
        "n_events": {kind: sum(e.kind == kind for e in recording.events) for kind in kinds},
        "streams": {name: _stream(stream) for name, stream in recording.streams.items()},
    }


def _stream(stream: RecordedStream) -> dict[str, Any]:
    spec = stream.spec
    times = stream.capture_time_ns
    return {
        "modality": spec.modality,
        "size_px": [spec.width_px, spec.height_px],
        "pixel_format": spec.pixel_format,
        "unit": spec.unit,
        "n_frames": len(stream),
        "n_dropped": stream.n_dropped,
        "duration_s": float(times[-1] - times[0]) * 1e-9 if len(stream) else 0.0,
        "nominal_rate_hz": spec.nominal_rate_hz,
        "measured_rate_hz": stream.measured_rate_hz,
        "uncertainty_us": _microseconds(stream, np.median),
        "max_uncertainty_us": _microseconds(stream, np.max),
        "device_skew_ppm": stream.device_skew_ppm,
        "n_device_resets": max(0, len(stream.device_clocks) - 1),
    }


def _microseconds(stream: RecordedStream, reduce: Callable[[Any], Any]) -> Any:
    return encode(float(reduce(stream.uncertainty_ns)) / 1e3) if len(stream) else None


def _matching(session: Session) -> dict[str, Any]:
    """Say how many frames of the slowest stream have partners in every other one."""
    streams = {name: s for name, s in session.streams.items() if len(s) > 1}
    if len(streams) < 2:
        return {}
    reference = min(streams, key=lambda name: streams[name].measured_rate_hz)
    match = match_streams(
        {name: stream.capture_time_ns for name, stream in streams.items()},
        reference=reference,
        max_gap_ns={
            name: round(_PERIOD_SHARE * 1e9 / stream.measured_rate_hz)
            for name, stream in streams.items()
        },
    )
    facts: dict[str, Any] = {"reference": reference, "n_frames": len(streams[reference])}
    for name, gap_ns in match.gap_ns.items():
        away_ms = np.abs(gap_ns[match.index[name] >= 0]) / 1e6
        facts[name] = {
            "n_unmatched": match.n_unmatched(name),
            "n_unused": match.n_unused[name],
            "median_gap_ms": float(np.median(away_ms)) if len(away_ms) else None,
            "p95_gap_ms": float(np.quantile(away_ms, 0.95)) if len(away_ms) else None,
        }
    return facts
