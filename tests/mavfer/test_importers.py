"""Corpora become stores: what their files say is in it, at its time, in the published split."""

import json
from pathlib import Path

import numpy as np
import pytest

from annotation.errors import AnnotationError
from capture.simulation.moment import Moment
from mavfer import ClipStore
from mavfer.cli import main
from mavfer.errors import DatasetError
from mavfer.frame_folder import FrameFolder
from mavfer.importers.afew import read_afew
from mavfer.importers.afew_va import read_afew_va
from mavfer.importers.arff import read_arff
from mavfer.importers.folder import read_folder
from mavfer.importers.recola import read_recola
from mavfer.importers.sewa import read_sewa
from mavfer.part import BuildPlan
from mavfer.store_check import check_store
from mavfer.store_schema import FACE_GIVEN, FACE_SOURCES, REASONS

from .corpora import (
    Images,
    arff,
    write_afew,
    write_afew_va_clip,
    write_frames,
    write_recola,
    write_sewa,
    write_video,
)

GREY = [np.full((32, 48, 3), 20 * k, np.uint8) for k in range(6)]


@pytest.fixture(scope="session")
def faces(ideal_moments: list[Moment]) -> Images:
    """Color images in which a face is found."""
    return [moment.images["color"] for moment in ideal_moments]


def errors(store: Path) -> list[str]:
    """Find what is wrong, but for the same pictures under several names: made so here."""
    found = [f.what for f in check_store(store) if f.level == "error"]
    return [what for what in found if "color crops are those of" not in what]


def test_recola_end_to_end(tmp_path: Path, faces: Images) -> None:
    write_recola(tmp_path / "AVEC", faces, ["train_1", "dev_1", "test_1"])
    out = tmp_path / "recola.h5"
    arguments = ["import", "recola", str(tmp_path / "AVEC"), "-o", str(out), "--quiet"]
    assert main([*arguments, "--rate-hz", "native", "--lag-s", "0.12", "--workers", "1"]) == 0
    store = ClipStore(out)
    assert {v.id: v.split for v in store.videos.values()} == {
        "train_1": "train", "dev_1": "validation", "test_1": "test",
    }  # fmt: skip
    assert store.valid("train_1")["face"].all()
    # a row at t shows the label at t + 0.12 s: three samples of 25 Hz later, to the sample
    np.testing.assert_allclose(
        store.labels("train_1", "arousal"), 0.5 * 0.04 * (np.arange(6) + 3), atol=1e-6
    )
    np.testing.assert_allclose(store.labels("dev_1", "valence", lag_s=0), -0.04 * np.arange(6))
    assert np.isnan(store.labels("test_1", "valence")).all()
    raters = store.rater_labels("train_1", "valence")
    assert sorted(raters) == ["FF1", "FF2", "FF3", "FM1", "FM2", "FM3"]
    np.testing.assert_allclose(raters["FF2"], 0.4, atol=1e-6)
    assert errors(out) == []
    assert store.provenance["corpus"].startswith("RECOLA")


def test_recordings_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    write_recola(tmp_path, GREY, ["train_10", "train_2"])
    assert [video.id for video in read_recola(tmp_path).videos] == ["train_2", "train_10"]


def test_sewa_labels_and_partitions(tmp_path: Path) -> None:
    write_sewa(tmp_path, GREY, ["Train_01", "Train_02", "Devel_01", "Test_01"])
    corpus = read_sewa(tmp_path)
    assert dict(corpus.splits) == {
        "Train_01": "train", "Train_02": "train", "Devel_01": "validation", "Test_01": "test",
    }  # fmt: skip
    assert corpus.gold is not None
    labels = corpus.gold.sessions["Train_02"]
    np.testing.assert_array_equal(labels.time_ns, np.arange(8) * 100_000_000)
    np.testing.assert_allclose(labels.arousal, 0.1 * np.arange(8))
    assert np.isnan(labels.valence[2])
    assert labels.valence[4] == pytest.approx(-0.2)
    assert "Test_01" not in corpus.gold
    assert any("liking" in remark for remark in corpus.remarks)


