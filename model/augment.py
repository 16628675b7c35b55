"""Augmentation of normalised clips: one draw a clip, the same for its frames and modalities.

A draw per frame would be flicker, which a network that looks for motion must not see.
"""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from .config import TrainConfig


def augment(
    clips: Mapping[str, Tensor], config: TrainConfig, generator: torch.Generator
) -> dict[str, Tensor]:
    """Mirror half of the clips; change contrast and colour of the color modality.

    Parameters
    ----------
    clips : mapping of modality to (T, B, C, H, W) float
    config : TrainConfig
    generator : torch.Generator
        On the CPU: the same draws whatever the device.
    """
    batch, device = next(iter(clips.values())).shape[1], next(iter(clips.values())).device
    mirrored = torch.rand(batch, generator=generator).lt(0.5)
    contrast = 1 + config.contrast_jitter * (2 * torch.rand(batch, generator=generator) - 1)
    offset = config.color_jitter * (2 * torch.rand(batch, 3, generator=generator) - 1)
    changed = dict(clips)
    if config.flip:
        mask = mirrored.to(device)[None, :, None, None, None]
        changed = {name: torch.where(mask, x.flip(-1), x) for name, x in changed.items()}
    if config.shift_px:
        changed = _shifted(changed, config.shift_px, generator)
    if "color" in changed:
        gain = contrast.to(device)[None, :, None, None, None]
        changed["color"] = changed["color"] * gain + offset.to(device)[None, :, :, None, None]
    return changed


def _shifted(
    clips: dict[str, Tensor], limit_px: int, generator: torch.Generator
) -> dict[str, Tensor]:
    """Move each clip by up to `limit_px` along both axes, repeating the border."""
    batch = next(iter(clips.values())).shape[1]
    moves = torch.randint(-limit_px, limit_px + 1, (batch, 2), generator=generator).tolist()
    shifted = {}
    for name, x in clips.items():
        height, width = x.shape[-2:]
        padded = functional.pad(x.flatten(0, 1), (limit_px,) * 4, mode="replicate")
        padded = torch.unflatten(padded, 0, x.shape[:2])
        out = torch.empty_like(x)
        for b, (dy, dx) in enumerate(moves):
            top, left = limit_px + dy, limit_px + dx
            out[:, b] = padded[:, b, :, top : top + height, left : left + width]
        shifted[name] = out
    return shifted
