"""Scores of clips that are already prepared."""

import numpy as np
import torch
from numpy.typing import NDArray

from .batches import PreparedClips
from .precision import autocast
from .prediction import Network
from .ranks import Ranks


@torch.inference_mode()
def predict_clips(
    network: Network,
    clips: PreparedClips,
    *,
    batch_size: int,
    ranks: Ranks | None = None,
    dtype: torch.dtype = torch.float32,
) -> NDArray[np.float32]:
    """Predict every clip, (N, K) or (N, T, K) float32; the network is left in evaluation mode.

    Ranks share the work, and each returns all of it.
    """
    ranks = ranks or Ranks()
    network.eval()
    n_clips = len(clips.labels)
    mine = ranks.share(range(n_clips))
    rows = []
    for start in range(0, len(mine), batch_size):
        batch, labels = clips.select(mine[start : start + batch_size])
        with autocast(dtype, labels.device):
            rows.append(network(batch).score.float())
    config = network.config
    shape = (config.clip_length,) if config.label == "frames" else ()
    empty = clips.labels.new_zeros((0, *shape, config.n_scores))
    scores = torch.cat(rows) if rows else empty
    predicted: NDArray[np.float32] = ranks.whole(scores, n_clips).cpu().numpy()
    return predicted
