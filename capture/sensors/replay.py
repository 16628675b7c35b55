"""A recording played back as if its sensor were there: its images, numbers, times and events."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from ..errors import ConfigError, RecordingError, SensorError
from ..frame import DeviceEvent, Frame, StreamSpec
from ..manifest import MANIFEST_NAME, read_manifest
from ..names import check_name
from ..recorded_stream import RecordedEvent, RecordedStream
from ..recording import Recording, open_recording
from ..sensor import SensorConfig, SensorInfo
from ..structure import decode, unknown_name
from .playing import Due, PlayedSensor

_MAX_SPEED = 100.0
_NOT_THE_DEVICES = ("recorder-drop", "device-reset")
"""Events that a recorder wrote: the one that records the replay writes its own."""


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """Options of the kind ``replay``.

    Attributes
    ----------
    file : str
        A recording, ``*.mcap``; of a cut-off one, what is intact is played.
    speed : float
        2 plays twice as fast: device times, too, pass twice as fast.
    loop : bool
        Begin anew at the end, with numbers and device times going on. The place in the loop
        follows the machine's clock, so that the recordings of one session stay together.
    rename : mapping of str to str
        New names of streams.
    """

    file: str
    speed: float = 1.0
    loop: bool = False
    rename: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 < self.speed <= _MAX_SPEED:
            raise ConfigError(f"speed is {self.speed:g}, expected above 0 to {_MAX_SPEED:g}")
        for name in self.rename.values():
            check_name(name, what="rename: stream name")


def open_replay(config: SensorConfig) -> PlayedSensor:
    """Open a recording as a sensor.

    Parameters
    ----------
    config : SensorConfig
        Options: those of `ReplayOptions`.

    Raises
    ------
    ConfigError
        Unknown option, a value that cannot be meant, or a stream to rename that is not there.
    SensorError
        The recording cannot be read or has no frames.
    """
    where = f"sensor {config.name!r}"
    options = decode(ReplayOptions, config.options, where=where)
    try:
        recording = open_recording(Path(options.file))
    except RecordingError as error:
        raise SensorError(f"{where}: {error.message}", remedy=error.remedy) from error
    names = {name: name for name in recording.streams}
    for old in options.rename:
        if old not in names:
            raise unknown_name("stream to rename", old, names, where=where)
    names |= options.rename
    if len(set(names.values())) < len(names):
        raise ConfigError(f"{where}: rename gives two streams one name")
    playback = _Playback(recording, options, names)
    return PlayedSensor(config.name, _info(recording, options, names), playback.play)


def _info(recording: Recording, options: ReplayOptions, names: Mapping[str, str]) -> SensorInfo:
    def spec(recorded: StreamSpec) -> StreamSpec:
        rate_hz = recorded.nominal_rate_hz * options.speed
        return replace(recorded, name=names[recorded.name], nominal_rate_hz=rate_hz)

    replayed = {
        "file": Path(options.file).name,
        "session_uuid": recording.session_uuid,
        "speed": options.speed,
        "complete": recording.complete,
    }
    specs = [stream.spec for stream in recording.streams.values() if len(stream)]
    return replace(
        recording.info,
        streams=tuple(spec(recorded) for recorded in specs),
        parameters={**recording.info.parameters, "replayed": replayed},
    )


class _Place(NamedTuple):
    """Where something lies in the recording: a frame of a stream, or without one an event."""

    capture_time_ns: int
    stream: RecordedStream | None
    number: int


class _Playback:
    """Puts the frames and events of a recording in order of capture time."""

    def __init__(
        self, recording: Recording, options: ReplayOptions, names: Mapping[str, str]
    ) -> None:
        self._options, self._names = options, names
        streams = [stream for stream in recording.streams.values() if len(stream)]
        if not streams:
            raise SensorError(f"{options.file} has no frames", remedy="replay another recording")
        self._begin_ns, self._end_ns = _window(Path(options.file), recording, streams)
        self._events = [
            event
            for event in recording.events
            if event.stream in recording.streams and event.kind not in _NOT_THE_DEVICES
        ]
        places = [
            _Place(int(time_ns), stream, index)
            for stream in streams
            for index, time_ns in enumerate(stream.capture_time_ns)
        ]
        # Of one instant, an event comes first: it says something about the frame that follows.
        places += [_Place(e.capture_time_ns, None, i) for i, e in enumerate(self._events)]
        self._places = sorted(places, key=lambda at: (at.capture_time_ns, at.stream is not None))
        self._turns = {stream.spec.name: self._turn(stream) for stream in streams}

    def play(self, start_ns: int) -> Iterator[Due]:
        """Yield everything with the time it is due."""
        length_ns = self._end_ns - self._begin_ns
        # Replays of one session agree on the place, whenever each of them was started.
        place_ns = round(start_ns * self._options.speed) % length_ns if self._options.loop else 0
        turn = 0
        while True:
            for at in self._places:
                since_ns = at.capture_time_ns - self._begin_ns + turn * length_ns - place_ns
                if since_ns >= 0:
                    yield self._scaled(since_ns), self._item(at, turn)
            if not self._options.loop:
                return
            turn += 1

    def _scaled(self, duration_ns: int) -> int:
        return duration_ns if self._options.speed == 1 else round(duration_ns / self._options.speed)

    def _item(self, at: _Place, turn: int) -> Frame | DeviceEvent:
        if at.stream is None:
            return self._event(self._events[at.number], turn)
        stream, name = at.stream, self._names[at.stream.spec.name]
        per_turn, turn_ns = self._turns[stream.spec.name]
        device_ns = self._scaled(int(stream.device_time_ns[at.number]) + turn * turn_ns)
        try:
            frame = stream.read(at.number)
        except RecordingError as error:
            data = {"reason": f"damaged in the recording: {error}"}
            return DeviceEvent(name, "drop", device_ns, 0, data)
        seq = frame.seq + turn * per_turn
        return replace(frame, stream=name, seq=seq, device_time_ns=device_ns)

    def _event(self, event: RecordedEvent, turn: int) -> DeviceEvent:
        _, turn_ns = self._turns.get(event.stream, (0, 0))
        device_ns = self._scaled(event.device_time_ns + turn * turn_ns)
        return DeviceEvent(self._names[event.stream], event.kind, device_ns, 0, event.data)

    def _turn(self, stream: RecordedStream) -> tuple[int, int]:
        """Return by how much numbers and device times are ahead after one turn of the loop."""
        length_ns = self._end_ns - self._begin_ns
        seq, device_ns = stream.seq, stream.device_time_ns
        span_ns = int(stream.capture_time_ns[-1] - stream.capture_time_ns[0])
        if span_ns == 0:
            return 1, length_ns
        per_ns = length_ns / span_ns
        n_numbers = max(int(seq[-1] - seq[0]) + 1, round(int(seq[-1] - seq[0]) * per_ns))
        return n_numbers, math.ceil(int(device_ns[-1] - device_ns[0]) * per_ns) + 1


def _window(path: Path, recording: Recording, streams: list[RecordedStream]) -> tuple[int, int]:
    """Return begin and end of what is played: of the session, if the recording lies in one."""
    begin_ns = min(int(stream.capture_time_ns[0]) for stream in streams)
    last_ns = max(int(stream.capture_time_ns[-1]) for stream in streams)
    if (path.parent / MANIFEST_NAME).is_file():
        manifest = read_manifest(path.parent)
        if manifest.uuid == recording.session_uuid and manifest.stop_time_ns is not None:
            start_ns = begin_ns if manifest.start_time_ns is None else manifest.start_time_ns
            return min(begin_ns, start_ns), max(last_ns + 1, manifest.stop_time_ns)
    end_ns = max(
        int(stream.capture_time_ns[-1]) + round(1e9 / stream.spec.nominal_rate_hz)
        for stream in streams
    )
    return begin_ns, end_ns
