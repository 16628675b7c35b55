from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mavfer.store import ClipStore
from model.batches import PreparedBatches, PreparedClips, StreamedBatches, batch_indices
from model.config import ModelConfig, TrainConfig
from model.data import ClipDataset, clip_label, nearest_known
from model.errors import ModelError

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


@pytest.mark.parametrize(
    ("label", "length", "frame"),
    [("last", 16, 15), ("center", 16, 8), ("last", 4, 3), ("center", 4, 2), ("center", 1, 0)],
)
def test_a_clip_may_stand_for_one_of_its_frames(
    store: ClipStore, label: str, length: int, frame: int
) -> None:
    wanted = replace(config(), label=label, clip_length=length, outputs=("valence", "arousal"))
    data = ClipDataset(store, wanted, split="train", stride_frames=length, min_valid_share=0.5)
    assert len(data)
    for ref, found in zip(data.clips, data.labels, strict=True):
        at = ref.start + frame
        both = [store.labels(ref.video_id, name)[at] for name in ("valence", "arousal")]
        np.testing.assert_array_equal(found, both)


def test_a_clip_whose_frame_has_no_label_is_left_out() -> None:
    labels = np.array([[0.1], [0.2], [np.nan], [0.4]], np.float32)
    assert clip_label(labels, config(label="last", clip_length=4))[0] == np.float32(0.4)
    # The mean knows a way round the gap; the frame that is asked for has none.
    assert np.isnan(clip_label(labels, config(label="center", clip_length=4))[0])
    assert clip_label(labels, config(clip_length=4))[0] == pytest.approx(0.7 / 3)


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


def test_both_dimensions_are_two_columns(store: ClipStore) -> None:
    model = replace(config(), outputs=("valence", "arousal"))
    data = ClipDataset(store, model, split="test", stride_frames=16, min_valid_share=0)
    assert data.labels.shape == (6, 2)
    np.testing.assert_allclose(data.labels[:, 0], -data.labels[:, 1], atol=1e-6)
