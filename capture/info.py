"""What a recording or a session is, as plain data for people and programs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .recording import RecordedStream, Recording, open_recording
from .session import open_session
from .structure import encode

_SHOWN_OF_A_STREAM = (
    "n_frames",
    "n_dropped",
    "size_px",
    "measured_rate_hz",
    "uncertainty_us",
    "device_skew_ppm",
)


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
                    f"{recording['n_probes']} clock probes",
                    _state(recording),
                ]
            ),
            **{
                stream: {key: facts[key] for key in _SHOWN_OF_A_STREAM}
                for stream, facts in recording["streams"].items()
            },
        }
    overview["missing"] = described["missing"]
    return overview


def _state(recording: Mapping[str, Any]) -> str:
    if not recording["complete"]:
        return f"cut off: {recording['damage']}"
    recovered = recording["recovered"]
    return f"recovered: {recovered['damage']}" if recovered else "complete"


def _recording(recording: Recording) -> dict[str, Any]:
    info = recording.info
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
        "clock_uncertainty_us": encode(recording.host_clock.uncertainty_ns / 1e3),
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
        "uncertainty_us": encode(float(stream.uncertainty_ns[0]) / 1e3) if len(stream) else None,
        "device_skew_ppm": 0.0 - stream.device_clock.skew_ppm,
    }
