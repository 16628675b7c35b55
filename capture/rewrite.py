"""Writes what verifies of a damaged recording as a new, whole one that says what is missing."""

import json
import os
from bisect import bisect
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from mcap.writer import CompressionType, Writer

from .mcap_index import ChunkRef, McapIndex, MessageRef, read_chunk
from .recording import RecoveryNote
from .salvage import Salvage
from .terminal import OnProgress
from .writer import PROFILE, RECOVERED_METADATA, frame_topic, meta_topic

_CHUNK_BYTES = 1 << 20


def rewrite(path: Path, target: Path, found: Salvage, on_progress: OnProgress) -> None:
    """Write what was `found` in the recording at `path` to the new file `target`, in order.

    Of a frame whose image or number was lost neither is written, so that the gap shows.
    """
    index = found.index
    messages = list(_whole_frames(index))
    with path.open("rb") as source, target.open("xb") as handle:
        # Any: half of mcap's writer has no types.
        writer: Any = Writer(handle, chunk_size=_CHUNK_BYTES, compression=CompressionType.NONE)
        writer.start(profile=PROFILE, library="mavfer recover")
        note = _note(path, found, messages)
        for name, values in {**index.metadata, RECOVERED_METADATA: note}.items():
            writer.add_metadata(name, dict(values))
        for name, data in index.attachments.items():
            writer.add_attachment(
                create_time=0, log_time=0, name=name, media_type="application/json", data=data
            )
        channels = _register(writer, index)
        chunk: ChunkRef | None = None
        content = b""
        for number, ref in enumerate(messages):
            if ref.chunk is not chunk:
                chunk = ref.chunk
                content = read_chunk(source, chunk) if chunk is not None else b""
            if chunk is None:
                source.seek(ref.offset)
                data = source.read(ref.length)
            else:
                data = content[ref.offset : ref.offset + ref.length]
            writer.add_message(
                channels[ref.channel_id], ref.log_time_ns, data, ref.log_time_ns, ref.sequence
            )
            if number % 64 == 0:
                on_progress(number, len(messages))
        writer.finish()
        handle.flush()
        os.fsync(handle.fileno())
        on_progress(len(messages), len(messages))


def _note(path: Path, found: Salvage, messages: Sequence[MessageRef]) -> dict[str, str]:
    """Say in the file what was lost, together with what earlier recoveries of it had lost."""
    lost = _frames_lost(found, messages)
    n_bytes, damages = found.n_bytes_lost, [found.index.damage or ""]
    earlier = found.index.metadata.get(RECOVERED_METADATA)
    if earlier is not None:
        before = RecoveryNote.parse(earlier)
        n_bytes += before.n_bytes_lost
        damages.insert(0, before.damage)
        for stream, count in before.n_frames_lost.items():
            lost[stream] = lost.get(stream, 0) + count
    return {
        "damage": "; ".join(damages),
        "n_bytes_lost": str(n_bytes),
        "n_frames_lost": json.dumps(lost),
        "ranges_lost": json.dumps(found.lost),
        "original": path.name,
    }


def _frames_lost(found: Salvage, messages: Sequence[MessageRef]) -> dict[str, int]:
    """Count the frame numbers missing where bytes are, by stream."""
    topics = {number: channel.topic for number, channel in found.index.channels.items()}
    images = _image_topics(topics.values())
    starts = [start for start, _ in found.lost]
    last: dict[str, tuple[int, int]] = {}
    lost: dict[str, int] = {}
    for ref in messages:
        topic = topics[ref.channel_id]
        if topic not in images:
            continue
        n_before = bisect(starts, ref.chunk.offset if ref.chunk else ref.offset)
        if topic in last and last[topic][0] != n_before:
            missing = (ref.sequence - last[topic][1] - 1) % (1 << 32)
            lost[topic[1:]] = lost.get(topic[1:], 0) + missing
        last[topic] = n_before, ref.sequence
    return lost


def _image_topics(topics: Collection[str]) -> set[str]:
    return {topic for topic in topics if meta_topic(topic[1:]) in topics}


def _register(writer: Any, index: McapIndex) -> dict[int, int]:
    schemas = {
        number: writer.register_schema(schema.name, schema.encoding, schema.data)
        for number, schema in index.schemas.items()
    }
    return {
        number: writer.register_channel(
            channel.topic, channel.message_encoding, schemas[channel.schema_id]
        )
        for number, channel in index.channels.items()
    }


def _whole_frames(index: McapIndex) -> Iterator[MessageRef]:
    """Leave out images and frame numbers that lost each other to the damage."""
    topics = {number: channel.topic for number, channel in index.channels.items()}
    images = _image_topics(topics.values())
    pending: dict[str, MessageRef] = {}
    for ref in index.messages:
        topic = topics[ref.channel_id]
        if topic in images:
            pending[topic] = ref
        elif (owner := frame_topic(topic[1:].removesuffix("/meta"))) in images:
            image = pending.pop(owner, None)
            if image is not None and image.sequence == ref.sequence:
                yield image
                yield ref
        else:
            yield ref
