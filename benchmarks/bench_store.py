"""Clip store: random clips a second beside numpy and h5py, and what DataLoader workers add.

Three videos of 512 frames, crops of 96 px in three modalities: smooth shapes under sensor noise.
Clips are 16 frames at random starts (no chunk alignment). The page cache is warm. Readers take
turns, so that other work on the machine meets all of them alike; times are wall clock.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import h5py
import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader

from mavfer import ClipRef, ClipStore
from mavfer.store_assembly import write_store
from mavfer.store_writer import Compression, FrameCrops, StoreLayout, VideoEntry
from model.clip_loader import ClipLoader
from model.data import Batch, ClipDataset, collate
from model.presets import preset

from .figure import emit

N_VIDEOS, N_FRAMES, CLIP = 3, 512, 16
N_CLIPS, N_ROUNDS = 200, 7
N_LOADER_ROUNDS = 21
BATCH, WORKERS = 8, 2
MODALITIES = ("color", "depth", "thermal")

Read = Callable[[ClipRef], object]


def main() -> None:
    """Print all figures."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    with TemporaryDirectory() as folder:
        root = Path(folder)
        stores = {
            name: _store(root / f"{name}.h5", compression)
            for name, compression in (("uncompressed", "none"), ("compressed", "bitshuffle-lz4"))
        }
        raw, small = (stores[name].path.stat().st_size for name in ("uncompressed", "compressed"))
        emit("store", "compressed_size", small / 1e6, unit="MB", peer=raw / 1e6, peer_name="raw")
        _random_clips(stores, root)
        for name, store in stores.items():
            _workers(store, name)


def _random_clips(stores: dict[str, ClipStore], root: Path) -> None:
    rng = np.random.default_rng(1)
    refs = [
        ClipRef(f"v{rng.integers(N_VIDEOS)}", int(rng.integers(N_FRAMES - CLIP + 1)))
        for _ in range(N_CLIPS)
    ]
    maps = _memory_maps(stores["uncompressed"], root)
    file = h5py.File(stores["uncompressed"].path, "r")
    packed = h5py.File(stores["compressed"].path, "r")

    def ours(store: ClipStore) -> Read:
        return lambda ref: [store.read(ref.video_id, ref.start, CLIP, m) for m in store.modalities]

    def through_h5py(source: h5py.File) -> Read:
        return lambda ref: [
            source["videos"][ref.video_id][m][ref.start : ref.start + CLIP] for m in MODALITIES
        ]

    readers: dict[str, Read] = {
        "memmap": lambda ref: [
            np.array(maps[ref.video_id, m][ref.start : ref.start + CLIP]) for m in MODALITIES
        ],
        "uncompressed": ours(stores["uncompressed"]),
        "h5py_uncompressed": through_h5py(file),
        "compressed": ours(stores["compressed"]),
        "h5py_compressed": through_h5py(packed),
    }
    rate = _rates(readers, refs)
    raw_name, h5py_name = "numpy memmap, one a video and modality", "h5py, file kept open"
    emit(
        "store",
        "random_clips_per_s",
        rate["uncompressed"],
        unit="clip/s",
        peer=rate["memmap"],
        peer_name=raw_name,
    )
    emit(
        "store",
        "random_clips_per_s_beside_h5py",
        rate["uncompressed"],
        unit="clip/s",
        peer=rate["h5py_uncompressed"],
        peer_name=h5py_name,
    )
    for peer, name in (("memmap", raw_name), ("h5py_compressed", h5py_name)):
        emit(
            "store",
            f"random_clips_per_s_compressed_beside_{peer}",
            rate["compressed"],
            unit="clip/s",
            peer=rate[peer],
            peer_name=name,
        )


def _rates(readers: dict[str, Read], refs: list[ClipRef]) -> dict[str, float]:
    """Clips a second of every reader: the median of rounds taken in turn, after a warm one."""
    seconds: dict[str, list[float]] = {name: [] for name in readers}
    for _ in range(N_ROUNDS + 1):
        for name, read in readers.items():
            started_s = time.perf_counter()
            for ref in refs:
                read(ref)
            seconds[name].append(time.perf_counter() - started_s)
    return {name: len(refs) / float(np.median(each[1:])) for name, each in seconds.items()}


