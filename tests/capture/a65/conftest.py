"""Aravis' fake GigE Vision camera as a process of its own: a real device to talk to."""

import fcntl
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from capture.sensor import SensorConfig

PROGRAM = "arv-fake-gv-camera-0.8"
GENICAM = Path(__file__).parent / "genicam.xml"
SIZE_PX = (160, 128)
EXPOSURE_US = 1500
"""Scales the picture by 1 + log10(0.15) = 0.176: counts stay below 11 541."""
PERIOD_US = 10_000
"""100 Hz, so that the ids, which begin at 65401, wrap within two seconds."""


class FakeCamera:
    """One fake camera; a machine has one at most, for the port is fixed."""

    address = "127.0.0.1"
    serial = "FAKE01"

    def __init__(self, genicam: Path = GENICAM, *, lost_per_1000: int = 0) -> None:
        self._arguments = [
            *(PROGRAM, "-i", self.address, "-s", self.serial),
            *("-g", str(genicam), "-r", str(lost_per_1000)),
        ]
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(
            self._arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        device = self.device()
        device.set_integer_feature_value("FramePeriod", PERIOD_US)
        device.set_integer_feature_value("ExposureTime", EXPOSURE_US)

    def device(self) -> Any:
        """Return the camera as Aravis sees it, waiting until it answers."""
        from gi.repository import Aravis, GLib

        until_s = time.monotonic() + 20
        while True:
            try:
                camera = Aravis.Camera.new(self.address)
            except GLib.Error:
                assert time.monotonic() < until_s, "the fake camera does not answer"
                assert self._process.poll() is None, "the fake camera ended"
            else:
                return camera.get_device()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def config(self, **options: Any) -> SensorConfig:
        """Return how to open it: small, and without a shutter to wait for."""
        base = {"transport": "aravis", "ip": self.address, "rate_hz": 33.3, "nuc_wait_s": 0.0}
        size = {"width_px": SIZE_PX[0], "height_px": SIZE_PX[1]}
        return SensorConfig("a65", "a65", {**base, **size, **options})

    @staticmethod
    def image(frame_id: int) -> NDArray[np.uint16]:
        """Draw what the camera draws: a diagonal ramp that moves with the frame id."""
        y, x = np.mgrid[: SIZE_PX[1], : SIZE_PX[0]]
        scale = 1 + np.log10(EXPOSURE_US / 10000)
        return ((256 * (x + y + frame_id)) % 65535 * scale).astype(np.uint16)


def _missing() -> str | None:
    if shutil.which(PROGRAM) is None:
        return f"{PROGRAM} is not installed (apt install aravis-tools)"
    try:
        import gi

        gi.require_version("Aravis", "0.8")
        from gi.repository import Aravis  # noqa: F401
    except (ImportError, ValueError) as error:
        return f"{error} (apt install gir1.2-aravis-0.8, pip install 'mavfer[a65]')"
    return None


@pytest.fixture
def fake_camera() -> Iterator[Callable[..., FakeCamera]]:
    """Start fake cameras; waits while another test of this machine has one."""
    if (missing := _missing()) is not None:
        pytest.skip(f"THE A65 IS NOT TESTED AGAINST A GIGE VISION DEVICE: {missing}")
    started: list[FakeCamera] = []

    def start(**options: Any) -> FakeCamera:
        started.append(FakeCamera(**options))
        return started[-1]

    with (Path(tempfile.gettempdir()) / "mavfer-fake-camera.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        try:
            yield start
        finally:
            for camera in started:
                camera.kill()
