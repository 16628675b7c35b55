"""Files as a bad disk, a full one or another program leaves them: a prefix or one clear error."""

import shutil
import struct
import tracemalloc
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mcap.writer import CompressionType, Writer

from capture.errors import MavferError, RecordingError
from capture.mcap_index import MAGIC
from capture.recording import open_recording
from capture.recover import recover_recording

WriteRecording = Callable[..., Path]
N_FRAMES = 24
MEMORY_BYTES = 64 << 20
SHARE = st.floats(0, 1, exclude_max=True)
DAMAGE = st.tuples(
    st.sampled_from(["cut", "flip", "insert", "remove", "zero", "repeat", "huge"]),
    SHARE,
    st.integers(1, 3000),
    st.randoms(use_true_random=False),
)


def damaged(content: bytes, damages: list[tuple]) -> bytes:
    for kind, share, length, rng in damages:
        at = int(share * len(content))
        before, after = content[:at], content[at:]
        if kind == "cut":
            content = before
        elif kind == "flip":
            content = (
                before + bytes(byte ^ (1 << rng.randrange(8)) for byte in after[:1]) + after[1:]
            )
        elif kind == "insert":
            content = before + rng.randbytes(length) + after
        elif kind == "remove":
            content = before + after[length:]
        elif kind == "zero":
            content = before + bytes(min(length, len(after))) + after[length:]
        elif kind == "repeat":
            content = before + after[:length] + after
        else:
            number = rng.choice([2**31, 2**32 - 1, 2**63, 2**64 - 1, 2**40])
            content = before + struct.pack("<Q", number) + after[8:]
    return content


def read_and_recover(content: bytes, folder: Path) -> tuple[int, int] | None:
    """Try both; return how many frames came back before and after, None when it was refused."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    path = folder / "cam.mcap"
    path.write_bytes(content)
    try:
        n_before = frames_in(path, strict=False)
    except RecordingError:
        n_before = 0
    assert path.read_bytes() == content
    try:
        recovery = recover_recording(path)
    except MavferError:
        assert path.read_bytes() == content
        assert [left.name for left in folder.iterdir()] == ["cam.mcap"]
        return None
    if recovery.kept is not None:
        assert recovery.kept.read_bytes() == content
    assert open_recording(path).complete
    n_after = frames_in(path, strict=True)
    assert n_after == recovery.n_frames
    return n_before, n_after


def frames_in(path: Path, *, strict: bool) -> int:
    """Count the frames that can be read; with `strict`, all that the reader lists."""
    n_frames = 0
    for stream in open_recording(path).streams.values():
        for index in range(len(stream)):
            try:
                stream.read(index)
                n_frames += 1
            except RecordingError:
                assert not strict
    return n_frames


def test_any_damage_leaves_what_verifies_or_one_clear_error(
    write_recording: WriteRecording, tmp_path: Path
) -> None:
    content = write_recording(tmp_path / "cam.mcap", n=N_FRAMES).read_bytes()
    outcomes = {"refused": 0, "recovered": 0}

    @settings(max_examples=150)
    @given(st.lists(DAMAGE, min_size=1, max_size=4))
    def check(damages: list[tuple]) -> None:
        counts = read_and_recover(damaged(content, damages), tmp_path / "case")
        outcomes["refused" if counts is None else "recovered"] += 1

    check()
    assert min(outcomes.values()) > 10, outcomes


def test_any_bytes_are_refused(tmp_path: Path) -> None:
    @given(st.binary(max_size=400) | st.text().map(str.encode))
    def check(content: bytes) -> None:
        for start in (b"", MAGIC):
            assert read_and_recover(start + content, tmp_path / "case") is None

    check()


def _other_program(compression: CompressionType) -> bytes:
    target = BytesIO()
    writer = Writer(target, compression=compression)
    writer.start()
    schema = writer.register_schema("other.Thing", "jsonschema", b'{"type": "object"}')
    channel = writer.register_channel("/things", "json", schema)
    for number in range(50):
        writer.add_message(channel, number, b"{}", number)
    writer.finish()
    return target.getvalue()


def _many_beginnings() -> bytes:
    """Every 64 bytes a chunk that claims all the rest: reading each to its end takes hours."""
    chunks, n = [MAGIC, struct.pack("<BQII", 1, 8, 0, 0)], 60_000
    for k in range(n):
        rest = 64 * (n - k) - 9
        chunks.append(struct.pack("<BQQQQIIQ", 6, rest, 0, 0, rest - 40, 1, 0, rest - 40))
        chunks.append(bytes(15))
    return b"".join(chunks)


STRANGE = {
    "text": b"seq,time\n1,2\n" * 100,
    "another program's": _other_program(CompressionType.NONE),
    "another program's, zstd": _other_program(CompressionType.ZSTD),
    "another program's, lz4": _other_program(CompressionType.LZ4),
    "a giant record": MAGIC + struct.pack("<BQ", 1, 2**63) + bytes(100),
    "a giant chunk": MAGIC
    + struct.pack("<BQQQQIIQ", 6, 140, 0, 0, 2**62, 1, 0, 2**62)
    + bytes(100),
    "many beginnings of chunks": _many_beginnings(),
    "zeros": bytes(100_000),
    "magic and zeros": MAGIC + bytes(100_000),
}


@pytest.mark.parametrize("name", STRANGE)
def test_strange_files_are_refused_in_little_memory(name: str, tmp_path: Path) -> None:
    tracemalloc.start()
    try:
        assert read_and_recover(STRANGE[name], tmp_path / "case") is None
        assert tracemalloc.get_traced_memory()[1] < MEMORY_BYTES
    finally:
        tracemalloc.stop()


def test_a_recording_among_beginnings_of_chunks_is_still_found(
    write_recording: WriteRecording, tmp_path: Path
) -> None:
    content = write_recording(tmp_path / "cam.mcap", n=N_FRAMES).read_bytes()
    counts = read_and_recover(content[:-200] + STRANGE["many beginnings of chunks"], tmp_path / "c")
    assert counts == (2 * N_FRAMES, 2 * N_FRAMES)
