"""Video files: frames get the times the container gives them, and damage is named."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from mavfer.errors import DatasetError
from mavfer.video import VideoFile


def write_video(path: Path, times_ms: list[int], *, size: tuple[int, int] = (64, 48)) -> None:
    """Grey frames whose brightness is 10 x their number, at the given times."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.pix_fmt = "yuv444p"
        stream.width, stream.height = size
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        for number, time_ms in enumerate(times_ms):
            image = np.full((size[1], size[0], 3), 10 * number % 256, np.uint8)
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            frame.pts, frame.time_base = time_ms, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def numbers(video: VideoFile) -> dict[int, int]:
    return {row: round(float(image.mean()) / 10) for row, image in video.frames()}


def test_native_rate_takes_every_frame_at_its_own_time(tmp_path: Path) -> None:
    times_ms = [0, 40, 80, 200, 233, 500]
    write_video(tmp_path / "v.mkv", times_ms)
    video = VideoFile(tmp_path / "v.mkv", rate_hz=None)
    np.testing.assert_allclose(video.time_ns / 1e6, times_ms, atol=1)
    assert numbers(video) == {i: i for i in range(6)}
    assert video.native_rate_hz == pytest.approx(10.0)


def test_a_grid_takes_the_nearest_frames_by_time(tmp_path: Path) -> None:
    # 25 Hz with a hole from 0.6 to 1.4 s: three grid times have no frame within half a step.
    times_ms = [40 * k for k in range(16)] + [1400 + 40 * k for k in range(6)]
    write_video(tmp_path / "v.mkv", times_ms)
    video = VideoFile(tmp_path / "v.mkv", rate_hz=4.0)
    assert (video.time_ns / 1e6).round().tolist() == [0, 240, 480, 750, 1000, 1250, 1480]
    assert numbers(video) == {0: 0, 1: 6, 2: 12, 6: 18}


def test_a_file_that_starts_late_starts_at_zero(tmp_path: Path) -> None:
    write_video(tmp_path / "v.mkv", [5000 + 40 * k for k in range(10)])
    video = VideoFile(tmp_path / "v.mkv", rate_hz=25.0)
    assert video.time_ns[0] == 0
    assert numbers(video) == {i: i for i in range(10)}


def test_missing_and_foreign_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"no video file at .*gone\.mp4"):
        VideoFile(tmp_path / "gone.mp4", rate_hz=None)
    with pytest.raises(DatasetError, match="is a folder, expected a video file") as folder:
        VideoFile(tmp_path, rate_hz=None)
    assert "mavfer import folder" in str(folder.value.remedy)
    text = tmp_path / "notes.mp4"
    text.write_text("not a film" * 100)
    with pytest.raises(DatasetError, match=r"notes\.mp4 cannot be read as video"):
        VideoFile(text, rate_hz=None)
    with av.open(str(tmp_path / "sound.wav"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(
            np.zeros((1, 800), np.int16), format="s16", layout="mono"
        )
        frame.rate = 8000
        container.mux(stream.encode(frame))
    with pytest.raises(DatasetError, match="no video stream"):
        VideoFile(tmp_path / "sound.wav", rate_hz=None)


def test_a_damaged_tail_is_an_error_not_a_short_video(tmp_path: Path) -> None:
    path = tmp_path / "v.mkv"
    write_video(
        path, [40 * k for k in range(25)] + [1040 + 200 * k for k in range(20)], size=(320, 240)
    )
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DatasetError, match=r"v\.mkv breaks off"):
        list(VideoFile(path, rate_hz=None).frames())


def test_times_that_span_days_are_refused(tmp_path: Path) -> None:
    write_video(tmp_path / "v.mkv", [0, 40, 200_000_000])
    with pytest.raises(DatasetError, match=r"v\.mkv: its frame times span 200000 s"):
        VideoFile(tmp_path / "v.mkv", rate_hz=None)
