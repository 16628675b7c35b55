"""After a withdrawal no file under the roots holds anything of the subject; others keep theirs."""

import json
import os
import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pytest

from annotation.labels import Labels, SessionLabels, load_labels, save_labels
from annotation.project.folder import create_project, open_project
from annotation.project.settings import Settings
from annotation.project.video import videos
from annotation.raters_csv import load_traces, save_traces
from annotation.trace import Trace
from capture.session import create_session
from capture.simulation.rig import SimulatedRig
from capture.simulation.scene import SubjectScene
from capture.simulation.virtual_session import write_virtual_session
from mavfer import open_store
from mavfer.cli import main
from mavfer.derived import DERIVED_MARK
from mavfer.errors import DatasetError
from mavfer.export.croissant import About, export_croissant
from mavfer.splits import Split
from mavfer.store_assembly import write_store
from mavfer.store_check import check_store
from mavfer.store_traces import LabelTrace
from mavfer.store_writer import StoreLayout, write_part
from mavfer.withdrawal import run
from mavfer.withdrawal.run import look_for, withdraw

from .stores import CROP_PX, crops_of, entry

SUBJECT, OTHER = "P07", "P08"
SPLITS: dict[str, Split] = {SUBJECT: "train", OTHER: "train"}
TRACE = np.array([-0.7312345, 0.1298765, 0.5512345])
SECONDS = np.array([0, 1, 2]) * 1_000_000_000


@dataclass(frozen=True)
class Laboratory:
    """A root with the belongings of two subjects, and byte strings that are one's alone."""

    root: Path
    session: str
    other: str
    secrets: tuple[bytes, ...]

    def files(self) -> list[Path]:
        return [path for path in self.root.rglob("*") if path.is_file()]

    def holding(self, secret: bytes) -> list[Path]:
        return [path for path in self.files() if secret in path.read_bytes()]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory, small_rig: SimulatedRig) -> Path:
    """One real recording, to be copied."""
    scene = SubjectScene(small_rig, subject_seed=2, rate_hz=4.0)
    root = tmp_path_factory.mktemp("recorded")
    return write_virtual_session(root, scene, subject=SUBJECT, rate_hz=4.0, n_frames=2)


@pytest.fixture
def laboratory(tmp_path: Path, recorded: Path) -> Laboratory:
    root = tmp_path / "lab"
    session = create_session(root / "sessions", subject=SUBJECT)
    other = create_session(root / "sessions", subject=OTHER).path
    for file in recorded.glob("*.mcap"):
        (session.path / file.name).write_bytes(file.read_bytes())
        (other / file.name).write_bytes(bytes(reversed(file.read_bytes())))
    name, uuid = session.id, session.manifest.uuid
    (root / "lost.mcap").write_bytes(b"\x89MCAP0\r\n" + uuid.encode() + b"pictures")
    secrets = [
        file.read_bytes()[at : at + 48] for file in recorded.glob("*.mcap") for at in (9000, -9000)
    ]

    traces = [
        LabelTrace("valence", SECONDS, TRACE, rater="R1"),
        LabelTrace("valence", SECONDS, TRACE / 3),
    ]
    subjects_video = {"source": uuid, "traces": traces, "valence": np.full(9, np.nan, np.float32)}
    for compression in ("none", "bitshuffle-lz4"):
        layout = StoreLayout(crop_px=CROP_PX, compression=compression)  # type: ignore[arg-type]
        path = root / "stores" / f"{compression}.h5"
        entries = [entry(name, SUBJECT, 9, 1, **subjects_video), entry(other.name, OTHER, 9, 2)]
        provenance = {"options": {"split": {"test": [SUBJECT, OTHER]}}, "labels": f"{SUBJECT}.csv"}
        write_store(path, entries, layout=layout, splits=SPLITS, provenance=provenance)
        with h5py.File(path) as file:
            crop = file["videos"][name]["color"]
            if compression != "none":
                secrets.append(crop.id.read_direct_chunk((0, 0, 0, 0))[1][40:120])
    secrets += [
        crops_of(9, 1)["color"][4].tobytes()[:64],
        crops_of(9, 1)["thermal"][8].tobytes()[-64:],
    ]
    secrets += [TRACE.tobytes(), (TRACE / 3).tobytes()]
    alone = root / "stores" / "alone.h5"
    write_store(
        alone, [entry(name, SUBJECT, 9, 1)], layout=StoreLayout(crop_px=CROP_PX), splits=SPLITS
    )
    parts = root / "stores" / ".new.h5.abc.parts"
    parts.mkdir()
    write_part(parts / "00000.h5", entry(name, SUBJECT, 9, 1), StoreLayout(crop_px=CROP_PX))
    write_part(root / "part.h5", entry(name, SUBJECT, 9, 1), StoreLayout(crop_px=CROP_PX))

    gold = SessionLabels(SECONDS, TRACE, TRACE, np.ones(3, np.int64))
    save_labels(
        root / "labels.csv",
        Labels({name: gold, other.name: gold}, {"sources": [f"{SUBJECT}-ratings.csv", "team.csv"]}),
    )
    save_traces(
        root / "raters.csv",
        [Trace(s, "R1", "valence", SECONDS, 10 * TRACE) for s in (name, other.name)],
    )
    save_traces(root / "only.csv", [Trace(name, "R2", "arousal", SECONDS, 10 * TRACE)])
    (root / f"{name}.json").write_text('{"frames": {}}')
    _project(root / "rating", name, other.name)
    pages = root / "browse"
    pages.mkdir()
    (pages / "index.html").write_text(f"<!-- {DERIVED_MARK} --> {name}")
    (pages / "figure.svg").write_text(f"<!-- {DERIVED_MARK} --> all of them")
    metadata = root / "metadata"
    with open_store(root / "stores" / "none.h5") as store:
        export_croissant(store, metadata, About("faces"))
    for run_name, fingerprint in (("run", store.fingerprint), ("older", "0" * 64)):
        header = json.dumps(
            {"__metadata__": {"mavfer": json.dumps({"data": fingerprint})}}
        ).encode()
        weights = len(header).to_bytes(8, "little") + header
        (root / f"{run_name}.safetensors").write_bytes(weights)
    (root / "other.html").write_text(f"<!-- {DERIVED_MARK} --> {other.name}")
    return Laboratory(root, name, other.name, tuple(secrets))


