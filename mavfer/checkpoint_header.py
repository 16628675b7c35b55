"""The header of a safetensors file, read without torch and without trusting it.

Format: https://github.com/huggingface/safetensors#format - eight bytes little-endian length, a
JSON object of that length (tensor name to dtype, shape and byte range), then the bytes.
"""

import json
import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import DatasetError

_MAX_HEADER_BYTES = 100_000_000
"""The format's own limit."""
_DTYPE_BYTES = {
    **dict.fromkeys(("F64", "I64", "U64"), 8),
    **dict.fromkeys(("F32", "I32", "U32"), 4),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 2),
    **dict.fromkeys(("I8", "U8", "BOOL", "F8_E4M3", "F8_E5M2"), 1),
}


@dataclass(frozen=True, slots=True)
class CheckpointHeader:
    """What a checkpoint says about itself.

    Attributes
    ----------
    n_tensors, n_parameters, n_bytes : int
    dtypes : tuple of str
    metadata : mapping of str to JSON values
        Values that are JSON text themselves are decoded.
    """

    n_tensors: int
    n_parameters: int
    n_bytes: int
    dtypes: tuple[str, ...]
    metadata: dict[str, Any]


def is_safetensors(start: bytes) -> bool:
    """Tell from a file's first nine bytes whether it can be safetensors."""
    if len(start) < 9 or start[8:9] != b"{":
        return False
    (length,) = struct.unpack("<Q", start[:8])
    return bool(2 <= length <= _MAX_HEADER_BYTES)


def read_checkpoint_header(path: Path) -> CheckpointHeader:
    """Read and check the header of a safetensors file; the weights stay on disk.

    Raises
    ------
    DatasetError
        Cut off, or a header that contradicts itself or the file's size.
    """
    size = path.stat().st_size
    with path.open("rb") as handle:
        start = handle.read(8)
        if len(start) < 8:
            raise DatasetError(f"{path} has {size} bytes: no checkpoint, or cut off")
        (length,) = struct.unpack("<Q", start)
        if length > min(_MAX_HEADER_BYTES, size - 8):
            raise DatasetError(
                f"{path} is cut off: its header should have {length} bytes, the file has {size}"
            )
        raw = handle.read(length)
    try:
        header = json.loads(raw)
        metadata = header.pop("__metadata__", {})
        tensors = [_tensor(entry) for entry in header.values()]
        described = {key: _decoded(value) for key, value in metadata.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DatasetError(f"{path} has a damaged header ({error!r:.100})") from None
    needed = 8 + length + max((end for _, _, end in tensors), default=0)
    if needed != size:
        raise DatasetError(
            f"{path} has {size} bytes, its header describes {needed}: it is cut off or damaged"
        )
    return CheckpointHeader(
        n_tensors=len(tensors),
        n_parameters=sum(count for _, count, _ in tensors),
        n_bytes=size,
        dtypes=tuple(sorted({dtype for dtype, _, _ in tensors})),
        metadata=described,
    )


def _tensor(entry: dict[str, Any]) -> tuple[str, int, int]:
    """Return dtype, number of elements and end of one tensor, after checking they agree."""
    dtype, shape = entry["dtype"], entry["shape"]
    start, end = entry["data_offsets"]
    if not all(isinstance(n, int) and n >= 0 for n in (*shape, start, end)):
        raise ValueError("a shape or an offset is not a whole number")
    count = math.prod(shape)
    if end - start != count * _DTYPE_BYTES[dtype]:
        raise ValueError("a tensor's bytes do not match its shape")
    return dtype, count, end


def _decoded(value: Any) -> Any:
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value
