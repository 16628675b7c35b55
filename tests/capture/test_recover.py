"""Whatever happens to a recording's bytes, what verifies comes back and nothing else is claimed."""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcap.reader import make_reader

from capture.cli import main
from capture.clock import ClockProbe, HostIdentity
from capture.errors import MavferError, RecordingError
from capture.frame import DeviceEvent, Frame, StreamSpec
from capture.manifest import RecordingSummary, read_manifest
from capture.recording import open_recording
from capture.recover import recover_recording, recover_session
from capture.sensor import SensorInfo
from capture.session import create_session, open_session
from capture.summary import summarise_recording
from capture.writer import RECOVERED_METADATA, RecordingWriter

N_FRAMES = 120
FRAMES_A_CHUNK = 12
PERIOD_NS = 33_333_333
HOST = HostIdentity("box", "boot", 10**12, 10**18)


def image_of(seq: int) -> np.ndarray:
    return np.random.default_rng(seq).integers(0, 65536, (12, 16)).astype(np.uint16)


def write(path: Path, *, uuid: str = "u-1", close: bool = True, first: int = 0) -> RecordingWriter:
    spec = StreamSpec("depth", "depth", 16, 12, "Mono16", "mm", 30.0)
    info = SensorInfo("v", "m", "s", "f", (spec,))
    writer = RecordingWriter(path, daemon="cam", info=info, session_uuid=uuid, host=HOST)
    for seq in range(N_FRAMES):
        at_ns = 10**12 + (first + seq) * PERIOD_NS
        writer.append(Frame("depth", seq, at_ns, at_ns + 2_000_000, image_of(seq)))
        if seq % FRAMES_A_CHUNK == FRAMES_A_CHUNK - 1:
            writer.probe(ClockProbe(at_ns, at_ns + 50_000, at_ns + 60_000, at_ns + 110_000))
            writer.event(DeviceEvent("depth", "note", at_ns, at_ns, {"n": seq}))
            writer.sync()
    if close:
        writer.close()
    return writer


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("whole") / "cam.mcap"
    write(path)
    return path.read_bytes()


def frames_in(path: Path) -> list[int]:
    """Read every frame; each must be what was written."""
    stream = open_recording(path).streams["depth"]
    for index, seq in enumerate(stream.seq.tolist()):
        np.testing.assert_array_equal(stream.read(index).image, image_of(seq))
    return stream.seq.tolist()


def test_a_whole_recording_is_left_alone(whole: bytes, tmp_path: Path) -> None:
    path = tmp_path / "cam.mcap"
    path.write_bytes(whole)
    recovery = recover_recording(path)
    assert (recovery.damage, recovery.kept, recovery.n_frames) == (None, None, N_FRAMES)
    assert path.read_bytes() == whole
    assert list(tmp_path.iterdir()) == [path]


