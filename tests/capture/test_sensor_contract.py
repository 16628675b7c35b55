"""The contract is kept by the sensors that need no device, and every way to break it is noticed."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

import capture.sensor_contract
from capture.errors import SensorError
from capture.frame import DeviceEvent, Frame, StreamSpec
from capture.sensor import SensorConfig, SensorInfo
from capture.sensor_contract import broken_rules
from capture.structure import decode

SCENE: dict[str, Any] = {"scale": 0.15, "subject_seed": 4, "period_s": 1.0}


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("test-pattern", {"streams": ["color", "depth", "thermal"], "rate_hz": 100.0}),
        ("test-pattern", {"rate_hz": 200.0, "drop_every": 3, "jitter_ms": 1.0}),
        ("simulated-kinect2", {**SCENE, "drop_rate": 0.2}),
        ("simulated-a65", {**SCENE, "nuc_at_s": 0.2, "nuc_s": 0.3}),
    ],
)
def test_sensors_without_a_device_keep_the_contract(kind: str, options: dict[str, Any]) -> None:
    assert broken_rules(SensorConfig("it", kind, options)) == []


@dataclass(frozen=True, slots=True)
class Options:
    rate_hz: float = 500.0


INFO = SensorInfo(
    "v", "m", "s", "1", (StreamSpec("color", "color", 8, 6, "BGR8", None, 500.0),), {"k": 1}
)
Change = Callable[[Frame], Frame | DeviceEvent]


class Device:
    """Keeps the contract; subclasses break one rule each."""

    info = INFO

    def __init__(self) -> None:
        self.ended, self.closed = threading.Event(), False
        self.buffer = np.zeros((6, 8, 3), np.uint8)

    def frames(self) -> Iterator[Frame | DeviceEvent]:
        if self.closed:
            raise SensorError("closed")
        seq = 0
        while not self.ended.wait(0.002):
            now_ns = time.monotonic_ns()
            image = np.full((6, 8, 3), seq % 256, np.uint8)
            yield self.change(Frame("color", seq, now_ns - 5, now_ns, image))
            seq += 1

    def change(self, frame: Frame) -> Frame | DeviceEvent:
        return frame

    def stop(self) -> None:
        self.ended.set()

    def close(self) -> None:
        self.closed = True
        self.ended.set()

    def __enter__(self) -> "Device":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def opened(make: Callable[[], Device]) -> Callable[[SensorConfig], Any]:
    def opener(config: SensorConfig) -> Device:
        decode(Options, config.options, where=config.name)
        return make()

    return opener


def rules(make: Callable[[], Device]) -> str:
    config = SensorConfig("it", "mine", {"rate_hz": 500.0})
    return "\n".join(broken_rules(config, opener=opened(make), timeout_s=0.5))


def changed(change: Change) -> str:
    return rules(
        lambda: type("Changed", (Device,), {"change": lambda self, frame: change(frame)})()
    )


def test_a_good_device_breaks_nothing() -> None:
    assert rules(Device) == ""


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda f: replace(f, stream="infrared"), "not announced"),
        (lambda f: replace(f, seq=7), "seq 7 follows 7"),
        (lambda f: replace(f, seq=np.int64(f.seq)), "seq is"),
        (lambda f: replace(f, device_time_ns=5), "device time 5 follows 5"),
        (lambda f: replace(f, device_time_ns=float(f.device_time_ns)), "expected an int"),
        (lambda f: replace(f, host_time_ns=-f.host_time_ns), "order of arrival"),
        (lambda f: replace(f, host_time_ns=f.host_time_ns + 10**9), "read it at arrival"),
        (lambda f: replace(f, host_time_ns=time.time_ns()), "read it at arrival"),
        (lambda f: replace(f, image=f.image[:, ::-1]), "not contiguous"),
        (lambda f: replace(f, image=f.image[..., 0]), "announced"),
        (lambda f: replace(f, gain=float("nan")), "gain is nan"),
        (lambda f: DeviceEvent("color", "x", 1, f.host_time_ns, {"a": {1}}), "cannot be kept"),
    ],
)
def test_frames_that_break_a_rule_are_named(change: Change, expected: str) -> None:
    assert expected in changed(change)


class Reuses(Device):
    def change(self, frame: Frame) -> Frame:
        self.buffer[:] = frame.image
        return replace(frame, image=self.buffer)


class Deaf(Device):
    def stop(self) -> None:
        pass


class Breaks(Device):
    def change(self, frame: Frame) -> Frame:
        raise ZeroDivisionError("bug")


class Ends(Device):
    def change(self, frame: Frame) -> Frame:
        self.ended.set()
        return frame


class Silent(Device):
    def frames(self) -> Iterator[Frame]:
        self.ended.wait()
        yield from ()


class Reads(Device):
    def frames(self) -> Iterator[Frame | DeviceEvent]:
        self.closed = False
        return super().frames()


class ClosesOnce(Device):
    def close(self) -> None:
        if self.closed:
            raise RuntimeError("closed already")
        super().close()


class Forgets(Device):
    def frames(self) -> Iterator[Frame | DeviceEvent]:
        if not self.closed:
            self.ended.clear()
        return super().frames()


class Vague(Device):
    info = replace(INFO, serial="", parameters={"matrix": np.eye(3)})


class Odd(Device):
    info = replace(INFO, streams=(replace(INFO.streams[0], name="a b", unit="mm"),))


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (Reuses, "written to afterwards"),
        (Deaf, "goes on"),
        (Breaks, "raised ZeroDivisionError"),
        (Ends, "ended by itself"),
        (Silent, "0 frames within"),
        (Reads, "reading after close"),
        (ClosesOnce, "second time raised RuntimeError"),
        (Forgets, "does not end them"),
        (Vague, "info.serial"),
        (Vague, "info.parameters"),
        (Odd, "stream name"),
        (Odd, "expected BGR8"),
    ],
)
def test_devices_that_break_a_rule_are_named(
    make: Callable[[], Device], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capture.sensor_contract, "SOON_S", 0.5)
    config = SensorConfig("it", "mine", {"rate_hz": 500.0})
    found = broken_rules(config, opener=opened(make), n_frames=3, timeout_s=0.5)
    assert any(expected in line for line in found), found


def test_lenient_openers_are_named() -> None:
    config = SensorConfig("it", "mine", {"rate_hz": 500.0})
    found = "\n".join(broken_rules(config, opener=lambda config: Device()))
    assert "unknown option 'rate_hzx' is not refused" in found
    assert "option rate_hz = " in found


def test_a_device_that_opens_once_is_named() -> None:
    devices = [Device()]

    def opener(config: SensorConfig) -> Any:
        decode(Options, config.options, where=config.name)
        if not devices:
            raise SensorError("busy")
        return devices.pop()

    config = SensorConfig("it", "mine", {"rate_hz": 500.0})
    assert broken_rules(config, opener=opener) == ["opened again: busy"]
