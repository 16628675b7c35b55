"""Where everything lies in an MCAP file, found without reading the pictures.

One walk over the record headers serves whole and cut-off files alike: a recording has a few
thousand records, so walking them costs milliseconds, and nothing depends on an index that a
killed process never wrote.
"""

import mmap
import re
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BufferedReader, BytesIO
from pathlib import Path

import zstandard
from mcap.data_stream import ReadDataStream
from mcap.exceptions import McapError
from mcap.opcode import Opcode
from mcap.records import Attachment, Channel, Metadata, Schema

from .errors import RecordingError

MAGIC = b"\x89MCAP0\r\n"
_RECORD = struct.Struct("<BQ")
_CHUNK = struct.Struct("<QQQII")  # start, end, uncompressed size, crc, length of compression name
_MESSAGE = struct.Struct("<HIQQ")  # channel, sequence, log time, publish time
_CHUNK_START = re.compile(rb"\x06.{4}\x00{4}", re.DOTALL)
"""Opcode and length of a chunk below 4 GB."""
_MAX_COMPRESSED_CHUNK_BYTES = 256 << 20
_MAX_SMALL_RECORD_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class ChunkRef:
    """A chunk's records: where they lie in the file and how they are packed."""

    offset: int
    length: int
    compression: str
    uncompressed_length: int
    crc: int


@dataclass(frozen=True, slots=True)
class MessageRef:
    """A message: its header, and where its data lie in its chunk (or in the file)."""

    channel_id: int
    sequence: int
    log_time_ns: int
    chunk: ChunkRef | None
    offset: int
    length: int


@dataclass(slots=True)
class McapIndex:
    """What a walk found, in file order.

    Attributes
    ----------
    complete : bool
        The file ends as a finished one does.
    damage : str or None
        Why the walk ended early, or the first reason why it had to jump.
    lost : list of (start, stop)
        Bytes that a salvage jumped over.
    """

    channels: dict[int, Channel] = field(default_factory=dict)
    schemas: dict[int, Schema] = field(default_factory=dict)
    messages: list[MessageRef] = field(default_factory=list)
    attachments: dict[str, bytes] = field(default_factory=dict)
    metadata: dict[str, Mapping[str, str]] = field(default_factory=dict)
    complete: bool = False
    damage: str | None = None
    lost: list[tuple[int, int]] = field(default_factory=list)


class _DamageError(Exception):
    """The bytes from here on are not MCAP records."""


class _CompressionError(RecordingError):
    """Intact, but packed in a way this reader does not know."""


def read_index(path: Path, *, salvage: bool = False) -> McapIndex:
    """Walk the MCAP file at `path` as far as it is intact.

    With `salvage` every chunk's checksum is verified, and where something is damaged the walk goes
    on at the next whole chunk.

    Raises
    ------
    RecordingError
        Not an MCAP file at all.
    """
    with path.open("rb") as handle:
        if handle.read(len(MAGIC)) != MAGIC:
            raise RecordingError(f"{path} is no MCAP file", remedy="pass a recording, *.mcap")
        with mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as view:
            index = McapIndex()
            try:
                if salvage:
                    _salvage_file(view, index)
                else:
                    _walk_file(view, index)
            except _CompressionError:
                raise
            except (_DamageError, McapError, struct.error, ValueError, zlib.error) as error:
                index.damage = str(error) or type(error).__name__
            return index


def read_chunk(handle: BufferedReader, chunk: ChunkRef) -> bytes:
    """Read a chunk's records, decompressed and checked.

    Raises
    ------
    RecordingError
        The bytes are not what was written.
    """
    handle.seek(chunk.offset)
    data = _unpack(handle.read(chunk.length), chunk)
    if chunk.crc and zlib.crc32(data) != chunk.crc:
        raise RecordingError(f"{handle.name}: checksum differs in the chunk at {chunk.offset}")
    return data


def _walk_file(view: mmap.mmap, index: McapIndex) -> None:
    at, end = len(MAGIC), len(view)
    last: ChunkRef | None = None
    while at < end:
        opcode, start, stop = _record(view, at, end)
        if opcode == Opcode.CHUNK:
            last = _chunk_ref(view, start, stop)
            _walk_chunk(view, last, index)
        elif opcode == Opcode.FOOTER:
            index.complete = view[stop:end] == MAGIC
            if not index.complete:
                raise _DamageError("no end mark after the footer")
            return
        else:
            _take(view, opcode, start, stop, None, index)
        at = stop
    raise _DamageError(f"ends at byte {end} without a footer")


def _salvage_file(view: mmap.mmap, index: McapIndex) -> None:
    at, end = len(MAGIC), len(view)
    while at < end:
        try:
            opcode, start, stop = _record(view, at, end)
            if opcode == Opcode.CHUNK:
                chunk = _chunk_ref(view, start, stop)
                _verify(view, chunk)
                _walk_chunk(view, chunk, index)
            elif opcode == Opcode.FOOTER:
                index.complete = not index.lost and view[stop:end] == MAGIC
                return
            else:
                _take(view, opcode, start, stop, None, index)
            at = stop
        except _CompressionError:
            raise
        except (_DamageError, RecordingError, McapError, struct.error, ValueError) as error:
            index.damage = index.damage or str(error) or type(error).__name__
            found = _next_chunk(view, at + 1)
            index.lost.append((at, found or end))
            if found is None:
                return
            at = found
    index.damage = index.damage or f"ends at byte {end} without a footer"


