"""Half-width arithmetic where the hardware has it, full width elsewhere."""

from functools import lru_cache

import torch

from .config import Precision
from .errors import ModelError

NO_INSTRUCTIONS = "has no instructions for it"
WRONG_GRADIENTS = "gets wrong gradients in it: those of 3D convolutions differ from float32"
_LARGEST_ERROR = 0.1


def chosen_precision(wanted: Precision, device: torch.device) -> torch.dtype:
    """Return the type in which convolutions and products are computed.

    ``auto`` is bfloat16 on a GPU that has it and float32 elsewhere: on processors without such
    instructions bfloat16 convolutions are 12 to 49 times slower (docs/decisions/0095).

    Raises
    ------
    ModelError
        bfloat16 is asked for where it is not supported or computes something else.
    """
    if wanted == "float32":
        return torch.float32
    if device.type == "cpu" and wanted == "auto":
        # A CPU is told explicitly: only some of those that have the instructions gain by them.
        return torch.float32
    fault = bfloat16_fault(device)
    if wanted == "bfloat16" and fault is not None:
        raise ModelError(
            f"precision is bfloat16, {device} {fault}",
            remedy="use precision=float32, or auto",
        )
    return torch.float32 if fault is not None else torch.bfloat16


def autocast(dtype: torch.dtype, device: torch.device) -> torch.autocast:
    """Return a context in which the forward pass runs in `dtype`; weights stay float32."""
    return torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32)


def bfloat16_fault(device: torch.device) -> str | None:
    """Say why a device is not to compute in bfloat16; None where it can."""
    if device.type == "cuda":
        has = torch.cuda.is_bf16_supported(including_emulation=False)
        return None if has else NO_INSTRUCTIONS
    # torch has no public question for these.
    if not (torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()):  # noqa: SLF001
        return NO_INSTRUCTIONS
    return None if _gradients_are_right() else WRONG_GRADIENTS


@lru_cache(maxsize=1)
def _gradients_are_right() -> bool:
    """Compare the one gradient that is known to go wrong with that of full width.

    torch 2.13 on processors with AVX512-BF16 and without AMX: the weights of a 3D convolution
    over two frames get gradients of memory that nobody wrote (docs/decisions/0110).
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layer = torch.nn.Conv3d(8, 8, 3, padding=1)
        layer.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]  # torch's stub
        clip = torch.randn(2, 8, 2, 4, 4).contiguous(memory_format=torch.channels_last_3d)
        gradients = []
        for half in (False, True):
            layer.zero_grad()
            with torch.enable_grad(), torch.autocast("cpu", torch.bfloat16, enabled=half):
                layer(clip).float().square().sum().backward()
            found = [p.grad.flatten() for p in layer.parameters() if p.grad is not None]
            gradients.append(torch.cat(found))
    full, half_width = gradients
    return bool((half_width - full).norm() < _LARGEST_ERROR * full.norm())
