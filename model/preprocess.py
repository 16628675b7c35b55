"""From stored crops to what the networks see; runs on the device of its input.

Layouts: crops come as (B, T, H, W[, 3]), clips leave as (T, B, C, h, w).
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from .color_encoding import opponent
from .config import CHANNELS, ModelConfig
from .errors import ModelError

THERMAL_K_PER_COUNT = 0.04
_DEPTH_LIMIT_MM = 40.0
_DEPTH_SCALE_MM = 20.0
_THERMAL_LIMITS_K = (-6.0, 4.0)
_THERMAL_SCALE_K = 1.5
_SMALLEST_SD = 1e-3
_SMALLEST_COLOR_SD = 4.0
"""Of 255: below, a clip holds noise, which must not come out as large as a face."""

Stats = Mapping[str, Mapping[str, Any]]
"""``{modality: {"mean": [...], "std": [...]}}`` in stored units, as a clip store gives it."""


def prepare(crops: Mapping[str, Tensor], config: ModelConfig, stats: Stats) -> dict[str, Tensor]:
    """Normalise crops and reduce them to the network's input size by area means.

    Parameters
    ----------
    crops : mapping of modality to tensor
        color (B, T, H, W, 3) uint8 RGB; depth, thermal (B, T, H, W) uint16, mm and counts,
        0 = invalid.
    config : ModelConfig
    stats : mapping
        Used by the normalisation ``store``.

    Returns
    -------
    dict of str to (T, B, C, h, w) float32
        Invalid pixels are 0, the neutral value.
    """
    prepared = {}
    for modality in config.modalities:
        values = crops[modality].float()
        valid: Tensor | None = None
        if modality == "color":
            values = values.permute(1, 0, 4, 2, 3)
        else:
            values = values.transpose(0, 1)[:, :, None]
            valid = values > 0
        if config.normalisation == "store":
            values = _by_store(values, stats, modality)
        elif valid is None:
            values = _by_clip(values, only_lit=config.normalisation == "clip_lit")
        else:
            values = _relative_to_face(values, valid, modality)
        if valid is not None:
            values = values * valid
        values = _reduced(values, config.input_px)
        if modality == "color" and config.color_encoding == "opponent":
            values = opponent(values)
        prepared[modality] = values
    return prepared


def check_stats(stats: Stats, config: ModelConfig) -> None:
    """Refuse statistics that cannot normalise the config's modalities."""
    for modality in config.modalities:
        entry = stats.get(modality, {})
        for name in ("mean", "std"):
            values = entry.get(name)
            if (
                not isinstance(values, list)
                or len(values) != CHANNELS[modality]
                or not all(isinstance(v, int | float) and abs(v) < 1e9 for v in values)
            ):
                raise ModelError(
                    f"statistics of {modality}: {name} is {values!r}, expected "
                    f"{CHANNELS[modality]} numbers"
                )


def _by_store(values: Tensor, stats: Stats, modality: str) -> Tensor:
    mean = torch.tensor(stats[modality]["mean"], device=values.device).float()
    sd = torch.tensor(stats[modality]["std"], device=values.device).float()
    return (values - mean[:, None, None]) / sd.clamp_min(_SMALLEST_SD)[:, None, None]


def _by_clip(values: Tensor, *, only_lit: bool) -> Tensor:
    """Give each channel of each clip mean 0 and sd 1: a dim clip spans the range of a lit one.

    With `only_lit` a clip whose channels all hold no more than noise is 0, which is missing.
    """
    sd, mean = torch.std_mean(values, (0, 3, 4), correction=0, keepdim=True)
    normalised = (values - mean) / sd.clamp_min(_SMALLEST_COLOR_SD)
    if not only_lit:
        return normalised
    return normalised * (sd >= _SMALLEST_COLOR_SD).any(2, keepdim=True)


def _relative_to_face(values: Tensor, valid: Tensor, modality: str) -> Tensor:
    """Measure from the median of the crop's centre (the face), frame by frame.

    Depth counts towards the camera. What is far outside a face's range is clipped: it is
    background, hair or a hole's rim.
    """
    quarter = values.shape[-1] // 4
    centre = slice(quarter, values.shape[-1] - quarter)
    known = torch.where(valid, values, torch.nan)[..., centre, centre].flatten(3)
    median = known.nanmedian(-1).values[..., None, None].nan_to_num()
    if modality == "depth":
        return (median - values).clamp(-_DEPTH_LIMIT_MM, _DEPTH_LIMIT_MM) / _DEPTH_SCALE_MM
    above_k = (values - median) * THERMAL_K_PER_COUNT
    return above_k.clamp(*_THERMAL_LIMITS_K) / _THERMAL_SCALE_K


def _reduced(values: Tensor, size_px: int) -> Tensor:
    if values.shape[-1] < size_px:
        raise ModelError(f"crops are {values.shape[-1]} px, the network takes {size_px} px")
    if values.shape[-1] == size_px:
        return values.contiguous()
    reduced = functional.adaptive_avg_pool2d(values.flatten(0, 1), size_px)
    return torch.unflatten(reduced, 0, values.shape[:2])
