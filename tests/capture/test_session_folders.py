import pytest

from capture.errors import RecordingError
from capture.session import create_session
from capture.session_folders import session_folders


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
