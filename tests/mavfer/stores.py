"""Small clip stores of random crops."""

from pathlib import Path

import numpy as np

from mavfer.splits import Split
from mavfer.store_assembly import write_store
from mavfer.store_writer import FrameCrops, StoreLayout, VideoEntry

CROP_PX = 8
LAYOUT = StoreLayout(crop_px=CROP_PX)
SPLITS: dict[str, Split] = {"A": "train", "B": "test"}


def crops_of(n_frames: int, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        "color": rng.integers(0, 256, (n_frames, CROP_PX, CROP_PX, 3), np.uint8),
        "depth": rng.integers(0, 1500, (n_frames, CROP_PX, CROP_PX), np.uint16),
        "thermal": rng.integers(0, 9000, (n_frames, CROP_PX, CROP_PX), np.uint16),
    }


def entry(video_id: str, subject: str, n_frames: int, seed: int, **changes: object) -> VideoEntry:
    crops = crops_of(n_frames, seed)
    time_ns = np.arange(n_frames, dtype=np.int64) * 250_000_000
    values: dict[str, object] = {
        "id": video_id,
        "subject": subject,
        "source": f"uuid-{video_id}",
        "kind": "session",
        "time_ns": time_ns,
        "valence": np.linspace(-1, 1, n_frames, dtype=np.float32),
        "arousal": np.full(n_frames, np.nan, np.float32),
        "face_source": (np.arange(n_frames) % 5 != 4).astype(np.uint8),
        "landmarks_px": np.ones((n_frames, 68, 2), np.float32) * np.arange(n_frames)[:, None, None],
        "T_crop_color": np.tile(np.eye(2, 3, dtype=np.float32), (n_frames, 1, 1)),
        "crops": (FrameCrops({m: c[i] for m, c in crops.items()}) for i in range(n_frames)),
    }
    return VideoEntry(**{**values, **changes})  # type: ignore[arg-type]


def small_store(folder: Path) -> Path:
    """Write three videos of two subjects."""
    path = folder / "store.h5"
    entries = [entry("v1", "A", 37, 1), entry("v2", "B", 20, 2), entry("short", "B", 5, 3)]
    write_store(path, entries, layout=LAYOUT, splits=SPLITS, provenance={"labels": "x"})
    return path
