"""Everything in a damaged MCAP file that verifies, on both sides of the damage.

Chunks carry checksums: one that does not fit is left out, and the walk goes on at the next that
does. A file is whole only if what was found is as many as its own summary counts.
"""

import mmap
import re
import struct
import zlib
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

from mcap.data_stream import ReadDataStream
from mcap.opcode import Opcode
from mcap.records import Channel, Schema, Statistics

from .mcap_index import (
    DAMAGE,
    MAGIC,
    ChunkRef,
    CompressionError,
    DamageError,
    McapIndex,
    map_file,
    read_chunk_header,
    read_record,
    take_record,
    unpack_chunk,
    walk_chunk,
)

_CHUNK_START = re.compile(rb"\x06.{4}\x00{4}", re.DOTALL)
"""Opcode and length of a chunk below 4 GB."""
_FOOTER = struct.Struct("<BQQQI")  # opcode, length, summary start, offsets start, crc
_DATA_END_BYTES = 4
_SPARE_SEARCH_BYTES = 64 << 20


@dataclass(slots=True)
class Salvage:
    """What verifies.

    Attributes
    ----------
    index : McapIndex
        `complete` only if nothing is wrong; else `damage` is the first thing that is.
    lost : list of (start, stop)
        Bytes that had to be jumped over.
    nameless : bool
        Chunks verify whose channels were lost.
    """

    index: McapIndex = field(default_factory=McapIndex)
    lost: list[tuple[int, int]] = field(default_factory=list)
    nameless: bool = False

    @property
    def n_bytes_lost(self) -> int:
        """How many bytes had to be jumped over."""
        return sum(stop - start for start, stop in self.lost)


def salvage(path: Path) -> Salvage:
    """Walk the whole MCAP file at `path`, verifying every checksum.

    Raises
    ------
    RecordingError
        Not an MCAP file at all, or compressed in a way that cannot be read.
    """
    with map_file(path) as view:
        walk = _Walk(view)
        walk.run()
        return walk.found


@dataclass(frozen=True, slots=True)
class _Summary:
    """The end of a finished file, its checksum verified."""

    start: int
    channels: dict[int, Channel]
    schemas: dict[int, Schema]
    statistics: Statistics | None


class _Walk:
    def __init__(self, view: mmap.mmap) -> None:
        self._view = view
        self._summary = _read_summary(view)
        self._end = self._summary.start if self._summary else len(view)
        self._n_chunks = 0
        # A hostile file could be full of beginnings of chunks: reading each to its end is no use.
        self._search_bytes = 4 * len(view) + _SPARE_SEARCH_BYTES
        self.found = Salvage()

    def run(self) -> None:
        index, at = self.found.index, len(MAGIC)
        if self._summary is not None:
            index.channels.update(self._summary.channels)
            index.schemas.update(self._summary.schemas)
        while at < self._end:
            try:
                at = self._step(at)
            except DAMAGE as error:
                if isinstance(error, CompressionError) and not self._n_chunks:
                    raise
                self._note(str(error) or type(error).__name__)
                found = self._next_chunk(at + 1)
                self.found.lost.append((at, found))
                at = found
        self._check_summary()
        index.complete = index.damage is None

    def _step(self, at: int) -> int:
        """Take one record; return where the next one is."""
        view, index = self._view, self.found.index
        opcode, start, stop = read_record(view, at, self._end)
        if opcode == Opcode.CHUNK:
            chunk = read_chunk_header(view, start, stop)
            if not self._verifies(chunk):
                raise DamageError(f"checksum differs in the chunk at {chunk.offset}")
            self._n_chunks += 1
            known = len(index.channels)
            try:
                walk_chunk(view, chunk, index)
            except DamageError:
                self.found.nameless |= not known
                raise
        elif opcode == Opcode.MESSAGE_INDEX:
            _check_message_index(view, start, stop)
        elif opcode == Opcode.DATA_END and stop - start == _DATA_END_BYTES:
            if self._summary is None:
                self._note(f"the index at {stop} is damaged or cut off")
                return self._end
        elif opcode == Opcode.HEADER and at == len(MAGIC):
            pass
        elif opcode in (Opcode.SCHEMA, Opcode.CHANNEL, Opcode.METADATA, Opcode.MESSAGE):
            take_record(view, opcode, start, stop, None, index)
        elif opcode == Opcode.ATTACHMENT:
            _check_attachment(view, start, stop)
            take_record(view, opcode, start, stop, None, index)
        else:
            raise DamageError(f"record at {at} is of no kind that belongs there")
        return stop

    def _next_chunk(self, at: int) -> int:
        """Find the next record that is a chunk with a right checksum; the end if there is none."""
        for match in _CHUNK_START.finditer(self._view, at, self._end):
            if self._search_bytes < 0:
                break
            try:
                _, start, stop = read_record(self._view, match.start(), self._end)
                chunk = read_chunk_header(self._view, start, stop)
                self._search_bytes -= chunk.length + chunk.uncompressed_length
                if chunk.crc and self._verifies(chunk):
                    return match.start()
            except DAMAGE:
                continue
        return self._end

    def _verifies(self, chunk: ChunkRef) -> bool:
        data = unpack_chunk(self._view[chunk.offset : chunk.offset + chunk.length], chunk)
        return not chunk.crc or zlib.crc32(data) == chunk.crc

    def _check_summary(self) -> None:
        if self._summary is None:
            self._note(f"ends at byte {len(self._view)} without a whole index")
            return
        counted = self._summary.statistics
        if counted is None:
            return
        found = self._n_chunks, len(self.found.index.messages)
        if found != (counted.chunk_count, counted.message_count):
            self._note(
                f"{found[0]} chunks with {found[1]} messages, "
                f"expected {counted.chunk_count} with {counted.message_count}"
            )

    def _note(self, damage: str) -> None:
        self.found.index.damage = self.found.index.damage or damage


def _check_message_index(view: mmap.mmap, start: int, stop: int) -> None:
    if stop - start >= 6:
        (length,) = struct.unpack_from("<I", view, start + 2)
        if length == stop - start - 6 and length % 16 == 0:
            return
    raise DamageError(f"message index at {start} has a wrong length")


def _check_attachment(view: mmap.mmap, start: int, stop: int) -> None:
    if stop - start >= 4:
        (crc,) = struct.unpack_from("<I", view, stop - 4)
        if not crc or zlib.crc32(view[start : stop - 4]) == crc:
            return
    raise DamageError(f"checksum differs in the attachment at {start}")


def _read_summary(view: mmap.mmap) -> _Summary | None:
    """Read the index that a finished file ends with; None if it is not there or not whole."""
    at = len(view) - len(MAGIC) - _FOOTER.size
    if at < len(MAGIC) or view[-len(MAGIC) :] != MAGIC:
        return None
    opcode, length, start, _, crc = _FOOTER.unpack_from(view, at)
    if opcode != Opcode.FOOTER or length != _FOOTER.size - 9 or not len(MAGIC) < start <= at:
        return None
    if crc and zlib.crc32(view[start : at + _FOOTER.size - 4]) != crc:
        return None
    index, statistics = McapIndex(), None
    try:
        where = start
        while where < at:
            opcode, content, stop = read_record(view, where, at)
            if opcode == Opcode.STATISTICS:
                statistics = Statistics.read(ReadDataStream(BytesIO(view[content:stop])))
            elif opcode in (Opcode.SCHEMA, Opcode.CHANNEL):
                take_record(view, opcode, content, stop, None, index)
            where = stop
    except DAMAGE:
        return None
    return _Summary(start, index.channels, index.schemas, statistics)
