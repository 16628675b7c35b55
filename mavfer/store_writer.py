"""Writing a clip store: one part a video, then one file put together from the parts.

A part is an HDF5 file with one video group. Parts may be written by several processes; putting
them together copies compressed chunks as they are.
"""

import json
import math
import mmap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import h5py
import hdf5plugin
import numpy as np
from numpy.typing import NDArray

from capture.files import require_free_space

from .errors import DatasetError
from .landmarks import LandmarkCount
from .stats import PixelSums, sum_color, sum_valid
from .store_content import DESCRIPTION_HASH, ContentDigest, datasets, description_sha256
from .store_schema import (
    CHUNK_FRAMES,
    DIMENSIONS,
    FACE_GIVEN,
    FACE_IN_COLOR,
    FACE_IN_INFRARED,
    FOUND,
    MAX_CLIP_LENGTH,
    MAX_CROP_PX,
    NO_DETECTION,
    NO_FACE,
    NO_RESIDUAL_NS,
    NO_SEQ,
    ROW_FLAGS,
    STREAMS,
    StoreModality,
    VideoKind,
    check_modalities,
    crop_dtype,
    crop_shape,
)
from .store_traces import LabelTrace, write_traces

Compression = Literal["bitshuffle-lz4", "lzf", "gzip", "none"]
SPARE_BYTES = 64 << 20
"""What HDF5 may hold back until it closes a file, for several files at once."""
_EARLY_FLAGS = tuple(name for name in ROW_FLAGS if not name.startswith("thermal_"))
"""Flags that are known before a crop is cut."""
COMPRESSIONS: tuple[Compression, ...] = get_args(Compression)


@dataclass(frozen=True, slots=True)
class StoreLayout:
    """What is the same for every video of a store.

    Attributes
    ----------
    modalities : tuple of str
    crop_px, clip_length : int
    rate_hz : float
        0 = frames of a video file taken as they came.
    landmarks : int
        Points a face, 68 or 5.
    compression : {"bitshuffle-lz4", "lzf", "gzip", "none"}
        The first needs hdf5plugin to read, the others open in any HDF5; "none" lies in the file
        as in memory and is mapped by the reader.
    """

    modalities: tuple[StoreModality, ...] = ("color", "depth", "thermal")
    crop_px: int = 96
    clip_length: int = 16
    rate_hz: float = 4.0
    landmarks: LandmarkCount = 68
    compression: Compression = "bitshuffle-lz4"

    def __post_init__(self) -> None:
        if self.landmarks not in get_args(LandmarkCount):
            raise DatasetError(f"{self.landmarks} landmarks a face: expected 68 or 5")
        if check_modalities(self.modalities) != self.modalities:
            raise DatasetError(f"modalities {self.modalities} must be in the store's order")
        if not (
            8 <= self.crop_px <= MAX_CROP_PX
            and 1 <= self.clip_length <= MAX_CLIP_LENGTH
            and 0 <= self.rate_hz < 1000
        ):
            raise DatasetError(
                f"crop {self.crop_px} px, clip {self.clip_length} frames, {self.rate_hz} Hz: "
                f"expected a crop of 8 to {MAX_CROP_PX} px, a clip of 1 to {MAX_CLIP_LENGTH} "
                "frames and 0…1000 Hz"
            )


