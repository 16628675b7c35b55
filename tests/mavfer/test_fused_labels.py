"""Labels as ``mavfer-annotate fuse`` and projects give them, in building and in withdrawal."""

from pathlib import Path

import numpy as np
import pytest

from annotation.cli import main as annotate
from annotation.errors import AnnotationError
from annotation.labels import load_labels
from annotation.project.event import Event
from annotation.project.folder import create_project
from annotation.project.people import add_rater
from annotation.project.settings import Settings
from annotation.project.task import find_task, open_page, store_events, submit
from capture.manifest import MANIFEST_NAME
from capture.session import create_session
from mavfer.build_arguments import build_parser
from mavfer.build_options import labelling_of
from mavfer.info import describe
from mavfer.withdrawal.act import act_on
from mavfer.withdrawal.find import Item
from mavfer.withdrawal.names import Names
from mavfer.withdrawal.run import look_for

GONE, KEPT = "20260301-101500_P07", "20260301-111500_P08"
N_FRAMES = 30


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Two raters said 4 and 8 of valence, -2 and 0 of arousal, throughout two videos."""
    made = create_project(tmp_path / "study", Settings())
    with made.database.write() as db:
        for name in ("R1", "R2"):
            add_rater(db, name, "A")
        for session in (GONE, KEPT):
            video = db.execute(
                "INSERT INTO video (name, role, file, sha256, n_bytes, codec, width_px, height_px, "
                "n_frames, rate_num, rate_den, start_ns, added_ns) "
                "VALUES (?, 'rating', ?, '', 1, 'h264', 64, 48, ?, 30, 1, 1000, 0)",
                (session, f"{session}.mp4", N_FRAMES),
            ).lastrowid
            for rater, valence, arousal in ((1, 4, -2), (2, 8, 0)):
                row = db.execute(
                    "INSERT INTO task (rater, video, dimensions, position, part) "
                    "VALUES (?, ?, 'valence+arousal', 0, 0)",
                    (rater, video),
                ).lastrowid
                task = find_task(db, int(row or 0))
                assert task is not None
                client = f"{rater}-{video}"
                open_page(db, task, client=client, tab="t", take_over=False)
                events = [
                    Event(0, "play", 0, 0),
                    Event(1, "set", 0, 0, "valence", valence, hand=True),
                    Event(2, "set", 0, 0, "arousal", arousal, hand=True),
                    Event(3, "pause", N_FRAMES - 1, 0),
                ]
                store_events(db, task, client, events)
                task = find_task(db, task.id)
                assert task is not None
                submit(db, task, client, len(events))
    made.database.close()
    return made.path


def test_a_project_is_labels_and_raters_of_a_store(project: Path, tmp_path: Path) -> None:
    words = ["sessions", "--labels", str(project), "-o", str(tmp_path / "store.h5")]
    labelling = labelling_of(build_parser().parse_args(words))
    assert labelling.gold is not None
    gold = labelling.gold.sessions[KEPT]
    assert len(gold) == N_FRAMES
    assert gold.time_ns[0] == 1000
    np.testing.assert_allclose(gold.valence, 0.6)
    np.testing.assert_allclose(gold.arousal, -0.1)
    assert {trace.rater for trace in labelling.raters[KEPT]} == {"R1", "R2"}
    assert set(labelling.raters) == {GONE, KEPT}


def test_what_was_fused_can_be_withdrawn(project: Path, tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    assert annotate(["fuse", str(project), "-o", str(path), "--method", "ewe"]) == 0
    assert GONE in path.read_text()
    size = path.stat().st_size
    act_on(Item("labels", path, "rewrite", size), Names("P07", sessions={GONE}))
    assert "P07" not in path.read_text()
    labels = load_labels(path)
    assert set(labels.sessions) == {KEPT}
    assert set(labels.provenance["fusion"]) == {KEPT}
    assert labels.provenance["raters"] == ["R1", "R2"]
    assert labels.provenance["sources"][0]["name"] == "study"


def test_pages_and_exports_of_ratings_are_found_by_a_withdrawal(
    project: Path, tmp_path: Path
) -> None:
    root = tmp_path / "root"
    (root / GONE).mkdir(parents=True)
    manifest = create_session(tmp_path / "elsewhere", subject="P07").path / MANIFEST_NAME
    (root / GONE / MANIFEST_NAME).write_bytes(manifest.read_bytes())
    of_ratings, of_labels = root / "ratings.parquet", root / "labels.parquet"
    labels, page = tmp_path / "labels.csv", root / "report.html"
    for words in (
        ["fuse", project, "-o", labels],
        ["export", project, "--format", "parquet", "-o", of_ratings],
        ["export", labels, "--format", "parquet", "-o", of_labels],
        ["agreement", project, "-o", root / "agreement.json"],
        ["report", project, "-o", page, "--quiet"],
        ["export", project, "--format", "afew-va", "-o", root / "json"],
        ["export", project, "--format", "frames", "-o", root / "frames.csv"],
    ):
        assert annotate([str(word) for word in words]) == 0
    found = {item.path: item.what for item in look_for("P07", [root]).items}
    assert {
        path.relative_to(root).as_posix() for path, what in found.items() if what == "remove"
    } == {
        *("ratings.parquet", "labels.parquet", "agreement.json", "report.html", GONE),
        *(f"json/{rater}/{GONE}.json" for rater in ("R1", "R2")),
    }
    assert found[root / "frames.csv"] == f"rewrite without {4 * N_FRAMES} rows"


def test_info_knows_what_is_made_of_ratings(project: Path, tmp_path: Path) -> None:
    labels, agreement, table = (tmp_path / n for n in ("l.csv", "a.json", "r.parquet"))
    for words in (
        ["fuse", project, "-o", labels],
        ["agreement", project, "-o", agreement],
        ["export", project, "--format", "parquet", "-o", table],
    ):
        assert annotate([str(word) for word in words]) == 0
    head, *rest = labels.read_text().splitlines(keepends=True)
    long = head.replace('"provenance": {', '"provenance": {"remark": "' + "x" * 200_000 + '", ')
    labels.write_text(long + "".join(rest))  # as of a study with hundreds of sessions
    assert describe(labels)["kind"] == "gold labels"
    facts = describe(agreement)
    assert (facts["kind"], facts["raters"]) == ("agreement of raters", ["R1", "R2"])
    assert facts["dimensions"]["valence"]["n_pairs"] == 2
    facts = describe(table)
    assert (facts["kind"], facts["format"]) == ("Parquet table", "mavfer-ratings")
    assert facts["n_rows"] == 2 * 2 * 2 * N_FRAMES
    table.write_bytes(table.read_bytes()[:50])
    with pytest.raises(AnnotationError, match="is no whole Parquet file"):
        describe(table)
