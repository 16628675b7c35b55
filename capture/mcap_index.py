"""Where everything lies in an MCAP file, found without reading the pictures.

One walk over the record headers serves whole and cut-off files alike: a recording has a few
thousand records, so walking them costs milliseconds, and nothing depends on an index that a
killed process never wrote.
"""

import mmap
import struct
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
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
_MAX_CHUNK_BYTES = 256 << 20
_MAX_SMALL_RECORD_BYTES = 64 << 20
_MAPPED_BYTES = 32 << 20
"""Of a file walked through, how much stays in this process's memory."""


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
        Why the walk ended early.
    """

    channels: dict[int, Channel] = field(default_factory=dict)
    schemas: dict[int, Schema] = field(default_factory=dict)
    messages: list[MessageRef] = field(default_factory=list)
    attachments: dict[str, bytes] = field(default_factory=dict)
    metadata: dict[str, Mapping[str, str]] = field(default_factory=dict)
    complete: bool = False
    damage: str | None = None


class DamageError(Exception):
    """The bytes from here on are not MCAP records."""


class CompressionError(RecordingError):
    """Intact, but packed in a way this reader does not know."""


DAMAGE = (DamageError, McapError, struct.error, ValueError, zlib.error)
"""What reading damaged records can raise."""


def read_index(path: Path) -> McapIndex:
    """Walk the MCAP file at `path` as far as it is intact.

    Raises
    ------
    RecordingError
        Not an MCAP file at all.
    """
    with map_file(path) as view:
        index = McapIndex()
        try:
            _walk_file(view, index)
        except CompressionError:
            raise
        except DAMAGE as error:
            index.damage = str(error) or type(error).__name__
        return index


@contextmanager
def map_file(path: Path) -> Iterator[mmap.mmap]:
    """Map an MCAP file into memory to read.

    Raises
    ------
    RecordingError
        Not an MCAP file at all.
    """
    with path.open("rb") as handle:
        if handle.read(len(MAGIC)) != MAGIC:
            raise RecordingError(f"{path} is no MCAP file", remedy="pass a recording, *.mcap")
        with mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as view:
            yield view


def read_chunk(handle: BufferedReader, chunk: ChunkRef) -> bytes:
    """Read a chunk's records, decompressed and checked.

    Raises
    ------
    RecordingError
        The bytes are not what was written.
    """
    handle.seek(chunk.offset)
    data = unpack_chunk(handle.read(chunk.length), chunk)
    if chunk.crc and zlib.crc32(data) != chunk.crc:
        raise RecordingError(f"{handle.name}: checksum differs in the chunk at {chunk.offset}")
    return data


def _walk_file(view: mmap.mmap, index: McapIndex) -> None:
    at, end = len(MAGIC), len(view)
    last: ChunkRef | None = None
    kept_from = 0
    while at < end:
        if at - kept_from > _MAPPED_BYTES:  # the kernel maps pages round those that are looked at
            length = (at - kept_from) // mmap.PAGESIZE * mmap.PAGESIZE
            view.madvise(mmap.MADV_DONTNEED, kept_from, length)
            kept_from += length
        opcode, start, stop = read_record(view, at, end)
        if opcode == Opcode.CHUNK:
            last = read_chunk_header(view, start, stop)
            walk_chunk(view, last, index)
        elif opcode == Opcode.FOOTER:
            index.complete = view[stop:end] == MAGIC
            if not index.complete:
                raise DamageError("no end mark after the footer")
            return
        else:
            take_record(view, opcode, start, stop, None, index)
        at = stop
    raise DamageError(f"ends at byte {end} without a footer")


def walk_chunk(view: mmap.mmap, chunk: ChunkRef, index: McapIndex) -> None:
    """Put what a chunk holds into `index`, all of it or nothing but channels and schemas."""
    records: mmap.mmap | bytes = view
    at, end = chunk.offset, chunk.offset + chunk.length
    base = chunk.offset
    if chunk.compression:
        records = unpack_chunk(view[at:end], chunk)
        at, end, base = 0, len(records), 0
    found = McapIndex(channels=index.channels, schemas=index.schemas)
    while at < end:
        opcode, start, stop = read_record(records, at, end)
        take_record(records, opcode, start, stop, chunk, found, base=base)
        at = stop
    # A chunk counts as a whole: half a chunk is damage, and its whole messages cannot be checked.
    index.messages += found.messages


def read_record(view: mmap.mmap | bytes, at: int, end: int) -> tuple[int, int, int]:
    """Return opcode and content (start, stop) of the record at `at`."""
    if end - at < _RECORD.size:
        raise DamageError(f"record at {at} is cut off")
    opcode, length = _RECORD.unpack_from(view, at)
    start = at + _RECORD.size
    if not opcode or length > end - start:
        raise DamageError(f"record at {at} is cut off or damaged")
    return opcode, start, start + length


def read_chunk_header(view: mmap.mmap, start: int, stop: int) -> ChunkRef:
    """Return where the records of a chunk are; `start` and `stop` are of its content."""
    if stop - start < _CHUNK.size:
        raise DamageError(f"chunk at {start} is too short")
    _, _, uncompressed, crc, name_length = _CHUNK.unpack_from(view, start)
    at = start + _CHUNK.size
    if name_length > 16 or at + name_length + 8 > stop:
        raise DamageError(f"chunk at {start} is damaged")
    compression = view[at : at + name_length].decode("ascii")
    (length,) = struct.unpack_from("<Q", view, at + name_length)
    offset = at + name_length + 8
    if offset + length != stop:
        raise DamageError(f"chunk at {start} has a wrong length")
    if not compression and uncompressed != length:
        raise DamageError(f"chunk at {start} has two lengths")
    if uncompressed > _MAX_CHUNK_BYTES:
        raise DamageError(f"chunk at {start} of {uncompressed} bytes is beyond reason")
    return ChunkRef(offset, length, compression, uncompressed, crc)


def take_record(
    view: mmap.mmap | bytes,
    opcode: int,
    start: int,
    stop: int,
    chunk: ChunkRef | None,
    index: McapIndex,
    *,
    base: int = 0,
) -> None:
    """Put a record that is no chunk into `index`; offsets count from `base`."""
    if opcode == Opcode.MESSAGE:
        if stop - start < _MESSAGE.size:
            raise DamageError(f"message at {start} is too short")
        channel_id, sequence, log_time_ns, _ = _MESSAGE.unpack_from(view, start)
        if channel_id not in index.channels:
            raise DamageError(f"message at {start} belongs to no channel")
        offset = start + _MESSAGE.size
        index.messages.append(
            MessageRef(channel_id, sequence, log_time_ns, chunk, offset - base, stop - offset)
        )
        return
    if opcode not in (Opcode.CHANNEL, Opcode.SCHEMA, Opcode.METADATA, Opcode.ATTACHMENT):
        return
    if stop - start > _MAX_SMALL_RECORD_BYTES:
        raise DamageError(f"record at {start} of {stop - start} bytes is beyond reason")
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


def unpack_chunk(data: bytes, chunk: ChunkRef) -> bytes:
    """Return the records of a chunk, decompressed."""
    if not chunk.compression:
        return data
    if chunk.compression != "zstd":
        raise CompressionError(
            f"chunks are compressed with {chunk.compression!r}",
            remedy="rewrite the file with `mcap decompress`",
        )
    try:
        claimed = zstandard.get_frame_parameters(data).content_size
        if not claimed == chunk.uncompressed_length <= _MAX_CHUNK_BYTES:
            raise RecordingError(f"chunk at {chunk.offset} claims {claimed} bytes")
        return zstandard.ZstdDecompressor().decompress(data)
    except zstandard.ZstdError as error:
        raise RecordingError(f"chunk at {chunk.offset} is damaged ({error})") from error
