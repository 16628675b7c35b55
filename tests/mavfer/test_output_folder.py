"""Folders of files that belong together, killed at every step: never of two makes."""

import json
import multiprocessing
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from capture.file_lock import hold
from capture.files import OutputExistsError
from mavfer.browse.write import write_browser
from mavfer.errors import DatasetError
from mavfer.export.croissant import About, export_croissant
from mavfer.export.webdataset import ShardPlan, export_webdataset
from mavfer.output_folder import output_folder
from mavfer.statistics.page import write_statistics
from mavfer.store import ClipStore, open_store
from mavfer.store_assembly import write_store
from mavfer.store_writer import StoreLayout

from .stores import CROP_PX, entry

NAMES, LAST = ("page.html", "part-*.txt"), "page.html"


def write(folder: Path, make: str, n_parts: int, *, overwrite: bool = False) -> None:
    with output_folder(folder, names=NAMES, last=LAST, overwrite=overwrite, is_own=_is_own) as made:
        for part in range(n_parts):
            (made / f"part-{part}.txt").write_text(make)
        (made / LAST).write_text(json.dumps([make, n_parts]))


def _is_own(path: Path) -> bool:
    return path.read_text() != "somebody's"


def write_and_be_killed(step: int, *args: Any, **options: Any) -> None:
    """Write in this process, which kills itself before the `step`-th change of a name."""
    left = step

    def counted(change: Any) -> Any:
        def run(*args: Any, **options: Any) -> Any:
            nonlocal left
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return change(*args, **options)

        return run

    for name in ("unlink", "rename", "replace"):
        setattr(Path, name, counted(getattr(Path, name)))
    write(*args, **options)


def write_and_fail(folder: Path) -> None:
    with output_folder(folder, names=NAMES, last=LAST, overwrite=True, is_own=_is_own) as made:
        (made / "part-0.txt").write_text("new")
        raise OSError("disk")


def makes(folder: Path) -> set[str]:
    """Of which make the parts are; with the page they must all be there."""
    found = [path.read_text() for path in folder.glob("part-*.txt")] if folder.is_dir() else []
    if (folder / LAST).exists():
        make, n_parts = json.loads((folder / LAST).read_text())
        assert found == [make] * n_parts
    return set(found)


@pytest.mark.parametrize("before", ["nothing", "other files", "an old make"])
def test_killed_at_any_step_no_folder_is_of_two_makes(tmp_path: Path, before: str) -> None:
    killed = 0
    for step in range(20):
        folder = tmp_path / str(step) / "out"
        folder.parent.mkdir()
        if before != "nothing":
            folder.mkdir()
            (folder / "mine.txt").write_text("kept")
        if before == "an old make":
            write(folder, "old", 3)
        process = multiprocessing.get_context("fork").Process(
            target=write_and_be_killed, args=(step, folder, "new", 2), kwargs={"overwrite": True}
        )
        process.start()
        process.join()
        killed += process.exitcode == -signal.SIGKILL
        assert len(makes(folder)) <= 1
        if before == "nothing" and folder.exists():
            assert makes(folder) == {"new"}
        write(folder, "again", 4, overwrite=True)
        assert makes(folder) == {"again"}
        mine = set() if before == "nothing" else {"mine.txt"}
        assert {path.name for path in folder.iterdir()} == {
            LAST,
            *(f"part-{n}.txt" for n in range(4)),
        } | mine
        assert [path.name for path in folder.parent.iterdir()] == ["out"]
    assert 2 <= killed < 20


def test_what_exists_is_refused_and_two_writers_are_one_too_many(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    write(folder, "old", 1)
    with pytest.raises(OutputExistsError, match="exists already"):
        write(folder, "new", 1)
    assert makes(folder) == {"old"}
    (folder / ".partial").mkdir()
    with (folder / ".partial" / "lock").open("ab") as lock:
        assert hold(lock)
        with pytest.raises(DatasetError, match="another process is writing"):
            write(folder, "new", 1, overwrite=True)
    assert makes(folder) == {"old"}


def test_a_failure_leaves_nothing_new_and_the_old_as_it_was(tmp_path: Path) -> None:
    for folder in (tmp_path / "fresh", tmp_path / "old"):
        if folder.name == "old":
            write(folder, "old", 2)
        with pytest.raises(OSError, match="disk"):
            write_and_fail(folder)
    assert not (tmp_path / "fresh").exists()
    assert makes(tmp_path / "old") == {"old"}
    assert [path.name for path in tmp_path.iterdir()] == ["old"]


def test_what_somebody_else_wrote_is_not_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    write(folder, "old", 1)
    (folder / "part-7.txt").write_text("somebody's")
    with pytest.raises(OutputExistsError, match=r"part-7\.txt was not written by mavfer"):
        write(folder, "new", 1, overwrite=True)
    assert (folder / "part-7.txt").read_text() == "somebody's"
    (folder / "part-7.txt").unlink()
    assert makes(folder) == {"old"}


def _export_shards(store: ClipStore, folder: Path, *, overwrite: bool = False) -> None:
    plan = ShardPlan(stride_frames=2, clip_length=4, shard_bytes=2000)
    export_webdataset(store, folder, plan, overwrite=overwrite)


def _export_croissant(store: ClipStore, folder: Path, *, overwrite: bool = False) -> None:
    export_croissant(store, folder, About("Faces"), overwrite=overwrite)


@pytest.fixture
def store_path(tmp_path: Path) -> Path:
    path = tmp_path / "store.h5"
    entries = [entry("v1", "A", 8, 1)]
    write_store(path, entries, layout=StoreLayout(crop_px=CROP_PX), splits={"A": "train"})
    return path


@pytest.mark.parametrize(
    ("write_it", "last", "own", "others"),
    [
        (write_browser, "index.html", "contact-000.png", ["contact-us.png", "contact-2024.jpg"]),
        (write_statistics, "index.html", "statistics.json", ["mine.txt"]),
        (_export_shards, "dataset.json", "train-000001.tar", ["backup.tar", "train-1.tar"]),
        (_export_croissant, "croissant.json", "videos.csv", ["mine.csv"]),
    ],
)
def test_pages_statistics_and_exports_are_such_folders(
    store_path: Path, tmp_path: Path, write_it: Any, last: str, own: str, others: list[str]
) -> None:
    with open_store(store_path) as store:
        folder = tmp_path / "out"
        write_it(store, folder)
        names = {file.name for file in folder.iterdir()}
        assert {last, own} <= names
        for name in others:
            (folder / name).write_text("kept")
        (folder / last).unlink()  # as a process does first that is then killed
        with pytest.raises(OutputExistsError, match="exists already"):
            write_it(store, folder)
        write_it(store, folder, overwrite=True)
        assert {file.name for file in folder.iterdir()} == names | set(others)
        for name in (own, last):
            (folder / name).write_text("of the same name, but mine")
            with pytest.raises(OutputExistsError, match="was not written by mavfer"):
                write_it(store, folder, overwrite=True)
            assert (folder / name).read_text() == "of the same name, but mine"
            (folder / name).unlink()
