"""A withdrawal takes the subject's things only, and tells what it cannot see or judge."""

import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from capture.digest import digest_file
from capture.session import create_session
from mavfer import open_store
from mavfer.cli import main
from mavfer.derived import DERIVED_MARK
from mavfer.errors import DatasetError
from mavfer.preview import write_contact_sheet
from mavfer.splits import Split
from mavfer.store_assembly import write_store
from mavfer.store_writer import StoreLayout
from mavfer.withdrawal import run
from mavfer.withdrawal.derived_files import EVALUATION_FILES
from mavfer.withdrawal.run import look_for, withdraw

from .stores import CROP_PX, entry

SUBJECT, OTHER = "P07", "P08"
SPLITS: dict[str, Split] = {SUBJECT: "train", OTHER: "train"}
LAYOUT = StoreLayout(crop_px=CROP_PX)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with one empty session of the subject."""
    root = tmp_path / "lab"
    create_session(root, subject=SUBJECT)
    return root


def film_store(path: Path, subject: str, name: str = "a", **notes: str) -> None:
    film: dict[str, object] = {"kind": "video", "source": f"{name}.mp4", "notes": notes}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_store(path, [entry(name, subject, 3, 1, **film)], layout=LAYOUT, splits=SPLITS)


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_of_films_of_one_name_only_those_go_that_a_table_gives_to_the_subject(
    tmp_path: Path,
) -> None:
    film_store(tmp_path / "one.h5", SUBJECT)
    films = {name: write(tmp_path / name / "a.mp4", name) for name in ("own", "others", "nobodys")}
    copy = write(tmp_path / "copy" / "a.mp4", "own")
    companion = write(tmp_path / "own" / "a.json", "{}")
    write(tmp_path / "own" / "videos.csv", f"video,subject\na,{SUBJECT}\n")
    write(tmp_path / "others" / "videos.csv", f"video,subject\na.mp4,{OTHER}\n")
    kept = write(tmp_path / "others" / "labels.csv", "session,time_s,valence\na,0,0.5\n")
    left = withdraw(SUBJECT, [tmp_path]).left  # which looked again when the others were gone
    assert [line.partition(": ")[0] for line in left.unreadable] == [str(films["nobodys"])]
    assert [path for path in (films["own"], copy, companion) if path.exists()] == []
    assert films["others"].exists()
    assert (tmp_path / "others" / "videos.csv").read_text().count(OTHER) == 1
    assert "a,0,0.5" in kept.read_text()


def test_a_film_whose_name_anothers_store_has_too_is_told_and_left(tmp_path: Path) -> None:
    film_store(tmp_path / "one.h5", SUBJECT)
    film_store(tmp_path / "two.h5", OTHER)
    film = write(tmp_path / "a.mp4", "whose")
    labels = write(tmp_path / "labels.csv", "video,valence\na,1\n")
    left = withdraw(SUBJECT, [tmp_path]).left
    assert film.exists()
    assert labels.read_text() == "video,valence\na,1\n"
    told = "a film of this name is the subject's, but others have it too"
    assert left.unreadable == [f"{film}: {told}"]
    assert left.mentions == [labels]
    assert list(open_store(tmp_path / "two.h5").videos) == ["a"]


@pytest.mark.parametrize("table", ["", f"video,subject\na,{OTHER}\n"])
def test_a_film_is_known_by_its_digest(tmp_path: Path, table: str) -> None:
    film = write(tmp_path / "one" / "a.mp4", "pictures")
    film_store(tmp_path / "one.h5", SUBJECT, file_digest=digest_file(film))
    other = write(tmp_path / "two" / "a.mp4", "of somebody else")
    write(tmp_path / "one" / "videos.csv", table)
    left = withdraw(SUBJECT, [tmp_path]).left
    assert film.exists() == bool(table)  # two that contradict each other prove nothing
    assert other.exists()
    doubtful = {line.partition(": ")[0] for line in left.unreadable}
    assert doubtful == {str(other), *([str(film)] if table else [])}


def test_one_film_of_another_digest_is_told_and_left(tmp_path: Path) -> None:
    film_store(tmp_path / "one.h5", SUBJECT, file_digest="0" * 128)
    film = write(tmp_path / "a.mp4", "pictures")
    assert len(withdraw(SUBJECT, [tmp_path]).left.unreadable) == 1
    assert film.exists()


def test_folders_that_cannot_be_read_are_told(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    closed = root / "closed"
    closed.mkdir()
    scandir = os.scandir

    def refuse(path: Any = ".") -> Any:
        if Path(path) == closed:
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    told = f"not searched: {closed}: a folder that cannot be read (Permission denied)"
    arguments = ["withdraw", SUBJECT, "--root", str(root)]
    assert main(arguments) == 1
    assert told in capsys.readouterr().out
    assert main([*arguments, "--yes", "--json"]) == 1
    result = json.loads(capsys.readouterr().out)
    assert list(result["not_searched"]) == [str(closed)]
    receipt = json.loads(Path(result["receipt"]).read_text())
    assert receipt["searched_again"]["could_not_be_searched"] == 1


def test_links_to_elsewhere_are_told_also_those_that_go_with_a_session(
    root: Path, tmp_path: Path
) -> None:
    outside = write(tmp_path / "disk" / "film.mcap", "pictures").parent
    (session,) = root.iterdir()
    (session / "kinect2.mcap").symlink_to(outside / "film.mcap")
    (root / "disk").symlink_to(outside)
    (root / "again").symlink_to(session)  # within: searched under its own name
    left = withdraw(SUBJECT, [root]).left
    assert {path.name for path in left.unsearched} == {"kinect2.mcap", "disk"}
    assert str(outside) in left.unsearched[root / "disk"]
    assert (outside / "film.mcap").exists()


def test_what_may_be_the_subjects_is_told(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    head = b"\x89MCAP0\r\n"
    suspects = [
        root / f"20260101-000000_{SUBJECT}" / "kinect2.mcap",  # its recorder crashed
        root / f"20260101-000000_{SUBJECT}_2",
        root / "lost" / "kinect2.mcap",
        root / "crops" / f"{SUBJECT}-eyes.png",
        root / f"{SUBJECT}.mp4",
    ]
    others = [
        root / f"20260101-000000_{OTHER}" / "kinect2.mcap",
        root / "crops" / f"{SUBJECT}0.png",
        create_session(root, subject=OTHER).path / "notes.png",
    ]
    suspects[1].mkdir(parents=True)
    for path in (*suspects[:1], *suspects[2:], *others):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(head + b"\0")
    assert main(["withdraw", SUBJECT, "--root", str(root), "--yes"]) == 1
    told = [line for line in capsys.readouterr().out.splitlines() if line.startswith("may be of")]
    paths = [*suspects[1:], suspects[0].parent]
    assert sorted(told) == sorted(f"may be of {SUBJECT}, look at it: {path}" for path in paths)
    assert all(path.exists() for path in (*suspects, *others))


def test_rows_of_several_lines_go_and_stay_whole(root: Path) -> None:
    (session,) = root.glob("2*")
    head, stays = '# 5" from the wall\nsession,notes\n', 'other,"was\nlate, ""really"""\n\n'
    gone = f'{session.name},"felt\nunwell\n"\n'
    table = write(root / "notes.csv", f"{head}{gone}{stays}{gone}")
    withdraw(SUBJECT, [root])
    assert table.read_text() == head + stays


