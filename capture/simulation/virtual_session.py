"""Sessions on the virtual clock: as fast as they render, through the same writers as real ones."""

import shutil
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..clock import ClockProbe, HostIdentity
from ..course import SessionMark
from ..errors import ConfigError
from ..frame import DeviceEvent, Frame
from ..manifest import RecordingSummary
from ..recording import open_recording
from ..sensor import SensorInfo
from ..session import SessionFolder, create_session
from ..summary import summarise_recording
from ..terminal import OnProgress
from ..writer import RecordingWriter
from .device import (
    A65_RATE_HZ,
    KINECT2_RATE_HZ,
    KINECT2_TICK_NS,
    a65_info,
    color_exposure_us,
    kinect2_info,
    truth_event,
)
from .moment import Moment, Scene

_PROBE_EVERY_NS = 2_000_000_000
_PROBE_TRIP_NS = 40_000
"""One way of the probes that a controller on the same machine would have sent."""


def write_virtual_session(
    root: Path,
    scene: Scene,
    *,
    subject: str,
    rate_hz: float,
    n_frames: int,
    kind: Literal["subject", "board"] = "subject",
    stages: Sequence[tuple[float, str]] = (),
    on_progress: OnProgress | None = None,
) -> Path:
    """Render `scene` into a session folder with one recording a device.

    All streams run at `rate_hz`, but never faster than the real cameras do: 30 Hz, color 15 Hz
    in dim light, thermal 10 Hz.

    Parameters
    ----------
    root : Path
        Folder of sessions.
    scene : Scene
        Its own rate must be a whole multiple of `rate_hz`.
    subject : str
        Pseudonym.
    rate_hz : float
    n_frames : int
        Moments to render.
    kind : {"subject", "board"}
    stages : sequence of (time_s, label)
        What begins when, seconds since the start: kept as the stages of a protocol are.
    on_progress : callable, optional

    Returns
    -------
    Path
        The session's folder; it is complete, or it is gone if writing failed.

    Raises
    ------
    ConfigError
        `n_frames` below 1, or rates that do not divide.
    """
    stride = scene.rate_hz / rate_hz
    if n_frames < 1 or rate_hz > KINECT2_RATE_HZ or abs(stride - round(stride)) > 1e-6:
        raise ConfigError(
            f"{n_frames} frames at {rate_hz:g} Hz of a scene at {scene.rate_hz:g} Hz: expected at "
            f"least 1 frame, at most {KINECT2_RATE_HZ:g} Hz and a whole ratio of the rates"
        )
    host = HostIdentity.read()
    start_ns = host.monotonic_ns
    end_ns = start_ns + round(n_frames * 1e9 / rate_hz)
    marks = tuple(
        SessionMark("stage", label, start_ns + round(time_s * 1e9)) for time_s, label in stages
    )
    rig = {"name": "virtual", "scene": scene.describe()}
    folder = create_session(root, subject=subject, kind=kind, rig=rig)
    with ExitStack() as undo:
        undo.callback(shutil.rmtree, folder.path)  # nothing is lost: it can be rendered again
        with ExitStack() as recordings:
            devices = []
            for plan in _plans(scene, rate_hz):
                devices.append(_Device(plan, folder, host, scene))
                recordings.callback(devices[-1].close)
                devices[-1].probe(end_ns)
                devices[-1].mark(marks)
            for i in range(n_frames):
                moment = scene.moment(i * round(stride))
                for device in devices:
                    device.append(i, moment, start_ns + round(i * 1e9 / rate_hz))
                if on_progress:
                    on_progress(i + 1, n_frames)
        folder.update(
            status="complete",
            host=host,
            start_requested_ns=start_ns,
            start_time_ns=start_ns,
            stop_requested_ns=end_ns,
            stop_time_ns=end_ns,
            recordings={device.name: device.summary() for device in devices},
            marks=marks,
        )
        undo.pop_all()
    return folder.path


@dataclass(frozen=True, slots=True)
class _DevicePlan:
    """A device's part: every `every[stream]`-th moment becomes a frame of that stream."""

    name: str
    info: SensorInfo
    every: Mapping[str, int]
    power_on_ns: int
    tick_ns: int


def _plans(scene: Scene, rate_hz: float) -> tuple[_DevicePlan, _DevicePlan]:
    color_every = max(1, round(rate_hz / scene.color_rate_hz))
    thermal_every = max(1, round(rate_hz / A65_RATE_HZ))
    kinect2 = kinect2_info(scene.rig, rate_hz=rate_hz, color_rate_hz=rate_hz / color_every)
    a65 = a65_info(scene.rig, rate_hz=rate_hz / thermal_every)
    kinect2_every = {"color": color_every, "depth": 1, "infrared": 1}
    return (
        _DevicePlan("kinect2", kinect2, kinect2_every, 7_000_000_000, KINECT2_TICK_NS),
        _DevicePlan("a65", a65, {"thermal": thermal_every}, 3_000_000_000, 1),
    )


class _Device:
    """One simulated device with its open recording."""

    def __init__(
        self,
        plan: _DevicePlan,
        folder: SessionFolder,
        host: HostIdentity,
        scene: Scene,
    ) -> None:
        self.name = plan.name
        self._plan = plan
        self._exposure_us = color_exposure_us(scene)
        self._start_ns = host.monotonic_ns
        self._path = folder.path / f"{plan.name}.mcap"
        self._writer = RecordingWriter(
            self._path,
            daemon=plan.name,
            info=plan.info,
            session_uuid=folder.manifest.uuid,
            host=host,
        )

    def probe(self, end_ns: int) -> None:
        """Write the clock probes of a controller that shares this clock."""
        for at_ns in range(self._start_ns, end_ns + _PROBE_EVERY_NS, _PROBE_EVERY_NS):
            there_ns = at_ns + _PROBE_TRIP_NS
            back_ns = there_ns + _PROBE_TRIP_NS
            self._writer.probe(ClockProbe(at_ns, there_ns, there_ns, back_ns))

    def mark(self, marks: Sequence[SessionMark]) -> None:
        """Write the beginnings of stages."""
        for mark in marks:
            data = {"label": mark.label}
            self._writer.event(DeviceEvent("", mark.kind, mark.time_ns, mark.time_ns, data))

    def append(self, number: int, moment: Moment, at_ns: int) -> None:
        """Write the frames due at moment `number`, taken at host time `at_ns`."""
        elapsed_ns = at_ns - self._start_ns
        device_ns = self._plan.power_on_ns + elapsed_ns
        device_ns -= device_ns % self._plan.tick_ns
        for stream, every in self._plan.every.items():
            if number % every:
                continue
            color = stream == "color"
            affect = moment.truth.affect
            if color and affect is not None:
                event = truth_event(affect, device_time_ns=device_ns, host_time_ns=at_ns)
                self._writer.event(event)
            self._writer.append(
                Frame(
                    stream,
                    number // every,
                    device_ns,
                    at_ns,
                    moment.images[stream],
                    exposure_us=self._exposure_us if color else None,
                    gain=moment.color_gain if color else None,
                )
            )

    def close(self) -> None:
        """Finish the recording."""
        self._writer.close()

    def summary(self) -> RecordingSummary:
        """Describe the finished recording for the manifest."""
        blank = RecordingSummary(file=self._path.name, address="local", status="complete")
        return summarise_recording(summary=blank, recording=open_recording(self._path))
