"""Half-width arithmetic where the hardware has it, full width elsewhere."""

import torch

from .config import Precision
from .errors import ModelError


def chosen_precision(wanted: Precision, device: torch.device) -> torch.dtype:
    """Return the type in which convolutions and products are computed.

    ``auto`` is bfloat16 on a GPU that has it and float32 elsewhere: on processors without such
    instructions bfloat16 convolutions are 12 to 49 times slower (docs/decisions/0095).

    Raises
    ------
    ModelError
        bfloat16 is asked for where it is not supported.
    """
    if wanted == "float32":
        return torch.float32
    supported = _has_bfloat16(device)
    if wanted == "bfloat16" and not supported:
        raise ModelError(
            f"precision is bfloat16, {device} has no instructions for it",
            remedy="use precision=float32, or auto",
        )
    # A CPU is told explicitly: only some of those that have the instructions gain by them.
    wide = not supported or (wanted == "auto" and device.type == "cpu")
    return torch.float32 if wide else torch.bfloat16


def autocast(dtype: torch.dtype, device: torch.device) -> torch.autocast:
    """Return a context in which the forward pass runs in `dtype`; weights stay float32."""
    return torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32)


def _has_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # torch has no public question for these.
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())  # noqa: SLF001
