"""Films and disks as people have them: sideways, empty, crowded, cut off, full, read-only."""

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from capture.simulation.scene import SubjectScene
from mavfer.build_cli import main
from mavfer.store import open_store
from mavfer.store_schema import REASONS
from mavfer.video import VideoFile

RATE = 10


@pytest.fixture(scope="module")
def portraits(small_rig) -> list[np.ndarray]:
    """A virtual subject, 16 images at 10 Hz, in BGR."""
    scene = SubjectScene(small_rig, subject_seed=2, rate_hz=float(RATE))
    return [scene.moment(index).images["color"] for index in range(16)]


def write_film(
    path: Path,
    images: Iterable[np.ndarray],
    *,
    rotation_deg: int = 0,
    times_ms: list[int] | None = None,
    key_every: int = 6,
) -> Path:
    images = list(images)
    times_ms = times_ms or [1000 * k // RATE for k in range(len(images))]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=RATE)
        stream.width, stream.height = images[0].shape[1], images[0].shape[0]
        stream.pix_fmt = "yuv420p"
        stream.bit_rate = 8_000_000
        stream.gop_size = key_every
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        for image, time_ms in zip(images, times_ms, strict=True):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="bgr24")
            frame.pts, frame.time_base = time_ms, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    if rotation_deg:
        turn_in_container(path, rotation_deg)
    return path


def turn_in_container(path: Path, degrees: int) -> None:
    """Write a turn into the track header's matrix, as phones do: pixels stay as they are."""
    data = bytearray(path.read_bytes())
    header = data.index(b"tkhd") + 4
    matrix = header + (40 if data[header] == 0 else 52)
    cos, sin = {90: (0, 1), 180: (-1, 0), 270: (0, -1)}[degrees]
    one = 1 << 16
    for at, value in enumerate((cos * one, sin * one, 0, -sin * one, cos * one, 0, 0, 0, 1 << 30)):
        data[matrix + 4 * at : matrix + 4 * at + 4] = value.to_bytes(4, "big", signed=True)
    path.write_bytes(data)


@pytest.fixture
def build(tmp_path, capsys) -> Callable[..., tuple[int, dict, str]]:
    def run(*films: Path, options: tuple[object, ...] = ("--rate-hz", "native")):
        arguments = ["--video", *map(str, films), "-o", str(tmp_path / "s.h5"), "--workers", "1"]
        status = main([*arguments, *map(str, options), "--json", "--quiet"])
        captured = capsys.readouterr()
        return status, json.loads(captured.out) if captured.out else {}, captured.err

    return run


