"""Corpora that somebody copied, converted or renamed: mislabelled frames are never the result."""

import os
from pathlib import Path

import numpy as np
import pytest

from mavfer.cli import main
from mavfer.errors import DatasetError
from mavfer.frame_folder import FrameFolder
from mavfer.importers.afew import read_afew
from mavfer.importers.afew_va import read_afew_va
from mavfer.importers.arff import read_arff
from mavfer.importers.folder import read_folder
from mavfer.importers.recola import read_recola
from mavfer.importers.sewa import read_sewa

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


def test_actors_without_a_printable_name_are_refused(tmp_path: Path) -> None:
    write_afew_va_clip(tmp_path / "001", GREY[:2], None, extra={"actor": "Jane\0Doe"})
    with pytest.raises(DatasetError, match=r"001\.json: the actor is"):
        read_afew_va(tmp_path)


def test_a_number_that_counts_no_frames_is_refused(tmp_path: Path) -> None:
    write_frames(tmp_path, GREY[:2])
    (tmp_path / "00001.png").rename(tmp_path / "99999999999999999.png")
    for rate_hz in (None, 4.0):
        with pytest.raises(DatasetError, match=r"99999999999999999\.png is frame"):
            FrameFolder(tmp_path, frame_rate_hz=25, rate_hz=rate_hz)
