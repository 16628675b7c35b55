from pathlib import Path

import pytest

from capture.errors import RecordingError
from capture.file_lock import SessionLock
from capture.session import create_session
from capture.session_folders import left_open, session_folders


def test_a_folder_stands_for_the_sessions_in_it(tmp_path):
    first = create_session(tmp_path / "a", subject="S01").path
    second = create_session(tmp_path / "a", subject="S02").path
    other = create_session(tmp_path / "b", subject="S03").path
    (tmp_path / "a" / ".half").mkdir()
    (tmp_path / "a" / ".half" / "session.json").write_text("{}")
    assert session_folders([other, tmp_path / "a"]) == [other, *sorted([first, second])]


def test_recordings_without_a_manifest_are_not_left_out_in_silence(tmp_path):
    whole = create_session(tmp_path, subject="S01").path
    lost, notes = tmp_path / "lost", tmp_path / "notes"
    lost.mkdir()
    (lost / "kinect2.mcap").write_bytes(b"")
    notes.mkdir()
    (notes / "text.txt").write_text("")
    assert session_folders([tmp_path]) == sorted([whole, lost])


def test_a_folder_that_cannot_be_looked_into_is_not_left_out_in_silence(tmp_path, monkeypatch):
    whole = create_session(tmp_path, subject="S01").path
    locked = create_session(tmp_path, subject="S02").path
    listed = Path.iterdir

    def refuse(path):
        if path == locked:
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(Path, "iterdir", refuse)  # the superuser may look into any folder
    assert session_folders([tmp_path]) == sorted([whole, locked])


@pytest.mark.parametrize("name", ["empty", "missing", "file"])
def test_what_holds_no_session_is_refused_by_name(tmp_path, name):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordingError, match=name):
        session_folders([tmp_path / name])


def test_sessions_left_open_are_those_that_nobody_controls(tmp_path):
    closed, controlled, open_one = (
        create_session(tmp_path, subject=subject) for subject in ("S01", "S02", "S03")
    )
    closed.update(status="complete")
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "session.json").write_text("{")
    with SessionLock(controlled.path):
        assert left_open(tmp_path) == [open_one.path.name]
    assert left_open(tmp_path) == [open_one.path.name, controlled.path.name]
    assert left_open(tmp_path / "nowhere") == []