@pytest.mark.parametrize("rotation_deg", [90, 180, 270])
def test_a_phones_film_stands_upright(portraits, build, tmp_path, rotation_deg: int) -> None:
    """The sensor lay on its side; the container says by how much to turn the picture back."""
    upright = portraits[0]
    recorded = [np.rot90(p, rotation_deg // 90) for p in portraits[:6]]
    film = write_film(tmp_path / "phone.mp4", recorded, rotation_deg=rotation_deg)
    ((_, shown),) = list(VideoFile(film, rate_hz=None).frames(range(1)))
    assert shown.shape == upright.shape
    assert np.abs(shown.astype(int) - upright).mean() < 6
    status, summary, _ = build(film)
    assert status == 0
    assert summary["videos"]["phone"]["face_percent"] == 100


def test_a_variable_frame_rate_keeps_its_times_in_every_segment(portraits, build, tmp_path) -> None:
    times_ms = [0, 40, 80, 200, 233, 500, 900, 1000, 1033, 1100, 1500, 1540, 1580, 2000, 2100, 2400]
    film = write_film(tmp_path / "vfr.mp4", portraits, times_ms=times_ms)
    status, _, _ = build(film, options=("--rate-hz", "native", "--segment-rows", 5))
    assert status == 0
    with open_store(tmp_path / "s.h5") as store:
        np.testing.assert_allclose(store.time_ns("vfr") / 1e6, times_ms, atol=1.5)
        assert store.seq("vfr", "color").tolist() == list(range(16))
        assert store.valid("vfr")["face"].all()
        in_segments = store.read("vfr", 0, 16, "color")
    (tmp_path / "s.h5").unlink()
    status, _, _ = build(film)
    assert status == 0
    with open_store(tmp_path / "s.h5") as store:
        difference = np.abs(store.read("vfr", 0, 16, "color").astype(int) - in_segments)
    assert difference.mean() < 3  # trackers that began anew, on the very same frames


@pytest.mark.parametrize("rows", [range(7, 11), range(15, 16), range(6, 7), range(0, 3)])
def test_any_stretch_of_a_film_is_decoded_as_the_whole_is(portraits, tmp_path, rows: range) -> None:
    film = VideoFile(write_film(tmp_path / "v.mp4", portraits), rate_hz=None)
    whole = dict(film.frames())
    assert list(whole) == list(range(16))
    part = dict(film.frames(rows))
    assert list(part) == list(rows)
    for row, image in part.items():
        np.testing.assert_array_equal(image, whole[row])


def test_no_face_is_a_film_of_flagged_rows(build, tmp_path) -> None:
    wall = np.full((240, 320, 3), 90, np.uint8)
    film = write_film(tmp_path / "wall.mp4", [wall] * 6)
    status, summary, _ = build(film)
    assert status == 0
    assert summary["face_percent"] == 0
    assert summary["videos"]["wall"]["missing"] == {"no face": 6}
    with open_store(tmp_path / "s.h5") as store:
        assert not store.valid("wall")["face"].any()
        assert not store.read("wall", 0, 6, "color").any()
        assert {REASONS[r] for r in store.reason("wall")} == {"no face"}


def test_two_faces_are_one_subject_and_a_flag(portraits, build, tmp_path) -> None:
    """The larger face is the subject; the other one walks in later."""
    half = [cv2.resize(p, None, fx=0.9, fy=0.9) for p in portraits]
    empty = np.full_like(half[0], 120)
    canvas = np.full_like(portraits[0], 120)
    frames = []
    for k, portrait in enumerate(portraits):
        small = canvas.copy()
        small[: half[k].shape[0], : half[k].shape[1]] = half[15 - k] if k >= 4 else empty
        frames.append(np.hstack([portrait, small]))
    film = write_film(tmp_path / "two.mp4", frames + frames[4:])
    status, summary, _ = build(film)
    assert status == 0
    assert summary["face_percent"] == 100
    assert summary["videos"]["two"]["flags"]["several_faces"] > 0
    with open_store(tmp_path / "s.h5") as store:
        x_px = store.landmarks_px("two")[:, :, 0].mean(axis=1)
        assert (x_px < portraits[0].shape[1]).all()
        assert not store.flags("two")["several_faces"][:4].any()


def test_empty_and_foreign_files_are_named_and_the_rest_is_kept(portraits, build, tmp_path) -> None:
    good = write_film(tmp_path / "good.mp4", portraits[:4])
    empty, text = tmp_path / "empty.mp4", tmp_path / "text.mp4"
    empty.write_bytes(b"")
    text.write_text("no film")
    status, summary, error = build(good, empty, text)
    assert status == 1
    assert "empty.mp4" in error
    assert "text.mp4" in error
    assert set(summary["failed"]) == {str(empty), str(text)}
    status, summary, _ = build(
        good, empty, text, options=("--rate-hz", "native", "--skip-bad", "--split", "none")
    )
    assert status == 0
    assert list(summary["videos"]) == ["good"]


def test_a_film_cut_off_is_an_error_that_says_where(portraits, build, tmp_path) -> None:
    whole = write_film(tmp_path / "whole.mkv", portraits * 4)
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    status, _, error = build(cut)
    assert status == 1
    assert "cut.mkv breaks off after" in error
    assert not (tmp_path / "s.h5").exists()


def test_a_full_disk_ends_the_build_and_room_lets_it_go_on(
    portraits, build, tmp_path, monkeypatch
) -> None:
    """Files may not grow beyond a limit, as on a disk that is full; then they may."""
    film = write_film(tmp_path / "film.mp4", portraits)
    calls = 0

    def refuse(folder: Path, needed_bytes: int) -> None:
        nonlocal calls
        calls += 1
        if calls > 4:  # rows and people, then two segments of faces
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))

    options = ("--rate-hz", "native", "--segment-rows", 4)
    with monkeypatch.context() as full:
        full.setattr("mavfer.work_folder.require_free_space", refuse)
        status, _, error = build(film, options=options)
    assert status == 1
    assert "No space left on device" in error
    assert not (tmp_path / "s.h5").exists()
    status, summary, _ = build(film, options=options)
    assert status == 0
    assert summary["reused_segments"] == 2
    assert sorted(p.name for p in tmp_path.iterdir()) == ["film.mp4", "s.h5"]


def test_a_disk_that_fills_up_for_real_leaves_nothing_torn(portraits, tmp_path) -> None:
    """The limit on the size of a file strikes in the middle of writing one."""
    film = write_film(tmp_path / "film.mp4", portraits)
    store = tmp_path / "s.h5"
    script = (
        "import resource, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, resource.RLIM_INFINITY))\n"
        "from mavfer.build_cli import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    arguments = ["--video", str(film), "-o", str(store), "--rate-hz", "native", "--workers", "1"]
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments, "--quiet"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 1
    assert "File too large" in done.stderr
    assert "Traceback" not in done.stderr
    assert not store.exists()
    assert main([*arguments, "--quiet"]) == 0
    with open_store(store) as opened:
        assert opened.valid("film")["face"].all()


def test_an_output_that_cannot_be_written_is_named_before_any_work(
    portraits, tmp_path, capsys
) -> None:
    film = write_film(tmp_path / "film.mp4", portraits[:2])
    (tmp_path / "file").write_text("")
    for output in (tmp_path / "file" / "s.h5", Path("/proc/nowhere/s.h5")):
        status = main(["--video", str(film), "-o", str(output), "--quiet"])
        assert status == 1
        error = capsys.readouterr().err
        assert str(output.parent) in error
        assert "Traceback" not in error
