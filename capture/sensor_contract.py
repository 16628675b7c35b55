"""What every sensor must keep to, as a check that the author of a sensor runs in a test.

`broken_rules` opens the sensor a few times and returns one line for each rule it breaks; mavfer's
own sensors are held to it, and a package with a sensor of its own calls it the same way. It needs
no test framework.
"""

import hashlib
import json
import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from .errors import CaptureError, ConfigError, SensorError
from .frame import MODALITIES, DeviceEvent, Frame, StreamSpec
from .names import check_name
from .registry import open_sensor
from .sensor import Sensor, SensorConfig, SensorInfo
from .structure import encode

SOON_S = 5.0
"""How long a sensor may take to end its frames. Cameras answer within a frame or two; this is
what an operator who pressed stop is willing to wait on a busy machine."""
_FORMATS = {
    "color": ({"BGR8"}, None),
    "depth": ({"Mono16"}, "mm"),
    "infrared": ({"Mono16"}, None),
    "thermal": ({"Mono14", "Mono16"}, "0.04 K"),
}
_MONO14_MAX = (1 << 14) - 1
_WRONG_VALUE = {"neither": "a number nor a text"}

Opener = Callable[[SensorConfig], Sensor]


def broken_rules(
    config: SensorConfig,
    *,
    opener: Opener = open_sensor,
    n_frames: int = 12,
    timeout_s: float = 30.0,
) -> list[str]:
    """Open the sensor of `config`, use it as a daemon does and say what it does wrong.

    Parameters
    ----------
    config : SensorConfig
        With options that make it deliver for at least `n_frames` frames. Each option named here is
        also tried with a value that cannot be meant, so name those the sensor has.
    opener : callable, optional
        The sensor's opener; the installed kind of `config` by default.
    n_frames : int
        How many frames of every stream to look at.
    timeout_s : float
        Time for these frames to arrive.

    Returns
    -------
    list of str
        One line for each broken rule; empty when the sensor keeps to the contract.
    """
    found = [*_options_are_strict(config, opener)]
    sensor = opener(config)
    try:
        info = sensor.info
        found += _info_is_complete(info)
        reading = _Reading(sensor, n_frames)
        reading.run(timeout_s)
        found += [*reading.found, *_frames_fit(info, reading.taken)]
    finally:
        sensor.close()
    found += _closes_for_good(sensor)
    found += _opens_again(config, opener, info, timeout_s)
    return found


@dataclass(frozen=True, slots=True)
class _Taken:
    """An item as it was when it came."""

    item: Frame | DeviceEvent
    at_ns: int
    digest: bytes


class _Reading:
    """Reads a sensor in a thread, as a daemon does, and stops it from another one."""

    def __init__(self, sensor: Sensor, n_frames: int) -> None:
        self._sensor, self._n_frames = sensor, n_frames
        self.taken: list[_Taken] = []
        self.found: list[str] = []
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._read, name="sensor-contract", daemon=True)

    def run(self, timeout_s: float) -> None:
        """Read until every stream has delivered, then stop."""
        self._thread.start()
        came = self._enough.wait(timeout_s)
        counts = Counter(t.item.stream for t in list(self.taken) if isinstance(t.item, Frame))
        if not came:
            self.found += [
                f"{spec.name}: {counts[spec.name]} frames within {timeout_s:g} s,"
                f" expected {self._n_frames}"
                for spec in self._sensor.info.streams
                if counts[spec.name] < self._n_frames
            ]
        self._sensor.stop()
        self._thread.join(SOON_S)
        if self._thread.is_alive():
            self.found.append(f"frames() goes on {SOON_S:g} s after stop() from another thread")

    def _read(self) -> None:
        missing = {spec.name: self._n_frames for spec in self._sensor.info.streams}
        try:
            for item in self._sensor.frames():
                self.taken.append(_Taken(item, time.monotonic_ns(), _digest(item)))
                if isinstance(item, Frame) and item.stream in missing:
                    missing[item.stream] -= 1
                if all(left <= 0 for left in missing.values()):
                    self._enough.set()
            if not self._enough.is_set():
                self.found.append("frames() ended by itself; a lost device raises SensorError")
        except SensorError as error:
            self.found.append(f"frames() raised: {error}")
        except Exception as error:  # noqa: BLE001  # plug-ins may raise anything: reported
            name = type(error).__name__
            self.found.append(f"frames() raised {name}, not SensorError: {error}")
        self._enough.set()


