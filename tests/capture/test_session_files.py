"""What a daemon serves: its own recordings, and nothing else of the disk."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capture.errors import MavferError
from capture.file_server import SessionFiles


@pytest.fixture
def files(tmp_path: Path) -> SessionFiles:
    """A root with one recording and every way out of it."""
    root, secret = tmp_path / "root", tmp_path / "secret"
    (root / "s1" / "cam_3.mcap").mkdir(parents=True)
    secret.mkdir()
    (secret / "cam.mcap").write_text("secret")
    (root / "s1" / "cam.mcap").write_text("mine")
    (root / "s1" / "other.mcap").write_text("other")
    (root / "s1" / "cam_2.mcap").symlink_to(secret / "cam.mcap")
    (root / "linked").symlink_to(secret)
    os.mkfifo(root / "s1" / "cam_4.mcap")
    (root / "cam.mcap").write_text("no session")
    return SessionFiles(root, "cam")


def test_a_daemon_lists_its_own_files_only(files: SessionFiles) -> None:
    assert [(f.name, f.n_bytes, f.in_progress) for f in files.list("s1")] == [
        ("cam.mcap", 4, False)
    ]
    assert files.list("none") == ()
    assert files.list("linked") == ()


@pytest.mark.parametrize(
    ("session_id", "name"),
    [
        *[("s1", name) for name in ("cam_2.mcap", "cam_3.mcap", "cam_4.mcap", "other.mcap")],
        *[("s1", name) for name in ("../cam.mcap", "", ".mcap", "cam", "cam_²", "cam_.mcap")],
        *[(name, "cam.mcap") for name in ("linked", "..", ".", "", "s1/..", "/", "none", "s1\0")],
    ],
)
def test_nothing_else_of_the_disk_can_be_read(
    session_id: str, name: str, files: SessionFiles
) -> None:
    with pytest.raises(MavferError), files.open(session_id, name):
        pass


def test_no_name_leads_out(files: SessionFiles) -> None:
    pieces = st.sampled_from(["..", "/", "s1", "cam", ".mcap", "_2", "linked", "secret", "\0", "."])
    names = st.lists(pieces, max_size=5).map("".join) | st.text(max_size=20)

    @given(names, names)
    def check(session_id: str, name: str) -> None:
        try:
            with files.open(session_id, name) as handle:
                assert handle.read() == b"mine"
        except MavferError:
            pass

    check()
