"""Batches read by workers are those read here, stay as they are, and fail as clearly."""

import os
import signal
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
from model.errors import ModelError

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


def kept(loader: ClipLoader) -> list[Batch]:
    """All batches of a loader, copied: they are lent until the next is asked for."""
    return [
        Batch({name: x.clone() for name, x in batch.crops.items()}, batch.labels)
        for batch in loader
    ]


def workers_of(loader: ClipLoader) -> list[Any]:
    """The processes of a loader that has begun."""
    team = loader._team
    assert team is not None
    return team._processes


@pytest.mark.parametrize(
    ("start_method", "compression"),
    [("fork", "bitshuffle-lz4"), ("fork", "none"), ("spawn", "none")],
)
def test_workers_read_what_this_process_reads(
    tmp_path: Path, start_method: str, compression: Compression
) -> None:
    data = dataset(small_store(tmp_path / "store.h5", compression), stride_frames=4)
    wanted = batches_of(data, 24)
    here = kept(ClipLoader(data, wanted, workers=0, largest_batch=3))  # handle and map are open
    loader = ClipLoader(data, wanted, workers=2, largest_batch=3, start_method=start_method)
    for _ in range(2):  # an epoch, and another with the same workers
        there = kept(loader)
        assert len(there) == len(here) == 24
        assert all(equal(one, other) for one, other in zip(here, there, strict=True))


def test_a_batch_lasts_until_the_next_is_asked_for(tmp_path: Path) -> None:
    data = dataset(small_store(tmp_path / "store.h5"), stride_frames=4)
    wanted = batches_of(data, 40)
    here = kept(ClipLoader(data, wanted, workers=0, largest_batch=3))
    for n_workers in (1, 2, 3):
        lent = ClipLoader(data, wanted, workers=n_workers, largest_batch=3)
        for one, other in zip(here, lent, strict=True):
            time.sleep(0.002)  # workers run ahead as far as they may
            assert equal(one, other)


def test_workers_do_the_reading_for_who_is_busy(tmp_path: Path, monkeypatch) -> None:
    data = dataset(small_store(tmp_path / "store.h5"), stride_frames=4)
    read_here: list[object] = []
    read_batch = ClipDataset.read_batch
    first = kept(ClipLoader(data, [[0]], workers=0, largest_batch=1))[0]

    def count(self: ClipDataset, *args: Any) -> Batch:
        read_here.append(args)
        return read_batch(self, *args)

    loader = ClipLoader(data, [[0]] * 2000, workers=2, largest_batch=1)
    monkeypatch.setattr(ClipDataset, "read_batch", count)
    for n_batches, batch in enumerate(loader, start=1):
        assert equal(first, batch)
        if n_batches - len(read_here) == 20:
            return
        time.sleep(0.002)
    pytest.fail("workers never read")


@pytest.mark.parametrize("sent", [signal.SIGSTOP, signal.SIGKILL])
def test_workers_that_do_not_run_cost_no_batch(tmp_path: Path, sent: int, caplog) -> None:
    data = dataset(small_store(tmp_path / "store.h5"), stride_frames=4)
    wanted = batches_of(data, 60)
    here = kept(ClipLoader(data, wanted, workers=0, largest_batch=3))
    loader = ClipLoader(data, wanted, workers=2, largest_batch=3)
    kept(loader)
    one, other = workers_of(loader)

    def send(process) -> None:
        os.kill(process.pid, sent)
        if sent == signal.SIGKILL:  # on a busy machine it takes a while to die
            process.join(20)
            assert not process.is_alive()

    send(one)
    for _ in range(2):
        assert all(equal(mine, theirs) for mine, theirs in zip(here, kept(loader), strict=True))
    send(other)
    for n, (mine, theirs) in enumerate(zip(here, loader, strict=True)):
        assert equal(mine, theirs)
        if n == 30 and sent == signal.SIGSTOP:
            os.kill(one.pid, signal.SIGCONT)  # and it goes on with what it had begun
    os.kill(other.pid, signal.SIGCONT) if sent == signal.SIGSTOP else None
    # With nobody else left this process reads, and sees who died.
    assert ("2 of 2 processes" in caplog.text) == (sent == signal.SIGKILL)


def test_workers_end_with_their_loader(tmp_path: Path) -> None:
    data = dataset(small_store(tmp_path / "store.h5"))
    loader = ClipLoader(data, [[0]], workers=2, largest_batch=1)
    list(loader)
    processes = workers_of(loader)
    assert all(process.is_alive() for process in processes)
    del loader
    assert not any(process.is_alive() for process in processes)


def test_a_second_pass_ends_the_first(tmp_path: Path) -> None:
    data = dataset(small_store(tmp_path / "store.h5"), stride_frames=4)
    loader = ClipLoader(data, [[0], [1], [2]], workers=1, largest_batch=1)
    first, second = iter(loader), iter(loader)
    next(first)
    next(second)
    with pytest.raises(ModelError, match="a newer pass"):
        next(first)
    assert len(list(second)) == 2


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
    here = kept(ClipLoader(data, wanted, workers=0, largest_batch=3))
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
