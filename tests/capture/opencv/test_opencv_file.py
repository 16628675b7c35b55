"""Video files as sensors: real files, written with PyAV, with times of their own."""

import itertools
import time
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from capture.errors import SensorError
from capture.frame import DeviceEvent, Frame
from capture.recorder import Recorder
from capture.recording import open_recording
from capture.registry import open_sensor
from capture.sensor import Sensor, SensorConfig
from capture.sensor_contract import broken_rules

SIZE_PX = (64, 48)
TIMES_MS = (0, 20, 40, 60, 120, 140, 160, 180, 200, 220)
"""Two frames are missing after the fourth."""


def write_video(path: Path, times_ms: Sequence[int], codec: str = "libx264") -> Path:
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=50)
        stream.width, stream.height = SIZE_PX
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for index, time_ms in enumerate(times_ms):
            image = np.full((SIZE_PX[1], SIZE_PX[0], 3), level_of(index), np.uint8)
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            frame.pts, frame.time_base = time_ms, Fraction(1, 1000)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return path


def level_of(index: int) -> int:
    return 20 + 20 * (index % 10)


def opened(path: Path, **options: object) -> Sensor:
    return open_sensor(SensorConfig("film", "opencv", {"file": str(path), **options}))


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("film") / "film.mp4", TIMES_MS)


@pytest.mark.parametrize(
    ("name", "codec"), [("a.mp4", "libx264"), ("a.mkv", "libx264"), ("a.avi", "mjpeg")]
)
def test_frames_come_at_their_own_times(name: str, codec: str, tmp_path: Path) -> None:
    frames: list[Frame] = []

    def read(sensor: Sensor) -> None:
        for item in sensor.frames():
            assert isinstance(item, Frame)
            frames.append(item)

    film = write_video(tmp_path / name, TIMES_MS, codec)
    began_ns = time.monotonic_ns()
    with (
        opened(film) as sensor,
        pytest.raises(SensorError, match="loop = true"),
    ):
        read(sensor)
    assert sensor.info.streams[0].nominal_rate_hz == pytest.approx(50.0)
    assert sensor.info.streams[0].shape == (48, 64, 3)
    assert [frame.seq for frame in frames] == list(range(10))
    device_ms = [frame.device_time_ns * 1e-6 for frame in frames]
    np.testing.assert_allclose(np.subtract(device_ms, device_ms[0]), TIMES_MS, atol=1e-3)
    for index, frame in enumerate(frames):
        assert abs(int(frame.image.mean()) - level_of(index)) < 9
    for frame, time_ms in zip(frames, TIMES_MS, strict=True):  # late on a busy machine, never early
        assert frame.host_time_ns - began_ns >= time_ms * 1_000_000


def test_it_keeps_the_contract_of_sensors(film: Path) -> None:
    config = SensorConfig("it", "opencv", {"file": str(film), "loop": True, "backend": "ffmpeg"})
    assert broken_rules(config, n_frames=25) == []


def test_the_loop_goes_on_in_numbers_and_times(film: Path) -> None:
    with opened(film, loop=True) as sensor:
        frames = list(itertools.islice(sensor.frames(), 23))
    assert all(isinstance(frame, Frame) for frame in frames)
    assert [frame.seq for frame in frames if isinstance(frame, Frame)] == list(range(23))
    steps_ms = np.diff([frame.device_time_ns for frame in frames]) * 1e-6
    expected_ms = [*np.diff(TIMES_MS), 20] * 3
    np.testing.assert_allclose(steps_ms, expected_ms[:22], atol=1e-3)


def test_a_film_is_recorded_like_a_camera(film: Path, tmp_path: Path) -> None:
    recorder = Recorder(SensorConfig("film", "opencv", {"file": str(film), "loop": True}), tmp_path)
    recorder.arm("s1", "u-1")

    def until(state: str) -> None:
        deadline_s = time.monotonic() + 30
        while (status := recorder.status()).state != state:
            assert status.state != "failed", status
            assert time.monotonic() < deadline_s
            time.sleep(0.01)

    until("armed")
    start_ns = time.monotonic_ns() + 10_000_000
    recorder.start(start_ns)
    recorder.stop(start_ns + 400_000_000)
    until("stopped")
    recorder.finish()
    recording = open_recording(tmp_path / "s1" / "film.mcap")
    stream = recording.streams["color"]
    assert stream.n_dropped == 0
    assert 10 <= len(stream) <= 21
    assert recording.info.parameters["device_time"] == "file"
    for index in range(len(stream)):
        frame = stream.read(index)
        assert abs(int(frame.image.mean()) - level_of(frame.seq)) < 9


def text(folder: Path) -> Path:
    path = folder / "notes.mp4"
    path.write_text("this is no film")
    return path


def one_frame(folder: Path) -> Path:
    return write_video(folder / "one.mkv", [0])


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda folder: folder / "missing.mp4", "is not a file"),
        (lambda folder: folder, "is not a file"),
        (text, "OpenCV cannot read"),
        (one_frame, "have no times"),
    ],
)
def test_what_is_no_film_is_refused(
    make: Callable[[Path], Path], match: str, tmp_path: Path
) -> None:
    with pytest.raises(SensorError, match=match):
        opened(make(tmp_path))


def test_a_cut_off_film_plays_what_is_there(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "whole.mkv", range(0, 2000, 20), "mjpeg")
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 5])
    with opened(cut, loop=True) as sensor:
        items: list[Frame | DeviceEvent] = list(itertools.islice(sensor.frames(), 25))
    assert sum(isinstance(item, Frame) for item in items) >= 24
