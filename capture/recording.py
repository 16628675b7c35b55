"""Reads one daemon's recording, finished or cut off by a crash."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from .clock import ClockProbe, HostIdentity
from .clock_track import (
    ClockTrack,
    device_segments,
    fit_device_segment,
    fit_host_track,
)
from .errors import RecordingError
from .frame import StreamSpec
from .mcap_index import McapIndex, MessageRef, read_index
from .recorded_images import FileImages, MessageReader
from .recorded_stream import RecordedEvent, RecordedStream
from .sensor import SensorInfo
from .structure import decode
from .writer import (
    EVENTS_TOPIC,
    PROBES_TOPIC,
    RECORDING_METADATA,
    RECOVERED_METADATA,
    SCHEMA_VERSION,
    SENSOR_ATTACHMENT,
    frame_topic,
    meta_topic,
)

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class RecoveryNote:
    """What a recovered file says of the one it was made from.

    Attributes
    ----------
    damage : str
    n_bytes_lost : int
        That could not be read.
    n_frames_lost : mapping of stream name to int
        Frame numbers missing where bytes are; what a cut-off end would have held is not known.
    """

    damage: str
    n_bytes_lost: int
    n_frames_lost: Mapping[str, int]

    @classmethod
    def parse(cls, metadata: Mapping[str, str]) -> "RecoveryNote":
        """Read the metadata record; ValueError or KeyError if it is none."""
        lost = json.loads(metadata["n_frames_lost"])
        fields = {"damage": metadata["damage"], "n_bytes_lost": int(metadata["n_bytes_lost"])}
        return decode(cls, {**fields, "n_frames_lost": lost}, where=RECOVERED_METADATA)


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """One daemon's file.

    Attributes
    ----------
    path : Path
    daemon, session_uuid, software_version : str
    info : SensorInfo
    host : HostIdentity
    streams : mapping of stream name to RecordedStream
    events : tuple of RecordedEvent, in time order
    probes : tuple of ClockProbe
    host_clock : ClockTrack
        Host → controller, as used for capture times.
    complete : bool
        The file was finished.
    damage : str or None
        Why it is not complete.
    recovered : RecoveryNote or None
        The file was made whole by ``mavfer-capture recover``.
    """

    path: Path
    daemon: str
    session_uuid: str
    software_version: str
    info: SensorInfo
    host: HostIdentity
    streams: Mapping[str, RecordedStream]
    events: tuple[RecordedEvent, ...]
    probes: tuple[ClockProbe, ...]
    host_clock: ClockTrack
    complete: bool
    damage: str | None
    recovered: RecoveryNote | None = None


@dataclass(frozen=True, slots=True)
class _FrameMeta:
    seq: int
    device_time_ns: int
    host_time_ns: int
    exposure_us: float | None = None
    gain: float | None = None
    segment: int = 0


@dataclass(frozen=True, slots=True)
class _Event:
    stream: str
    kind: str
    device_time_ns: int
    host_time_ns: int
    data: Mapping[str, Any]


def open_recording(path: Path) -> Recording:
    """Open a recording; of a cut-off one, everything that is intact.

    Frames count as recorded when their image and their numbers are both there.

    Raises
    ------
    RecordingError
        Missing, no MCAP file, not written by this software, of a newer schema, or contradictory.
    """
    if not path.is_file():
        raise RecordingError(f"{path} is not a file", remedy="pass a recording, *.mcap")
    index = read_index(path)
    about = index.metadata.get(RECORDING_METADATA)
    if about is None or SENSOR_ATTACHMENT not in index.attachments:
        why = index.damage or "another program wrote it"
        raise RecordingError(f"{path} is no mavfer recording: {why}")
    schema_version = about.get("schema_version", "")
    if schema_version != str(SCHEMA_VERSION):
        raise RecordingError(
            f"{path}: schema version {schema_version!r}, this software reads {SCHEMA_VERSION}",
            remedy="install the mavfer version that wrote it or a newer one",
        )
    try:
        return _Assembly(path, index).build(about)
    except RecordingError:
        raise
    except (KeyError, OverflowError, ValueError) as error:
        raise RecordingError(f"{path} contradicts itself: {error}") from error


class _Assembly:
    """Puts the messages of one file together."""

    def __init__(self, path: Path, index: McapIndex) -> None:
        self._path = path
        self._index = index
        self._damage = index.damage
        self._topics = {number: channel.topic for number, channel in index.channels.items()}
        self._images: dict[str, list[MessageRef]] = {}
        self._metas: dict[str, list[_FrameMeta]] = {}
        self._events: list[_Event] = []
        self._probes: list[ClockProbe] = []

    def build(self, about: Mapping[str, str]) -> Recording:
        info = self._parse(SensorInfo, self._index.attachments[SENSOR_ATTACHMENT], "sensor.json")
        host = self._parse(HostIdentity, about["host"].encode(), "host")
        for spec in info.streams:
            self._images[spec.name], self._metas[spec.name] = [], []
        try:
            self._collect({spec.name for spec in info.streams})
        except RecordingError as error:
            # What lies before the damage is good; what comes after cannot be trusted.
            self._damage = str(error)
        note = self._index.metadata.get(RECOVERED_METADATA)
        host_clock = fit_host_track(self._probes)
        streams = {spec.name: self._stream(spec, host_clock) for spec in info.streams}
        return Recording(
            path=self._path,
            daemon=about["daemon"],
            session_uuid=about["session_uuid"],
            software_version=about["software_version"],
            info=info,
            host=host,
            streams=streams,
            events=self._controller_events(streams, host_clock),
            probes=tuple(self._probes),
            host_clock=host_clock,
            complete=self._index.complete and self._damage is None,
            damage=self._damage,
            recovered=RecoveryNote.parse(note) if note is not None else None,
        )

    def _collect(self, streams: set[str]) -> None:
        pending: dict[str, MessageRef] = {}
        images = {frame_topic(name): name for name in streams}
        metas = {meta_topic(name): name for name in streams}
        with self._path.open("rb") as handle:
            read = MessageReader(handle)
            for ref in self._index.messages:
                topic = self._topics[ref.channel_id]
                if topic in images:
                    pending[images[topic]] = ref
                elif topic in metas:
                    name = metas[topic]
                    meta = self._parse(_FrameMeta, read(ref), topic)
                    image = pending.pop(name, None)
                    if image is None or image.sequence != meta.seq & 0xFFFFFFFF:
                        raise RecordingError(f"{topic}: frame {meta.seq} has no image")
                    self._images[name].append(image)
                    self._metas[name].append(meta)
                elif topic == EVENTS_TOPIC:
                    self._events.append(self._parse(_Event, read(ref), topic))
                elif topic == PROBES_TOPIC:
                    self._probes.append(self._parse(ClockProbe, read(ref), topic))

    def _stream(self, spec: StreamSpec, host_clock: ClockTrack) -> RecordedStream:
        metas, refs = self._metas[spec.name], tuple(self._images[spec.name])
        schema = ""
        if refs:
            schema = self._index.schemas[self._index.channels[refs[0].channel_id].schema_id].name
        device_ns = np.array([meta.device_time_ns for meta in metas], np.int64)
        host_ns = np.array([meta.host_time_ns for meta in metas], np.int64)
        seq = np.array([meta.seq for meta in metas], np.int64)
        segment = np.array([meta.segment for meta in metas], np.int64)
        backwards = (np.diff(device_ns) <= 0) & (np.diff(segment) == 0)
        if backwards.any() or (np.diff(seq) <= 0).any() or (np.diff(segment) < 0).any():
            raise RecordingError(f"{self._path}: {spec.name}: frame numbers or times go back")
        segment = device_segments(device_ns, host_ns, segment)
        seen_ns, uncertainty_ns = np.empty_like(device_ns), np.empty(len(metas))
        device_clocks = []
        for number in range(int(segment[-1]) + 1 if len(segment) else 0):
            of = segment == number
            clock = fit_device_segment(device_ns[of], host_ns[of])
            seen_ns[of] = clock.apply(device_ns[of])
            uncertainty_ns[of] = clock.uncertainty_ns(device_ns[of])
            device_clocks.append(clock)
        return RecordedStream(
            spec=spec,
            seq=seq,
            device_time_ns=device_ns,
            host_time_ns=host_ns,
            capture_time_ns=host_clock.apply(seen_ns),
            uncertainty_ns=uncertainty_ns + host_clock.uncertainty_ns(seen_ns),
            exposure_us=np.array([_or_nan(meta.exposure_us) for meta in metas], np.float64),
            gain=np.array([_or_nan(meta.gain) for meta in metas], np.float64),
            segment=segment,
            device_clocks=tuple(device_clocks),
            images=FileImages(self._path, spec, refs, schema),
        )

    def _controller_events(
        self, streams: Mapping[str, RecordedStream], host_clock: ClockTrack
    ) -> tuple[RecordedEvent, ...]:
        events = []
        for event in self._events:
            stream = streams.get(event.stream)
            host_ns = event.host_time_ns
            if stream is not None and len(stream):
                frame = int(np.searchsorted(stream.host_time_ns, host_ns, side="right")) - 1
                clock = stream.device_clocks[int(stream.segment[max(frame, 0)])]
                host_ns = clock.apply_one(event.device_time_ns)
            at_ns = host_clock.apply_one(host_ns)
            times = (at_ns, event.data, event.device_time_ns)
            events.append(RecordedEvent(event.stream, event.kind, *times))
        return tuple(sorted(events, key=lambda event: event.capture_time_ns))

    def _parse(self, kind: type[_Value], data: bytes, where: str) -> _Value:
        try:
            return decode(kind, json.loads(data), where=where)
        except (ValueError, RecursionError) as error:
            raise RecordingError(f"{self._path}: {error}") from error


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else value