def _project(path: Path, *names: str) -> None:
    project = create_project(path, Settings(title="t"))
    with project.database.write() as db:
        db.execute("INSERT INTO rater VALUES (1, 'R1', 'A', 0, NULL, NULL)")
        for i, name in enumerate(names, start=1):
            db.execute(
                "INSERT INTO video VALUES (?, ?, 'rating', ?, 'x', 1, 'h264', 8, 8, 3, 30, 1, "
                "0, 0)",
                (i, name, f"{name}.mp4"),
            )
            db.execute(
                "INSERT INTO task (id, rater, video, dimensions, position, part) "
                "VALUES (?, 1, ?, 'valence', ?, 1)",
                (i, i, i),
            )
            db.execute("INSERT INTO client VALUES (?, 'c', 't', 1, 0, 0, -1)", (i,))
            for seq in range(40):
                db.execute(
                    "INSERT INTO event VALUES (?, 'c', ?, 'value', 1, 5, 'valence', 3, 1, 1.0, "
                    "?, 0, 0)",
                    (i, seq, f"detail of {name}"),
                )
            db.execute("INSERT INTO audit VALUES (?, 0, 'admin', 'add', ?)", (i, f"added {name}"))
            (project.videos / f"{name}.mp4").write_bytes(f"pictures of {name}".encode())
            (project.videos / f"{name}.json").write_text("{}")
    project.database.close()


def assert_gone(lab: Laboratory) -> None:
    for secret in lab.secrets:
        assert not lab.holding(secret)
    word = re.compile(rb"(?<![A-Za-z0-9])" + SUBJECT.encode() + rb"(?![A-Za-z0-9])")
    assert [path for path in lab.files() if word.search(path.read_bytes())] == []
    assert [path for path in lab.root.rglob("*") if SUBJECT in path.name] == []


