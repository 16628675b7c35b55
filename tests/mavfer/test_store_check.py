"""A check finds what was done to a store, and nothing in one that is in order."""

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path

import h5py
import numpy as np
import pytest

from mavfer.cli import main
from mavfer.errors import DatasetError
from mavfer.splits import Split
from mavfer.store import open_store
from mavfer.store_assembly import write_store
from mavfer.store_check import Finding, check_store
from mavfer.store_check_apart import check_apart
from mavfer.store_traces import LabelTrace
from mavfer.store_writer import StoreLayout

from .stores import CROP_PX, entry

SPLITS: dict[str, Split] = {"A": "train", "B": "test", "C": "validation", "a": "test"}
LAYOUT = StoreLayout(crop_px=CROP_PX)


def gold(n_frames: int) -> LabelTrace:
    time_ns = np.arange(n_frames) * 250_000_000
    return LabelTrace("valence", time_ns, np.linspace(-1, 1, n_frames))


@pytest.fixture
def store_path(tmp_path: Path) -> Path:
    path = tmp_path / "store.h5"
    entries = [
        entry("v1", "A", 37, 1, traces=[gold(37)]),
        entry("v2", "B", 20, 2),
        entry("v3", "C", 20, 3),
    ]
    write_store(path, entries, layout=LAYOUT, splits=SPLITS)
    return path


def errors(path: Path, **options: object) -> list[str]:
    return [f.what for f in check_store(path, **options) if f.level == "error"]  # type: ignore[arg-type]


