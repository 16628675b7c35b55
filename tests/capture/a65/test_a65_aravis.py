"""The A65 against Aravis' fake GigE Vision camera: another process, real packets."""

import threading
import time
from collections.abc import Callable
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from capture.errors import ConfigError, SensorError
from capture.frame import DeviceEvent, Frame
from capture.recorder import Recorder
from capture.recording import open_recording
from capture.registry import open_sensor
from capture.sensor import Sensor
from capture.sensor_contract import broken_rules

GENICAM = Path(__file__).parent / "genicam.xml"
DEADLINE_S = 30.0


def frame_id(seq: int, every: int = 3) -> int:
    """Return the id on the wire that the documentation gives for a seq."""
    return (seq * every - 1) % 65535 + 1


def take(sensor: Sensor, n_frames: int) -> tuple[list[Frame], list[DeviceEvent]]:
    frames: list[Frame] = []
    events: list[DeviceEvent] = []
    for item in sensor.frames():
        if isinstance(item, DeviceEvent):
            events.append(item)
            continue
        frames.append(item)
        if len(frames) == n_frames:
            sensor.stop()
    return frames, events


def until(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


def test_it_keeps_the_contract_of_sensors(fake_camera: Callable[..., Any]) -> None:
    assert broken_rules(fake_camera().config()) == []


def test_it_is_set_up_read_back_and_left_as_found(fake_camera: Callable[..., Any]) -> None:
    camera = fake_camera()
    with open_sensor(camera.config(serial=camera.serial, ip=None, nuc_wait_s=0.1)) as sensor:
        info = sensor.info
        nodes = info.parameters["nodes"]
        assert (info.vendor, info.model, info.serial) == ("Aravis", "Fake", camera.serial)
        assert info.streams[0].shape == (128, 160)
        assert (info.streams[0].pixel_format, info.streams[0].unit) == ("Mono14", "0.04 K")
        assert {name: nodes[name] for name in ("PixelFormat", "CMOSBitDepth", "NUCMode")} == {
            "PixelFormat": "Mono14",
            "CMOSBitDepth": "bit14bit",
            "NUCMode": "Manual",
        }
        assert nodes["TemperatureLinearMode"] == "On"
        assert nodes["TemperatureLinearResolution"] == "High"
        assert nodes["SensorGainMode"] == "HighGainMode"
        assert nodes["ObjectEmissivity"] == pytest.approx(0.98)
        assert nodes["ReflectedTemperature"] == pytest.approx(293.15)
        assert [nodes[name] for name in "RBFO"] == [16556, 1428.0, 1.0, -120]
        assert info.parameters["absent"] == [
            *("HousingTemperature", "J0", "J1", "OInt", "WindowTemperature")
        ]
        assert info.parameters["genicam_xml"] == GENICAM.read_text(encoding="utf-8").rstrip("\0")
        assert info.parameters["device_rate_hz"] == pytest.approx(100, rel=0.05)
        assert info.parameters["keeps_one_frame_of"] == 3
        # the fake camera has no shutter: nothing froze, and that is what is told
        assert info.parameters["correction_before_take"]["n_frozen"] == 0
    device = camera.device()
    assert device.get_integer_feature_value("NUCActions") == 1
    assert device.get_string_feature_value("NUCMode") == "Automatic"


def test_every_third_frame_across_the_wrap_of_the_ids(fake_camera: Callable[..., Any]) -> None:
    camera = fake_camera()
    with open_sensor(camera.config()) as sensor:
        frames, events = take(sensor, 50)
    seqs = [frame.seq for frame in frames]
    ids = [frame_id(seq) for seq in seqs]
    assert any(after < before for before, after in pairwise(ids))
    for frame, expected in zip(frames, ids, strict=True):
        np.testing.assert_array_equal(frame.image, camera.image(expected))
    # of the counter: no frame is lost on loopback
    assert np.diff(seqs).tolist() == [1] * 49
    device_ns = np.array([frame.device_time_ns for frame in frames])
    host_ns = np.array([frame.host_time_ns for frame in frames])
    assert (np.diff(device_ns) > 0).all()
    assert np.median(np.diff(device_ns)) == pytest.approx(30e6, rel=0.1)
    assert (np.diff(host_ns) > 0).all()
    assert [event.kind for event in events] == ["stream-statistics"]
    counts = events[0].data
    assert counts["n_completed_buffers"] >= 148
    # underruns are no failures: frames that came when the last one had been taken
    assert counts["n_failures"] == counts["n_missing_packets"] == 0
    assert counts["SensorTemperature"] == 305.25


def test_it_records_and_arms_again_and_again(
    fake_camera: Callable[..., Any], tmp_path: Path
) -> None:
    camera = fake_camera()
    recorder = Recorder(camera.config(), tmp_path)
    for session in ("s1", "s2", "s3"):
        recorder.arm(session, f"uuid-{session}")
        until(lambda: recorder.status().state in ("armed", "failed"))
        assert recorder.status().error is None
        now_ns = time.monotonic_ns()
        recorder.start(now_ns + 100_000_000)
        recorder.stop(now_ns + 700_000_000)
        until(lambda: recorder.status().state == "stopped")
        recorder.finish()
        recording = open_recording(tmp_path / session / "a65.mcap")
        stream = recording.streams["thermal"]
        assert recording.complete
        assert 17 <= len(stream) <= 21
        for index in (0, len(stream) - 1):
            frame = stream.read(index)
            np.testing.assert_array_equal(frame.image, camera.image(frame_id(frame.seq)))


def test_a_camera_that_dies_is_told_and_serves_again(
    fake_camera: Callable[..., Any], tmp_path: Path
) -> None:
    camera = fake_camera()
    recorder = Recorder(camera.config(), tmp_path)
    recorder.arm("s1", "u1")
    until(lambda: recorder.status().state == "armed")
    recorder.start(time.monotonic_ns() + 50_000_000)
    until(lambda: recorder.status().streams["thermal"].n_frames > 5)
    camera.kill()
    until(lambda: recorder.status().state == "failed")
    status = recorder.status()
    assert "the camera is lost" in str(status.error)
    assert "power and cable" in str(status.remedy)
    recorder.finish()
    kept = open_recording(tmp_path / "s1" / "a65.mcap")
    assert len(kept.streams["thermal"]) > 5

    camera.start()
    recorder.arm("s2", "u2")
    until(lambda: recorder.status().state in ("armed", "failed"))
    assert recorder.status().error is None
    recorder.finish()


def test_a_frozen_picture_is_told_with_its_frames(fake_camera: Callable[..., Any]) -> None:
    camera = fake_camera()
    with open_sensor(camera.config()) as sensor:
        transport: Any = sensor._transport  # type: ignore[attr-defined]
        items = sensor.frames()
        seen = list(islice((i for i in items if isinstance(i, Frame)), 5))
        transport.set("PixelFormat", "Frozen")
        events, frozen = [], []
        for item in items:
            if isinstance(item, DeviceEvent):
                events.append(item)
                if len(events) == 2:
                    break
            else:
                frozen.append(item)
                if len(frozen) == 12:
                    transport.set("PixelFormat", "Mono14")
        sensor.stop()
    begin, end = events
    assert (begin.kind, begin.data["phase"]) == ("frozen", "begin")
    assert (end.kind, end.data["phase"]) == ("frozen", "end")
    repeated = [
        after.seq
        for before, after in zip([seen[-1], *frozen], frozen, strict=False)
        if np.array_equal(before.image, after.image)
    ]
    # the first repeated image may be one that was not kept, or repeat one that was not kept
    assert set(repeated) <= set(range(end.data["first_seq"], end.data["last_seq"] + 1))
    assert len(repeated) >= 5
    assert end.data["duration_s"] == pytest.approx((end.data["n_images"] - 1) * 0.01, rel=0.3)
    assert begin.device_time_ns < end.device_time_ns


def test_corrections_during_a_take_are_asked_for_and_told(
    fake_camera: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_sensor(fake_camera().config(nuc_every_s=1.0)) as sensor:
        executed: list[str] = []
        transport: Any = sensor._transport  # type: ignore[attr-defined]
        execute = transport.execute
        monkeypatch.setattr(transport, "execute", lambda n: (executed.append(n), execute(n)))
        asked: list[DeviceEvent] = []
        for item in sensor.frames():
            if isinstance(item, DeviceEvent) and item.kind == "nuc-action":
                asked.append(item)
            if len(asked) == 2:
                sensor.stop()
    assert executed == ["NUCAction"] * 2
    first, second = asked
    assert second.host_time_ns - first.host_time_ns > 500_000_000
    assert 0 < first.device_time_ns < second.device_time_ns


def test_lost_packets_cost_frames_that_are_counted(fake_camera: Callable[..., Any]) -> None:
    camera = fake_camera(lost_per_1000=4)  # of 33 packets a frame; the fake camera resends none
    with open_sensor(camera.config()) as sensor:
        frames, events = take(sensor, 80)
    drops = [event for event in events if event.kind == "drop"]
    assert drops
    reasons = {event.data["reason"] for event in drops}
    assert "missing-packets" in reasons
    # timeout: the last packet was lost; cleared: no frame began in the buffer, so that Aravis does
    # not count it among its failures
    assert reasons <= {"missing-packets", "timeout", "cleared"}
    gaps = np.diff([frame.seq for frame in frames]) - 1
    assert 0 < gaps.sum() <= 40
    # across the wrap of the ids, too: a frame without its leader has no id of its own
    assert frames[-1].seq * 3 > 65535
    for frame in frames:
        np.testing.assert_array_equal(frame.image, camera.image(frame_id(frame.seq)))
    statistics = events[-1].data
    began = [event for event in drops if event.data["reason"] != "cleared"]
    assert statistics["n_failures"] >= len(began)
    assert statistics["n_missing_packets"] > 0


def test_stop_and_close_from_another_thread(fake_camera: Callable[..., Any]) -> None:
    camera = fake_camera()
    sensor = open_sensor(camera.config())
    done = threading.Event()

    def read() -> None:
        for _ in sensor.frames():
            pass
        done.set()

    thread = threading.Thread(target=read)
    thread.start()
    time.sleep(0.1)
    sensor.close()
    sensor.close()
    thread.join(DEADLINE_S)
    assert done.is_set()
    with pytest.raises(SensorError, match="closed"):
        next(iter(sensor.frames()))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ((">0x1010<", ">0x10010<"), "did not accept ObjectEmissivity: got .*, expected 0.98"),
        (('Name="TemperatureLinearMode"', 'Name="Other"'), "no TemperatureLinearMode"),
        (("bit14bit", "bit12bit"), "CMOSBitDepth cannot be set to 'bit14bit'"),
    ],
)
def test_what_the_camera_does_not_accept_is_refused(
    fake_camera: Callable[..., Any], tmp_path: Path, change: tuple[str, str], message: str
) -> None:
    genicam = tmp_path / "genicam.xml"
    genicam.write_text(GENICAM.read_text(encoding="utf-8").replace(*change), encoding="utf-8")
    camera = fake_camera(genicam=genicam)
    with pytest.raises(SensorError, match=message):
        open_sensor(camera.config())