def assert_others_kept(lab: Laboratory) -> None:
    for compression in ("none", "bitshuffle-lz4"):
        path = lab.root / "stores" / f"{compression}.h5"
        with open_store(path) as store:
            assert list(store.videos) == [lab.other]
            np.testing.assert_array_equal(
                store.read(lab.other, 0, 9, "color"), crops_of(9, 2)["color"]
            )
        assert [f.what for f in check_store(path) if f.level == "error"] == []
    assert set(load_labels(lab.root / "labels.csv").sessions) == {lab.other}
    assert load_labels(lab.root / "labels.csv").provenance["sources"][1] == "team.csv"
    assert [t.session for t in load_traces([lab.root / "raters.csv"])] == [lab.other]
    project = open_project(lab.root / "rating")
    with project.database.read() as db:
        assert [video.name for video in videos(db)] == [lab.other]
        assert db.execute("SELECT count(*) FROM event").fetchone()[0] == 40
    assert (project.videos / f"{lab.other}.mp4").exists()
    assert (lab.root / "sessions" / lab.other / "session.json").exists()
    assert (lab.root / "other.html").exists()


def test_every_secret_is_there_before(laboratory: Laboratory) -> None:
    for secret in laboratory.secrets:
        assert laboratory.holding(secret)


def test_without_yes_nothing_changes(
    laboratory: Laboratory, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.read_bytes() for path in laboratory.files()}
    assert main(["withdraw", SUBJECT, "--root", str(laboratory.root)]) == 0
    shown = capsys.readouterr().out
    assert {path: path.read_bytes() for path in laboratory.files()} == before
    for line in (
        f"session: {laboratory.root}/sessions/{laboratory.session}: remove",
        f"store: {laboratory.root}/stores/none.h5: rewrite without 1 of 2 videos",
        f"store: {laboratory.root}/stores/alone.h5: remove",
        f"labels: {laboratory.root}/labels.csv: rewrite without 3 rows",
        f"project: {laboratory.root}/rating: rewrite without 1 videos",
        f"derived: {laboratory.root}/browse/figure.svg: remove",
        "nothing was changed",
    ):
        assert line in shown


def test_everything_of_the_subject_is_gone_and_the_rest_is_whole(
    laboratory: Laboratory, capsys: pytest.CaptureFixture[str]
) -> None:
    old = open_store(laboratory.root / "stores" / "none.h5")
    assert main(["withdraw", SUBJECT, "--root", str(laboratory.root), "--yes", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["complete"]
    assert result["trained"] == [str(laboratory.root / "run.safetensors")]
    assert_gone(laboratory)
    assert_others_kept(laboratory)
    new = open_store(laboratory.root / "stores" / "none.h5")
    assert new.fingerprint != old.fingerprint
    assert new.stats != old.stats
    receipt = json.loads(Path(result["receipt"]).read_text())
    assert receipt["removed"] == {
        "derived": 5, "named file": 1, "part": 1, "recording": 1, "session": 1,
        "store": 1, "unfinished output": 1,
    }  # fmt: skip
    assert receipt["rewritten"] == {"labels": 1, "project": 1, "table": 2, "store": 2}
    assert receipt["removed_bytes"] > 100_000
    searched = receipt["searched_again"]
    assert searched["networks_trained_on_stores_that_held_the_subject"] == 1
    text = Path(result["receipt"]).read_text()
    for word in (SUBJECT, laboratory.session, str(laboratory.root)):
        assert word not in text
    with pytest.raises(DatasetError, match="nothing of subject P07"):
        look_for(SUBJECT, [laboratory.root])


def _die_after(n_items: int, root: Path) -> Iterator[None]:
    """Withdraw in a child process that is killed within its next item."""
    pid = os.fork()
    if pid == 0:
        act_on, left = run.act_on, [n_items]

        def act(item, names):  # type: ignore[no-untyped-def]
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left[0] -= 1
            act_on(item, names)

        run.act_on = act
        try:
            withdraw(SUBJECT, [root])
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])  # type: ignore[return-value]


def test_killed_at_any_item_it_goes_on_to_the_same_end(laboratory: Laboratory) -> None:
    n_items = len(look_for(SUBJECT, [laboratory.root]).items)
    deaths = 0
    while _die_after(1, laboratory.root) == -signal.SIGKILL:
        deaths += 1
    assert (
        deaths >= n_items - 3
    )  # each run but the last did one item, the folder's figures go together
    assert_gone(laboratory)
    assert_others_kept(laboratory)
    assert not (laboratory.root / ".mavfer-withdrawal.json").exists()


