"""Videos in a project: frame k of the file is moment k of the source, for every codec."""

import json
import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from annotation.errors import AnnotationError
from annotation.project.add_video import add_video
from annotation.project.encode import Codec, fit_height
from annotation.project.file_hash import sha256_of
from annotation.project.folder import Project
from annotation.project.source import guess_rate, nearest_frames
from annotation.project.video import videos
from capture.errors import ConfigError

from .barcode import picture, read_number, write_beeps, write_clip


def decoded(path: Path) -> list[tuple[Fraction, NDArray[np.uint8]]]:
    with av.open(str(path)) as container:
        return [
            (Fraction(frame.pts) * Fraction(frame.time_base), frame.to_ndarray(format="bgr24"))
            for frame in container.decode(video=0)
            if frame.pts is not None and frame.time_base is not None
        ]


@pytest.mark.parametrize("codec", ["h264", "vp9", "av1"])
def test_every_frame_is_where_its_number_says(
    codec: Codec, project: Project, tmp_path: Path
) -> None:
    clip = write_clip(tmp_path / "clip.mp4", n=20, rate=Fraction(30000, 1001))
    video = add_video(project, clip, codec=codec)
    assert (video.name, video.n_frames, video.rate_hz) == ("clip", 20, Fraction(30000, 1001))
    # SVT-AV1 takes realtime priority where it may
    threads = [int(thread.name) for thread in Path("/proc/self/task").glob("*")]
    assert {os.sched_getscheduler(thread) for thread in threads} == {os.SCHED_OTHER}
    frames = decoded(project.videos / video.file)
    assert [read_number(image) for _, image in frames] == list(range(20))
    assert [round(time * video.rate_hz) for time, _ in frames] == list(range(20))
    assert frames[0][0] == 0
    manifest = json.loads((project.videos / "clip.json").read_text())
    assert manifest["sha256"] == video.sha256 == sha256_of(project.videos / video.file)
    assert manifest["source"]["sha256"] == sha256_of(clip)
    assert manifest["source_frame"] == list(range(20))
    with av.open(str(project.videos / video.file)) as container:
        context = container.streams.video[0].codec_context
        assert (context.colorspace, context.color_range) == (1, 1)


@pytest.mark.parametrize("codec", ["h264", "vp9"])
def test_sound_stays_with_its_frames(codec: Codec, project: Project, tmp_path: Path) -> None:
    clip = write_beeps(tmp_path / "beeps.mp4", n=75, rate=Fraction(25), every=25)
    video = add_video(project, clip, codec=codec, sound=True)
    path = project.videos / video.file
    assert [read_number(image) for _, image in decoded(path)] == list(range(75))
    with av.open(str(path)) as container:
        heard = [
            (float(frame.time or 0), float(np.max(np.abs(frame.to_ndarray()))))
            for frame in container.decode(audio=0)
        ]
    loud = [time for time, level in heard if level > 0.3]
    for second in range(3):
        assert min(abs(time - second) for time in loud) < 0.03
    assert all(abs(time - round(time)) < 0.06 for time in loud)
    silent = write_clip(tmp_path / "silent.mp4", n=5, rate=Fraction(25))
    with pytest.raises(AnnotationError, match="has no sound"):
        add_video(project, silent, codec=codec, sound=True)


def test_a_variable_rate_becomes_constant_and_stays_in_time(
    project: Project, tmp_path: Path
) -> None:
    kept = [k for k in range(40) if not 10 <= k < 16]
    clip = write_clip(tmp_path / "gaps.mp4", n=40, rate=Fraction(25), kept=kept)
    video = add_video(project, clip)
    assert (video.rate_hz, video.n_frames) == (25, 40)
    shown = [read_number(image) for _, image in decoded(project.videos / video.file)]
    assert shown == [*range(10), 9, 9, 9, 16, 16, 16, *range(16, 40)]
    np.testing.assert_array_equal(video.time_ns, np.arange(40) * 40_000_000)


def test_what_cannot_be_added_is_said_and_leaves_nothing(project: Project, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", n=5, rate=Fraction(30))
    before = set(project.videos.iterdir())
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(clip.read_bytes()[:-900])
    (tmp_path / "text.mp4").write_text("no video")
    (tmp_path / "folder").mkdir()
    spaced = tmp_path / "my clip.mp4"
    spaced.write_bytes(clip.read_bytes())
    for path, complaint in (
        (cut, "cannot be read|decoded|decoding failed"),
        (tmp_path / "text.mp4", "cannot be read as video"),
        (tmp_path / "folder", "no session"),
        (tmp_path / "none.mp4", "no session or video file"),
    ):
        with pytest.raises(AnnotationError, match=complaint):
            add_video(project, path)
    with pytest.raises(ConfigError, match="not allowed"):
        add_video(project, spaced)
    with pytest.raises(AnnotationError, match="it has no thermal stream"):
        add_video(project, clip, view="thermal")
    assert set(project.videos.iterdir()) == before
    add_video(project, clip)
    with pytest.raises(AnnotationError, match="has a video clip already"):
        add_video(project, clip)
    with project.database.read() as db:
        assert sorted(video.name for video in videos(db)) == ["clip", "p1", "v1"]


def test_large_pictures_are_scaled_down(project: Project, tmp_path: Path) -> None:
    assert fit_height(1920, 1080, 720) == (1280, 720)
    assert fit_height(641, 481, 720) == (640, 480)
    assert fit_height(1081, 1921, 720) == (406, 720)
    clip = write_clip(tmp_path / "clip.mp4", n=4, rate=Fraction(30))
    video = add_video(project, clip, max_height_px=60)
    assert video.height_px == 60
    assert decoded(project.videos / video.file)[0][1].shape == (60, 160, 3)


@pytest.mark.parametrize(
    ("rate", "unit_ns", "expected"),
    [
        (Fraction(30), 1, Fraction(30)),
        (Fraction(30000, 1001), 1, Fraction(30000, 1001)),
        (Fraction(30), 1_000_000, Fraction(30)),
        (Fraction(24000, 1001), 1_000_000, Fraction(24000, 1001)),
        (Fraction(120), 1, Fraction(60)),
        (Fraction(8), 1, Fraction(8)),
    ],
)
def test_rates_are_told_from_times(rate: Fraction, unit_ns: int, expected: Fraction) -> None:
    exact = [k * 10**9 / rate for k in range(3000)]
    times = np.array([round(t / unit_ns) * unit_ns for t in exact], np.int64)
    assert guess_rate(times) == expected


@given(
    st.lists(st.integers(1, 90_000_000), min_size=1, max_size=60),
    st.sampled_from([Fraction(10), Fraction(25), Fraction(30000, 1001)]),
)
def test_each_moment_shows_the_nearest_frame(steps: list[int], rate: Fraction) -> None:
    times = np.cumsum([0, *steps]).astype(np.int64) + 12345
    frame = nearest_frames(times, rate)
    assert frame[0] == 0
    assert np.all(np.diff(frame) >= 0)
    for k, shown in enumerate(frame):
        moment = 12345 + round(k * 10**9 / rate)
        assert abs(times[shown] - moment) == np.min(np.abs(times - moment))
    assert abs(int(times[-1]) - 12345 - round((len(frame) - 1) * 10**9 / rate)) <= 10**9 / rate


def test_the_barcode_itself() -> None:
    assert [read_number(picture(k)) for k in (0, 1, 511, 1023)] == [0, 1, 511, 1023]
