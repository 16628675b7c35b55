"""The mark on files that are made from a clip store and name its videos: pages, figures, exports.

Withdrawal finds them by it: they can be made again, so they are removed as soon as one of their
people withdraws.
"""

import struct
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from annotation.mark import DERIVED_MARK

__all__ = ["DERIVED_MARK", "is_marked", "mark_of", "overlapping_blocks", "png_with_text"]

_BLOCK_BYTES = 1 << 22


def mark_of(names: Iterable[str]) -> str:
    """Return the text by which a file is found that shows or names `names` (videos, a store)."""
    return f"{DERIVED_MARK} {' '.join(names)}"


def is_marked(path: Path) -> bool:
    """Tell whether a file bears the mark."""
    mark = DERIVED_MARK.encode()
    return any(mark in block for block in overlapping_blocks(path, len(mark)))


def overlapping_blocks(path: Path, overlap: int) -> Iterator[bytes]:
    """Yield a file in blocks that share their ends, so that no name falls between two."""
    tail = b""
    with path.open("rb") as handle:
        while block := handle.read(_BLOCK_BYTES):
            yield tail + block
            tail = block[-overlap:]


def png_with_text(png: bytes, keyword: str, text: str) -> bytes:
    """Return a PNG file with an uncompressed ``iTXt`` chunk after its header."""
    header_end = 8 + 4 + 4 + 13 + 4  # signature; length, type, content and checksum of IHDR
    content = keyword.encode("ascii") + bytes(5) + text.encode()
    chunk = b"iTXt" + content
    made = struct.pack(">I", len(content)) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return png[:header_end] + made + png[header_end:]
