"""The mark on files that are made from a clip store and name its videos: pages, figures, exports.

Withdrawal finds them by it: they can be made again, so they are removed as soon as one of their
people withdraws.
"""

import struct
import zlib

from annotation.mark import DERIVED_MARK

__all__ = ["DERIVED_MARK", "png_with_text"]


def png_with_text(png: bytes, keyword: str, text: str) -> bytes:
    """Return a PNG file with an uncompressed ``iTXt`` chunk after its header."""
    header_end = 8 + 4 + 4 + 13 + 4  # signature; length, type, content and checksum of IHDR
    content = keyword.encode("ascii") + bytes(5) + text.encode()
    chunk = b"iTXt" + content
    made = struct.pack(">I", len(content)) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return png[:header_end] + made + png[header_end:]
