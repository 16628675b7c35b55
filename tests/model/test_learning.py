"""The network learns: what it is shown by heart, and more than that from a store."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from annotation.agreement import ccc
from mavfer.store import ClipStore
from model.batches import PreparedClips
from model.data import ClipDataset
from model.initialise import build_network
from model.losses import training_loss
from model.presets import preset

N_CLIPS = 8
MOST_STEPS = 150


@pytest.mark.slow
def test_eight_clips_are_learned_by_heart(store: ClipStore) -> None:
    model, train = preset("small", architecture="mran", modalities=("color", "depth", "thermal"))
    model = replace(model, input_px=16, clip_length=8, width=1 / 8, fc_units=32, dropout=0.0)
    dataset = ClipDataset(store, model, split="train", stride_frames=8, min_valid_share=0.5)
    prepared = PreparedClips(dataset, model, {}, device=torch.device("cpu"))
    clips, gold = prepared.select(list(range(N_CLIPS)))
    network = build_network(model, seed=0, initialisation="he", output_gain=train.output_gain)
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