def predictions(path: Path, *subjects: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    names = pa.array([f"v-{subject}" for subject in subjects])
    table = pa.table({
        "video": names, "subject": list(subjects), "code": names.dictionary_encode(),
        "predicted": [0.5] * len(subjects),
    })  # fmt: skip
    about = {b"mavfer": json.dumps({"store": f"{subjects[0]}.h5"}).encode()}
    pq.write_table(table.replace_schema_metadata(about), path)


def test_rows_of_parquet_tables_go(root: Path) -> None:
    predictions(root / "run" / "test.parquet", SUBJECT, OTHER)
    predictions(root / "alone.parquet", SUBJECT)
    predictions(root / "others.parquet", OTHER)
    before = (root / "others.parquet").read_bytes()
    (root / "broken.parquet").write_bytes(b"PAR1")
    write(root / "odd.csv", f"video,x\n{'y' * 200_000},1\n")
    left = withdraw(SUBJECT, [root]).left
    table = pq.read_table(root / "run" / "test.parquet")
    assert table["subject"].to_pylist() == [OTHER]
    assert table["code"].chunk(0).dictionary.to_pylist() == [f"v-{OTHER}"]
    assert json.loads(table.schema.metadata[b"mavfer"]) == {"store": "(withdrawn).h5"}
    assert SUBJECT.encode() not in (root / "run" / "test.parquet").read_bytes()
    assert not (root / "alone.parquet").exists()
    assert (root / "others.parquet").read_bytes() == before
    assert [Path(line.partition(": ")[0]).name for line in left.unreadable] == [
        "broken.parquet", "odd.csv",
    ]  # fmt: skip


def evaluation(folder: Path, *subjects: str) -> None:
    predictions(folder / "predictions.parquet", *subjects)
    for name in ("traces.png", "attention.png", "attention.mp4"):
        (folder / name).write_bytes(b"\x89PNG\0 faces")
    write(folder / "metrics.json", json.dumps({"outputs": {}, "split": "test", "n_clips": 1}))
    write(folder / "mine.txt", "notes")


def test_evaluations_that_show_the_subject_go_whole(root: Path) -> None:
    evaluation(root / "one", OTHER, SUBJECT)
    evaluation(root / "two", OTHER)
    held = [item.path.name for item in look_for(SUBJECT, [root]).items if item.kind == "derived"]
    assert held[-2:] == ["predictions.parquet", "metrics.json"]  # what tells goes last
    withdraw(SUBJECT, [root])
    assert [path.name for path in (root / "one").iterdir()] == ["mine.txt"]
    assert len([*(root / "two").iterdir()]) == 6
    assert {*held} <= {*EVALUATION_FILES}


def shards(folder: Path, store: Path) -> None:
    arguments = ["export", "webdataset", str(store), "-o", str(folder), "--purpose", "train"]
    assert main([*arguments, "--clip-length", "2", "--quiet"]) == 0


def sheet(folder: Path, store: Path) -> None:
    write_contact_sheet(store, folder / "sheet.png")


def page_by_fingerprint(folder: Path, store: Path) -> None:
    write(folder / "index.html", f"<!-- {DERIVED_MARK} {open_store(store).fingerprint} -->")


@pytest.mark.parametrize("make", [shards, sheet, page_by_fingerprint])
def test_exports_are_found_however_short_the_names(
    tmp_path: Path, make: Callable[[Path, Path], None]
) -> None:
    for subject, name in ((SUBJECT, "a"), (OTHER, "b")):
        store = tmp_path / f"{name}.h5"
        film_store(store, subject, name)
        make(tmp_path / f"export-{name}", store)
    withdraw(SUBJECT, [tmp_path])
    assert [*tmp_path.glob("export-a/*")] == []
    assert [*tmp_path.glob("export-b/*")] != []


def test_a_receipt_tells_what_was_done_before_a_kill(root: Path) -> None:
    film_store(root / "store.h5", SUBJECT)
    write(root / "labels.csv", "video,valence\na,1\nb,1\n")
    pid = os.fork()
    if pid == 0:
        act_on, done = run.act_on, []

        def act(item, names):  # type: ignore[no-untyped-def]
            if len(done) == 2:
                os.kill(os.getpid(), signal.SIGKILL)
            done.append(item)
            act_on(item, names)

        run.act_on = act
        try:
            withdraw(SUBJECT, [root])
        finally:
            os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
    done = withdraw(SUBJECT, [root])
    receipt = json.loads(done.receipt.read_text())
    assert receipt["runs"] == 2
    assert receipt["removed"] == {"store": 1, "session": 1}
    assert receipt["rewritten"] == {"table": 1}
    assert len(done.done) == 3
    assert [path.name for path in root.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("folder", ["file", "file/below"])
def test_a_receipt_that_cannot_be_written_stops_before_all(
    root: Path, folder: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write(root / "file", "")
    (session,) = root.glob("2*")
    arguments = ["withdraw", SUBJECT, "--root", str(root), "--yes", "--receipt", str(root / folder)]
    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert "cannot be the folder of the receipt" in error
    assert error.count("\n") == 1
    assert session.exists()
    with pytest.raises(DatasetError, match="a session that is to be removed"):
        withdraw(SUBJECT, [root], receipt_folder=session)
    with pytest.raises(DatasetError, match="a session that is to be removed"):
        withdraw(SUBJECT, [session])
    assert session.exists()


def test_roots_that_hold_each_other_are_searched_once(root: Path) -> None:
    (session,) = root.iterdir()
    inner = root / "inner"
    shutil.copytree(session, inner / session.name)
    found = look_for(SUBJECT, [inner, root, root / ".", inner])
    assert sorted(item.path for item in found.items) == [session, inner / session.name]
    receipt = json.loads(withdraw(SUBJECT, [inner, root, root]).receipt.read_text())
    assert receipt["removed"] == {"session": 2}