def _workers(store: ClipStore, name: str) -> None:
    """Read all clips as training does, without and with worker processes."""
    config, _ = preset("small", architecture="mran", modalities=MODALITIES)
    dataset = ClipDataset(
        store, config, split="train", stride_frames=4, min_valid_share=0.5, labelled=False
    )
    order = list(range(len(dataset)))
    batches = [order[i : i + BATCH] for i in range(0, len(order), BATCH)]
    torch_loader = DataLoader(
        dataset,
        batch_size=BATCH,
        collate_fn=collate,
        num_workers=2,
        persistent_workers=True,
    )
    none, two = (ClipLoader(dataset, batches, workers=n, largest_batch=BATCH) for n in (0, WORKERS))
    readers: dict[str, Callable[[], int]] = {
        "none": lambda: _count(none),
        "2": lambda: _count(two),
        "2_torch": lambda: _count(torch_loader),
    }
    rates: dict[str, list[float]] = {reader: [] for reader in readers}
    cpu_ms: dict[str, list[float]] = {reader: [] for reader in readers}
    for _ in range(N_LOADER_ROUNDS):
        for reader, read in readers.items():
            started_s, cpu_s = time.perf_counter(), time.process_time()
            n_clips = read()
            cpu_ms[reader].append(1000 * (time.process_time() - cpu_s) / n_clips)
            rates[reader].append(n_clips / (time.perf_counter() - started_s))
    emit(
        "store",
        f"loader_2_workers_{name}_cpu_of_training_process",
        float(np.median(cpu_ms["2"][1:])),
        unit="ms/clip",
        peer=float(np.median(cpu_ms["none"][1:])),
        peer_name="the same without workers",
    )
    rate = {reader: float(np.median(each[1:])) for reader, each in rates.items()}
    for peer, peer_name in (
        ("none", "the same without workers"),
        ("2_torch", "torch's DataLoader with 2 workers, clip by clip"),
    ):
        emit(
            "store",
            f"loader_2_workers_{name}_beside_{peer}",
            rate["2"],
            unit="clip/s",
            peer=rate[peer],
            peer_name=peer_name,
        )


def _count(batches: Iterable[Batch]) -> int:
    """Read all batches and do nothing with them."""
    return sum(len(batch.labels) for batch in batches)


def _memory_maps(store: ClipStore, root: Path) -> dict[tuple[str, str], NDArray[np.generic]]:
    maps = {}
    for video_id, video in store.videos.items():
        for modality in store.modalities:
            path = root / f"{video_id}-{modality}.npy"
            np.save(path, store.read(video_id, 0, video.n_frames, modality))
            maps[video_id, modality] = np.load(path, mmap_mode="r")
    return maps


def _store(path: Path, compression: Compression) -> ClipStore:
    entries = [_entry(number) for number in range(N_VIDEOS)]
    layout = StoreLayout(compression=compression)
    write_store(path, entries, layout=layout, splits={"A": "train"})
    return ClipStore(path)


def _entry(number: int) -> VideoEntry:
    return VideoEntry(
        id=f"v{number}",
        subject="A",
        source="synthetic",
        kind="session",
        time_ns=np.arange(N_FRAMES, dtype=np.int64) * 250_000_000,
        valence=np.zeros(N_FRAMES, np.float32),
        arousal=np.zeros(N_FRAMES, np.float32),
        face_source=np.ones(N_FRAMES, np.uint8),
        landmarks_px=np.zeros((N_FRAMES, 68, 2), np.float32),
        T_crop_color=np.tile(np.eye(2, 3, dtype=np.float32), (N_FRAMES, 1, 1)),
        crops=_crops(number),
    )


def _crops(number: int) -> Iterator[FrameCrops]:
    """Yield a smooth moving shape with the noise of each sensor."""
    rng = np.random.default_rng(number)
    coarse = rng.normal(size=(14, 14)).astype(np.float32)
    for _ in range(N_FRAMES):
        coarse += rng.normal(scale=0.05, size=coarse.shape).astype(np.float32)
        shape = cv2.resize(coarse, (96, 96), interpolation=cv2.INTER_CUBIC)
        noise = rng.normal(size=(5, 96, 96)).astype(np.float32)
        color = np.stack([128 + 40 * shape + 3 * noise[i] for i in range(3)], axis=-1)
        yield FrameCrops(
            {
                "color": np.clip(color, 0, 255).astype(np.uint8),
                "depth": (800 + 40 * shape + 2 * noise[3]).astype(np.uint16),
                "thermal": (7650 + 60 * shape + 2 * noise[4]).astype(np.uint16),
            }
        )