def test_a_cut_off_recording_becomes_whole_and_the_original_stays(
    whole: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "cam.mcap"
    cut = whole[: len(whole) * 2 // 3]
    path.write_bytes(cut)
    before = frames_in(path)
    recovery = recover_recording(path)
    assert recovery.kept is not None
    assert recovery.kept.read_bytes() == cut
    assert recovery.damage is not None
    recording = open_recording(path)
    assert recording.complete
    assert frames_in(path) == before
    assert 0 < recovery.n_frames < N_FRAMES
    assert len(recording.probes) == len(before) // FRAMES_A_CHUNK
    with path.open("rb") as handle:  # by the public reader, through the index
        reader = make_reader(handle)
        summary = reader.get_summary()
        assert summary is not None
        assert summary.statistics is not None
        assert summary.statistics.message_count > len(before)
        told = {m.name: m.metadata for m in reader.iter_metadata()}[RECOVERED_METADATA]
        assert int(told["n_bytes_lost"]) == recovery.n_bytes_lost
    assert recover_recording(path).damage is None


def test_what_follows_damage_in_the_middle_is_recovered_too(whole: bytes, tmp_path: Path) -> None:
    path = tmp_path / "cam.mcap"
    damaged = bytearray(whole)
    middle = len(damaged) // 2
    damaged[middle : middle + 40] = bytes(40)
    path.write_bytes(damaged)
    recovery = recover_recording(path)
    seqs = frames_in(path)
    missing = sorted(set(range(N_FRAMES)) - set(seqs))
    assert 0 < len(missing) <= 2 * FRAMES_A_CHUNK
    assert seqs[0] == 0
    assert seqs[-1] == N_FRAMES - 1
    assert open_recording(path).streams["depth"].n_dropped == len(missing)
    assert recovery.n_bytes_lost > 0


def test_any_cut_and_any_flips_give_true_frames_or_one_clear_error(
    whole: bytes, tmp_path: Path
) -> None:
    outcomes = {"refused": 0, "recovered": 0}

    @given(
        end=st.floats(0, 1),
        flips=st.lists(st.tuples(st.floats(0, 0.999), st.integers(1, 255)), max_size=5),
    )
    def check(end: float, flips: list[tuple[float, int]]) -> None:
        damaged = bytearray(whole[: round((1 - end) * len(whole))])
        for share, change in flips:
            if damaged:  # towards the end: the first kilobytes are needed to read anything
                damaged[int((1 - share) * (len(damaged) - 1))] ^= change
        shutil.rmtree(tmp_path / "case", ignore_errors=True)
        path = tmp_path / "case" / "cam.mcap"
        path.parent.mkdir()
        path.write_bytes(damaged)
        try:
            recovery = recover_recording(path)
        except MavferError:
            assert path.read_bytes() == damaged
            outcomes["refused"] += 1
            return
        outcomes["recovered"] += 1
        recording = open_recording(path)
        assert recording.complete
        if "depth" in recording.streams:
            assert len(frames_in(path)) == recovery.n_frames
        if recovery.kept is not None:
            assert recovery.kept.read_bytes() == damaged

    check()
    assert outcomes["recovered"] > outcomes["refused"]


_STEPS = ("rewrite.rewrite", "files.os.fsync", "recover.os.link", "recover.Path.replace")


@pytest.mark.parametrize("step", [*_STEPS, "after"])
def test_a_recovery_killed_anywhere_loses_nothing_and_goes_on(
    step: str, whole: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "cam.mcap"
    cut = whole[: len(whole) // 2]
    path.write_bytes(cut)
    code = (
        "import os, sys, pathlib, capture.recover as recover, capture.rewrite as rewrite\n"
        "import capture.files as files\n"
        "def die(*_, **__): os.kill(os.getpid(), 9)\n"
        "step = sys.argv[2]\n"
        "if step == 'rewrite.rewrite':\n"
        "    real = recover.rewrite\n"
        "    def half(path, target, found, report):\n"
        "        real(path, target, found, report)\n"
        "        os.truncate(target, target.stat().st_size // 2)\n"
        "        die()\n"
        "    recover.rewrite = half\n"
        "elif step == 'files.os.fsync': os.fsync = die\n"
        "elif step == 'recover.os.link': os.link = die\n"
        "elif step == 'recover.Path.replace':\n"
        "    real = pathlib.Path.replace\n"
        "    def replace(self, to):\n"
        "        die() if str(to) == sys.argv[1] else real(self, to)\n"
        "    pathlib.Path.replace = replace\n"
        "recover.recover_recording(pathlib.Path(sys.argv[1]))\n"
        "die()\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path), step], check=False)
    assert done.returncode == -9
    kept = path.with_name("cam.mcap.damaged")
    assert cut in (path.read_bytes(), kept.read_bytes() if kept.exists() else None)
    assert frames_in(path)  # under its name there is a readable recording at every moment
    recovery = recover_recording(path)
    assert open_recording(path).complete
    assert recovery.n_frames == len(frames_in(path)) > 0
    assert kept.read_bytes() == cut
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cam.mcap", "cam.mcap.damaged"]


def test_what_is_still_written_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "cam.mcap"
    writer = write(path, close=False)
    before = path.read_bytes()
    with pytest.raises(RecordingError, match="still being written"):
        recover_recording(path)
    assert path.read_bytes() == before
    writer.close()
    assert recover_recording(path).damage is None


def test_the_original_of_an_earlier_recovery_is_never_written_over(
    whole: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "cam.mcap"
    path.write_bytes(whole[: len(whole) // 2])
    kept = path.with_name("cam.mcap.damaged")
    kept.write_bytes(b"precious")
    with pytest.raises(RecordingError, match="exists already"):
        recover_recording(path)
    assert kept.read_bytes() == b"precious"


def test_without_its_beginning_a_file_says_nothing(whole: bytes, tmp_path: Path) -> None:
    path = tmp_path / "cam.mcap"
    path.write_bytes(whole[:8] + bytes(600) + whole[4000:])
    with pytest.raises(RecordingError, match="the beginning is lost"):
        recover_recording(path)


def test_a_chunk_that_no_longer_says_what_it_is_is_missed(whole: bytes, tmp_path: Path) -> None:
    """Its header became a private record, which readers skip: only the summary's counts tell."""
    path = tmp_path / "cam.mcap"
    at = _chunks(whole)[4]
    path.write_bytes(whole[:at] + b"\x86" + whole[at + 1 :])
    assert recover_recording(path).damage
    missing = set(range(N_FRAMES)) - set(frames_in(path))
    assert missing == set(range(4 * FRAMES_A_CHUNK, 5 * FRAMES_A_CHUNK))


def test_one_damaged_place_costs_one_chunk_and_its_frames_are_counted(
    whole: bytes, tmp_path: Path
) -> None:
    chunks = _chunks(whole)
    starts = {n * FRAMES_A_CHUNK for n in range(N_FRAMES // FRAMES_A_CHUNK)}

    @given(at=st.integers(chunks[0], len(whole) - 1), change=st.integers(1, 255))
    def check(at: int, change: int) -> None:
        shutil.rmtree(tmp_path, ignore_errors=True)
        tmp_path.mkdir()
        path = tmp_path / "cam.mcap"
        path.write_bytes(whole[:at] + bytes([whole[at] ^ change]) + whole[at + 1 :])
        recover_recording(path)
        recording = open_recording(path)
        assert recording.complete
        missing = sorted(set(range(N_FRAMES)) - set(frames_in(path)))
        if not missing:
            return
        assert missing[0] in starts
        assert missing == list(range(missing[0], missing[0] + FRAMES_A_CHUNK))
        assert recording.recovered is not None
        counted = recording.recovered.n_frames_lost.get("depth", 0)
        inside = missing[0] > 0 and missing[-1] < N_FRAMES - 1
        assert counted == (FRAMES_A_CHUNK if inside else 0)
        stream = summarise_recording(RecordingSummary("cam.mcap", "local"), recording)
        assert stream.streams["depth"].n_lost == counted
        assert stream.streams["depth"].n_dropped_sensor == 0

    check()


def test_damage_to_a_recovered_file_adds_up(
    whole: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("capture.rewrite._CHUNK_BYTES", 5000)
    path = tmp_path / "cam.mcap"
    path.write_bytes(whole)
    lost = [0]
    for chunk in (3, 6):
        data = bytearray(path.read_bytes())
        data[_chunks(bytes(data))[chunk] + 3000] ^= 1
        path.write_bytes(data)
        recovery = recover_recording(path)
        assert recovery.kept is not None
        recovery.kept.unlink()
        recording = open_recording(path)
        assert recording.recovered is not None
        lost.append(recording.recovered.n_frames_lost["depth"])
        assert lost[-1] == recording.streams["depth"].n_dropped == N_FRAMES - recovery.n_frames
    assert 0 < lost[1] < lost[2]


def test_the_first_chunk_is_not_needed_where_the_summary_is(whole: bytes, tmp_path: Path) -> None:
    """The first chunk names the channels; a finished file names them again at its end."""
    at = _chunks(whole)[0] + 2000
    damaged = whole[:at] + bytes(20) + whole[at + 20 :]
    path = tmp_path / "cam.mcap"
    path.write_bytes(damaged)
    recover_recording(path)
    assert frames_in(path) == list(range(FRAMES_A_CHUNK, N_FRAMES))
    other = tmp_path / "cut.mcap"
    other.write_bytes(damaged[: len(whole) * 2 // 3])
    with pytest.raises(RecordingError, match="the beginning is lost"):
        recover_recording(other)
    assert other.read_bytes() == damaged[: len(whole) * 2 // 3]


def test_a_session_left_open_is_closed_and_its_manifest_tells_what_is_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = create_session(tmp_path, subject="S01")
    folder.update(recordings={"cam": RecordingSummary("cam.mcap", "local")})
    cam = folder.path / "cam.mcap"
    writer = write(cam, uuid=folder.manifest.uuid, close=False)
    with pytest.raises(RecordingError, match="still being written"):
        recover_session(folder.path)
    writer._handle.close()  # as if killed
    write(folder.path / "cam_2.mcap", uuid=folder.manifest.uuid, first=2 * N_FRAMES)
    assert main(["recover", str(folder.path), "--json", "--quiet"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["status"] == "failed"
    assert document["recordings"][0]["n_frames"] == N_FRAMES
    manifest = read_manifest(folder.path)
    assert manifest.error == "the controller ended before the session did"
    summary = manifest.recordings["cam"]
    assert summary.status == "failed"
    assert "recovered: ends at byte" in str(summary.error)
    assert summary.streams["depth"].n_frames == N_FRAMES
    assert summary.digest == "blake2b:" + hashlib.blake2b(cam.read_bytes()).hexdigest()
    assert summary.n_bytes == cam.stat().st_size
    second = manifest.recordings["cam_2"]
    assert (second.file, second.address, second.status) == ("cam_2.mcap", "local", "interrupted")
    assert second.streams["depth"].last_time_ns == manifest.stop_time_ns - 1  # type: ignore[operator]
    again, recoveries = recover_session(folder.path)
    assert [recovery.damage for recovery in recoveries] == [None, None]
    assert again == manifest
    assert len(open_session(folder.path).streams["depth"]) == 2 * N_FRAMES


def test_a_session_whose_files_are_whole_was_interrupted(tmp_path: Path) -> None:
    folder = create_session(tmp_path, subject="S01")
    write(folder.path / "cam.mcap", uuid=folder.manifest.uuid)
    manifest, _ = recover_session(folder.path)
    assert (manifest.status, manifest.recordings["cam"].status) == ("interrupted", "interrupted")


def _chunks(data: bytes) -> list[int]:
    """Return where the chunks of an intact file begin."""
    at, found = 8, []
    while data[at] != 0x0F:
        if data[at] == 0x06:
            found.append(at)
        at += 9 + int.from_bytes(data[at + 1 : at + 9], "little")
    return found
