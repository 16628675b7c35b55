"""Whether a file made from clip stores or ratings is about a subject, whatever its form."""

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

from ..derived import DERIVED_MARK, overlapping_blocks
from .names import Names

EVALUATION_FILES = (
    "attention.mp4", "attention.png", "confusion.png", "predictions.csv", "predictions.parquet",
    "report.html", "traces.png", "metrics.json",
)  # fmt: skip
"""Of ``mavfer-evaluate``, as docs/formats/predictions.md has them; the last is written last."""
EVALUATION_END = EVALUATION_FILES[-1]
_PREDICTIONS = ("predictions.csv", "predictions.parquet")
_PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
_TAR_MAGIC_AT = 257
_HEAD_BYTES = 1 << 16
_MOST_TEXT = 1 << 24


def is_of_evaluation(path: Path) -> bool:
    """Tell whether a file is one of those that an evaluation wrote together."""
    if path.name not in EVALUATION_FILES or not (end := path.parent / EVALUATION_END).is_file():
        return False
    try:
        document = json.loads(end.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(document, dict) and {"outputs", "split", "n_clips"} <= document.keys()


def is_about(path: Path, names: Names) -> bool:
    """Tell whether a marked file names the subject, or a store that held them.

    Short names are looked for where this project writes names: they stand in pictures by chance.
    """
    pattern = names.pattern
    with path.open("rb") as handle:
        head = handle.read(_HEAD_BYTES)
    if head.startswith(_PNG_MAGIC):
        texts: Iterator[bytes] = _png_texts(path)
    elif head[_TAR_MAGIC_AT : _TAR_MAGIC_AT + 5] == b"ustar":
        texts = _tar_texts(path)
    elif b"\0" not in head:
        texts = overlapping_blocks(path, names.longest)
    else:
        texts = _marked_texts(path)
    if any(pattern.search(text) for text in texts):
        return True
    fingerprints = [each.encode() for each in names.fingerprints]
    blocks = overlapping_blocks(path, max(names.longest, 64))
    return any(
        names.long_pattern.search(block) or any(each in block for each in fingerprints)
        for block in blocks
    )


def _png_texts(path: Path) -> Iterator[bytes]:
    with path.open("rb") as handle:
        handle.seek(len(_PNG_MAGIC))
        while len(head := handle.read(8)) == 8:
            length, kind = int.from_bytes(head[:4], "big"), head[4:]
            if kind in (b"tEXt", b"iTXt") and length < _MOST_TEXT:
                yield handle.read(length)
                handle.seek(4, 1)
            else:
                handle.seek(length + 4, 1)


def _tar_texts(path: Path) -> Iterator[bytes]:
    """Yield what the clips of a shard say about themselves."""
    try:
        with tarfile.open(path, "r:") as tar:
            for member in tar:
                if member.name.endswith(".json") and member.size < _MOST_TEXT:
                    file = tar.extractfile(member)
                    yield b"" if file is None else file.read()
    except (tarfile.TarError, EOFError):
        yield from _marked_texts(path)  # cut off: what there is of it


def _marked_texts(path: Path) -> Iterator[bytes]:
    """Yield the texts that begin with the mark in a binary file, such as a film's comment."""
    mark = DERIVED_MARK.encode()
    for block in overlapping_blocks(path, _HEAD_BYTES):
        start = block.find(mark)
        while start >= 0:
            yield block[start : start + _HEAD_BYTES].partition(b"\0")[0]
            start = block.find(mark, start + 1)
