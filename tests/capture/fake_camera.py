"""Aravis' fake GigE Vision camera as a process, for tests that need a real device to talk to."""

import fcntl
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

PROGRAM = "arv-fake-gv-camera-0.8"
ADDRESS = "127.0.0.1"
SERIAL = "FAKE01"
GENICAM = Path(__file__).parent / "a65_genicam.xml"
EXPOSURE_US = 1500
"""Scales the picture by 1 + log10(0.15) = 0.176: counts stay below 11 541."""


def missing() -> str | None:
    """Say what keeps this machine from running the fake camera; None: nothing."""
    if shutil.which(PROGRAM) is None:
        return f"{PROGRAM} is not installed: apt install aravis-tools"
    try:
        import gi

        gi.require_version("Aravis", "0.8")
    except (ImportError, ValueError) as error:
        return f"{error}: apt install gir1.2-aravis-0.8 …, pip install 'mavfer[a65]'"
    return None


def expected_image(frame_id: int, width_px: int, height_px: int) -> np.ndarray:
    """Draw what the fake camera draws: a diagonal ramp that moves with the frame id."""
    y, x = np.mgrid[:height_px, :width_px]
    scale = 1 + np.log10(EXPOSURE_US / 10000)
    return ((256 * (x + y + frame_id)) % 65535 * scale).astype(np.uint16)


class FakeCamera:
    """One fake camera; a machine has one at most, for the port is fixed."""

    def __init__(self, genicam: Path = GENICAM, *, period_us: int = 33333, lost_per_1000=0) -> None:
        self._arguments = [
            PROGRAM,
            *("-i", ADDRESS, "-s", SERIAL, "-g", str(genicam), "-r", str(lost_per_1000)),
        ]
        self._period_us = period_us
        self.process: subprocess.Popen | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            self._arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        import gi

        gi.require_version("Aravis", "0.8")
        from gi.repository import Aravis, GLib

        until_s = time.monotonic() + 15
        while True:
            try:
                device = Aravis.Camera.new(ADDRESS).get_device()
                break
            except GLib.Error:
                assert time.monotonic() < until_s, "the fake camera does not answer"
                assert self.process.poll() is None, "the fake camera ended"
        device.set_integer_feature_value("FramePeriod", self._period_us)
        device.set_integer_feature_value("ExposureTime", EXPOSURE_US)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()


@contextmanager
def fake_camera(**options) -> Iterator[FakeCamera]:
    """Run a fake camera; waits while another test of this machine does."""
    lock = Path(tempfile.gettempdir()) / "mavfer-fake-camera.lock"
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        camera = FakeCamera(**options)
        try:
            camera.start()
            yield camera
        finally:
            if camera.process is not None:
                camera.kill()
