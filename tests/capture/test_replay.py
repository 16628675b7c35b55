import itertools
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from capture.clock import HostClock, HostIdentity
from capture.errors import ConfigError, SensorError
from capture.frame import DeviceEvent, Frame, StreamSpec
from capture.recorded_stream import RecordedStream
from capture.recorder import Recorder
from capture.recording import Recording, open_recording
from capture.registry import open_sensor
from capture.sensor import Sensor, SensorConfig, SensorInfo
from capture.sensor_contract import broken_rules
from capture.writer import RecordingWriter

DEADLINE_S = 30.0
DEPTH = StreamSpec("depth", "depth", 20, 16, "Mono16", "mm", 50.0)
THERMAL = StreamSpec("thermal", "thermal", 12, 10, "Mono14", "0.04 K", 25.0)
INFO = SensorInfo("v", "m", "0007", "1.0", (DEPTH, THERMAL), {"factory": {"fx_px": 1.5}})
MISSING = {"depth": {5, 6, 20}, "thermal": {3}}
N = {"depth": 50, "thermal": 25}
HOST = HostIdentity("box", "boot", 10**12, 1_700_000_000 * 10**9)
BEGIN_NS = 10**12


def frame_of(spec: StreamSpec, seq: int) -> Frame:
    taken_ns = round(seq * 1e9 / spec.nominal_rate_hz)
    image = np.random.default_rng([seq, spec.width_px]).integers(0, 1 << 14, spec.shape)
    delay_ns = 2_000_000 + 300_000 * (seq % 7)
    return Frame(
        stream=spec.name,
        seq=seq + 1000,
        device_time_ns=round(taken_ns * (1 + 60e-6)) + 777,
        host_time_ns=BEGIN_NS + taken_ns + delay_ns,
        image=image.astype(np.uint16),
        exposure_us=500.0 + seq,
        gain=None,
    )


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One second of two streams with gaps and a correction in it."""
    path = tmp_path_factory.mktemp("original") / "cam.mcap"
    frames = [
        frame_of(spec, seq)
        for spec in INFO.streams
        for seq in range(N[spec.name])
        if seq not in MISSING[spec.name]
    ]
    with RecordingWriter(path, daemon="cam", info=INFO, session_uuid="u", host=HOST) as writer:
        for frame in sorted(frames, key=lambda frame: frame.host_time_ns):
            if (frame.stream, frame.seq) == ("thermal", 1010):
                times = (frame.device_time_ns, frame.host_time_ns)
                writer.event(DeviceEvent("thermal", "nuc", *times, {"duration_s": 0.5}))
                writer.event(DeviceEvent("thermal", "recorder-drop", *times, {"count": 1}))
            writer.append(frame)
            if frame.seq % 10 == 0:
                writer.sync()
    return path


def replay(path: Path, **options: object) -> Sensor:
    return open_sensor(SensorConfig("it", "replay", {"file": str(path), **options}))


def read(sensor: Sensor, n: int | None = None) -> list[Frame | DeviceEvent]:
    with sensor:
        return list(itertools.islice(sensor.frames(), n))


def assert_same(frame: Frame, stream: RecordedStream, index: int) -> None:
    expected = stream.read(index)
    np.testing.assert_array_equal(frame.image, expected.image)
    assert (frame.seq, frame.device_time_ns) == (expected.seq, expected.device_time_ns)
    assert (frame.exposure_us, frame.gain) == (expected.exposure_us, expected.gain)


def read_all(sensor: Sensor) -> list[Frame | DeviceEvent]:
    items: list[Frame | DeviceEvent] = []

    def take() -> None:
        for item in sensor.frames():
            items.append(item)  # not extend: what came before the end counts

    with sensor, pytest.raises(SensorError, match="loop = true"):
        take()
    return items


def test_it_keeps_the_contract_of_sensors(original: Path) -> None:
    options = {"file": str(original), "loop": True, "speed": 2.0, "rename": {"depth": "far"}}
    assert broken_rules(SensorConfig("it", "replay", options), n_frames=30) == []


def test_everything_comes_once_with_its_own_numbers_and_times(original: Path) -> None:
    recording = open_recording(original)
    sensor = replay(original)
    assert sensor.info.serial == "0007"
    assert sensor.info.parameters["factory"] == {"fx_px": 1.5}
    assert sensor.info.parameters["replayed"]["session_uuid"] == "u"
    started_s = time.monotonic()
    items = read_all(sensor)
    assert time.monotonic() - started_s > 0.95
    for name, stream in recording.streams.items():
        frames = [item for item in items if isinstance(item, Frame) and item.stream == name]
        assert len(frames) == len(stream) == N[name] - len(MISSING[name])
        for index, frame in enumerate(frames):
            assert_same(frame, stream, index)
    (event,) = (item for item in items if isinstance(item, DeviceEvent))
    after = next(
        item
        for item in items[items.index(event) :]
        if item.stream == "thermal" and isinstance(item, Frame)
    )
    assert (event.kind, event.data) == ("nuc", {"duration_s": 0.5})
    assert (after.seq, after.device_time_ns) == (1010, event.device_time_ns)


def test_the_loop_goes_on_in_numbers_and_times(original: Path) -> None:
    items = read(replay(original, loop=True, speed=20.0), 400)
    frames = [item for item in items if isinstance(item, Frame) and item.stream == "depth"]
    seq = np.array([frame.seq for frame in frames])
    device_ns = np.array([frame.device_time_ns for frame in frames])
    assert set(np.diff(seq)) == {1, 2, 3}  # the gaps of the original, no others
    period_ns = np.diff(device_ns) / np.diff(seq)
    np.testing.assert_allclose(period_ns, 1e9 / 50 / 20, rtol=1e-3)
    recording = open_recording(original)
    first = recording.streams["depth"]
    for frame in frames:
        index = int(np.flatnonzero(first.seq == (frame.seq - 1000) % 50 + 1000)[0])
        np.testing.assert_array_equal(frame.image, first.read(index).image)


def test_replays_of_one_session_stay_together(original: Path) -> None:
    def where(sensor: Sensor) -> float:
        frame = next(item for item in read(sensor, 3) if isinstance(item, Frame))
        rate_hz = {"depth": 50, "thermal": 25}[frame.stream]
        return ((frame.seq - 1000) / rate_hz - frame.host_time_ns * 1e-9) % 1.0

    places = []
    for _ in range(3):
        places.append(where(replay(original, loop=True)))
        time.sleep(0.13)
    spread = [(place - places[0] + 0.5) % 1.0 - 0.5 for place in places]
    # the loop is the session's second: later starts begin later in it
    assert max(map(abs, spread)) < 0.1


def test_speed_is_that_of_device_times_too(original: Path) -> None:
    items = read(replay(original, speed=4.0), 60)
    frames = [item for item in items if isinstance(item, Frame) and item.stream == "depth"]
    first, last = frames[0], frames[-1]
    expected_ns = (last.seq - first.seq) * 1e9 / 50 / 4
    assert last.device_time_ns - first.device_time_ns == pytest.approx(expected_ns, rel=1e-3)
    assert replay(original, speed=4.0).info.streams[0].nominal_rate_hz == 200.0


def test_streams_can_be_renamed(original: Path) -> None:
    with replay(original, rename={"depth": "far"}) as sensor:
        assert [spec.name for spec in sensor.info.streams] == ["far", "thermal"]
        assert {item.stream for item in itertools.islice(sensor.frames(), 20)} == {"far", "thermal"}


def recorded(sensor: SensorConfig, output: Path, seconds: float) -> Recording:
    """Record as a daemon does."""
    recorder, clock = Recorder(sensor, output), HostClock()
    recorder.arm("s1", "u-2")

    def until(state: str) -> None:
        deadline_s = time.monotonic() + DEADLINE_S
        while (status := recorder.status()).state != state:
            assert status.state != "failed", status
            assert time.monotonic() < deadline_s, status
            time.sleep(0.01)

    until("armed")
    start_ns = clock.monotonic_ns() + 10_000_000
    recorder.start(start_ns)
    recorder.stop(start_ns + round(seconds * 1e9))
    until("stopped")
    recorder.finish()
    return open_recording(output / "s1" / f"{sensor.name}.mcap")


def test_a_replay_recorded_again_is_the_same_recording(original: Path, tmp_path: Path) -> None:
    """Images, gaps and device times survive the whole way through sensor, recorder and file."""
    options = {"file": str(original), "loop": True}
    again = recorded(SensorConfig("cam", "replay", options), tmp_path, 1.6)
    before = open_recording(original)
    for name, stream in again.streams.items():
        first = before.streams[name]
        per_turn = N[name]
        turns, own = np.divmod(stream.seq - 1000, per_turn)
        assert set(own) == set(range(per_turn)) - MISSING[name]
        for index in range(len(stream)):
            source = int(np.flatnonzero(first.seq == own[index] + 1000)[0])
            np.testing.assert_array_equal(stream.read(index).image, first.read(source).image)
            assert stream.exposure_us[index] == first.exposure_us[source]
        for turn in set(turns):
            in_turn = turns == turn
            device_ns = stream.device_time_ns[in_turn]
            source_ns = first.device_time_ns[np.isin(first.seq, own[in_turn] + 1000)]
            np.testing.assert_array_equal(np.diff(device_ns), np.diff(source_ns))
    kinds = [event.kind for event in again.events]
    assert kinds.count("nuc") >= 1
    assert "recorder-drop" not in kinds
    assert again.info.serial == before.info.serial


def test_of_a_cut_off_recording_what_is_intact_is_played(original: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.mcap"
    data = original.read_bytes()
    cut.write_bytes(data[: len(data) * 6 // 10])
    intact = open_recording(cut)
    assert not intact.complete
    sensor = replay(cut, speed=50.0)
    assert sensor.info.parameters["replayed"]["complete"] is False
    frames = [item for item in read_all(sensor) if isinstance(item, Frame)]
    assert len(frames) == sum(len(stream) for stream in intact.streams.values()) > 20


def test_a_damaged_image_is_a_drop_that_is_told(
    original: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from capture.errors import RecordingError

    whole = RecordedStream.read

    def damaged(self: RecordedStream, index: int) -> Frame:
        if self.spec.name == "depth" and index == 3:
            raise RecordingError("checksum")
        return whole(self, index)

    monkeypatch.setattr(RecordedStream, "read", damaged)
    items = read_all(replay(original, speed=50.0))
    drops = [item for item in items if isinstance(item, DeviceEvent) and item.kind == "drop"]
    assert len(drops) == 1
    seq = [item.seq for item in items if isinstance(item, Frame) and item.stream == "depth"]
    assert 1003 not in seq
    assert len(seq) == 46


def test_stop_ends_it_from_another_thread(original: Path) -> None:
    sensor = replay(original, speed=0.001)
    threading.Timer(0.1, sensor.stop).start()
    assert len(list(sensor.frames())) <= 4


def empty(tmp_path: Path) -> Path:
    path = tmp_path / "empty.mcap"
    RecordingWriter(path, daemon="cam", info=INFO, session_uuid="u", host=HOST).close()
    return path


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda folder: folder / "missing.mcap", "is not a file"),
        (lambda folder: folder, "is not a file"),
        (empty, "has no frames"),
    ],
)
def test_what_cannot_be_played_is_refused(
    make: Callable[[Path], Path], match: str, tmp_path: Path
) -> None:
    with pytest.raises(SensorError, match=match):
        replay(make(tmp_path))


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"speed": 0.0}, "speed"),
        ({"speed": float("nan")}, "speed"),
        ({"rename": {"dept": "x"}}, "did you mean 'depth'"),
        ({"rename": {"depth": "thermal"}}, "one name"),
        ({"rename": {"depth": "../x"}}, "stream name"),
        ({"rename": {"depth": 3}}, "rename.depth"),
    ],
)
def test_options_that_cannot_be_meant(
    original: Path, options: dict[str, object], match: str
) -> None:
    with pytest.raises(ConfigError, match=match):
        replay(original, **options)


def test_the_window_is_the_sessions(original: Path, tmp_path: Path) -> None:
    """Two recordings of one session loop together even if one begins later."""
    from capture.session import create_session

    folder = create_session(tmp_path, subject="S01")
    stream = open_recording(original).streams["depth"]
    begin_ns = int(stream.capture_time_ns[0]) - 200_000_000
    folder.update(uuid="u", start_time_ns=begin_ns, stop_time_ns=begin_ns + 2_000_000_000)
    (folder.path / "cam.mcap").write_bytes(original.read_bytes())
    items = read(replay(folder.path / "cam.mcap", loop=True, speed=20.0), 250)
    depth = [i.seq for i in items if isinstance(i, Frame) and i.stream == "depth"]
    gaps = np.diff(depth)
    assert gaps.max() == 51  # a second without frames is a gap of as many, not a jump in time