@dataclass(frozen=True, slots=True, eq=False)
class FrameCrops:
    """The crops of one frame.

    Attributes
    ----------
    images : mapping of str to arrays
        RGB uint8 color, uint16 mm depth, uint16 counts thermal. A modality left out is stored
        as zeros and flagged invalid.
    valid : mapping of str to bool
        Whether depth and thermal show the face; without an entry: present in `images`.
    face_depth_mm : float
        Median depth of the face, NaN unknown: what the depth crop is relative to.
    thermal_by_plane : bool
        The thermal crop was looked up on a plane at the face's distance, for want of depth.
    thermal_frozen : bool
        The thermal camera repeated an old image.
    """

    images: Mapping[str, NDArray[np.uint8] | NDArray[np.uint16]]
    valid: Mapping[str, bool] = field(default_factory=dict)
    face_depth_mm: float = math.nan
    thermal_by_plane: bool = False
    thermal_frozen: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class VideoEntry:
    """One video on its way into the store; rows of all arrays belong together.

    Attributes
    ----------
    id, subject, source : str
    kind : {"session", "video"}
    time_ns : (N,) int64, since the video's start
    valence, arousal : (N,) float32 in [-1, 1], NaN = no label
    face_source : (N,) uint8, index into ``FACE_SOURCES``; 0 = no face found
    landmarks_px : (N, 68 or 5, 2) float32, undistorted color pixels
    T_crop_color : (N, 2, 3) float32
    crops : iterable of FrameCrops, N of them
        Consumed once, in order: may be a generator.
    notes : mapping of str to JSON values
        Further attributes of the video (consent, rates).
    reason : (N,) uint8, index into ``REASONS``; without it: no face where `face_source` is 0
    confidence : (N,) float32, 0 to 1; NaN = no face found
    seq, residual_ns : mapping of stream to (N,) int64
        Number of the frame behind each row, and its capture time minus the row's (color: minus
        the grid's); a stream left out has none.
    flags : mapping of name to (N,) bool
        Of ``ROW_FLAGS``, those known before the crops are.
    traces : sequence of LabelTrace
        What the labels were made of: every rater's, and gold before the lag was taken out.
    label_lag_ns : int
        Reaction time taken out of `valence` and `arousal`: a row shows what was said later.
    category : str
        Emotion of the whole video, where it has one.
    """

    id: str
    subject: str
    source: str
    kind: VideoKind
    time_ns: NDArray[np.int64]
    valence: NDArray[np.float32]
    arousal: NDArray[np.float32]
    face_source: NDArray[np.uint8]
    landmarks_px: NDArray[np.float32]
    T_crop_color: NDArray[np.float32]
    crops: Iterable[FrameCrops]
    notes: Mapping[str, Any] = field(default_factory=dict)
    reason: NDArray[np.uint8] | None = None
    confidence: NDArray[np.float32] | None = None
    seq: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    residual_ns: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    flags: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)
    traces: Sequence[LabelTrace] = ()
    label_lag_ns: int = 0
    category: str = ""


def write_part(path: Path, entry: VideoEntry, layout: StoreLayout) -> None:
    """Write one video to its own HDF5 file at `path` (new)."""
    n_frames = len(entry.time_ns)
    columns = _columns_before_crops(entry)
    _check_columns(entry.id, columns, layout)
    with new_file(path) as file:
        group = file.create_group("video")
        for name, values in columns.items():
            group[name] = values
        digest = ContentDigest()
        sums, told_by_crops = _write_crops(group, entry, layout, digest)
        for name, values in told_by_crops.items():
            group[name] = values
        write_traces(group, entry.traces)
        for name, dataset in datasets(group):
            if name not in layout.modalities:
                digest.update(name, dataset[:])
        digest.add_text("@category", entry.category)
        about = {
            "id": entry.id,
            "subject": entry.subject,
            "source": entry.source,
            "kind": entry.kind,
            "notes": json.dumps(dict(entry.notes), sort_keys=True),
            "label_lag_ns": entry.label_lag_ns,
        }
        group.attrs.update(
            {
                **about,
                DESCRIPTION_HASH: description_sha256(about),
                "content_sha256": digest.hexdigest(),
                "sums": json.dumps(
                    {m: [s.count, list(s.total), list(s.squares)] for m, s in sums.items()}
                ),
                "n_frames": n_frames,
                "category": entry.category,
            }
        )


def _columns_before_crops(entry: VideoEntry) -> dict[str, NDArray[Any]]:
    """Return the columns that are known before a crop is cut, by name."""
    n_frames = len(entry.time_ns)
    no_face = np.where(entry.face_source == NO_FACE, NO_DETECTION, FOUND)
    reason = no_face if entry.reason is None else entry.reason
    confidence = np.full(n_frames, np.nan) if entry.confidence is None else entry.confidence
    nowhere = {
        "seq": np.full(n_frames, NO_SEQ, np.int64),
        "residual_ns": np.full(n_frames, NO_RESIDUAL_NS, np.int64),
    }
    flags = {name: np.zeros(n_frames, np.bool_) for name in _EARLY_FLAGS} | dict(entry.flags)
    return {
        "time_ns": entry.time_ns.astype(np.int64),
        "valence": entry.valence.astype(np.float32),
        "arousal": entry.arousal.astype(np.float32),
        "face_source": entry.face_source.astype(np.uint8),
        "reason": reason.astype(np.uint8),
        "confidence": confidence.astype(np.float32),
        "landmarks_px": entry.landmarks_px.astype(np.float32),
        "T_crop_color": entry.T_crop_color.astype(np.float32),
        "valid/face": entry.face_source != NO_FACE,
        **{f"seq/{s}": entry.seq.get(s, nowhere["seq"]) for s in STREAMS},
        **{f"residual_ns/{s}": entry.residual_ns.get(s, nowhere["residual_ns"]) for s in STREAMS},
        **{f"flags/{name}": flags[name].astype(np.bool_) for name in _EARLY_FLAGS},
    }