def test_cameras_that_are_not_there_or_taken(fake_camera: Callable[..., Any]) -> None:
    camera = fake_camera()
    with pytest.raises(SensorError, match=r"S999 was not found.*seen: FAKE01 at 127\.0\.0\.1"):
        open_sensor(camera.config(serial="S999", ip=None))
    with pytest.raises(SensorError, match=r"cannot be thinned to 40 Hz.*set rate_hz to one of 100"):
        open_sensor(camera.config(rate_hz=40))
    assert camera.device().get_string_feature_value("NUCMode") == "Automatic"
    with (
        open_sensor(camera.config()),
        pytest.raises(SensorError, match="another program"),
    ):
        open_sensor(camera.config())


@pytest.mark.parametrize(
    "options",
    [
        {"serial": "1", "ip": "10.0.0.1"},
        {"reflected_temperature_k": 20.0},
        {"emissivity": 98.0},
        {"rate_hz": 0},
        {"packet_size_bytes": 1441},
        {"nuc": "sometimes"},
        {"nuc_every_s": 0.0},
        {"nuc_every_s": 60.0, "nuc": "automatic"},
        {"emisivity": 0.98},
    ],
)
def test_options_that_cannot_be_meant(options: dict[str, Any]) -> None:
    from capture.sensor import SensorConfig

    with pytest.raises(ConfigError):
        open_sensor(SensorConfig("a65", "a65", options))
