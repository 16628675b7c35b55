"""Corpora that somebody copied, converted or renamed: mislabelled frames are never the result."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from annotation.errors import AnnotationError
from mavfer.cli import main
from mavfer.errors import DatasetError
from mavfer.frame_folder import FrameFolder
from mavfer.importers.afew import read_afew
from mavfer.importers.afew_va import read_afew_va
from mavfer.importers.arff import read_arff
from mavfer.importers.folder import read_folder
from mavfer.importers.recola import read_recola
from mavfer.importers.sewa import read_sewa
from mavfer.store_schema import REASONS
from mavfer.video_source import VideoSource

from .corpora import (
    arff,
    write_afew,
    write_afew_va_clip,
    write_frames,
    write_recola,
    write_sewa,
    write_video,
)

GREY = [np.full((32, 48, 3), 20 * k, np.uint8) for k in range(6)]
LONG = [GREY[0]] * 250
HEAD = "@relation g\n@attribute Instance_name string\n@attribute frameTime numeric\n"
LABEL = "@attribute GoldStandard numeric\n@data\n"
BIG_CELL = "1" * 200_000


def gold_of(root: Path, name: str = "train_1") -> Path:
    return root / "ratings_gold_standard" / "valence" / f"{name}.arff"


def test_a_corpus_is_found_by_whatever_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_recola(tmp_path / ".data" / "R", GREY, ["train_1", "dev_1"])
    write_sewa(tmp_path / ".data" / "S", GREY, ["Train_01"])
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    for root in (tmp_path / ".data", Path("../.data")):
        assert len(read_recola(root / "R").videos) == 2
        assert len(read_sewa(root / "S").videos) == 1
    hidden = tmp_path / ".data" / "R" / ".trash" / "recordings_video"
    write_video(hidden / "train_1.mp4", GREY)
    assert len(read_recola(tmp_path / ".data" / "R").videos) == 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (HEAD + LABEL + "'train_1',0,0\n'train_1',1e300,0\n", "divided by 1000"),
        (HEAD + LABEL + "'train_1',0,0\n'train_1',120000,0\n", "divided by 1000"),
        (HEAD + LABEL + "'train_1',0,0\n'train_1',400,0\n", "go on to 400 s, the video"),
        (HEAD + LABEL + "'train_1',0,0\n'train_1',0.4,0\n", "cover 0.4 s of 10.0 s"),
        (HEAD + LABEL + "'train_1',0,0\n'dev_1',1,0\n", r"arff:7: the row is about dev_1"),
        (HEAD + "@data\n'train_1',0\n'train_1',1\n", "expected frameTime and a gold standard"),
        (HEAD + LABEL + f"'train_1',0,{BIG_CELL}\n", r"arff:6: field larger than"),
    ],
)
def test_recola_labels_that_cannot_be_meant(tmp_path: Path, text: str, expected: str) -> None:
    write_recola(tmp_path, GREY, ["train_1"])
    write_video(tmp_path / "recordings_video" / "train_1.mp4", LONG)
    gold_of(tmp_path).write_text(text)
    gold_of(tmp_path).parent.with_name("arousal").joinpath("train_1.arff").write_text(text)
    with pytest.raises(DatasetError, match=expected):
        read_recola(tmp_path)


def test_names_in_rows_that_are_no_recordings_say_nothing(tmp_path: Path) -> None:
    write_recola(tmp_path, GREY, ["train_1"])
    gold_of(tmp_path).write_text(arff("P16", [0, 0.2], [0, 0.1]))
    assert read_recola(tmp_path).gold is not None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("'Devel_07';0;0;0;0\n'Devel_07';0.1;0;0;0\n", r"Train_01\.csv:1: the row is about Devel"),
        ("'Train_01';0;0;0;0\n'Train_01';900;0;0;0\n", "go on to 900 s"),
        (f"'Train_01';0;0;{BIG_CELL};0\n", r"Train_01\.csv:1: field larger than"),
    ],
)
def test_sewa_labels_that_cannot_be_meant(tmp_path: Path, text: str, expected: str) -> None:
    write_sewa(tmp_path, GREY, ["Train_01"])
    (tmp_path / "labels" / "Train_01.csv").write_text(text)
    with pytest.raises(DatasetError, match=expected):
        read_sewa(tmp_path)


def test_sewa_labels_are_found_in_any_case(tmp_path: Path) -> None:
    write_sewa(tmp_path, GREY, ["Train_01"])
    (tmp_path / "labels").rename(tmp_path / "Labels")
    (tmp_path / "Labels" / "Train_01.csv").rename(tmp_path / "Labels" / "Train_01.CSV")
    gold = read_sewa(tmp_path).gold
    assert gold is not None
    assert "Train_01" in gold


def test_labels_of_a_part_of_a_film_are_a_remark(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", LONG)
    header = "session,time_s,valence,arousal,n_raters\n"
    (tmp_path / "labels.csv").write_text(header + "a,0,0.1,0.2,3\na,0.5,0.1,0.2,3\n")
    assert read_folder(tmp_path).remarks == ("the labels of a cover 0.5 s of 10.0 s of video",)
    (tmp_path / "labels.csv").write_text(header + "a,0,0.1,0.2,3\na,5000,0.1,0.2,3\n")
    with pytest.raises(DatasetError, match="go on to 5000 s"):
        read_folder(tmp_path)


def test_cells_of_any_size_are_an_error_with_a_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_video(tmp_path / "a.mp4", GREY)
    (tmp_path / "videos.csv").write_text(f"video,category\na,{BIG_CELL}\n")
    assert main(["import", "folder", str(tmp_path), "--list"]) == 1
    assert "videos.csv:2: field larger than" in capsys.readouterr().err
    (tmp_path / "x.arff").write_text(f"@attribute '{BIG_CELL}' numeric\n@data\n")
    with pytest.raises(DatasetError, match=r"x\.arff:1: field larger than"):
        read_arff(tmp_path / "x.arff")


def test_names_that_no_file_format_keeps_are_refused(tmp_path: Path) -> None:
    for at, read in ((tmp_path / "films", read_folder), (tmp_path / "A", read_afew)):
        write_afew(at, GREY[:1])
        clip = at / "Train_AFEW" / "Angry" / "000046280.avi"
        clip.rename(clip.with_name(os.fsdecode(b"\xff.avi")))
        with pytest.raises(DatasetError, match="is not UTF-8"):
            read(at, frame_rate_hz=25)  # type: ignore[operator]


@pytest.mark.parametrize("actor", ["Jane\0Doe", "../Doe", "J\\Doe", "J" * 101])
def test_actors_whose_names_cannot_be_kept_are_refused(tmp_path: Path, actor: str) -> None:
    write_afew_va_clip(tmp_path / "001", GREY[:2], None, extra={"actor": actor})
    with pytest.raises(DatasetError, match=r"001\.json: the actor is"):
        read_afew_va(tmp_path)


def test_an_actor_in_two_spellings_is_one_subject(tmp_path: Path) -> None:
    for name, actor in (("001", "Jane Doe"), ("002", " jane  DOE"), ("003", None)):
        write_afew_va_clip(tmp_path / name, GREY[:1], None, extra={"actor": actor})
    corpus = read_afew_va(tmp_path)
    assert [video.subject for video in corpus.videos] == ["Jane_Doe", "Jane_Doe", "003"]
    assert corpus.remarks == (
        "the actor of 002, jane_DOE, is taken for Jane_Doe",
        "1 clips do not name their actor: each counts as a subject",
    )


def test_given_landmarks_that_are_no_face_are_no_crop(tmp_path: Path) -> None:
    x, y = np.meshgrid(np.linspace(0, 40, 12), np.linspace(0, 40, 6))
    points = np.zeros((6, 68, 2))
    points[:, :, 0], points[:, :, 1] = x.ravel()[:68], y.ravel()[:68]
    points[:, [36, 39, 42, 45]] = [[8, 12], [16, 12], [24, 12], [32, 12]]
    points[:, 27:31] = [[20, 12], [20, 16], [20, 20], [20, 24]]
    points[1] = 20  # all at one place
    points[2] += 1000  # outside the image
    points[3, :, 0] = 20  # a line
    points[4] = 20 + points[4] / 1e6
    points[5, :20] *= 1e300
    write_afew_va_clip(tmp_path / "001", [np.zeros((48, 48, 3), np.uint8)] * 6, points, extra={})
    frames = FrameFolder(tmp_path / "001", frame_rate_hz=25, rate_hz=None)
    given = tmp_path / "001" / "001.json"
    track = VideoSource(frames, id="1", subject="1", landmarks=given).find_faces(range(6), 68, None)
    assert [REASONS[reason] for reason in track.reason] == ["", *["implausible"] * 5]
    assert np.isfinite(track.landmarks_px).all(axis=(1, 2)).tolist() == [True, *[False] * 5]


@pytest.mark.parametrize("rate_hz", [0.0, -25.0, float("nan"), float("inf"), 1e4])
def test_frame_rates_that_no_video_has_are_refused_at_once(tmp_path: Path, rate_hz: float) -> None:
    for read in (read_afew, read_afew_va, read_folder):
        with pytest.raises(DatasetError, match="frames a second: expected more than 0"):
            read(tmp_path, frame_rate_hz=rate_hz)  # type: ignore[operator]


def test_parts_of_a_corpus_are_told(tmp_path: Path) -> None:
    write_recola(tmp_path / "R", GREY, ["train_1", "train_2"])
    (tmp_path / "R" / "ratings_individual" / "valence" / "train_2.csv").unlink()
    (tmp_path / "R" / "ratings_individual" / "arousal" / "train_2.csv").unlink()
    assert read_recola(tmp_path / "R").remarks == (
        "no video of the partition dev, test",
        "no ratings_individual of train_2",
    )
    write_sewa(tmp_path / "S", GREY, ["Train_01", "Devel_01"])
    assert "no video of the partition Test" in read_sewa(tmp_path / "S").remarks


def test_labels_that_are_there_twice_are_refused(tmp_path: Path) -> None:
    write_recola(tmp_path / "R", GREY, ["train_1"])
    shutil.copytree(gold_of(tmp_path / "R").parents[1], tmp_path / "R/old/ratings_gold_standard")
    with pytest.raises(DatasetError, match="two files of labels about the same"):
        read_recola(tmp_path / "R")
    write_sewa(tmp_path / "S", GREY, ["Train_01"])
    shutil.copytree(tmp_path / "S" / "labels", tmp_path / "S" / "old" / "labels")
    with pytest.raises(DatasetError, match="two files of labels about the same"):
        read_sewa(tmp_path / "S")


def test_links_are_followed_and_those_that_lead_nowhere_are_missed(tmp_path: Path) -> None:
    write_recola(tmp_path / "disk", GREY, ["train_1"])
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for name in ("recordings_video", "ratings_gold_standard"):
        (corpus / name).symlink_to(tmp_path / "disk" / name)
    (corpus / "again").symlink_to(corpus)
    assert [video.id for video in read_recola(corpus).videos] == ["train_1"]
    (corpus / "b.mp4").symlink_to(tmp_path / "nowhere.mp4")
    assert [video.id for video in read_folder(corpus).videos] == ["b", "train_1"]


LABELS = "session,time_s,valence,arousal,n_raters\n"


@pytest.mark.parametrize("name", ["Ben", "ben.mp4", "BEN.MP4", "b en"])
def test_labels_under_nearly_the_name_of_a_film_are_refused(tmp_path: Path, name: str) -> None:
    for film in ("anna", "ben"):
        (tmp_path / f"{film}.mp4").write_bytes(b"not looked into")
    (tmp_path / "labels.csv").write_text(f"{LABELS}anna,0,0,0,3\n{name},0,0,0,3\n")
    with pytest.raises(DatasetError, match=f"about {name}, the video there is called ben"):
        read_folder(tmp_path)


def test_tables_under_other_names_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"not looked into")
    (tmp_path / "Labels.csv").write_text(LABELS)
    assert read_folder(tmp_path).remarks == (
        "not read: Labels.csv; read are videos.csv, labels.csv, raters.csv",
    )


def test_films_whose_names_differ_in_case_only_are_refused(tmp_path: Path) -> None:
    for name in ("x/ben.mp4", "y/Ben.mp4"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(b"not looked into")
    with pytest.raises(DatasetError, match=r"two videos are called Ben: .*ben\.mp4 and"):
        read_folder(tmp_path)


def test_names_that_nobody_can_see_are_refused_with_their_line(tmp_path: Path) -> None:
    write_recola(tmp_path, GREY, ["train_1"])
    path = tmp_path / "ratings_individual" / "valence" / "train_1.csv"
    path.write_text("time;FM1;F\0\n0;0;0\n")
    with pytest.raises(AnnotationError, match=r"train_1\.csv:1: column 3 is 'F.x00'"):
        read_recola(tmp_path)
    (tmp_path / "raters.csv").write_text(
        "session,rater,dimension,time_s,value\ntrain_1,R\0,valence,0,1\n"
    )
    with pytest.raises(AnnotationError, match=r"raters\.csv:2: the rater is 'R.x00'"):
        read_folder(tmp_path)


def test_a_number_that_counts_no_frames_is_refused(tmp_path: Path) -> None:
    write_frames(tmp_path, GREY[:2])
    (tmp_path / "00001.png").rename(tmp_path / "99999999999999999.png")
    for rate_hz in (None, 4.0):
        with pytest.raises(DatasetError, match=r"99999999999999999\.png is frame"):
            FrameFolder(tmp_path, frame_rate_hz=25, rate_hz=rate_hz)
