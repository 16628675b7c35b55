"""A clip store small enough to train on in a second: drawn faces whose mouth shows the valence."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from capture.simulation.rig import SimulatedRig
from capture.simulation.scene import SubjectScene
from mavfer.store import ClipStore, open_store
from mavfer.store_assembly import write_store
from mavfer.store_writer import FrameCrops, StoreLayout, VideoEntry
from model.evaluate import evaluate
from model.evaluation import Evaluation
from tests.model.untrained import untrained

CROP_PX = 32
N_FRAMES = 40
SUBJECTS = {
    **{f"T{k}": "train" for k in range(4)},
    **{f"V{k}": "validation" for k in range(2)},
    **{f"X{k}": "test" for k in range(2)},
}


def draw_face(valence: float, brightness: float, noise: NDArray[np.float64]) -> FrameCrops:
    """Draw a face whose mouth is a parabola bent by `valence`, in all three modalities."""
    y, x = np.mgrid[:CROP_PX, :CROP_PX] / (CROP_PX - 1) * 2 - 1
    mouth = np.exp(-(((y - 0.45 + valence * (x * x - 0.15)) / 0.12) ** 2)) * (np.abs(x) < 0.6)
    face = x * x + y * y < 0.9
    grey = brightness * (0.4 + 0.5 * face - 0.35 * mouth) + 0.02 * noise
    color = np.clip(grey[..., None] * [255, 210, 190], 0, 255).astype(np.uint8)
    depth = np.where(face, 800 + 30 * mouth + 3 * noise, 0).astype(np.uint16)
    thermal = (7600 + 60 * face + 40 * mouth + 2 * noise).astype(np.uint16)
    return FrameCrops({"color": color, "depth": depth, "thermal": thermal})


def video_entry(subject: str, seed: int, *, n_frames: int = N_FRAMES) -> VideoEntry:
    """Make one video; frames 3 and 4 miss the face, frame 0 has no label."""
    rng = np.random.default_rng(seed)
    time_s = np.arange(n_frames) / 4.0
    phase, brightness = rng.uniform(0, 2 * np.pi), rng.uniform(0.5, 1.0)
    valence = 0.8 * np.sin(2 * np.pi * time_s / 14 + phase)
    face_source = np.ones(n_frames, np.uint8)
    face_source[3:5] = 0
    label = valence.astype(np.float32)
    label[0] = np.nan
    frames = [
        draw_face(float(v), brightness, rng.standard_normal((CROP_PX, CROP_PX))) for v in valence
    ]
    return VideoEntry(
        id=f"{subject}-video",
        subject=subject,
        source="drawn",
        kind="session",
        time_ns=(time_s * 1e9).astype(np.int64),
        valence=label,
        arousal=-label,
        face_source=face_source,
        landmarks_px=np.zeros((n_frames, 68, 2), np.float32),
        T_crop_color=np.zeros((n_frames, 2, 3), np.float32),
        crops=frames,
    )


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Keep torch on one thread: equal results, and other tests run beside these."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def store_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Path of the drawn store."""
    path = tmp_path_factory.mktemp("model") / "drawn.h5"
    layout = StoreLayout(
        modalities=("color", "depth", "thermal"), crop_px=CROP_PX, clip_length=16, rate_hz=4.0
    )
    entries = [video_entry(subject, seed) for seed, subject in enumerate(SUBJECTS)]
    write_store(path, entries, layout=layout, splits=SUBJECTS)
    return path


@pytest.fixture(scope="session")
def lit_store_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Path of a drawn store whose light goes from dim to side in each video, after 5 s."""
    path = tmp_path_factory.mktemp("model") / "lit.h5"
    layout = StoreLayout(
        modalities=("color", "depth", "thermal"), crop_px=CROP_PX, clip_length=16, rate_hz=4.0
    )
    notes = {"stages": [[0.0, "light dim"], [5.0, "light side"], [7.0, "rest"]]}
    entries = [
        replace(video_entry(subject, seed), notes=notes) for seed, subject in enumerate(SUBJECTS)
    ]
    write_store(path, entries, layout=layout, splits=SUBJECTS)
    return path


@pytest.fixture
def film_path(tmp_path: Path) -> Path:
    """Path of a store of one color film of native rate, all of it for training."""
    path = tmp_path / "film.h5"
    entry = video_entry("T9", 9)
    color = [FrameCrops({"color": frame.images["color"]}) for frame in entry.crops]
    layout = StoreLayout(modalities=("color",), crop_px=CROP_PX, clip_length=16, rate_hz=0.0)
    film = replace(entry, kind="video", crops=color)
    write_store(path, [film], layout=layout, splits={"T9": "train"})
    return path


@pytest.fixture
def film_entry() -> VideoEntry:
    """Drawn faces of a subject T9."""
    return video_entry("T9", 9, n_frames=50)


@pytest.fixture(scope="session")
def category_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Path of a store of color films of two emotions."""
    path = tmp_path_factory.mktemp("model") / "categories.h5"
    layout = StoreLayout(modalities=("color",), crop_px=CROP_PX, clip_length=16, rate_hz=4.0)
    entries = []
    for seed, subject in enumerate(SUBJECTS):
        entry = video_entry(subject, seed, n_frames=16)
        color = [FrameCrops({"color": frame.images["color"]}) for frame in entry.crops]
        category = ("angry", "happy")[seed % 2]
        entries.append(replace(entry, kind="video", crops=color, category=category))
    write_store(path, entries, layout=layout, splits=SUBJECTS)
    return path


@pytest.fixture
def store(store_path: Path) -> Iterator[ClipStore]:
    """Open the drawn store."""
    with open_store(store_path) as opened:
        yield opened


@pytest.fixture(scope="session")
def faces(small_rig: SimulatedRig) -> list[NDArray[np.uint8]]:
    """Ten color pictures (H, W, 3) BGR of a virtual subject, four a second."""
    scene = SubjectScene(small_rig, subject_seed=2, rate_hz=4.0)
    return [scene.moment(index).images["color"] for index in range(10)]


@pytest.fixture(scope="session")
def evaluation(store_path: Path) -> Evaluation:
    """What an untrained network says of the store."""
    network, info = untrained()
    with open_store(store_path) as store:
        return evaluate(network, info, store)