def test_killed_while_a_store_is_written_nothing_is_torn(laboratory: Laboratory) -> None:
    store = laboratory.root / "stores" / "none.h5"
    before = store.read_bytes()
    pid = os.fork()
    if pid == 0:
        from mavfer.withdrawal import act

        rewrite = act.rewrite_store

        def die(*args, **kwargs):  # type: ignore[no-untyped-def]
            rewrite(*args, **kwargs)
            os.kill(os.getpid(), signal.SIGKILL)

        act.rewrite_store = die
        withdraw(SUBJECT, [laboratory.root])
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
    stores = [laboratory.root / "stores" / f"{n}.h5" for n in ("none", "bitshuffle-lz4")]
    for path in stores:
        open_store(path)
    assert store.read_bytes() == before
    withdraw(SUBJECT, [laboratory.root])
    assert_gone(laboratory)
    assert_others_kept(laboratory)


def test_what_it_does_not_understand_it_names_and_leaves(
    laboratory: Laboratory, capsys: pytest.CaptureFixture[str]
) -> None:
    notes = laboratory.root / "notes.txt"
    notes.write_text(f"{SUBJECT} wore glasses; P070 did not")
    (laboratory.root / "p070.txt").write_text("P070 did not")
    broken = laboratory.root / "sessions" / f"20260101-000000_{SUBJECT}"
    broken.mkdir()
    (broken / "session.json").write_text('{"subject": "P0')
    assert main(["withdraw", SUBJECT, "--root", str(laboratory.root), "--yes"]) == 1
    shown = capsys.readouterr().out
    assert f"names the subject, not touched: {notes}" in shown
    assert "p070.txt" not in shown
    assert "its manifest is damaged" in shown
    assert notes.exists()
    assert broken.exists()


def test_nothing_outside_the_roots_is_touched(laboratory: Laboratory, tmp_path: Path) -> None:
    outside = tmp_path / "elsewhere"
    outside.mkdir()
    (outside / "labels.csv").write_text((laboratory.root / "labels.csv").read_text())
    (laboratory.root / "link").symlink_to(outside)
    (laboratory.root / "sessions" / laboratory.session / "link").symlink_to(outside)
    withdraw(SUBJECT, [laboratory.root])
    assert laboratory.session in (outside / "labels.csv").read_text()


def test_films_go_with_their_subject(tmp_path: Path) -> None:
    root = tmp_path / "films"
    root.mkdir()
    for name in ("interview.mp4", "other.mp4"):
        (root / name).write_bytes(f"pictures of {name}".encode())
    (root / "videos.csv").write_text(
        "video,subject\ninterview.mp4,Jane Doe\nother,Max\n001,Jane Doe\n"
    )
    (root / "001").mkdir()
    (root / "001" / "00001.png").write_bytes(b"\x89PNG")
    film = {"kind": "video", "source": "interview.mp4"}
    frames = {"kind": "video", "source": "001"}
    entries = [
        entry("interview", "Jane Doe", 9, 1, **film),
        entry("other", "Max", 9, 2, kind="video", source="other.mp4"),
        entry("001", "Jane Doe", 9, 3, **frames),
    ]
    layout = StoreLayout(crop_px=CROP_PX)
    splits: dict[str, Split] = {"Jane Doe": "train", "Max": "train"}
    write_store(root / "store.h5", entries, layout=layout, splits=splits)
    done = withdraw("Jane Doe", [root])
    assert not (root / "interview.mp4").exists()
    assert (root / "other.mp4").exists()
    assert (root / "videos.csv").read_text() == "video,subject\nother,Max\n"
    assert list(open_store(root / "store.h5").videos) == ["other"]
    assert len(done.left.unreadable) == 1
    assert "decide by hand" in done.left.unreadable[0]
    assert (root / "001" / "00001.png").exists()


def test_bad_requests_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def refused(*arguments: str) -> str:
        assert main(["withdraw", *arguments]) == 1
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        return error

    assert "nothing of subject P99" in refused("P99", "--root", str(tmp_path))
    assert "is no folder" in refused("P99", "--root", str(tmp_path / "nowhere"))
    assert "is no folder" in refused("P99", "--root", str(tmp_path / "nowhere"), "--yes")
    assert "is no pseudonym" in refused(" ", "--root", str(tmp_path))
    (tmp_path / ".mavfer-withdrawal.json").write_text("{")
    assert "is damaged" in refused("P99", "--root", str(tmp_path))
    journal = {"subject": "P01", "sessions": [], "uuids": [], "fingerprints": []}
    (tmp_path / ".mavfer-withdrawal.json").write_text(json.dumps(journal))
    assert "finish it first" in refused("P99", "--root", str(tmp_path))