def test_afew_emotions_and_clips_as_folders_of_frames(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_afew(tmp_path / "EmotiW", GREY)
    corpus = read_afew(tmp_path / "EmotiW")
    assert dict(corpus.categories) == {
        "000046280": "angry", "000123520": "happy", "000149120": "neutral", "000200000": "sad",
    }  # fmt: skip
    assert corpus.splits["000200000"] == "validation"
    assert corpus.splits["000300000"] == "test"
    out = tmp_path / "afew.h5"
    arguments = ["import", "afew", str(tmp_path / "EmotiW"), "-o", str(out), "--workers", "1"]
    assert main([*arguments, "--rate-hz", "native", "--crop-px", "16", "--quiet"]) == 0
    store = ClipStore(out)
    assert store.videos["000200000"].category == "sad"
    assert store.videos["000300000"].category == ""
    np.testing.assert_array_equal(store.time_ns("000200000"), np.arange(6) * 40_000_000)
    np.testing.assert_array_equal(store.seq("000200000", "color"), np.arange(1, 7))
    assert not store.valid("000046280")["face"].any()
    assert "face   0.0 %" in capsys.readouterr().out


def test_afew_va_takes_landmarks_and_ratings_from_its_files(
    tmp_path: Path, ideal_moments: list[Moment], faces: Images
) -> None:
    root = tmp_path / "AFEW-VA"
    points = np.stack([moment.truth.landmarks_px["color"] for moment in ideal_moments])
    for name, actor in (("001", "Jane Doe"), ("002", "Jane Doe"), ("010", "Max Roe"), ("011", "X")):
        skip = (2,) if name == "001" else ()
        folder = root / "AFEW-VA-01" / name
        write_afew_va_clip(folder, faces, points, extra={"actor": actor}, skip=skip)
    out = tmp_path / "afew-va.h5"
    arguments = ["import", "afew-va", str(root), "-o", str(out), "--workers", "1", "--quiet"]
    assert main([*arguments, "--rate-hz", "native"]) == 0
    store = ClipStore(out)
    assert store.videos["001"].subject == store.videos["002"].subject == "Jane_Doe"
    assert store.videos["001"].split == store.videos["002"].split
    np.testing.assert_allclose(store.labels("010", "valence"), np.arange(6) / 10, atol=1e-7)
    np.testing.assert_allclose(store.labels("010", "arousal"), -np.arange(6) / 10, atol=1e-7)
    np.testing.assert_allclose(store.landmarks_px("010"), points, rtol=1e-6)
    assert (store.face_source("010") == FACE_GIVEN).all()
    assert FACE_SOURCES[store.face_source("001")[2]] == "none"
    assert REASONS[store.reason("001")[2]] == "no face"
    assert errors(out) == []


def test_any_folder_with_tables(tmp_path: Path) -> None:
    for name in ("anna/a", "anna/b", "ben", "carl"):
        write_video(tmp_path / f"{name}.mp4", GREY)
    write_frames(tmp_path / "dora", GREY, first=7)
    (tmp_path / "videos.csv").write_text(
        "video,subject,split,category\na.mp4,anna,train,Happy\nb,anna,train,\nben.mp4,ben,test,\n"
        "carl,carl,validation,sad\ndora,dora,train,\n"
    )
    (tmp_path / "raters.csv").write_text(
        "session,rater,dimension,time_s,value\na,R1,valence,0,-5\na,R1,valence,1,5\n"
        "a,R2,valence,0,0\na,R2,valence,1,5\nzoe,R1,arousal,0,1\n"
    )
    with pytest.raises(DatasetError, match="pass --frame-rate-hz"):
        read_folder(tmp_path)
    corpus = read_folder(tmp_path, frame_rate_hz=5)
    assert [(v.id, v.subject) for v in corpus.videos] == [
        ("a", "anna"), ("b", "anna"), ("ben", "ben"), ("carl", "carl"), ("dora", "dora"),
    ]  # fmt: skip
    assert corpus.splits == {"anna": "train", "ben": "test", "carl": "validation", "dora": "train"}
    assert corpus.categories == {"a": "happy", "carl": "sad"}
    assert corpus.gold is not None
    np.testing.assert_allclose(corpus.gold.at("a", "valence", np.array([0, 10**9])), [-0.25, 0.5])
    assert {trace.rater for trace in corpus.raters["a"]} == {"R1", "R2"}
    assert corpus.remarks == (
        "no labels for b, ben, carl and 1 more",
        "no video for the labels of zoe",
    )


def test_what_is_there_is_listed_without_building(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_recola(tmp_path, GREY, ["train_1", "dev_1"])
    assert main(["import", "recola", str(tmp_path), "--list", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["videos"]["dev_1"] == {
        "path": str(tmp_path / "recordings_video" / "dev_1.mp4"), "subject": "dev_1",
        "split": "validation", "labels": 12, "raters": 6, "category": None, "landmarks": False,
    }  # fmt: skip
    assert main(["import", "recola", str(tmp_path)]) == 1
    assert "pass -o STORE.h5" in capsys.readouterr().err


@pytest.mark.parametrize(("landmarks", "identity"), [("68", False), ("5", True)])
def test_people_are_told_apart_where_given_landmarks_are_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, landmarks: str, identity: bool
) -> None:
    write_afew_va_clip(tmp_path / "001", GREY, np.ones((6, 68, 2)), extra={})
    planned = []

    def note(_output: Path, _sources: object, plan: BuildPlan, **_options: object) -> None:
        planned.append(plan.identity)
        raise DatasetError("planned")

    monkeypatch.setattr("mavfer.build.build_store", note)
    arguments = ["import", "afew-va", str(tmp_path), "-o", str(tmp_path / "s.h5")]
    assert main([*arguments, "--landmarks", landmarks]) == 1
    assert planned == [identity]


def test_numbers_in_the_names_of_frames_are_their_times(tmp_path: Path) -> None:
    write_frames(tmp_path, GREY)
    (tmp_path / "00002.png").unlink()
    (tmp_path / "cover.txt").write_text("no frame")
    folder = FrameFolder(tmp_path, frame_rate_hz=10, rate_hz=None)
    np.testing.assert_array_equal(folder.time_ns, np.array([0, 1, 3, 4, 5]) * 100_000_000)
    assert [row for row, _ in folder.frames()] == [0, 1, 2, 3, 4]
    ((_, image),) = folder.frames(range(2, 3))
    np.testing.assert_array_equal(image, GREY[3])
    halved = FrameFolder(tmp_path, frame_rate_hz=10, rate_hz=5)
    np.testing.assert_array_equal(halved.frame[[0, 2]], [0, 4])


def test_damaged_corpora_are_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="does not exist"):
        read_recola(tmp_path / "nowhere")
    with pytest.raises(DatasetError, match="no recordings_video/train_1"):
        read_recola(tmp_path)
    with pytest.raises(DatasetError, match="no video/Train_01"):
        read_sewa(tmp_path)
    with pytest.raises(DatasetError, match="none of Train_AFEW"):
        read_afew(tmp_path)
    with pytest.raises(DatasetError, match="no folder like 001"):
        read_afew_va(tmp_path)
    with pytest.raises(DatasetError, match="holds no videos"):
        read_folder(tmp_path)
    write_recola(tmp_path / "a", GREY, ["train_1", "dev_1"], rated=["train_1"])
    with pytest.raises(DatasetError, match=r"no ratings_gold_standard/valence/dev_1\.arff"):
        read_recola(tmp_path / "a")
    write_recola(tmp_path / "b", GREY, ["train_1"])
    gold = tmp_path / "b" / "ratings_gold_standard" / "valence" / "train_1.arff"
    whole = gold.read_text()
    gold.write_text(whole[: len(whole) // 2].rsplit(",", 1)[0])
    with pytest.raises(DatasetError, match=r"train_1\.arff:\d+: 2 cells, expected 3"):
        read_recola(tmp_path / "b")
    gold.write_text(arff("train_1", [0, 0.04], [0.5, 3]))
    with pytest.raises(DatasetError, match="a label is 3, expected -1 to 1"):
        read_recola(tmp_path / "b")
    gold.write_text(arff("train_1", [0.04, 0.0], [0.5, 0.3]))
    with pytest.raises(DatasetError, match="increase from 0 on"):
        read_recola(tmp_path / "b")
    write_sewa(tmp_path / "c", GREY, ["Train_01"])
    labels = tmp_path / "c" / "labels" / "Train_01.csv"
    labels.write_text("'Train_01';0.0;0.1;0.2\n")
    with pytest.raises(DatasetError, match=r"Train_01\.csv:1: 4 cells, expected 5"):
        read_sewa(tmp_path / "c")
    labels.unlink()
    with pytest.raises(DatasetError, match=r"no labels/Train_01\.csv"):
        read_sewa(tmp_path / "c")
    write_video(tmp_path / "d" / "Train_AFEW" / "Joy" / "1.avi", GREY)
    with pytest.raises(DatasetError, match="unknown emotion 'Joy'"):
        read_afew(tmp_path / "d")
    write_afew_va_clip(tmp_path / "e" / "001", GREY, None, extra={})
    (tmp_path / "e" / "001" / "00003.png").unlink()
    with pytest.raises(DatasetError, match="frame 00003 is rated but its image is missing"):
        read_afew_va(tmp_path / "e")
    (tmp_path / "e" / "001" / "001.json").write_text("{")
    with pytest.raises(AnnotationError, match=r"001\.json"):
        read_afew_va(tmp_path / "e")


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ("film,subject\n", "the header is"),
        ("video,subject\nghost,x\n", "there is no video 'ghost'"),
        ("video,subject\na,x\na.mp4,y\n", "listed twice"),
        ("video,split\na,dev\n", "split 'dev', expected train, validation, test"),
        ("video,split\na,train\n", "gives no split for b"),
        ("video,subject,split\na,x,train\nb,x,test\n", "subject x is in train and in test"),
        ("video,subject\na\n", "1 cells, expected 2"),
        ("video,subject\na,../x\n", "subject"),
        ("video,subject\na,b\n", "b is the subject of video a, and video b has no subject"),
        ("video,subject\na,B\nb,\n", "b is the subject of video a, and video b has no subject"),
        ("video,subject\na,Eve\nb,eve\n", "differ in nothing but case"),
        ("video,category\na,sa\0d\n", r"videos\.csv:2: category 'sa.x00d', expected a printable"),
        ("video,category\na," + "x" * 101 + "\n", "at most 100"),
    ],
)
def test_tables_that_cannot_be_meant_are_refused(tmp_path: Path, table: str, expected: str) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.mp4").write_bytes(b"not looked into")
    (tmp_path / "videos.csv").write_text(table)
    assert main(["import", "folder", str(tmp_path), "--list"]) == 1
    with pytest.raises(Exception, match=expected):
        read_folder(tmp_path)


def test_arff_as_weka_writes_it(tmp_path: Path) -> None:
    path = tmp_path / "x.arff"
    path.write_text(
        "% a comment\n@RELATION x\n@ATTRIBUTE 'Instance name' STRING\n@attribute v  NUMERIC\n\n"
        "@DATA\n'a, b', 0.5\n% between\nc,?\n"
    )
    table = read_arff(path)
    assert table.names == ("instance name", "v")
    assert [row[0] for row in table.rows] == ["a, b", "c"]
    np.testing.assert_array_equal(table.numbers(1), [0.5, np.nan])
    path.write_text("@relation x\n@attribute v numeric\n@data\nhalf\n")
    with pytest.raises(DatasetError, match=r"x\.arff:4: v is 'half'"):
        read_arff(path).numbers(0)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DatasetError, match="no text"):
        read_arff(path)


def test_nothing_of_a_corpus_is_written_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "films"
    write_video(root / "a.mp4", GREY)
    write_frames(root / "b", GREY)
    (root / "videos.csv").write_text("video,subject\na,anna\n")
    (root / "alias.h5").symlink_to(root / "a.mp4")
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    for name in ("a.mp4", "alias.h5", "videos.csv", "b/00001.png", "b/new.h5"):
        arguments = ["import", "folder", str(root), "-o", str(root / name), "--overwrite"]
        assert main([*arguments, "--frame-rate-hz", "25", "--workers", "1"]) == 1, name
        assert "choose another output" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before
    inside = ["import", "folder", str(root), "-o", str(root / "s.h5"), "--overwrite", "--quiet"]
    for _ in range(2):
        assert main([*inside, "--frame-rate-hz", "25", "--workers", "1", "--crop-px", "16"]) == 0


@pytest.mark.parametrize("names", [["test_1"], ["dev_1", "dev_2"], ["dev_1", "test_1"]])
def test_a_part_of_a_corpus_keeps_its_published_splits(tmp_path: Path, names: list[str]) -> None:
    images = [(image + k).astype(np.uint8) for k, image in enumerate(GREY)]
    write_recola(tmp_path / "R", images, names)
    out = tmp_path / "part.h5"
    arguments = ["import", "recola", str(tmp_path / "R"), "-o", str(out), "--quiet"]
    assert main([*arguments, "--crop-px", "16", "--workers", "1"]) == 0
    store = ClipStore(out)
    splits = {"dev": "validation", "test": "test"}
    assert {v.id: v.split for v in store.videos.values()} == {
        name: splits[name.partition("_")[0]] for name in names
    }
    assert errors(out) == []


def test_films_left_after_failures_are_stored_in_fewer_splits(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "films"
    for name in ("a", "b"):
        write_video(root / f"{name}.mp4", GREY)
    (root / "c.mp4").write_bytes(b"no film")
    out = tmp_path / "s.h5"
    arguments = ["import", "folder", str(root), "-o", str(out), "--quiet", "--json"]
    arguments += ["--crop-px", "16", "--workers", "1"]
    assert main(arguments) == 1
    captured = capsys.readouterr()
    told = json.loads(captured.out)
    assert told["store"] is None
    assert list(told["failed"]) == [str(root / "c.mp4")]
    assert main([*arguments, "--skip-bad"]) == 0
    assert {v.id: v.split for v in ClipStore(out).videos.values()} == {"a": "train", "b": "train"}
