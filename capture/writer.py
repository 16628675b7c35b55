"""Writes one daemon's recording: an MCAP file that stays readable whenever the process dies.

docs/formats/recording.md is the specification. Everything needed to read the file is written
first; chunks are small and closed, flushed and synced to disk twice a second.
"""

import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from mcap.writer import CompressionType, Writer

from .clock import ClockProbe, HostIdentity
from .errors import MavferError, RecordingError, SensorError
from .file_lock import hold
from .frame import DeviceEvent, Frame
from .image_message import COMPRESSED_SCHEMA, RAW_SCHEMA, descriptor, encode_image
from .names import check_name
from .sensor import Codec, SensorInfo
from .structure import encode

SCHEMA_VERSION = 1
PROFILE = "mavfer-recording"
EVENTS_TOPIC = "/events"
PROBES_TOPIC = "/clock/probes"
SENSOR_ATTACHMENT = "sensor.json"
RECORDING_METADATA = "mavfer/recording"
RECOVERED_METADATA = "mavfer/recovered"
_CHUNK_BYTES = 1 << 20
_SYNC_INTERVAL_S = 0.5  # a crash may cost this and the time the disk takes: under a second
_UINT32 = 0xFFFFFFFF

_OBJECT_SCHEMAS: Mapping[str, Mapping[str, Mapping[str, object]]] = {
    "mavfer.FrameMeta": {
        "seq": {"type": "integer"},
        "device_time_ns": {"type": "integer"},
        "host_time_ns": {"type": "integer"},
        "exposure_us": {"type": ["number", "null"]},
        "gain": {"type": ["number", "null"]},
        "segment": {"type": "integer"},
    },
    "mavfer.Event": {
        "stream": {"type": "string"},
        "kind": {"type": "string"},
        "device_time_ns": {"type": "integer"},
        "host_time_ns": {"type": "integer"},
        "data": {"type": "object"},
    },
    "mavfer.ClockProbe": {
        name: {"type": "integer"} for name in ("t0_ns", "t1_ns", "t2_ns", "t3_ns")
    },
}


def frame_topic(stream: str) -> str:
    """Topic of a stream's images."""
    return f"/{stream}"


def meta_topic(stream: str) -> str:
    """Topic of a stream's frame numbers and times."""
    return f"/{stream}/meta"


