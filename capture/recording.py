"""Reads one daemon's recording, finished or cut off by a crash."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from .clock import ClockProbe, HostIdentity
from .clock_track import (
    ClockSegment,
    ClockTrack,
    device_segments,
    fit_device_segment,
    fit_host_track,
)
from .errors import RecordingError
from .frame import Frame, Image, StreamSpec
from .image_message import decode_grey, decode_image, encoded_pixels
from .mcap_index import ChunkRef, McapIndex, MessageRef, read_chunk, read_index
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
class RecordedEvent:
    """Something the sensor or the recorder reported, on the controller's and the device's clock."""

    stream: str
    kind: str
    capture_time_ns: int
    data: Mapping[str, Any]
    device_time_ns: int = 0


class ImageReader(Protocol):
    """Reads the images of a stream by their index, 0 to N - 1."""

    def read(self, index: int) -> Image:
        """Decode image `index`."""
        ...

    def read_grey(self, index: int) -> NDArray[np.uint8]:
        """Decode the brightness of color image `index`."""
        ...

    def encoded(self, index: int) -> bytes:
        """Return image `index` as recorded."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class RecordedStream:
    """The frames of one stream; images are read one by one when asked for.

    Attributes
    ----------
    spec : StreamSpec
    seq, device_time_ns, host_time_ns : (N,) int64
    capture_time_ns : (N,) int64
        Controller clock, freed from delivery delay.
    uncertainty_ns : (N,) float64
        Half-width around `capture_time_ns`; NaN without clock probes.
    exposure_us, gain : (N,) float64
        NaN where the device does not say.
    segment : (N,) int64
        Raised where the device's clock began anew; `device_time_ns` increases within one.
    device_clocks : tuple of ClockSegment
        Device → host, of every segment, as used for `capture_time_ns`.
    images : ImageReader
        Behind `read`.
    part_starts : tuple of int
        Index of each part's first frame: a daemon that was lost and came back leaves several
        files. Numbers and times of the device begin anew with each; in between nobody recorded.
    """

    spec: StreamSpec
    seq: NDArray[np.int64]
    device_time_ns: NDArray[np.int64]
    host_time_ns: NDArray[np.int64]
    capture_time_ns: NDArray[np.int64]
    uncertainty_ns: NDArray[np.float64]
    exposure_us: NDArray[np.float64]
    gain: NDArray[np.float64]
    segment: NDArray[np.int64]
    device_clocks: tuple[ClockSegment, ...]
    images: ImageReader
    part_starts: tuple[int, ...] = (0,)

    def __len__(self) -> int:
        return len(self.seq)

    def __repr__(self) -> str:
        size = f"{self.spec.width_px}x{self.spec.height_px}"
        return (
            f"<RecordedStream {self.spec.name} {size}, {len(self)} frames, "
            f"{self.measured_rate_hz:.2f} Hz, {self.n_dropped} dropped>"
        )

    @property
    def n_dropped(self) -> int:
        """Frames the device numbered between a part's first and last one and that are missing."""
        spans = [int(self.seq[last] - self.seq[first]) + 1 for first, last in self._parts()]
        return sum(spans) - len(self)

    @property
    def measured_rate_hz(self) -> float:
        """Frames per second between a part's first and last frame; 0 below two frames."""
        n_intervals = sum(last - first for first, last in self._parts())
        times = self.capture_time_ns
        recorded_ns = sum(int(times[last] - times[first]) for first, last in self._parts())
        return n_intervals / (recorded_ns * 1e-9) if n_intervals else 0.0

    @property
    def device_skew_ppm(self) -> float:
        """How much faster the device's clock runs than its host's, in its longest segment."""
        longest = int(np.bincount(self.segment).argmax()) if len(self) else 0
        return 0.0 - self.device_clocks[longest].skew_ppm if self.device_clocks else 0.0

    def read(self, index: int) -> Frame:
        """Read frame `index`, 0 to N - 1.

        Raises
        ------
        RecordingError
            The image is damaged.
        """
        self._check_index(index)
        exposure_us, gain = float(self.exposure_us[index]), float(self.gain[index])
        return Frame(
            stream=self.spec.name,
            seq=int(self.seq[index]),
            device_time_ns=int(self.device_time_ns[index]),
            host_time_ns=int(self.host_time_ns[index]),
            image=self.images.read(index),
            exposure_us=None if np.isnan(exposure_us) else exposure_us,
            gain=None if np.isnan(gain) else gain,
            segment=int(self.segment[index]),
        )

    def read_grey(self, index: int) -> NDArray[np.uint8]:
        """Read the brightness (H, W) of color frame `index`, in half the time of its colors.

        Raises
        ------
        RecordingError
            The image is damaged.
        """
        self._check_index(index)
        return self.images.read_grey(index)

    def repeats(self, index: int) -> bool:
        """Tell whether frame `index` holds the very image of the one before, pixel by pixel."""
        self._check_index(index)
        return index > 0 and self.images.encoded(index) == self.images.encoded(index - 1)

    def _check_index(self, index: int) -> None:
        if not 0 <= index < len(self):
            raise IndexError(f"{self.spec.name}: frame {index} of {len(self)}")

    def _parts(self) -> list[tuple[int, int]]:
        """Return the first and the last frame of every part that has frames."""
        ends = (*self.part_starts[1:], len(self))
        return [(a, b - 1) for a, b in zip(self.part_starts, ends, strict=True) if b > a]


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
            read = _MessageReader(handle)
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
            images=_FileImages(self._path, spec, refs, schema),
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


