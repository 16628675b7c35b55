"""Batches read by workers are those read here, stay as they are, and fail as clearly."""

import time
from pathlib import Path
from typing import Any

import h5py
import pytest
import torch
from torch.utils.data import DataLoader

from mavfer.errors import DatasetError
from mavfer.store import ClipStore
from mavfer.store_assembly import write_store
from mavfer.store_writer import Compression, StoreLayout
from model.clip_loader import ClipLoader
from model.data import Batch, ClipDataset, collate

from .conftest import CROP_PX, video_entry
from .test_data import dataset


def small_store(path: Path, compression: Compression = "none") -> ClipStore:
    layout = StoreLayout(crop_px=CROP_PX, compression=compression)
    entries = [video_entry("T0", 1), video_entry("T1", 2)]
    write_store(path, entries, layout=layout, splits={"T0": "train", "T1": "train"})
    return ClipStore(path)


def equal(one: Batch, other: Batch) -> bool:
    return (
        one.crops.keys() == other.crops.keys()
        and all(torch.equal(one.crops[name], other.crops[name]) for name in one.crops)
        and torch.equal(one.labels, other.labels)
    )


def batches_of(data: ClipDataset, n: int) -> list[list[int]]:
    """Batches of 1, 2 and 3 clips in turn, every clip often."""
    numbers = [(7 * k) % len(data) for k in range(3 * n)]
    return [numbers[3 * k : 3 * k + 1 + k % 3] for k in range(n)]


@pytest.mark.parametrize(
    ("start_method", "compression"),
    [("fork", "bitshuffle-lz4"), ("fork", "none"), ("spawn", "none")],
)
def test_workers_read_what_this_process_reads(
    tmp_path: Path, start_method: str, compression: Compression
) -> None:
    data = dataset(small_store(tmp_path / "store.h5", compression), stride_frames=4)
    wanted = batches_of(data, 24)
    here = list(ClipLoader(data, wanted, workers=0, largest_batch=3))  # handle and map are open
    loader = ClipLoader(data, wanted, workers=2, largest_batch=3, start_method=start_method)
    for _ in range(2):  # an epoch, and another with the same workers
        there = list(loader)  # all are kept while more are read: none is overwritten
        assert len(there) == len(here) == 24
        assert all(equal(one, other) for one, other in zip(here, there, strict=True))
    one, other = there[0].crops["color"], there[1].crops["color"]
    one.zero_()
    assert other.any()


def test_a_lent_batch_lasts_until_the_next_is_asked_for(tmp_path: Path) -> None:
    data = dataset(small_store(tmp_path / "store.h5"), stride_frames=4)
    for n_workers in (1, 2):
        wanted = batches_of(data, 40)
        here = ClipLoader(data, wanted, workers=0, largest_batch=3)
        lent = ClipLoader(data, wanted, workers=n_workers, largest_batch=3, lend=True)
        for one, other in zip(here, lent, strict=True):
            time.sleep(0.002)  # workers run ahead as far as they may
            assert equal(one, other)


def test_batches_are_the_clips_one_by_one(tmp_path: Path) -> None:
    data = dataset(small_store(tmp_path / "store.h5"))
    (batch,) = ClipLoader(data, [[2, 0]], workers=0, largest_batch=2)
    assert equal(batch, collate([data[2], data[0]]))


def test_an_empty_batch_stays_in_its_place(tmp_path: Path) -> None:
    data = dataset(small_store(tmp_path / "store.h5"))
    for workers in (0, 1):
        found = list(ClipLoader(data, [[0], [], [1]], workers=workers, largest_batch=1))
        assert [len(batch.labels) for batch in found] == [1, 0, 1]


def test_a_pass_that_is_left_early_disturbs_no_later_one(tmp_path: Path) -> None:
    data = dataset(small_store(tmp_path / "store.h5"), stride_frames=4)
    wanted = batches_of(data, 12)
    here = list(ClipLoader(data, wanted, workers=0, largest_batch=3))
    loader = ClipLoader(data, wanted, workers=2, largest_batch=3)
    for batch in loader:
        assert equal(batch, here[0])
        break
    assert all(equal(one, other) for one, other in zip(here, loader, strict=True))


def test_a_worker_says_what_it_cannot_read(tmp_path: Path) -> None:
    path = tmp_path / "store.h5"
    small_store(path, "bitshuffle-lz4").close()
    with h5py.File(path, "r+") as file:
        file["videos/T1-video/thermal"].id.write_direct_chunk((0, 0, 0), b"\xff" * 40)
    data = dataset(ClipStore(path))
    loader = ClipLoader(data, [[k] for k in range(len(data))], workers=1, largest_batch=1)
    with pytest.raises(DatasetError, match="thermal of video T1-video cannot be read"):
        list(loader)


def test_torchs_own_loader_takes_the_dataset_too(tmp_path: Path) -> None:
    data = dataset(small_store(tmp_path / "store.h5"))
    loader: Any = DataLoader(data, batch_size=2, collate_fn=collate, num_workers=1)
    found = torch.cat([batch.crops["color"] for batch in loader])
    assert torch.equal(found, torch.stack([data[k].crops["color"] for k in range(len(data))]))