def _options_are_strict(config: SensorConfig, opener: Opener) -> Iterator[str]:
    near = next(iter(config.options), None)
    wrong = f"{near}x" if near else "no_such_option"
    error = _refusal(replace(config, options={**config.options, wrong: 1}), opener)
    if error is None:
        yield f"the unknown option {wrong!r} is not refused with a ConfigError"
    elif near and near not in str(error):
        yield f"the refusal of {wrong!r} does not name the nearest option {near!r}: {error}"
    for name in config.options:
        options = {**config.options, name: _WRONG_VALUE}
        error = _refusal(replace(config, options=options), opener)
        if error is None:
            yield f"option {name} = {_WRONG_VALUE} is not refused with a ConfigError"
        elif name not in str(error):
            yield f"the refusal of a wrong {name} does not name it: {error}"


def _refusal(config: SensorConfig, opener: Opener) -> ConfigError | None:
    try:
        opener(config).close()
    except ConfigError as error:
        return error
    except Exception:  # noqa: BLE001  # reported by the caller
        return None
    return None


def _info_is_complete(info: SensorInfo) -> Iterator[str]:
    for name in ("vendor", "model", "serial", "firmware"):
        value = getattr(info, name)
        if not isinstance(value, str) or not value.strip():
            yield f"info.{name} is {value!r}, expected some text, if only 'unknown'"
    try:
        json.dumps(encode(info.parameters), allow_nan=False)
    except (TypeError, ValueError) as error:
        yield f"info.parameters cannot be kept with a recording: {error}"
    if not info.streams:
        yield "info.streams is empty"
    for name, n in Counter(spec.name for spec in info.streams).items():
        if n > 1:
            yield f"{n} streams are called {name!r}"
    for spec in info.streams:
        yield from _spec_is_sound(spec)


def _spec_is_sound(spec: StreamSpec) -> Iterator[str]:
    try:
        check_name(spec.name, what="stream name")
    except ConfigError as error:
        yield str(error)
    if min(spec.width_px, spec.height_px) < 1:
        yield f"{spec.name}: {spec.width_px}x{spec.height_px} px is no size"
    if not (math.isfinite(spec.nominal_rate_hz) and spec.nominal_rate_hz > 0):
        yield f"{spec.name}: a nominal rate of {spec.nominal_rate_hz} Hz"
    if spec.modality not in MODALITIES:
        yield f"{spec.name}: modality {spec.modality!r}, expected one of {MODALITIES}"
        return
    formats, unit = _FORMATS[spec.modality]
    if spec.pixel_format not in formats or spec.unit != unit:
        yield (
            f"{spec.name}: {spec.modality} in {spec.pixel_format} with unit {spec.unit!r},"
            f" expected {' or '.join(sorted(formats))} with {unit!r}"
        )


def _frames_fit(info: SensorInfo, taken: Iterable[_Taken]) -> Iterator[str]:
    """Judge what came, one line a stream and rule: the first violation tells enough."""
    specs = {spec.name: spec for spec in info.streams}
    last: dict[str, Frame] = {}
    last_host_ns = 0
    said: set[tuple[str, str]] = set()
    for one in taken:
        item = one.item
        lines = [*_item_fits(item, specs, one.at_ns)]
        if _digest(item) != one.digest:
            lines.append(("memory", "an image that was yielded was written to afterwards"))
        if isinstance(item, Frame):
            if item.host_time_ns < last_host_ns:
                lines.append(("order", "frames do not come in order of arrival (host time)"))
            last_host_ns = item.host_time_ns
            before = last.get(item.stream)
            if before is not None and item.seq <= before.seq:
                lines.append(("seq", f"seq {item.seq} follows {before.seq}"))
            if before is not None and item.device_time_ns <= before.device_time_ns:
                times = f"{item.device_time_ns} follows {before.device_time_ns}"
                lines.append(("device", f"device time {times}"))
            last[item.stream] = item
        for rule, text in lines:
            if (item.stream, rule) not in said:
                said.add((item.stream, rule))
                yield f"{item.stream}: {text}"


