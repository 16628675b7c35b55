import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from capture.clock import ClockProbe, HostClock, HostIdentity
from capture.frame import DeviceEvent, Frame, StreamSpec
from capture.sensor import SensorInfo
from capture.writer import RecordingWriter

COLOR = StreamSpec("color", "color", 32, 24, "BGR8", None, 30.0)
DEPTH = StreamSpec("depth", "depth", 20, 16, "Mono16", "mm", 30.0)
INFO = SensorInfo("mavfer", "test", "0001", "1.0", (COLOR, DEPTH), {"factory": {"fx_px": 1.5}})
HOST_CLOCK = HostClock(offset_ns=987_654_321_000, skew_ppm=25.0)
START_NS = 5_000_000_000_000
PERIOD_NS = 33_333_333


def make_frame(spec: StreamSpec, seq: int) -> Frame:
    """Frame `seq`, captured at START_NS + seq * PERIOD_NS, delivered 2 to 4 ms later."""
    rng = np.random.default_rng([seq, spec.width_px])
    captured_ns = START_NS + seq * PERIOD_NS
    if spec.pixel_format == "BGR8":
        level = (np.mgrid[: spec.height_px, : spec.width_px].sum(0) * 3 + seq) % 200
        image = np.repeat(level[..., None], 3, axis=2).astype(np.uint8)
    else:
        image = rng.integers(0, 65536, spec.shape).astype(np.uint16)
    return Frame(
        stream=spec.name,
        seq=seq,
        device_time_ns=round((captured_ns - START_NS) * (1 + 40e-6)) + 1_000,
        host_time_ns=HOST_CLOCK.at(captured_ns + 2_000_000 + int(rng.integers(2_000_000))),
        image=image,
        exposure_us=8000.0 if spec.modality == "color" else None,
        gain=None,
    )


def make_probe(second: float, number: int) -> ClockProbe:
    t0_ns = START_NS + round(second * 1e9) + number * 1_000_000
    there_ns = 40_000 + 7_000 * (number % 5)
    t1_ns, t2_ns = HOST_CLOCK.at(t0_ns + there_ns), HOST_CLOCK.at(t0_ns + there_ns + 5_000)
    return ClockProbe(t0_ns, t1_ns, t2_ns, t0_ns + there_ns + 5_000 + 40_000)


@pytest.fixture
def host() -> HostIdentity:
    return HostIdentity("box", "boot", HOST_CLOCK.at(START_NS), 1_700_000_000_000_000_000)


WriteRecording = Callable[..., Path]


@pytest.fixture
def write_recording(host: HostIdentity) -> Iterator[WriteRecording]:
    """Write `n` frames of both streams, frames in `missing` left out, probes every 2 s.

    With `first` the device was opened when that many periods had passed: it numbers from 0 again.
    """
    unfinished: list[RecordingWriter] = []

    def write(
        path: Path,
        *,
        n: int = 300,
        missing: tuple[int, ...] = (),
        probes: bool = True,
        uuid: str = "u-1",
        close: bool = True,
        codec: str = "compressed",
        daemon: str = "kinect2",
        first: int = 0,
    ) -> Path:
        writer = RecordingWriter(
            path,
            daemon=daemon,
            info=INFO,
            session_uuid=uuid,
            host=host,
            codec="raw" if codec == "raw" else "compressed",
        )
        for seq in range(n):
            if probes and seq % 60 == 0:
                for number in range(16):
                    writer.probe(make_probe((first + seq) / 30, number))
            if seq not in missing:
                for spec in INFO.streams:
                    writer.append(_since(first, make_frame(spec, first + seq)))
            if seq == 7:
                frame = _since(first, make_frame(COLOR, first + seq))
                times = (frame.device_time_ns, frame.host_time_ns)
                writer.event(DeviceEvent("color", "nuc", *times, {"n": 1}))
        if close:
            writer.close()
        else:
            writer.sync()
            unfinished.append(writer)
        return path

    yield write
    for writer in unfinished:
        writer.close()


def _since(first: int, frame: Frame) -> Frame:
    opened_ns = round(first * PERIOD_NS * (1 + 40e-6))
    return replace(frame, seq=frame.seq - first, device_time_ns=frame.device_time_ns - opened_ns)


@pytest.fixture
def rig_toml(tmp_path: Path) -> Callable[..., Path]:
    """Write a rig of small, fast test patterns; keyword arguments are options by sensor name."""

    def write(**sensors: dict[str, object]) -> Path:
        path = tmp_path / "rig.toml"
        text = 'schema_version = 1\nname = "test"\n'
        for name, options in sensors.items():
            address = options.pop("address", "local")
            text += f'[[sensor]]\nname = "{name}"\nkind = "test-pattern"\naddress = "{address}"\n'
            text += "[sensor.options]\n"
            text += "".join(f"{key} = {json.dumps(value)}\n" for key, value in options.items())
        path.write_text(text)
        return path

    return write


@pytest.fixture
def start_cli(tmp_path: Path) -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: object) -> "subprocess.Popen[str]":
        command = [sys.executable, "-P", "-m", "capture.cli", *map(str, arguments)]
        pipe = subprocess.PIPE
        started.append(subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True))
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()
