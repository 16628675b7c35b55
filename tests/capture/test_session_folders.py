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
