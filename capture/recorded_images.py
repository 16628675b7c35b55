"""Reads messages and images out of a recording's file, whole or cut off."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import RecordingError
from .frame import Image, StreamSpec
from .image_message import decode_grey, decode_image, encoded_pixels
from .mcap_index import ChunkRef, MessageRef, read_chunk


class MessageReader:
    """Reads messages of an open file, remembering the chunk it read last.

    Parameters
    ----------
    handle : binary file
    """

    def __init__(self, handle: Any) -> None:
        self._handle = handle
        self._chunk: ChunkRef | None = None
        self._data = b""

    def __call__(self, ref: MessageRef) -> bytes:
        """Return the bytes of a message."""
        if ref.chunk is None or not ref.chunk.compression:
            base = ref.chunk.offset if ref.chunk else 0
            self._handle.seek(base + ref.offset)
            data: bytes = self._handle.read(ref.length)
            return data
        if ref.chunk is not self._chunk:
            self._data, self._chunk = read_chunk(self._handle, ref.chunk), ref.chunk
        return self._data[ref.offset : ref.offset + ref.length]


class FileImages:
    """Reads and decodes the images of one stream; opens the file anew each time.

    That keeps no file open, works in forked workers and costs microseconds against the
    milliseconds of decoding. A chunk's checksum is verified the first time it is touched.

    Parameters
    ----------
    path : Path
    spec : StreamSpec
    refs : tuple of MessageRef
        In order.
    schema : str
        Name of their schema.
    """

    def __init__(
        self, path: Path, spec: StreamSpec, refs: tuple[MessageRef, ...], schema: str
    ) -> None:
        self._path = path
        self._spec = spec
        self._schema = schema
        self._refs = refs
        self._verified: set[int] = set()

    def read(self, index: int) -> Image:
        """Decode image `index`."""
        data = self._message(index)
        try:
            image = decode_image(data, schema=self._schema)
        except RecordingError as error:
            raise RecordingError(f"{self._where(index)}: {error}") from error
        if image.shape != self._spec.shape or image.dtype != self._spec.dtype:
            raise RecordingError(
                f"{self._where(index)}: image is {image.shape}, expected {self._spec.shape}"
            )
        return image

    def read_grey(self, index: int) -> NDArray[np.uint8]:
        """Decode the brightness of color image `index`."""
        data = self._message(index)
        try:
            image = decode_grey(data, schema=self._schema)
        except RecordingError as error:
            raise RecordingError(f"{self._where(index)}: {error}") from error
        if image.shape != self._spec.shape[:2]:
            raise RecordingError(
                f"{self._where(index)}: image is {image.shape}, expected {self._spec.shape[:2]}"
            )
        return image

    def encoded(self, index: int) -> bytes:
        """Return image `index` as recorded."""
        return encoded_pixels(self._message(index), schema=self._schema)

    def _message(self, index: int) -> bytes:
        ref = self._refs[index]
        with self._path.open("rb") as handle:
            if ref.chunk is None or ref.chunk.offset in self._verified:
                return MessageReader(handle)(ref)
            chunk = read_chunk(handle, ref.chunk)
            self._verified.add(ref.chunk.offset)
            return chunk[ref.offset : ref.offset + ref.length]

    def _where(self, index: int) -> str:
        return f"{self._path}: {self._spec.name} frame {index}"
