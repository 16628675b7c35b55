import errno
import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from capture.errors import ConfigError, RecordingError
from capture.manifest import Consent, read_manifest
from capture.session import create_session, open_session
from capture.structure import encode

WriteRecording = Callable[..., Path]
NOON = datetime(2026, 7, 4, 12, 0, 0, tzinfo=UTC)


def test_a_session_round_trips(tmp_path: Path, write_recording: WriteRecording) -> None:
    folder = create_session(tmp_path, subject="S01", consent=Consent(share=True), rig={"name": "r"})
    assert folder.manifest.status == "recording"
    write_recording(folder.path / "kinect2.mcap", n=30, uuid=folder.manifest.uuid)
    folder.update(status="complete", start_time_ns=5_000_000_000_000)
    session = open_session(folder.path)
    assert session.manifest == folder.manifest
    assert session.manifest.consent is not None
    assert session.manifest.consent.share
    silent = {k: v for k, v in encode(folder.manifest).items() if k != "consent"}
    (folder.path / "session.json").write_text(json.dumps(silent))
    assert open_session(folder.path).manifest.consent is None
    assert session.id == folder.path.name
    assert session.id.endswith("_S01")
    assert set(session.streams) == {"color", "depth"}
    assert session.start_time_ns == 5_000_000_000_000
    assert [event.kind for event in session.events] == ["nuc"]


def test_a_session_is_never_reused(tmp_path: Path) -> None:
    paths = {create_session(tmp_path, subject="S01", created=NOON).path for _ in range(3)}
    assert len(paths) == 3
    assert all((path / "session.json").exists() for path in paths)


@pytest.mark.parametrize(
    "subject", ["../x", "", ".", "..", "a/b", "a b", "-x", "ä", "x" * 101, "a\n"]
)
def test_names_that_could_escape_the_folder_are_refused(subject: str, tmp_path: Path) -> None:
    root = tmp_path / "root"
    with pytest.raises(ConfigError, match="subject"):
        create_session(root, subject=subject)
    assert not root.exists()
    assert [path.name for path in tmp_path.iterdir()] == []


def test_a_session_cut_off_starts_at_its_first_frame(
    tmp_path: Path, write_recording: WriteRecording
) -> None:
    folder = create_session(tmp_path, subject="S01")
    write_recording(folder.path / "kinect2.mcap", n=30, uuid=folder.manifest.uuid)
    session = open_session(folder.path)
    assert session.manifest.status == "recording"
    assert session.start_time_ns == min(int(s.capture_time_ns[0]) for s in session.streams.values())


def test_a_recording_of_another_session_is_refused(
    tmp_path: Path, write_recording: WriteRecording
) -> None:
    folder = create_session(tmp_path, subject="S01")
    write_recording(folder.path / "kinect2.mcap", n=3, uuid="another")
    with pytest.raises(RecordingError, match="another session"):
        open_session(folder.path)


def test_a_damaged_recording_is_named_with_a_way_out(
    tmp_path: Path, write_recording: WriteRecording
) -> None:
    folder = create_session(tmp_path, subject="S01")
    write_recording(folder.path / "kinect2.mcap", n=3, uuid=folder.manifest.uuid)
    (folder.path / "a65.mcap").write_bytes(b"")
    with pytest.raises(RecordingError, match=r"move a65\.mcap elsewhere"):
        open_session(folder.path)


def test_two_recordings_with_one_stream_are_refused(
    tmp_path: Path, write_recording: WriteRecording
) -> None:
    folder = create_session(tmp_path, subject="S01")
    for name in ("a", "b"):
        uuid = folder.manifest.uuid
        write_recording(folder.path / f"{name}.mcap", n=3, uuid=uuid, daemon=name)
    with pytest.raises(RecordingError, match="two recordings"):
        open_session(folder.path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema_version": 99}, "schema version 99"),
        ({"format": "other"}, "not a session"),
        ({"status": "great"}, "status"),
        ({"subject": "../x"}, "subject"),
        ({"subjekt": "x"}, "did you mean 'subject'"),
        ({"start_time_ns": 1.5}, "start_time_ns"),
        ({"recordings": {"a": {"file": "../../etc/passwd", "address": "local"}}}, "file"),
    ],
)
def test_manifests_that_cannot_be_meant_are_refused(
    change: dict[str, object], message: str, tmp_path: Path
) -> None:
    folder = create_session(tmp_path, subject="S01")
    file = folder.path / "session.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    with pytest.raises(RecordingError, match=message):
        read_manifest(folder.path)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"format": 3}', "[" * 100_000])
def test_damaged_manifests_are_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "session.json").write_text(text)
    with pytest.raises(RecordingError):
        read_manifest(tmp_path)


def test_a_folder_without_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"no session\.json"):
        open_session(tmp_path)


def test_a_consent_lasts_to_the_end_of_its_last_day() -> None:
    consent = Consent(until="2030-12-31")
    assert not consent.ended(date(2030, 12, 31))
    assert consent.ended(date(2031, 1, 1))
    assert not Consent().ended(date(2031, 1, 1))
    with pytest.raises(ValueError, match="soon"):
        Consent(until="soon")


def test_a_damaged_manifest_is_named(tmp_path: Path) -> None:
    folder = create_session(tmp_path, subject="S01", created=NOON)
    file = folder.path / "session.json"
    text = file.read_text()
    for damaged, said in (
        (text[: len(text) // 2], "session.json is damaged"),
        (text.replace('"S01"', '"../S01"'), r"session.json: subject '../S01' is not allowed"),
    ):
        file.write_text(damaged)
        with pytest.raises(RecordingError, match=said):
            read_manifest(folder.path)
    with pytest.raises(RecordingError, match="is no folder"):
        read_manifest(file)


def test_a_session_that_cannot_be_begun_leaves_no_folder(tmp_path: Path, monkeypatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("capture.session.write_text_atomic", full)
    with pytest.raises(OSError, match="No space left"):
        create_session(tmp_path, subject="S01")
    assert list(tmp_path.iterdir()) == []
