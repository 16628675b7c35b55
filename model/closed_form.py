"""Networks that are solved for instead of trained: one fit over all clips."""

import torch

from capture.terminal import OnProgress

from .batches import PreparedClips
from .checkpoint import CheckpointInfo
from .data import ClipDataset
from .errors import ModelError
from .prediction import Network
from .ridge import RidgeRegression

_BATCH = 64


@torch.no_grad()
def fit_closed_form(
    network: Network,
    learn: ClipDataset,
    held_out: PreparedClips,
    info: CheckpointInfo,
    *,
    device: torch.device,
    on_read: OnProgress | None = None,
) -> None:
    """Fit `network` to the clips and, where the config flips, to their mirror images.

    Parameters
    ----------
    held_out : PreparedClips
        Choose the penalty; may be empty.
    """
    if not isinstance(network, RidgeRegression):
        raise ModelError(f"{network.config.architecture} cannot be solved for")
    prepared = PreparedClips(learn, info.model, info.stats, device=device, on_progress=on_read)
    features = [_described(network, prepared, mirrored=False)]
    if info.train.flip:
        features.append(_described(network, prepared, mirrored=True))
    others = None
    if len(held_out.labels):
        others = (_described(network, held_out, mirrored=False), held_out.labels)
    gold = prepared.labels.repeat(len(features), 1)
    network.fit(torch.cat(features), gold, held_out=others)


def _described(network: RidgeRegression, clips: PreparedClips, *, mirrored: bool) -> torch.Tensor:
    rows = []
    for start in range(0, len(clips.labels), _BATCH):
        batch, _ = clips.select(list(range(start, min(start + _BATCH, len(clips.labels)))))
        if mirrored:
            batch = {name: x.flip(-1) for name, x in batch.items()}
        rows.append(network.describe(batch))
    return torch.cat(rows)
