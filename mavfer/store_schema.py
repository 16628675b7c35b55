"""Names and shapes of the clip store, shared by its reader and its writer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from capture.frame import MODALITIES, Modality
from capture.manifest import Consent

from .errors import DatasetError
from .splits import Split

FORMAT = "mavfer-clip-store"
SCHEMA_VERSION = 2
CHUNK_FRAMES = 16
"""One chunk holds one clip of the default length: one read, one decompression."""

MAX_CROP_PX = 1024
MAX_CLIP_LENGTH = 65_536

StoreModality = Literal["color", "depth", "thermal"]
STORE_MODALITIES: tuple[StoreModality, ...] = ("color", "depth", "thermal")
VideoKind = Literal["session", "video"]
Dimension = Literal["valence", "arousal"]
DIMENSIONS: tuple[Dimension, ...] = ("valence", "arousal")
FACE_SOURCES = ("none", "color", "infrared", "interpolated", "given")
"""Meaning of the values of ``face_source``: the image in which the face was found; interpolated =
in none, its place lies between those of its neighbours in time (only where filling was asked);
given = the corpus came with landmarks."""
NO_FACE, FACE_IN_COLOR, FACE_IN_INFRARED, FACE_INTERPOLATED, FACE_GIVEN = range(len(FACE_SOURCES))

REASONS = ("", "no frame", "unreadable", "no face", "implausible", "another person")
"""Meaning of the values of ``reason``: why no face was found in a row; the first: one was.

no frame: the color stream has a gap there; unreadable: its frame is damaged; no face: no detector
answered; implausible: one did, but the landmarks contradict its box or the depth, or given ones
cannot be a face of the image; another person: the only face is not the subject's.
"""
(
    FOUND,
    NO_COLOR_FRAME,
    UNREADABLE,
    NO_DETECTION,
    IMPLAUSIBLE,
    ANOTHER_PERSON,
) = range(len(REASONS))

FILE_DIGEST = "file_digest"
"""Among the notes of a film: BLAKE2b of its file, as ``b2sum`` prints it."""

ROW_FLAGS = ("several_faces", "identity_switch", "thermal_frozen", "thermal_by_plane")
"""Data sets under ``flags/``: what a row was stored in spite of."""

STREAMS: tuple[Modality, ...] = MODALITIES
"""Streams whose frame number and time are kept with every row, whether cropped or not."""
NO_SEQ = -1
NO_RESIDUAL_NS = int(np.iinfo(np.int64).min)
"""A stream without a frame for a row: no number, and NaT if read as ``timedelta64[ns]``."""


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """What the store says about one video.

    Attributes
    ----------
    id : str
        Session folder name, or the stem of the video file.
    subject : str
        Pseudonym; the unit of the splits.
    split : {"train", "validation", "test"}
    n_frames : int
    kind : {"session", "video"}
    source : str
        Session uuid or file name it was built from.
    category : str
        Emotion of the whole video; empty where it has none.
    label_lag_ns : int
        Reaction time taken out of the labels.
    consent : Consent or None
        As recorded with the session; films come without, and sessions that noted none.
    notes : mapping of str to JSON values
        What else was known when the video was built.
    """

    id: str
    subject: str
    split: Split
    n_frames: int
    kind: VideoKind
    source: str
    category: str = ""
    label_lag_ns: int = 0
    consent: Consent | None = None
    notes: Mapping[str, Any] = field(default_factory=dict)


def crop_shape(modality: str, crop_px: int) -> tuple[int, ...]:
    """Shape of one frame's crop: (crop, crop, 3) for color, (crop, crop) for the others."""
    return (crop_px, crop_px, 3) if modality == "color" else (crop_px, crop_px)


def crop_dtype(modality: str) -> "np.dtype[np.uint8] | np.dtype[np.uint16]":
    """Element type of a modality's crops."""
    return np.dtype(np.uint8) if modality == "color" else np.dtype(np.uint16)


def columns(
    n_frames: int, *, modalities: tuple[StoreModality, ...], crop_px: int, landmarks: int
) -> dict[str, tuple[tuple[int, ...], "np.dtype[Any]"]]:
    """Shape and element type of every data set of a video, by name."""
    flag, real = np.dtype(np.bool_), np.dtype(np.float32)
    return {
        **{m: ((n_frames, *crop_shape(m, crop_px)), crop_dtype(m)) for m in modalities},
        "time_ns": ((n_frames,), np.dtype(np.int64)),
        **dict.fromkeys(DIMENSIONS, ((n_frames,), real)),
        "valid/face": ((n_frames,), flag),
        **{f"valid/{m}": ((n_frames,), flag) for m in modalities if m != "color"},
        "face_source": ((n_frames,), np.dtype(np.uint8)),
        "reason": ((n_frames,), np.dtype(np.uint8)),
        "confidence": ((n_frames,), real),
        "face_depth_mm": ((n_frames,), real),
        **{f"seq/{stream}": ((n_frames,), np.dtype(np.int64)) for stream in STREAMS},
        **{f"residual_ns/{stream}": ((n_frames,), np.dtype(np.int64)) for stream in STREAMS},
        **{f"flags/{name}": ((n_frames,), flag) for name in ROW_FLAGS},
        "landmarks_px": ((n_frames, landmarks, 2), real),
        "T_crop_color": ((n_frames, 2, 3), real),
    }


def check_modalities(modalities: tuple[str, ...]) -> tuple[StoreModality, ...]:
    """Return `modalities` in the store's order; unknown, repeated or missing color is an error."""
    unknown = sorted(set(modalities) - set(STORE_MODALITIES))
    if unknown or len(set(modalities)) != len(modalities) or "color" not in modalities:
        raise DatasetError(
            f"modalities {', '.join(modalities) or '(none)'}: expected color and any of "
            f"{', '.join(STORE_MODALITIES[1:])}, each once"
        )
    return tuple(m for m in STORE_MODALITIES if m in modalities)