class RecordingWriter:
    """Writes frames, events and clock probes of one daemon. Not thread-safe.

    Parameters
    ----------
    path : Path
        New file; its folder exists.
    daemon : str
        Name of the daemon in the rig.
    info : SensorInfo
    session_uuid : str
    host : HostIdentity
        Whose clock `host_time_ns` is.
    jpeg_quality : int
    codec : {"compressed", "raw"}
        "raw" stores 16-bit images as they are, so that any MCAP viewer shows them.

    Attributes
    ----------
    encode_cpu_ns : int
        Processor time that encoding has taken so far.

    Raises
    ------
    RecordingError
        `path` exists, or a stream's name is taken.
    """

    def __init__(
        self,
        path: Path,
        *,
        daemon: str,
        info: SensorInfo,
        session_uuid: str,
        host: HostIdentity,
        jpeg_quality: int = 90,
        codec: Codec = "compressed",
    ) -> None:
        self.path = path
        self._specs = {spec.name: spec for spec in info.streams}
        if len(self._specs) != len(info.streams):
            raise RecordingError(f"{daemon}: two streams have one name")
        for name in self._specs:
            check_name(name, what="stream name")
            if frame_topic(name) == EVENTS_TOPIC:
                raise RecordingError(f"{daemon}: stream name {name!r} is reserved")
        self._jpeg_quality = jpeg_quality
        self._raw = codec == "raw"
        self._epoch_ns = host.realtime_ns - host.monotonic_ns
        self._last: dict[str, tuple[int, tuple[int, int]]] = {}
        self._synced_s = time.monotonic()
        self._closed = False
        self.encode_cpu_ns = 0
        try:
            self._handle = path.open("xb")
        except FileExistsError:
            raise RecordingError(f"{path} exists already", remedy="start a new session") from None
        hold(self._handle)  # so that no one repairs or copies it while it grows
        # Any: half of mcap's writer has no types.
        self._writer: Any = Writer(
            self._handle, chunk_size=_CHUNK_BYTES, compression=CompressionType.NONE
        )
        self._writer.start(profile=PROFILE, library=f"mavfer {version('mavfer')}")
        self._write_preamble(daemon, info, session_uuid, host)
        self._channels = self._register()
        self.sync()

    def append(self, frame: Frame) -> int:
        """Write one frame.

        Returns
        -------
        int
            Bytes of the encoded image.

        Raises
        ------
        SensorError
            The frame is not what its stream announced, or its number or device time does not
            increase: its capture time would be wrong, so nothing of it is written.
        """
        spec = self._specs.get(frame.stream)
        if spec is None:
            raise SensorError(f"frame of stream {frame.stream!r}, which was not announced")
        if frame.image.shape != spec.shape or frame.image.dtype != spec.dtype:
            raise SensorError(
                f"{frame.stream}: frame {frame.seq} is {frame.image.shape} {frame.image.dtype}, "
                f"expected {spec.shape} {spec.dtype}"
            )
        now = (frame.segment, frame.device_time_ns)
        last = self._last.get(frame.stream)
        if last and (frame.seq <= last[0] or now <= last[1]):
            raise SensorError(
                f"{frame.stream}: frame {frame.seq} at {frame.device_time_ns} ns follows frame "
                f"{last[0]} at {last[1][1]} ns, expected both to increase",
                remedy="restart the sensor",
            )
        self._last[frame.stream] = (frame.seq, now)
        log_ns = self._log_ns(frame.host_time_ns)
        begun_ns = time.thread_time_ns()
        image = encode_image(
            frame,
            schema=self._image_schema(spec.pixel_format),
            wall_time_ns=log_ns,
            jpeg_quality=self._jpeg_quality,
        )
        self.encode_cpu_ns += time.thread_time_ns() - begun_ns
        self._add(frame_topic(frame.stream), log_ns, image, frame.seq)
        meta = {
            "seq": frame.seq,
            "device_time_ns": frame.device_time_ns,
            "host_time_ns": frame.host_time_ns,
            "exposure_us": frame.exposure_us,
            "gain": frame.gain,
            "segment": frame.segment,
        }
        self._add(meta_topic(frame.stream), log_ns, _json(meta), frame.seq)
        self.sync_when_due()
        return len(image)

    def event(self, event: DeviceEvent) -> None:
        """Write something the sensor or the recorder reports."""
        self._add(EVENTS_TOPIC, self._log_ns(event.host_time_ns), _json(encode(event)), 0)
        self.sync_when_due()

    def probe(self, probe: ClockProbe) -> None:
        """Write one clock probe."""
        self._add(PROBES_TOPIC, self._log_ns(probe.t1_ns), _json(encode(probe)), 0)
        self.sync_when_due()

    def sync(self) -> None:
        """Close the chunk in progress and put everything on the disk."""
        self._writer.flush()
        os.fsync(self._handle.fileno())
        self._synced_s = time.monotonic()

    def sync_when_due(self) -> None:
        """Call `sync` if the last one is old; call it when nothing else is written."""
        if time.monotonic() - self._synced_s > _SYNC_INTERVAL_S:
            self.sync()

    def close(self) -> None:
        """Finish the file; may be called twice."""
        if self._closed:
            return
        self._closed = True
        try:
            self._writer.finish()
            self._handle.flush()
            os.fsync(self._handle.fileno())
        finally:
            with suppress(
                OSError
            ):  # a full disk fails again at close; the first error is the story
                self._handle.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _write_preamble(
        self, daemon: str, info: SensorInfo, session_uuid: str, host: HostIdentity
    ) -> None:
        self._writer.add_metadata(
            RECORDING_METADATA,
            {
                "schema_version": str(SCHEMA_VERSION),
                "software_version": version("mavfer"),
                "daemon": daemon,
                "session_uuid": session_uuid,
                "host": json.dumps(encode(host)),
            },
        )
        self._writer.add_attachment(
            create_time=host.realtime_ns,
            log_time=host.realtime_ns,
            name=SENSOR_ATTACHMENT,
            media_type="application/json",
            data=_json(encode(info)),
        )

    def _register(self) -> dict[str, int]:
        schemas = {name: self._object_schema(name) for name in _OBJECT_SCHEMAS}
        for name in (COMPRESSED_SCHEMA, RAW_SCHEMA):
            schemas[name] = self._writer.register_schema(name, "protobuf", descriptor(name))
        channels = {}
        for topic, name in ((EVENTS_TOPIC, "mavfer.Event"), (PROBES_TOPIC, "mavfer.ClockProbe")):
            channels[topic] = self._writer.register_channel(topic, "json", schemas[name])
        for spec in self._specs.values():
            images = self._image_schema(spec.pixel_format)
            for topic, encoding, name in (
                (frame_topic(spec.name), "protobuf", images),
                (meta_topic(spec.name), "json", "mavfer.FrameMeta"),
            ):
                channels[topic] = self._writer.register_channel(topic, encoding, schemas[name])
        return channels

    def _object_schema(self, name: str) -> int:
        schema = {"title": name, "type": "object", "properties": _OBJECT_SCHEMAS[name]}
        return int(self._writer.register_schema(name, "jsonschema", _json(schema)))

    def _image_schema(self, spec_format: str) -> str:
        return RAW_SCHEMA if self._raw and spec_format != "BGR8" else COMPRESSED_SCHEMA

    def _add(self, topic: str, log_ns: int, data: bytes, seq: int) -> None:
        if self._closed:
            raise MavferError(f"{self.path} is closed")
        self._writer.add_message(self._channels[topic], log_ns, data, log_ns, seq & _UINT32)

    def _log_ns(self, host_time_ns: int) -> int:
        return max(0, host_time_ns + self._epoch_ns)  # wall time, for viewers; MCAP has no sign


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()