def _item_fits(
    item: Frame | DeviceEvent, specs: dict[str, StreamSpec], at_ns: int
) -> Iterator[tuple[str, str]]:
    spec = specs.get(item.stream)
    if spec is None:
        yield "stream", f"stream {item.stream!r} was not announced"
        return
    for name in ("device_time_ns", "host_time_ns"):
        value = getattr(item, name)
        if type(value) is not int or not -(2**63) <= value < 2**63:
            yield name, f"{name} is {value!r}, expected an int of 64 bits"
            return
    age_s = (at_ns - item.host_time_ns) * 1e-9
    if not 0 <= age_s < SOON_S:
        yield "host", f"host time is {age_s:.3f} s ago when the item comes: read it at arrival"
    if isinstance(item, DeviceEvent):
        try:
            json.dumps(encode(item.data), allow_nan=False)
        except (TypeError, ValueError) as error:
            yield "event", f"event {item.kind!r} has data that cannot be kept: {error}"
        return
    if type(item.seq) is not int or not -(2**63) <= item.seq < 2**63:
        yield "seq type", f"seq is {item.seq!r}, expected an int of 64 bits"
    image = item.image
    if image.shape != spec.shape or image.dtype != spec.dtype:
        yield (
            "image",
            f"images are {image.shape} {image.dtype}, announced {spec.shape} {spec.dtype}",
        )
    elif spec.pixel_format == "Mono14" and image.max() > _MONO14_MAX:
        yield "image", f"a pixel of {image.max()} in Mono14"
    if not image.flags.c_contiguous:
        yield "contiguous", "images are not contiguous: copy them out of the driver's buffer"
    for name in ("exposure_us", "gain"):
        value = getattr(item, name)
        if value is not None and not (isinstance(value, float) and math.isfinite(value)):
            yield name, f"{name} is {value!r}, expected a finite float or None"


def _closes_for_good(sensor: Sensor) -> Iterator[str]:
    try:
        sensor.close()
    except Exception as error:  # noqa: BLE001  # reported
        yield f"close() for the second time raised {type(error).__name__}: {error}"
    first = _first(sensor)
    if not isinstance(first, SensorError):
        yield f"reading after close() does not raise SensorError: {first!r}"


def _opens_again(
    config: SensorConfig, opener: Opener, info: SensorInfo, timeout_s: float
) -> Iterator[str]:
    try:
        with opener(config) as sensor:
            if (sensor.info.serial, sensor.info.streams) != (info.serial, info.streams):
                yield "opened again, the sensor announces another serial number or other streams"
            reading = _Reading(sensor, 1)
            reading.run(timeout_s)
            yield from (f"opened again: {line}" for line in reading.found)
        with opener(config) as sensor:
            sensor.stop()
            if (first := _first(sensor)) is not None:
                yield f"stop() before frames() does not end them: {first!r:.200}"
    except CaptureError as error:
        yield f"opened again: {error}"


def _first(sensor: Sensor) -> object:
    """Return the first item, what reading raised, or None when the frames ended at once."""
    answer: list[object] = ["nothing, and does not end"]

    def read() -> None:
        try:
            answer[0] = next(iter(sensor.frames()), None)
        except Exception as error:  # noqa: BLE001  # the answer
            answer[0] = error

    thread = threading.Thread(target=read, name="sensor-contract", daemon=True)
    thread.start()
    thread.join(SOON_S)
    return answer[0]


def _digest(item: Frame | DeviceEvent) -> bytes:
    if isinstance(item, DeviceEvent):
        return b""
    return hashlib.blake2b(item.image.tobytes(), digest_size=16).digest()
