from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from mavfer.store import ClipStore
from mavfer.store_assembly import write_store
from mavfer.store_writer import Compression, StoreLayout
from model.batches import PreparedBatches, PreparedClips, StreamedBatches, batch_indices
from model.config import ModelConfig, TrainConfig
from model.data import ClipDataset, collate, nearest_known
from model.errors import ModelError

from .conftest import CROP_PX, video_entry

CPU = torch.device("cpu")


def config(**changes) -> ModelConfig:
    base = {"input_px": 16, "width": 0.1, "fc_units": 8, "normalisation": "clip"}
    return ModelConfig("mran", ("color", "thermal"), **(base | changes))


def dataset(store: ClipStore, **options) -> ClipDataset:
    options = {"split": "train", "stride_frames": 16, "min_valid_share": 0.5} | options
    return ClipDataset(store, config(), **options)


def test_labels_are_the_mean_of_the_known_frame_labels(store: ClipStore) -> None:
    data = dataset(store)
    assert len(data) == 12  # 4 videos of 40 frames: clips at 0, 16 and, shifted back, 24
    assert [ref.start for ref in data.clips[:3]] == [0, 16, 24]
    labels = store.labels(data.clips[0].video_id, "valence")[:16]
    assert np.isnan(labels[0])
    assert data.labels[0, 0] == pytest.approx(labels[1:].mean(), abs=1e-6)


def test_crops_stay_integers_and_missed_frames_repeat_the_nearest(store: ClipStore) -> None:
    crops, _ = dataset(store)[0]
    assert (crops["color"].dtype, crops["thermal"].dtype) == (torch.uint8, torch.uint16)
    raw = store.read(dataset(store).clips[0].video_id, 0, 16, "color")
    assert np.array_equal(crops["color"][3], raw[2])
    assert np.array_equal(crops["color"][4], raw[5])
    assert np.array_equal(crops["color"][6], raw[6])


def test_clips_without_enough_faces_are_left_out_and_counted(store: ClipStore) -> None:
    data = dataset(store, min_valid_share=1.0)
    assert data.n_without_face == 4  # the first clip of each video misses two faces
    assert len(data) == 8


def test_a_store_without_the_modality_or_the_pixels_is_refused(store: ClipStore) -> None:
    with pytest.raises(ModelError, match="crops of 32 px, the network takes 48 px"):
        ClipDataset(
            store, config(input_px=48), split="train", stride_frames=16, min_valid_share=0.5
        )


@given(st.lists(st.booleans(), min_size=1, max_size=24))
def test_nearest_known_is_nearest(known: list[bool]) -> None:
    index = nearest_known(np.array(known))
    true = [k for k, value in enumerate(known) if value]
    for row, chosen in enumerate(index):
        if true:
            assert known[chosen]
            assert abs(chosen - row) == min(abs(k - row) for k in true)
        else:
            assert chosen == row


@given(
    n_clips=st.integers(1, 40),
    batch=st.integers(1, 12),
    seed=st.integers(0, 5),
    epoch=st.integers(0, 3),
)
def test_an_epoch_visits_no_clip_twice(n_clips: int, batch: int, seed: int, epoch: int) -> None:
    train = TrainConfig(batch_size=batch, seed=seed)
    per_epoch = n_clips // min(batch, n_clips)
    visited = [
        index
        for step in range(epoch * per_epoch, (epoch + 1) * per_epoch)
        for index in batch_indices(n_clips, train, step)
    ]
    assert len(set(visited)) == len(visited)
    assert len(visited) > n_clips - min(batch, n_clips)


def test_cached_and_streamed_batches_are_equal_from_any_step(store: ClipStore) -> None:
    train = TrainConfig(batch_size=4, max_steps=9)
    data, model = dataset(store), config()
    cached = PreparedBatches(PreparedClips(data, model, store.stats, device=CPU), train)
    streamed = StreamedBatches(data, train, model, store.stats, device=CPU)
    for first in (0, 5):
        pairs = zip(cached.batches(first), streamed.batches(first), strict=False)
        for (clips, labels), (other, other_labels) in pairs:
            assert torch.equal(labels, other_labels)
            for name in model.modalities:
                torch.testing.assert_close(clips[name], other[name])


@pytest.mark.slow
def test_clips_are_read_by_other_processes(store: ClipStore) -> None:
    store.read(store.clips("train", stride_frames=16)[0].video_id, 0, 1, "color")
    train = TrainConfig(batch_size=4, max_steps=2)
    data = dataset(store)
    here = StreamedBatches(data, train, config(), store.stats, device=CPU)
    there = StreamedBatches(data, train, config(), store.stats, device=CPU, workers=1)
    for (clips, _), (other, _) in zip(here.batches(0), there.batches(0), strict=True):
        assert torch.equal(clips["thermal"], other["thermal"])


@pytest.mark.parametrize(
    ("start_method", "compression"),
    [("fork", "bitshuffle-lz4"), ("fork", "none"), ("spawn", "none")],
)
def test_loader_workers_read_what_this_process_reads(
    tmp_path: Path, start_method: str, compression: Compression
) -> None:
    layout = StoreLayout(crop_px=CROP_PX, compression=compression)
    entries = [video_entry("T0", 1), video_entry("T1", 2)]
    write_store(
        tmp_path / "store.h5", entries, layout=layout, splits={"T0": "train", "T1": "train"}
    )
    data = dataset(ClipStore(tmp_path / "store.h5"))
    here = [data[i] for i in range(len(data))]  # handle and map are open before workers start
    loader = DataLoader(
        data,
        batch_size=2,
        collate_fn=collate,
        num_workers=2,
        multiprocessing_context=start_method,
    )
    batches = list(loader)
    assert sum(len(batch.labels) for batch in batches) == len(data) > 2
    for name in here[0].crops:
        there = torch.cat([batch.crops[name] for batch in batches])
        assert torch.equal(there, torch.stack([clip.crops[name] for clip in here]))


def test_both_dimensions_are_two_columns(store: ClipStore) -> None:
    model = replace(config(), outputs=("valence", "arousal"))
    data = ClipDataset(store, model, split="test", stride_frames=16, min_valid_share=0)
    assert data.labels.shape == (6, 2)
    np.testing.assert_allclose(data.labels[:, 0], -data.labels[:, 1], atol=1e-6)
