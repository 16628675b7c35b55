"""Stores that are damaged, contradict themselves or do not fit the disk are refused by name."""

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from mavfer.errors import DatasetError
from mavfer.store import open_store
from mavfer.store_assembly import write_store
from mavfer.store_writer import StoreLayout

from .stores import LAYOUT, SPLITS, entry, small_store


@pytest.fixture
def store_path(tmp_path: Path) -> Path:
    return small_store(tmp_path)


def test_damaged_and_foreign_files_are_refused(tmp_path: Path, store_path: Path) -> None:
    with pytest.raises(DatasetError, match="no clip store at"):
        open_store(tmp_path / "missing.h5")
    text = tmp_path / "text.h5"
    text.write_text("not a store")
    with pytest.raises(DatasetError, match="cannot be read as HDF5"):
        open_store(text)
    truncated = tmp_path / "truncated.h5"
    truncated.write_bytes(store_path.read_bytes()[:5000])
    with pytest.raises(DatasetError, match="damaged, truncated"):
        open_store(truncated)
    foreign = tmp_path / "foreign.h5"
    with h5py.File(foreign, "w") as file:
        file.attrs["format"] = "else"
    with pytest.raises(DatasetError, match="not a clip store"):
        open_store(foreign)


def _replace(file: h5py.File, name: str, value: object) -> None:
    group = file["videos/v1"]
    del group[name]
    group[name] = value


def test_crops_that_cannot_be_unpacked_are_named(tmp_path: Path, store_path: Path) -> None:
    damaged = tmp_path / "damaged.h5"
    damaged.write_bytes(store_path.read_bytes())
    with h5py.File(damaged, "r+") as file:
        file["videos/v1/depth"].id.write_direct_chunk((0, 0, 0), b"\xff" * 40)
    store = open_store(damaged)
    with pytest.raises(DatasetError, match="depth of video v1 cannot be read: damaged"):
        store.read("v1", 0, 8, "depth")


def test_a_link_to_itself_is_no_store(tmp_path: Path) -> None:
    loop = tmp_path / "loop.h5"
    loop.symlink_to(loop)
    with pytest.raises(DatasetError, match="no clip store at"):
        open_store(loop)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: f.attrs.__setitem__("schema_version", 99), "schema 99"),
        (lambda f: f.attrs.__delitem__("stats"), "root attribute"),
        (lambda f: f.attrs.__setitem__("modalities", "{"), "root attribute"),
        (lambda f: f.__delitem__("videos"), "no /videos"),
        (lambda f: f["videos/v1"].__delitem__("depth"), "lacks a part"),
        (lambda f: f["videos/v1"].__delitem__("valence"), "lacks a part"),
        (lambda f: f["videos/v1"].attrs.__setitem__("split", "dev"), "split 'dev'"),
        (lambda f: f["videos/v1"].attrs.__delitem__("subject"), "subject is missing"),
        (lambda f: f["videos/v1/valid"].__delitem__("depth"), "lacks a part"),
        (lambda f: _replace(f, "valence", np.zeros((37, 2), np.float32)), r"valence is \(37, 2\)"),
        (lambda f: _replace(f, "time_ns", np.zeros(37, np.float32)), "time_ns is .* float32"),
        (lambda f: _replace(f, "time_ns", h5py.SoftLink("/nowhere")), "is a link"),
        (lambda f: (f.__delitem__("videos"), f.__setitem__("videos", [1])), "no /videos"),
        (lambda f: f["videos"].__setitem__("v0", [1]), "v0 is no group"),
        (lambda f: f["videos"].__setitem__("v0", h5py.SoftLink("/nowhere")), "v0 is a link"),
        (lambda f: f.attrs.__setitem__("stats", '{"color": 5}'), "root attribute"),
        (lambda f: f.attrs.__setitem__("provenance", "[]"), "root attribute"),
        (lambda f: f.attrs.__setitem__("clip_length", 0), "clips of 0 frames"),
        (lambda f: f.attrs.__setitem__("crop_px", 16), "expected \\(5, 16, 16, 3\\)"),
    ],
)
def test_contradictory_stores_are_refused(store_path: Path, damage, message: str) -> None:
    with h5py.File(store_path, "r+") as file:
        damage(file)
    with pytest.raises(DatasetError, match=message):
        open_store(store_path)


def test_writer_refuses_contradictions_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "store.h5"
    bad = [
        (entry("v", "A", 4, 0, valence=np.full(4, 7, np.float32)), "outside"),
        (entry("v", "A", 4, 0, time_ns=np.zeros(4, np.int64)), "do not increase"),
        (entry("v", "A", 4, 0, crops=[]), "0 crops for 4 rows"),
        (entry("v", "A", 4, 0, landmarks_px=np.zeros((4, 5, 2), np.float32)), "landmarks_px is"),
    ]
    for video, message in bad:
        with pytest.raises(DatasetError, match=message):
            write_store(path, [video], layout=LAYOUT, splits=SPLITS)
    with pytest.raises(DatasetError, match="two videos are called"):
        write_store(
            path, [entry("v", "A", 4, 0), entry("v", "B", 4, 0)], layout=LAYOUT, splits=SPLITS
        )
    with pytest.raises(DatasetError, match="no video"):
        write_store(path, [], layout=LAYOUT, splits=SPLITS)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "wrong",
    [{"crop_px": 4}, {"crop_px": 10**20}, {"clip_length": 0}, {"clip_length": 10**20}],
)
def test_layouts_out_of_reason_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(DatasetError, match="expected a crop of 8 to 1024 px, a clip of 1 to"):
        StoreLayout(**wrong)


def test_a_full_disk_is_noticed_before_hdf5_writes(tmp_path: Path, monkeypatch) -> None:
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: usage)
    with pytest.raises(OSError, match="No space left"):
        write_store(tmp_path / "s.h5", [entry("v", "A", 20, 4)], layout=LAYOUT, splits=SPLITS)
    assert list(tmp_path.iterdir()) == []
