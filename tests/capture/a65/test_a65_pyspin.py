"""The A65 through PySpin, against a stand-in for the SDK."""

import gc
import sys
import threading
import time
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from capture.errors import SensorError
from capture.frame import DeviceEvent, Frame
from capture.recorder import Recorder
from capture.recording import open_recording
from capture.registry import open_sensor
from capture.sensor import Sensor, SensorConfig

from .spinnaker_stand_in import RATE_HZ, SIZE_PX, Device, image_of, stand_in_sdk


@pytest.fixture
def spin(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The stand-in, imported as PySpin, with one camera; nothing may be left of its use."""
    module = stand_in_sdk()
    system = module.system
    monkeypatch.setitem(sys.modules, "PySpin", module)
    gc.disable()  # a camera must go because nobody holds it, not because a collection came by
    yield module
    gc.enable()
    assert system.references == 0
    assert not system.lists
    assert not [handle for handle in system.handles if handle() is not None]


def config(**options: Any) -> SensorConfig:
    base = {"transport": "pyspin", "rate_hz": 100, "nuc_wait_s": 1.0, "n_buffers": 4}
    size = {"width_px": SIZE_PX[0], "height_px": SIZE_PX[1]}
    return SensorConfig("a65", "a65", {**base, **size, **options})


def take(sensor: Sensor, n_frames: int) -> tuple[list[Frame], list[DeviceEvent]]:
    frames: list[Frame] = []
    events: list[DeviceEvent] = []
    for item in sensor.frames():
        (frames if isinstance(item, Frame) else events).append(item)  # type: ignore[arg-type]
        if len(frames) == n_frames:
            sensor.stop()
    return frames, events


def test_it_is_set_up_corrected_and_left_as_found(spin: Any) -> None:
    with open_sensor(config(serial="75006073")) as sensor:
        info = sensor.info
        nodes = info.parameters["nodes"]
        assert (info.vendor, info.model, info.serial) == ("FLIR", "A65", "75006073")
        assert (nodes["PixelFormat"], nodes["DigitalOutput"]) == ("Mono14", "bit14bit")
        assert nodes["TemperatureLinearMode"] == "On"
        assert nodes["TemperatureLinearResolution"] == "High"
        assert nodes["ObjectEmissivity"] == pytest.approx(0.98)
        assert (nodes["NUCMode"], nodes["R"]) == ("Manual", 16556)
        assert nodes["GevSCPSPacketSize"] == 1440
        assert "ReflectedTemperature" in info.parameters["absent"]
        assert info.parameters["genicam_xml"] is None
        assert info.parameters["transport"] == "Spinnaker 4.0.0.116"
        assert info.parameters["device_rate_hz"] == pytest.approx(RATE_HZ, rel=0.02)
        # 0.1 s of a closed shutter
        assert 15 <= info.parameters["correction_before_take"]["n_frozen"] <= 30
        stream = spin.device.stream
        assert stream.GetNode("StreamBufferHandlingMode").value == "OldestFirst"
        assert stream.GetNode("StreamBufferCountManual").value == 4
    assert spin.device.nodes.GetNode("NUCMode").value == "Automatic"
    assert spin.device.nodes.GetNode("NUCAction").value == 1


def test_images_are_copied_released_and_counted(spin: Any) -> None:
    device = spin.device
    # Number k has the id (65500 + k - 1) % 65535 + 1, and is kept when 65500 + k is 0 modulo 3.
    device.incomplete, device.lost_ids = {65520, 65525}, {65511, 65512, 3, 4}
    with open_sensor(config(nuc_before_take=False)) as sensor:
        device.stream.GetNode("StreamLostFrameCount").value = 4
        frames, events = take(sensor, 40)
    seqs = [frame.seq for frame in frames]
    first, last = seqs[0], seqs[-1]
    lost = {n for n in range(65501, 65501 + 3 * 45) if (n - 1) % 65535 + 1 in device.lost_ids}
    lost |= {65520, 65525}
    assert set(range(first, last + 1)) - set(seqs) == {n // 3 for n in lost if n % 3 == 0}
    for frame in frames:
        np.testing.assert_array_equal(frame.image, image_of(frame.seq * 3 - 65500))
    drops = [event.data for event in events if event.kind == "drop"]
    assert drops == [{"reason": "incomplete, status 3"}] * 2
    assert events[-1].data["StreamLostFrameCount"] == 4


def test_ticks_become_nanoseconds(spin: Any) -> None:
    spin.device.ticks_per_s = 1_000_000
    with open_sensor(config(nuc_before_take=False)) as sensor:
        assert sensor.info.parameters["device_tick_hz"] == 1_000_000
        assert sensor.info.parameters["device_rate_hz"] == pytest.approx(RATE_HZ, rel=0.02)
        frames, _ = take(sensor, 5)
    steps_ns = np.diff([frame.device_time_ns for frame in frames])
    np.testing.assert_allclose(steps_ns, 1e7, rtol=0.01)


def test_a_clock_that_nothing_explains_is_refused(spin: Any) -> None:
    spin.device.ticks_per_s = 90_000
    with pytest.raises(SensorError, match="steps a second"):
        open_sensor(config())


def test_a_correction_of_the_camera_is_told(spin: Any) -> None:
    with open_sensor(config(nuc="automatic", nuc_before_take=False)) as sensor:
        assert spin.device.nodes.GetNode("NUCMode").value == "Automatic"
        threading.Timer(0.1, spin.device.close_shutter).start()
        frames, events = take(sensor, 40)
    begin, end = [event for event in events if event.kind == "nuc"]
    assert (begin.data["phase"], end.data["phase"]) == ("begin", "end")
    by_seq = {frame.seq: frame for frame in frames}
    inside = [by_seq[seq] for seq in range(end.data["first_seq"], end.data["last_seq"] + 1)]
    assert len(inside) >= 5
    for frame in inside:
        np.testing.assert_array_equal(frame.image, inside[0].image)
    assert end.data["duration_s"] == pytest.approx(0.1, abs=0.05)


def test_it_records_and_arms_again_and_again(spin: Any, tmp_path: Path) -> None:
    recorder = Recorder(config(), tmp_path)
    for session in ("s1", "s2", "s3"):
        recorder.arm(session, f"uuid-{session}")
        while recorder.status().state == "opening":
            time.sleep(0.01)
        assert recorder.status().error is None
        now_ns = time.monotonic_ns()
        recorder.start(now_ns + 50_000_000)
        recorder.stop(now_ns + 350_000_000)
        while recorder.status().state == "stopping":
            time.sleep(0.01)
        recorder.finish()
        stream = open_recording(tmp_path / session / "a65.mcap").streams["thermal"]
        assert 27 <= len(stream) <= 31
    assert spin.device.nodes.GetNode("NUCAction").value == 3


def test_a_camera_that_goes_is_told_and_not_asked_any_more(spin: Any) -> None:
    with open_sensor(config(nuc_before_take=False)) as sensor:
        items = sensor.frames()
        assert isinstance(next(items), Frame)
        spin.device.gone = True
        with pytest.raises(SensorError, match=r"camera is lost.*stream was aborted"):
            list(items)


def test_a_camera_that_falls_silent_is_noticed(spin: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("capture.sensors.a65_acquisition._SILENT_NS", 200_000_000)
    monkeypatch.setattr("capture.sensors.a65_acquisition._USELESS_NS", 500_000_000)
    with open_sensor(config(nuc_before_take=False)) as sensor:
        spin.device.stream.GetNode("StreamBufferCountManual").value = 0
        with pytest.raises(SensorError, match=r"answers, but no images arrive.*firewall"):
            list(sensor.frames())


def test_nothing_but_incomplete_images_is_an_error(spin: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("capture.sensors.a65_acquisition._USELESS_NS", 300_000_000)
    with open_sensor(config(nuc_before_take=False)) as sensor:
        spin.device.incomplete = set(range(65536))
        with pytest.raises(SensorError, match=r"only incomplete images.*packet_size_bytes"):
            list(sensor.frames())


def test_cameras_are_picked_by_serial_or_address(spin: Any) -> None:
    spin.system.devices.append(Device("42", 0x0A000003))
    with pytest.raises(SensorError, match=r"75006073 at 10\.0\.0\.2, 42 at 10\.0\.0\.3"):
        open_sensor(config())
    with open_sensor(config(ip="10.0.0.3", nuc_before_take=False)) as sensor:
        assert sensor.info.serial == "42"
    with open_sensor(config(serial="42", nuc_before_take=False)) as sensor:
        assert sensor.info.serial == "42"


def test_a_camera_that_is_no_a65_is_refused_and_released(spin: Any) -> None:
    del spin.device.nodes.nodes["TemperatureLinearMode"]
    with pytest.raises(SensorError, match="no TemperatureLinearMode"):
        open_sensor(config())


def test_the_module_of_another_project_is_not_taken_for_the_sdk(monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, "PySpin", types.ModuleType("PySpin"))
    with pytest.raises(SensorError, match=r"not the one of the Spinnaker SDK.*sensor-a65\.md"):
        open_sensor(config())


def test_without_any_library_both_are_named(monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, "PySpin", None)
    monkeypatch.setitem(sys.modules, "gi", None)
    with pytest.raises(SensorError, match=r"Aravis cannot be loaded.*PySpin cannot be loaded"):
        open_sensor(config(transport="auto"))
