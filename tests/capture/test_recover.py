"""Whatever happens to a recording's bytes, what verifies comes back and nothing else is claimed."""

import json
import shutil
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
from capture.recording import open_recording
from capture.recover import RECOVERED_METADATA, recover_recording, recover_session
from capture.sensor import SensorInfo
from capture.session import RecordingSummary, create_session, read_manifest
from capture.writer import RecordingWriter

N_FRAMES = 120
FRAMES_A_CHUNK = 12
PERIOD_NS = 33_333_333
HOST = HostIdentity("box", "boot", 10**12, 10**18)


def image_of(seq: int) -> np.ndarray:
    return np.random.default_rng(seq).integers(0, 65536, (12, 16)).astype(np.uint16)


def write(path: Path, *, uuid: str = "u-1", close: bool = True) -> RecordingWriter:
    spec = StreamSpec("depth", "depth", 16, 12, "Mono16", "mm", 30.0)
    info = SensorInfo("v", "m", "s", "f", (spec,))
    writer = RecordingWriter(path, daemon="cam", info=info, session_uuid=uuid, host=HOST)
    for seq in range(N_FRAMES):
        at_ns = 10**12 + seq * PERIOD_NS
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


def test_a_recovery_killed_between_its_renames_goes_on(whole: bytes, tmp_path: Path) -> None:
    path = tmp_path / "cam.mcap"
    cut = whole[: len(whole) // 2]
    path.with_name("cam.mcap.damaged").write_bytes(cut)
    path.with_name("cam.mcap.recovered").write_bytes(b"half of it")
    recovery = recover_recording(path)
    assert recovery.n_frames > 0
    assert open_recording(path).complete
    assert path.with_name("cam.mcap.damaged").read_bytes() == cut
    assert not path.with_name("cam.mcap.recovered").exists()


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


def test_a_session_left_open_is_closed_and_its_manifest_tells_what_is_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = create_session(tmp_path, subject="S01")
    folder.update(recordings={"cam": RecordingSummary("cam.mcap", "local")})
    writer = write(folder.path / "cam.mcap", uuid=folder.manifest.uuid, close=False)
    writer._handle.flush()
    assert main(["recover", str(folder.path), "--json", "--quiet"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["status"] == "failed"
    assert document["recordings"][0]["n_frames"] == N_FRAMES
    manifest = read_manifest(folder.path)
    assert manifest.error == "the controller ended before the session did"
    summary = manifest.recordings["cam"]
    assert summary.status == "interrupted"
    assert summary.streams["depth"].n_frames == N_FRAMES
    assert recover_session(folder.path)[1][0].damage is None
    writer.close()
