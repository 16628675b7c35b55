"""Augmentation of normalised clips: one draw a clip, the same for its frames and modalities.

A draw per frame would be flicker, which a network that looks for motion must not see.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from .color_encoding import opponent
from .config import ModelConfig, TrainConfig


def augment(
    clips: Mapping[str, Tensor],
    config: TrainConfig,
    model: ModelConfig,
    generator: torch.Generator,
    *,
    n_clips: int | None = None,
    rows: Sequence[int] | None = None,
) -> dict[str, Tensor]:
    """Mirror half of the clips; change contrast and colour of the color modality.

    Parameters
    ----------
    clips : mapping of modality to (T, B, C, H, W) float
    config : TrainConfig
    model : ModelConfig
        Tells how color is encoded. The offsets are of R, G and B in any case.
    generator : torch.Generator
        On the CPU: the same draws whatever the device.
    n_clips, rows : int, sequence of int, optional
        Where `clips` are only these rows of a batch of `n_clips`: they get what they would get in
        the whole batch.
    """
    first = next(iter(clips.values()))
    batch, device = n_clips or first.shape[1], first.device
    mirrored = torch.rand(batch, generator=generator).lt(0.5)
    contrast = 1 + config.contrast_jitter * (2 * torch.rand(batch, generator=generator) - 1)
    offset = config.color_jitter * (2 * torch.rand(batch, 3, generator=generator) - 1)
    if model.color_encoding == "opponent":
        offset = opponent(offset[..., None, None])[..., 0, 0]
    if rows is not None:
        mine = torch.tensor(rows)
        mirrored, contrast, offset = mirrored[mine], contrast[mine], offset[mine]
    changed = dict(clips)
    if config.flip:
        mask = mirrored.to(device)[None, :, None, None, None]
        changed = {name: torch.where(mask, x.flip(-1), x) for name, x in changed.items()}
    if "color" in changed:
        color = changed["color"]
        gain = contrast.to(device)[None, :, None, None, None]
        # A clip that is 0 everywhere is missing, and stays so.
        there = (color != 0).flatten(2).any(2).any(0)[None, :, None, None, None]
        changed["color"] = color * gain + offset.to(device)[None, :, :, None, None] * there
    return changed
