"""Scores of clips that are already prepared."""

import numpy as np
import torch
from numpy.typing import NDArray

from .batches import PreparedClips
from .prediction import Network


@torch.inference_mode()
def predict_clips(
    network: Network, clips: PreparedClips, *, batch_size: int
) -> NDArray[np.float32]:
    """Predict every clip, (N, K) float32; the network is left in evaluation mode."""
    network.eval()
    n_clips = len(clips.labels)
    rows = [
        network(clips.select(list(range(start, min(start + batch_size, n_clips))))[0]).score
        for start in range(0, n_clips, batch_size)
    ]
    predicted: NDArray[np.float32] = torch.cat(rows).cpu().numpy()
    return predicted