class _MessageReader:
    """Reads messages of an open file, remembering the chunk it read last."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle
        self._chunk: ChunkRef | None = None
        self._data = b""

    def __call__(self, ref: MessageRef) -> bytes:
        if ref.chunk is None or not ref.chunk.compression:
            base = ref.chunk.offset if ref.chunk else 0
            self._handle.seek(base + ref.offset)
            data: bytes = self._handle.read(ref.length)
            return data
        if ref.chunk is not self._chunk:
            self._data, self._chunk = read_chunk(self._handle, ref.chunk), ref.chunk
        return self._data[ref.offset : ref.offset + ref.length]


class _FileImages:
    """Reads and decodes the images of one stream; opens the file anew each time.

    That keeps no file open, works in forked workers and costs microseconds against the
    milliseconds of decoding. A chunk's checksum is verified the first time it is touched.
    """

    def __init__(
        self, path: Path, spec: StreamSpec, refs: tuple[MessageRef, ...], schema: str
    ) -> None:
        self._path = path
        self._spec = spec
        self._schema = schema
        self._refs = refs
        self._verified: set[int] = set()

    def read(self, index: int) -> Image:
        data = self._message(index)
        try:
            image = decode_image(data, schema=self._schema)
        except RecordingError as error:
            raise RecordingError(f"{self._where(index)}: {error}") from error
        if image.shape != self._spec.shape or image.dtype != self._spec.dtype:
            raise RecordingError(
                f"{self._where(index)}: image is {image.shape}, expected {self._spec.shape}"
            )
        return image

    def read_grey(self, index: int) -> NDArray[np.uint8]:
        data = self._message(index)
        try:
            image = decode_grey(data, schema=self._schema)
        except RecordingError as error:
            raise RecordingError(f"{self._where(index)}: {error}") from error
        if image.shape != self._spec.shape[:2]:
            raise RecordingError(
                f"{self._where(index)}: image is {image.shape}, expected {self._spec.shape[:2]}"
            )
        return image

    def encoded(self, index: int) -> bytes:
        return encoded_pixels(self._message(index), schema=self._schema)

    def _message(self, index: int) -> bytes:
        ref = self._refs[index]
        with self._path.open("rb") as handle:
            if ref.chunk is None or ref.chunk.offset in self._verified:
                return _MessageReader(handle)(ref)
            chunk = read_chunk(handle, ref.chunk)
            self._verified.add(ref.chunk.offset)
            return chunk[ref.offset : ref.offset + ref.length]

    def _where(self, index: int) -> str:
        return f"{self._path}: {self._spec.name} frame {index}"


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else value
