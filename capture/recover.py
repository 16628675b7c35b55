"""Make a recording that a crash or a bad disk left behind whole, indexed and honest.

What verifies is written anew beside the original, read back, and only then put in its place. The
original stays, as ``<name>.mcap.damaged``.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mcap.writer import CompressionType, Writer

from .errors import MavferError, RecordingError
from .files import atomic_output
from .mcap_index import ChunkRef, McapIndex, MessageRef, read_chunk, read_index
from .recording import Recording, open_recording
from .session import MANIFEST_NAME, Manifest, SessionFolder, read_manifest
from .summary import summarise_recording
from .terminal import OnProgress
from .writer import PROFILE, RECORDING_METADATA, frame_topic, meta_topic

KEPT_SUFFIX = ".damaged"
RECOVERED_METADATA = "mavfer/recovered"
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Recovery:
    """What became of one file.

    Attributes
    ----------
    path : Path
    n_frames : int
        That can be read now, all streams.
    damage : str or None
        What was wrong; None: the file was whole and nothing was done.
    n_bytes_lost : int
        Bytes that could not be read.
    kept : Path or None
        Where the original is.
    """

    path: Path
    n_frames: int
    damage: str | None = None
    n_bytes_lost: int = 0
    kept: Path | None = None


def recover_recording(
    path: Path, *, on_progress: OnProgress = lambda done, total: None
) -> Recovery:
    """Make one recording whole.

    Parameters
    ----------
    path : Path
        ``*.mcap``; of a recovery that was itself interrupted, too.
    on_progress : callable
        Told (messages written, messages in all).

    Raises
    ------
    RecordingError
        Nothing of it can be read, another program wrote it, or the original's place is taken.
    """
    kept = path.with_name(path.name + KEPT_SUFFIX)
    if not path.exists() and kept.is_file():
        kept.rename(path)  # interrupted between the two renames below
    if not path.is_file():
        raise RecordingError(f"{path} is not a file", remedy="pass a recording, *.mcap")
    index = read_index(path, salvage=True)
    if index.complete and not index.lost:
        return Recovery(path, _n_frames(open_recording(path)))
    if RECORDING_METADATA not in index.metadata:
        raise RecordingError(
            f"{path}: the beginning is lost, which says what was recorded: {index.damage}",
            remedy="restore the file from a copy",
        )
    if kept.exists():
        raise RecordingError(
            f"{kept} exists already", remedy="move it away; it is the original of a recovery"
        )
    lost = sum(stop - start for start, stop in index.lost)
    with atomic_output(path.with_name(path.name + ".recovered"), overwrite=True) as partial:
        _rewrite(path, partial, index, lost, on_progress)
        recovered = open_recording(partial)
        if not recovered.complete:
            raise RecordingError(f"{path}: what was recovered cannot be read: {recovered.damage}")
        n_frames = _n_frames(recovered)
    whole = path.with_name(path.name + ".recovered")
    path.rename(kept)
    whole.rename(path)
    _sync_folder(path.parent)
    return Recovery(path, n_frames, index.damage, lost, kept)


def recover_session(
    path: Path, *, on_progress: OnProgress = lambda done, total: None
) -> tuple[Manifest, list[Recovery]]:
    """Make every recording of a session whole and its manifest say what there is.

    A session that is still being recorded must not be touched: stop it first.
    """
    manifest = read_manifest(path)
    recoveries, recordings = [], dict(manifest.recordings)
    for file in _recordings_of(path):
        recovery = recover_recording(file, on_progress=on_progress)
        recoveries.append(recovery)
        recording = open_recording(file)
        if recording.session_uuid != manifest.uuid:
            raise RecordingError(f"{file} belongs to another session", remedy="move it away")
        summary = recordings.get(recording.daemon)
        if summary is not None:
            status = "interrupted" if summary.status == "recording" else summary.status
            error = summary.error or (f"recovered: {recovery.damage}" if recovery.damage else None)
            updated = replace(summary, status=status, error=error)
            recordings[recording.daemon] = summarise_recording(updated, recording)
    folder = SessionFolder(path, manifest)
    changes: dict[str, Any] = {"recordings": recordings}
    if manifest.status == "recording":
        changes |= {"status": "failed", "error": "the controller ended before the session did"}
    return folder.update(**changes), recoveries


def is_session(path: Path) -> bool:
    """Say whether `path` is the folder of a session."""
    return (path / MANIFEST_NAME).is_file()


def _recordings_of(folder: Path) -> list[Path]:
    """Return the recordings, those whose recovery was interrupted between its renames too."""
    names = {file.name for file in folder.glob("*.mcap")}
    names |= {file.name.removesuffix(KEPT_SUFFIX) for file in folder.glob(f"*.mcap{KEPT_SUFFIX}")}
    return [folder / name for name in sorted(names)]


def _rewrite(
    path: Path, target: Path, index: McapIndex, lost: int, on_progress: OnProgress
) -> None:
    with path.open("rb") as source, target.open("xb") as handle:
        # Any: half of mcap's writer has no types.
        writer: Any = Writer(handle, chunk_size=_CHUNK_BYTES, compression=CompressionType.NONE)
        writer.start(profile=PROFILE, library="mavfer recover")
        for name, values in index.metadata.items():
            writer.add_metadata(name, dict(values))
        writer.add_metadata(
            RECOVERED_METADATA,
            {"damage": index.damage or "", "n_bytes_lost": str(lost), "original": path.name},
        )
        for name, data in index.attachments.items():
            writer.add_attachment(
                create_time=0, log_time=0, name=name, media_type="application/json", data=data
            )
        channels = _register(writer, index)
        messages = list(_whole_frames(index))
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
    images = {topic for topic in topics.values() if meta_topic(topic[1:]) in topics.values()}
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


def _n_frames(recording: Recording) -> int:
    return sum(len(stream) for stream in recording.streams.values())


def _sync_folder(folder: Path) -> None:
    """Make renames survive a power cut."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:  # a file system that cannot
        raise MavferError(f"{folder} cannot be synced: {error.strerror}") from error
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