def _next_chunk(view: mmap.mmap, at: int) -> int | None:
    """Find the next record that is a chunk with a right checksum."""
    for match in _CHUNK_START.finditer(view, at):
        try:
            opcode, start, stop = _record(view, match.start(), len(view))
            if opcode == Opcode.CHUNK:
                _verify(view, _chunk_ref(view, start, stop))
                return match.start()
        except (_DamageError, RecordingError, struct.error, ValueError):
            continue
    return None


def _verify(view: mmap.mmap, chunk: ChunkRef) -> None:
    data = _unpack(view[chunk.offset : chunk.offset + chunk.length], chunk)
    if not chunk.crc or zlib.crc32(data) != chunk.crc:
        raise _DamageError(f"checksum differs in the chunk at {chunk.offset}")


def _walk_chunk(view: mmap.mmap, chunk: ChunkRef, index: McapIndex) -> None:
    records: mmap.mmap | bytes = view
    at, end = chunk.offset, chunk.offset + chunk.length
    base = chunk.offset
    if chunk.compression:
        records = _unpack(view[at:end], chunk)
        at, end, base = 0, len(records), 0
    found = McapIndex(channels=index.channels, schemas=index.schemas)
    while at < end:
        opcode, start, stop = _record(records, at, end)
        _take(records, opcode, start, stop, chunk, found, base=base)
        at = stop
    # A chunk counts as a whole: half a chunk is damage, and its whole messages cannot be checked.
    index.messages += found.messages


def _record(view: mmap.mmap | bytes, at: int, end: int) -> tuple[int, int, int]:
    if end - at < _RECORD.size:
        raise _DamageError(f"record at {at} is cut off")
    opcode, length = _RECORD.unpack_from(view, at)
    start = at + _RECORD.size
    if not opcode or length > end - start:
        raise _DamageError(f"record at {at} is cut off or damaged")
    return opcode, start, start + length


def _chunk_ref(view: mmap.mmap, start: int, stop: int) -> ChunkRef:
    if stop - start < _CHUNK.size:
        raise _DamageError(f"chunk at {start} is too short")
    _, _, uncompressed, crc, name_length = _CHUNK.unpack_from(view, start)
    at = start + _CHUNK.size
    if name_length > 16 or at + name_length + 8 > stop:
        raise _DamageError(f"chunk at {start} is damaged")
    compression = view[at : at + name_length].decode("ascii")
    (length,) = struct.unpack_from("<Q", view, at + name_length)
    offset = at + name_length + 8
    if offset + length != stop:
        raise _DamageError(f"chunk at {start} has a wrong length")
    if not compression and uncompressed != length:
        raise _DamageError(f"chunk at {start} has two lengths")
    return ChunkRef(offset, length, compression, uncompressed, crc)


def _take(
    view: mmap.mmap | bytes,
    opcode: int,
    start: int,
    stop: int,
    chunk: ChunkRef | None,
    index: McapIndex,
    *,
    base: int = 0,
) -> None:
    if opcode == Opcode.MESSAGE:
        if stop - start < _MESSAGE.size:
            raise _DamageError(f"message at {start} is too short")
        channel_id, sequence, log_time_ns, _ = _MESSAGE.unpack_from(view, start)
        if channel_id not in index.channels:
            raise _DamageError(f"message at {start} belongs to no channel")
        offset = start + _MESSAGE.size
        index.messages.append(
            MessageRef(channel_id, sequence, log_time_ns, chunk, offset - base, stop - offset)
        )
        return
    if opcode not in (Opcode.CHANNEL, Opcode.SCHEMA, Opcode.METADATA, Opcode.ATTACHMENT):
        return
    if stop - start > _MAX_SMALL_RECORD_BYTES:
        raise _DamageError(f"record at {start} of {stop - start} bytes is beyond reason")
    stream = ReadDataStream(BytesIO(view[start:stop]))
    if opcode == Opcode.CHANNEL:
        channel = Channel.read(stream)
        index.channels[channel.id] = channel
    elif opcode == Opcode.SCHEMA:
        schema = Schema.read(stream)
        index.schemas[schema.id] = schema
    elif opcode == Opcode.METADATA:
        metadata = Metadata.read(stream)
        index.metadata[metadata.name] = metadata.metadata
    else:
        attachment = Attachment.read(stream)
        index.attachments[attachment.name] = attachment.data


def _unpack(data: bytes, chunk: ChunkRef) -> bytes:
    if not chunk.compression:
        return data
    if chunk.compression != "zstd":
        raise _CompressionError(
            f"chunks are compressed with {chunk.compression!r}",
            remedy="rewrite the file with `mcap decompress`",
        )
    try:
        claimed = zstandard.get_frame_parameters(data).content_size
        if not claimed == chunk.uncompressed_length <= _MAX_COMPRESSED_CHUNK_BYTES:
            raise RecordingError(f"chunk at {chunk.offset} claims {claimed} bytes")
        return zstandard.ZstdDecompressor().decompress(data)
    except zstandard.ZstdError as error:
        raise RecordingError(f"chunk at {chunk.offset} is damaged ({error})") from error
