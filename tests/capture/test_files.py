import pytest

from capture.files import OutputExistsError, atomic_output, write_text_atomic


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
