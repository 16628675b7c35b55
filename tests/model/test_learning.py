"""The network learns by heart what it is shown: drawn faces, and a sitting at the simulated rig."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from annotation.agreement import ccc
from annotation.labels import Labels, SessionLabels
from calibration.simulated import ideal_calibration
from capture.simulation.rig import SimulatedRig
from capture.simulation.scene import SubjectScene
from capture.simulation.virtual_session import write_virtual_session
from mavfer.build import build_store
from mavfer.labelling import Labelling
from mavfer.part import BuildPlan, SourceFile
from mavfer.splits import SplitPlan
from mavfer.store import ClipStore, open_store
from mavfer.store_writer import StoreLayout
from model.batches import PreparedClips
from model.checkpoint import load_checkpoint
from model.config import DIMENSIONS
from model.data import ClipDataset
from model.evaluate import evaluate
from model.initialise import build_network
from model.losses import training_loss
from model.presets import preset
from model.train import TrainPlan
from model.train import train as train_network

N_CLIPS = 8
CLIP_LENGTH = 2
RATE_HZ = 1.0
"""Slow enough that eight clips differ in what is felt."""
MOST_STEPS = 150


@pytest.mark.slow
def test_eight_clips_are_learned_by_heart(store: ClipStore) -> None:
    model, train = preset("small", architecture="mran", modalities=("color", "depth", "thermal"))
    model = replace(model, input_px=16, clip_length=8, width=1 / 8, fc_units=32, dropout=0.0)
    dataset = ClipDataset(store, model, split="train", stride_frames=8, min_valid_share=0.5)
    prepared = PreparedClips(dataset, model, {}, device=torch.device("cpu"))
    clips, gold = prepared.select(list(range(N_CLIPS)))
    network = build_network(
        model, seed=0, initialisation=train.initialisation, output_gain=train.output_gain
    )
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-3)
    reached = 0.0
    for step in range(MOST_STEPS):
        network.train()
        optimizer.zero_grad()
        training_loss(network(clips).score, gold, model, train).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        if step % 10 == 9:
            network.eval()
            with torch.no_grad():
                predicted = network(clips).score[:, 0].double().numpy()
            reached = ccc(predicted, gold[:, 0].double().numpy())
            if reached >= 0.98:
                break
    assert np.unique(gold.numpy()).size == N_CLIPS
    assert reached >= 0.98


@pytest.fixture
def sitting(small_rig: SimulatedRig, tmp_path: Path) -> Path:
    """Path of a store of one short session of the simulated rig, rated as it was felt."""
    scene = SubjectScene(small_rig, subject_seed=2, rate_hz=RATE_HZ)
    session = write_virtual_session(
        tmp_path, scene, subject="S02", rate_hz=RATE_HZ, n_frames=N_CLIPS * CLIP_LENGTH
    )
    time_ns = np.arange(N_CLIPS * CLIP_LENGTH + 2) * int(1e9 / RATE_HZ)
    felt = [scene.state_at(t / 1e9) for t in time_ns]
    valence, arousal = (np.array([getattr(s, name) for s in felt]) for name in DIMENSIONS)
    rated = SessionLabels(time_ns, valence, arousal, np.full(len(time_ns), 3))
    layout = StoreLayout(("color", "depth", "thermal"), 64, CLIP_LENGTH, RATE_HZ)
    plan = BuildPlan(
        layout=layout,
        split=SplitPlan(fractions=(1.0, 0.0, 0.0)),
        rig=ideal_calibration(small_rig),
        labelling=Labelling(gold=Labels({session.name: rated})),
        identity=False,
    )
    path = tmp_path / "sitting.h5"
    build_store(path, [SourceFile(session)], plan)
    return path


@pytest.mark.slow
def test_eight_clips_of_the_simulated_rig_are_learned_by_heart(
    sitting: Path, tmp_path: Path
) -> None:
    """From recorded streams through crops and the training loop to what the checkpoint says."""
    model, train = preset("small", architecture="mran", modalities=("color", "depth", "thermal"))
    model = replace(
        model, rate="native", clip_length=CLIP_LENGTH, width=1 / 8, fc_units=32, dropout=0.0
    )
    train = replace(
        train,
        max_steps=150,
        learning_rate=2e-3,
        flip=False,
        contrast_jitter=0.0,
        color_jitter=0.0,
        validation="none",
    )
    with open_store(sitting) as store:
        plan = TrainPlan(model, train, "small", torch.device("cpu"))
        result = train_network(store, tmp_path / "run", plan)
        assert result.n_train_clips == N_CLIPS
        network, info = load_checkpoint(tmp_path / "run" / "checkpoint.safetensors")
        found = evaluate(network, info, store, split="train", stride_frames=CLIP_LENGTH)
        dataset = ClipDataset(
            store, model, split="train", stride_frames=CLIP_LENGTH, min_valid_share=0.5
        )
    (video,) = found.videos
    predicted = video.predicted[::CLIP_LENGTH, 0].astype(np.float64)
    gold = dataset.labels[:, 0].astype(np.float64)
    assert gold.std() > 0.15
    assert ccc(predicted, gold) >= 0.98