def test_a_store_in_order_passes(store_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check_store(store_path) == []
    assert main(["check", str(store_path)]) == 0
    assert "in order" in capsys.readouterr().out


def _set(name: str, row: int, value: object) -> Callable[[h5py.File], None]:
    def tamper(file: h5py.File) -> None:
        file["videos/v1"][name][row] = value

    return tamper


def _attr(place: str, name: str, value: object) -> Callable[[h5py.File], None]:
    def tamper(file: h5py.File) -> None:
        file[place].attrs[name] = value

    return tamper


def _add(name: str) -> Callable[[h5py.File], None]:
    def tamper(file: h5py.File) -> None:
        file["videos/v1"][name] = np.zeros(37)

    return tamper


@pytest.mark.parametrize(
    ("tamper", "expected"),
    [
        (_set("color", 5, 7), "the content is not what was written"),
        (_set("color", 5, 7), "the sums behind the statistics"),
        (_set("valence", 3, 1.5), "valence outside -1 to 1 in 1 rows, first in 3"),
        (_set("valence", 3, 0.9), "valence is not the gold trace at its time in 1 rows"),
        (_set("valence", 3, np.inf), "valence infinite"),
        (_set("time_ns", 9, 0), "times do not increase"),
        (_set("face_source", 2, 9), "unknown face_source"),
        (_set("reason", 2, 200), "unknown reason"),
        (_set("reason", 4, 0), "no face and no reason why"),
        (_set("valid/face", 2, False), "valid/face contradicts face_source"),
        (_set("confidence", 2, 2.0), "confidence outside 0 to 1"),
        (_set("T_crop_color", 2, np.nan), "a face without the place of its crop"),
        (_set("gold/valence/value", 8, 0.0), "the content is not what was written"),
        (_attr("videos/v1", "category", "angry"), "the content is not what was written"),
        (_attr("videos/v2", "split", "train"), "the fingerprint is not that of the videos"),
        (_attr("videos/v1", "sums", "{"), "the sums behind the statistics"),
        (_attr("videos/v1", "subject", " "), "the subject has no name"),
        (_attr("videos/v1", "subject", "C"), "subject, source, consent or notes are not what"),
        (_attr("videos/v1", "notes", '{"consent": {"share": true}}'), "subject, source, consent"),
        (_attr("videos/v1", "kind", "dream"), "the kind is 'dream', expected session, video"),
        (_add("gold/anger/value"), "unknown data set gold/anger/value"),
        (_add("seq/sonar"), "unknown data set seq/sonar"),
        (_attr("/", "stats", '{"color": {}, "depth": {}, "thermal": {}}'), "color statistics"),
        (_attr("/", "fingerprint", "0" * 64), "the fingerprint is not that"),
    ],
)
def test_what_was_done_to_a_store_is_found(
    store_path: Path, tamper: Callable[[h5py.File], None], expected: str
) -> None:
    with h5py.File(store_path, "r+") as file:
        tamper(file)
    found = errors(store_path)
    assert any(what.startswith(expected) for what in found), found
    assert main(["check", str(store_path), "--json"]) == 1


def test_a_store_without_hashes_of_its_descriptions_is_in_order(store_path: Path) -> None:
    fingerprint = open_store(store_path).fingerprint
    with h5py.File(store_path, "r+") as file:
        for video in file["videos"].values():
            del video.attrs["description_sha256"]
    assert check_store(store_path) == []
    assert open_store(store_path).fingerprint == fingerprint


def test_damaged_bytes_are_an_error_and_the_rest_is_still_checked(store_path: Path) -> None:
    with h5py.File(store_path, "r+") as file:
        file["videos/v1/depth"].id.write_direct_chunk((0, 0, 0), b"\xff" * 40)
        file["videos/v2/valence"][0] = -3
    found = check_store(store_path)
    assert {f.where for f in found if f.level == "error"} == {"v1", "v2"}


def test_damage_that_crashes_its_reader_is_told_by_place(
    store_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with h5py.File(store_path, "r+") as file:
        crops = file["videos/v2/depth"].id
        chunk = bytearray(crops.read_direct_chunk((0, 0, 0))[1])
        chunk[4] = 0x5D  # of its size unpacked, which the decompressor believes: 1.5 GB
        crops.write_direct_chunk((0, 0, 0), bytes(chunk))
    assert main(["check", str(store_path), "--quiet"]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "damaged at video v2, depth, rows 0 to 63: whoever reads it crashes (SIG" in error


def test_a_check_apart_tells_what_a_check_does(store_path: Path) -> None:
    with h5py.File(store_path, "r+") as file:
        file["videos/v2/valence"][0] = -3
    done: list[tuple[int, int]] = []
    found = check_apart(store_path, on_progress=lambda *at: done.append(at))
    assert found == check_store(store_path) != []
    assert done == [(1, 3), (2, 3), (3, 3)]


def test_people_on_both_sides_of_a_split_are_found(tmp_path: Path) -> None:
    path = tmp_path / "store.h5"
    entries = [entry("v1", "A", 20, 1), entry("v2", "a", 20, 2), entry("v3", "C", 20, 3)]
    write_store(path, entries, layout=LAYOUT, splits=SPLITS)
    assert any("subject a is in several splits: train (v1), test (v2)" in w for w in errors(path))


def test_the_same_pictures_under_two_names_are_found(tmp_path: Path) -> None:
    path = tmp_path / "store.h5"
    entries = [entry("v1", "A", 20, 1), entry("v2", "B", 20, 1), entry("v3", "C", 20, 3)]
    write_store(path, entries, layout=LAYOUT, splits=SPLITS)
    assert errors(path) == ["16 color crops are those of v1 although in test and train"]
    again = tmp_path / "again.h5"
    entries = [entry("v1", "A", 20, 1), entry("v2", "A", 20, 1, source="uuid-v1")]
    write_store(again, entries, layout=LAYOUT, splits=SPLITS)
    assert errors(again) == []
    assert Finding("warning", "v2", "16 color crops are those of v1") in check_store(again)


def test_consent_is_judged_by_purpose_and_day(tmp_path: Path) -> None:
    path = tmp_path / "store.h5"
    consent = {"record": True, "share": False, "publish_pictures": False, "until": "2026-03-01"}
    entries = [entry("v1", "A", 20, 1, notes={"consent": consent}), entry("film", "B", 20, 2)]
    write_store(path, entries, layout=LAYOUT, splits=SPLITS)
    day = date(2026, 3, 1)
    assert errors(path, today=day) == []
    assert errors(path, today=date(2026, 3, 2)) == [
        "must not be used: the consent ended on 2026-03-01"
    ]
    assert sorted(errors(path, purpose="share", today=day)) == [
        "must not be used: no consent is on record",
        "must not be used: the subject does not agree to sharing",
    ]


def test_what_cannot_be_opened_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", str(tmp_path / "missing.h5")]) == 1
    assert "no clip store at" in capsys.readouterr().err
    empty = tmp_path / "empty.h5"
    empty.touch()
    assert main(["check", str(empty)]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_a_consent_that_is_none_is_refused(tmp_path: Path, store_path: Path) -> None:
    with h5py.File(store_path, "r+") as file:
        file["videos/v1"].attrs["notes"] = json.dumps({"consent": {"record": "maybe"}})
    with pytest.raises(DatasetError, match="consent"):
        open_store(store_path)