def _check_columns(video_id: str, columns: Mapping[str, NDArray[Any]], layout: StoreLayout) -> None:
    n_frames = len(columns["time_ns"])
    shapes = {"landmarks_px": (n_frames, layout.landmarks, 2), "T_crop_color": (n_frames, 2, 3)}
    for name, values in columns.items():
        expected = shapes.get(name, (n_frames,))
        if values.shape != expected:
            raise DatasetError(f"video {video_id}: {name} is {values.shape}, expected {expected}")
    found = np.isin(columns["face_source"], (FACE_IN_COLOR, FACE_IN_INFRARED, FACE_GIVEN))
    if np.any(found != (columns["reason"] == FOUND)):
        raise DatasetError(f"video {video_id}: rows without a face need a reason, others none")
    if np.any(np.diff(columns["time_ns"]) <= 0):
        raise DatasetError(f"video {video_id}: times do not increase")
    for dimension in DIMENSIONS:
        if np.any(np.abs(columns[dimension]) > 1):
            raise DatasetError(
                f"video {video_id}: {dimension} labels outside [-1, 1]",
                remedy="scale them when fusing (mavfer-annotate fuse --scale)",
            )


def _write_crops(
    group: h5py.Group, entry: VideoEntry, layout: StoreLayout, digest: ContentDigest
) -> tuple[dict[str, PixelSums], dict[str, NDArray[Any]]]:
    """Write the crops chunk by chunk; return sums over frames with a face, and columns."""
    n_frames = len(entry.time_ns)
    face = entry.face_source != NO_FACE
    by_plane, frozen = np.zeros((2, n_frames), np.bool_)
    face_depth_mm = np.full(n_frames, np.nan, np.float32)
    flags: dict[str, NDArray[np.bool_]] = {
        m: np.zeros(n_frames, np.bool_) for m in layout.modalities if m != "color"
    }
    sums: dict[str, PixelSums] = {
        m: PixelSums.empty(3 if m == "color" else 1) for m in layout.modalities
    }
    buffers: dict[str, NDArray[Any]] = {}
    for m in layout.modalities:
        shape = crop_shape(m, layout.crop_px)
        group.create_dataset(
            m,
            shape=(n_frames, *shape),
            dtype=crop_dtype(m),
            **(
                _storage(layout.compression, min(CHUNK_FRAMES, n_frames), shape) if n_frames else {}
            ),
        )
        buffers[m] = np.zeros((CHUNK_FRAMES, *shape), crop_dtype(m))
    row = -1
    for row, crops in enumerate(entry.crops):
        if row >= n_frames:
            raise DatasetError(f"video {entry.id}: more crops than its {n_frames} rows")
        slot = row % CHUNK_FRAMES
        by_plane[row], frozen[row] = crops.thermal_by_plane, crops.thermal_frozen
        face_depth_mm[row] = crops.face_depth_mm
        for m in layout.modalities:
            image = crops.images.get(m)
            buffers[m][slot] = 0 if image is None else image
            if m in flags:
                flags[m][row] = image is not None and crops.valid.get(m, True)
        if slot == CHUNK_FRAMES - 1 or row == n_frames - 1:
            rows = slice(row - slot, row + 1)
            held_bytes = sum(buffer.nbytes for buffer in buffers.values())
            require_free_space(Path(group.file.filename).parent, held_bytes + SPARE_BYTES)
            for m in layout.modalities:
                block = buffers[m][: slot + 1]
                group[m][rows] = block
                digest.update(m, block)
                shown = block[face[rows] & flags[m][rows] if m in flags else face[rows]]
                sums[m] += sum_color(shown) if m == "color" else sum_valid(shown)
    if row + 1 != n_frames:
        raise DatasetError(f"video {entry.id}: {row + 1} crops for {n_frames} rows")
    return sums, {
        **{f"valid/{m}": values for m, values in flags.items()},
        "flags/thermal_by_plane": by_plane,
        "flags/thermal_frozen": frozen,
        "face_depth_mm": face_depth_mm,
    }


def _storage(compression: Compression, chunk_frames: int, shape: tuple[int, ...]) -> dict[str, Any]:
    """Say how HDF5 lays a data set out: in chunks, or uncompressed in one piece to be mapped."""
    chunks = (chunk_frames, *shape)
    match compression:
        case "bitshuffle-lz4":
            return {"chunks": chunks, **hdf5plugin.Bitshuffle(cname="lz4")}
        case "lzf":
            return {"chunks": chunks, "compression": "lzf", "shuffle": True}
        case "gzip":
            return {"chunks": chunks, "compression": "gzip", "compression_opts": 4, "shuffle": True}
        case "none":
            return {}


def new_file(path: Path) -> h5py.File:
    """Create an HDF5 file whose large data sets begin on a page, so that they map aligned."""
    return h5py.File(path, "x", alignment_threshold=1 << 16, alignment_interval=mmap.PAGESIZE)
