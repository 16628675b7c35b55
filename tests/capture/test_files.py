import errno
import shutil
from pathlib import Path

import pytest

from capture.errors import MavferError
from capture.files import (
    OutputExistsError,
    all_or_none,
    atomic_output,
    check_not_input,
    check_not_within,
    check_output,
    require_free_space,
    write_text_atomic,
)


def test_output_appears_whole(tmp_path):
    path = tmp_path / "new" / "out.txt"
    with atomic_output(path) as partial:
        partial.write_text("half")
        assert not path.exists()
        partial.write_text("whole")
    assert path.read_text() == "whole"
    assert [p.name for p in path.parent.iterdir()] == ["out.txt"]


def test_failure_leaves_nothing(tmp_path):
    def fail() -> None:
        with atomic_output(tmp_path / "out.txt") as partial:
            partial.write_text("half")
            raise RuntimeError("disk")

    with pytest.raises(RuntimeError, match="disk"):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_existing_output_is_kept(tmp_path):
    path = tmp_path / "out.txt"
    path.write_text("precious")
    with pytest.raises(OutputExistsError, match="exists already"):
        write_text_atomic(path, "new")
    assert path.read_text() == "precious"
    write_text_atomic(path, "new", overwrite=True)
    assert path.read_text() == "new"


def test_output_that_appears_meanwhile_is_kept(tmp_path):
    path = tmp_path / "out.txt"

    def race() -> None:
        with atomic_output(path) as partial:
            partial.write_text("mine")
            path.write_text("theirs")

    with pytest.raises(OutputExistsError):
        race()
    assert path.read_text() == "theirs"
    assert [p.name for p in tmp_path.iterdir()] == ["out.txt"]


def test_outputs_that_belong_together_appear_together_or_not(tmp_path):
    kept, new, nested = tmp_path / "kept.txt", tmp_path / "new.txt", tmp_path / "report" / "a.txt"
    kept.write_text("before")
    outputs = [kept, new, nested, tmp_path / "never" / "b.txt"]

    def write(*, fail: bool) -> None:
        with all_or_none(outputs):
            write_text_atomic(new, "new")
            write_text_atomic(nested, "nested")
            if fail:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(fail=True)
    assert [path.name for path in tmp_path.iterdir()] == ["kept.txt"]
    write(fail=False)
    assert nested.read_text() == "nested"


def test_a_disk_that_is_too_full_is_the_systems_own_error(tmp_path):
    free = shutil.disk_usage(tmp_path).free
    require_free_space(tmp_path, free // 2)
    with pytest.raises(OSError, match="No space left") as caught:
        require_free_space(tmp_path, free * 2)
    assert caught.value.errno == errno.ENOSPC


def test_a_folder_is_no_output_file(tmp_path):
    (tmp_path / "out").mkdir()
    with (
        pytest.raises(MavferError, match="is a folder"),
        atomic_output(tmp_path / "out", overwrite=True),
    ):
        pytest.fail("work was begun")


def test_what_is_read_is_not_written_over(tmp_path):
    ratings, alias = tmp_path / "ratings.csv", tmp_path / "alias.csv"
    ratings.write_text("irreplaceable")
    alias.symlink_to(ratings)
    check_not_input([tmp_path / "labels.csv", None], [ratings, None])
    for output in (ratings, alias, tmp_path / "." / "ratings.csv"):
        with pytest.raises(MavferError, match="is an input too"):
            check_not_input([output], [ratings])


def test_folders_that_are_read_are_not_written_into(tmp_path):
    session, elsewhere = tmp_path / "session", tmp_path / "elsewhere.mcap"
    session.mkdir()
    elsewhere.write_text("irreplaceable")
    (session / "a65.mcap").symlink_to(elsewhere)
    (tmp_path / "alias").symlink_to(session)
    check_not_within([tmp_path / "session.h5", None], [session])
    for output in (session / "new.h5", session, tmp_path / "alias" / "deep" / "new.h5"):
        with pytest.raises(MavferError, match="which is read"):
            check_not_within([output], [session])
    with pytest.raises(MavferError, match="is an input too"):
        check_not_within([elsewhere], [session])


def test_outputs_that_cannot_be_are_named_before_any_work(tmp_path):
    (tmp_path / "file").write_text("")
    check_output(tmp_path / "new" / "deep" / "out", overwrite=False)
    check_output(tmp_path / "file", overwrite=True)
    for output, message in (
        (tmp_path / "file" / "deep" / "out", "is a file"),
        (tmp_path, "is a folder"),
        (Path("/dev/null"), "is a device"),
    ):
        with pytest.raises(MavferError, match=message):
            check_output(output, overwrite=True)
