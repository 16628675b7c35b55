"""Reading a clip store (docs/formats/clip-store.md)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from capture.frame import Modality

from .clips import ClipRef, clip_starts
from .errors import DatasetError
from .splits import SPLITS, Split
from .store_file import REBUILD, StoreFile, open_hdf5
from .store_opening import read_root, read_videos
from .store_schema import (
    DIMENSIONS,
    FACE_SOURCES,
    REASONS,
    ROW_FLAGS,
    STREAMS,
    Dimension,
    StoreModality,
    VideoInfo,
)
from .store_traces import LabelTrace, read_traces


class ClipStore:
    """A clip store on disk: metadata in memory, frames read when asked for.

    Each process opens the file for itself on its first read, so an instance may be pickled and
    may cross a fork: DataLoader workers never share an HDF5 handle. Crops of a store built with
    ``--compression none`` are mapped into memory.

    Attributes
    ----------
    path : Path
    videos : mapping of str to VideoInfo
        By id, sorted.
    modalities : tuple of str
        Of "color", "depth", "thermal", in this order.
    crop_px, clip_length : int
    rate_hz : float or None
        Frame rate of the rows; None when the frames of a video file were taken as they came.
    stats : mapping
        ``{modality: {"mean": [...], "std": [...], "count": n}}`` over valid pixels of the train
        split, in stored units (0-255 RGB, mm, counts).
    provenance : mapping
        Hashes of calibration and labels, options; under "sources" what each video came from.
    fingerprint : str
        SHA-256 over the content (crops, labels, validity, splits); equal stores have equal ones.
    landmarks : int
        Points a face: 68 or 5.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path).absolute()
        self._file = StoreFile(self.path)
        with open_hdf5(self.path) as file:
            root = read_root(self.path, file)
            self.videos: Mapping[str, VideoInfo] = {
                video.id: video for video in read_videos(self.path, file, root)
            }
        self.modalities = root.modalities
        self.crop_px, self.clip_length = root.crop_px, root.clip_length
        self.rate_hz, self.landmarks = root.rate_hz, root.landmarks
        self.stats, self.fingerprint = root.stats, root.fingerprint
        self.software_version = root.software_version
        self.provenance: Mapping[str, Any] = {
            **root.provenance,
            "sources": {video.id: video.source for video in self.videos.values()},
        }

    def clips(
        self, split: Split | None = None, *, stride_frames: int, clip_length: int | None = None
    ) -> list[ClipRef]:
        """List the clips of `split` (all videos when None), by video id and start.

        Parameters
        ----------
        split : {"train", "validation", "test"}, optional
        stride_frames : int
            ``clip_length`` for clips that do not overlap.
        clip_length : int, optional
            Another length than the store's.
        """
        if split is not None and split not in SPLITS:
            raise DatasetError(f"no split {split!r}: there are {', '.join(SPLITS)}")
        length = self.clip_length if clip_length is None else clip_length
        return [
            ClipRef(video.id, start)
            for video in self.videos.values()
            if split in (None, video.split)
            for start in clip_starts(video.n_frames, length, stride_frames=stride_frames)
        ]

    def read(
        self,
        video_id: str,
        start: int,
        length: int,
        modality: StoreModality,
        *,
        copy: bool = True,
    ) -> NDArray[np.uint8] | NDArray[np.uint16]:
        """Read consecutive crops.

        Parameters
        ----------
        copy : bool
            False: a read-only view of the file where the store is uncompressed, for callers that
            copy anyway.

        Returns
        -------
        (length, crop, crop, 3) uint8 RGB or (length, crop, crop) uint16
            Depth in mm, thermal in counts of 0.04 K; 0 = invalid.

        Raises
        ------
        DatasetError
            Unknown video or modality, or rows outside the video.
        """
        if modality not in self.modalities:
            raise DatasetError(
                f"{self.path} has no {modality}: it holds {', '.join(self.modalities)}"
            )
        n_frames = self._info(video_id).n_frames
        if start < 0 or length < 1 or start + length > n_frames:
            raise DatasetError(
                f"rows {start}…{start + length} of video {video_id} asked for, it has {n_frames}"
            )
        crops: NDArray[np.uint8] | NDArray[np.uint16] = self._file.rows(
            video_id, modality, slice(start, start + length), copy=copy
        )
        return crops

    def labels(
        self, video_id: str, dimension: Dimension, *, lag_s: float | None = None
    ) -> NDArray[np.float32]:
        """Gold labels of every row, (N,) float32 in [-1, 1]; NaN where there is none.

        Parameters
        ----------
        lag_s : float, optional
            Reaction time to take out instead of the one the store was built with: a row shows
            what was said `lag_s` later.
        """
        _check_dimension(dimension)
        if lag_s is not None:
            found = [t for t in self.traces(video_id) if not t.rater and t.dimension == dimension]
            times = self.time_ns(video_id)
            if not found:
                return np.full(len(times), np.nan, np.float32)
            return found[0].at(times, lag_ns=round(lag_s * 1e9))
        return cast(NDArray[np.float32], self._column(video_id, dimension))

    def rater_labels(
        self, video_id: str, dimension: Dimension, *, lag_s: float | None = None
    ) -> dict[str, NDArray[np.float32]]:
        """Return what each rater said about every row, shifted as the gold labels are.

        Parameters
        ----------
        lag_s : float, optional
            Another reaction time than the store's.
        """
        _check_dimension(dimension)
        lag_ns = self._info(video_id).label_lag_ns if lag_s is None else round(lag_s * 1e9)
        times = self.time_ns(video_id)
        return {
            t.rater: t.at(times, lag_ns=lag_ns)
            for t in self.traces(video_id)
            if t.rater and t.dimension == dimension
        }

    def traces(self, video_id: str) -> tuple[LabelTrace, ...]:
        """Return the traces behind the labels, in capture time: gold, then every rater's."""
        self._info(video_id)
        try:
            return tuple(read_traces(self._file.group(video_id)))
        except (OSError, RuntimeError, KeyError, TypeError, ValueError) as error:
            raise DatasetError(
                f"{self.path}: a trace of video {video_id} is damaged ({error})", remedy=REBUILD
            ) from error

    def valid(self, video_id: str) -> dict[str, NDArray[np.bool_]]:
        """Return (N,) bool under "face" and each of depth and thermal that the store holds."""
        names = ("face", *(m for m in self.modalities if m != "color"))
        return {n: self._column(video_id, f"valid/{n}").astype(np.bool_) for n in names}

    def time_ns(self, video_id: str) -> NDArray[np.int64]:
        """Capture time of every row since the video's start, (N,) int64 ns."""
        return cast(NDArray[np.int64], self._column(video_id, "time_ns"))

    def seq(self, video_id: str, stream: Modality) -> NDArray[np.int64]:
        """Return the number of the frame of `stream` behind every row, (N,) int64; -1 = none."""
        return cast(NDArray[np.int64], self._column(video_id, f"seq/{_stream(stream)}"))

    def residual_ns(self, video_id: str, stream: Modality) -> NDArray[np.int64]:
        """Capture time of the frame of `stream` minus the row's time, (N,) int64 ns.

        Of color: minus the grid's time. Without a frame the smallest int64, which is NaT when
        viewed as ``timedelta64[ns]``.
        """
        return cast(NDArray[np.int64], self._column(video_id, f"residual_ns/{_stream(stream)}"))

    def face_source(self, video_id: str) -> NDArray[np.uint8]:
        """Where the face was found, (N,) uint8, index into ``FACE_SOURCES``."""
        return self._known(video_id, "face_source", len(FACE_SOURCES))

    def reason(self, video_id: str) -> NDArray[np.uint8]:
        """Why no face was found, (N,) uint8, index into ``REASONS``; 0 = one was."""
        return self._known(video_id, "reason", len(REASONS))

    def confidence(self, video_id: str) -> NDArray[np.float32]:
        """How sure the face is, (N,) float32, 0 to 1; NaN where none was found."""
        return cast(NDArray[np.float32], self._column(video_id, "confidence"))

    def flags(self, video_id: str) -> dict[str, NDArray[np.bool_]]:
        """Return (N,) bool under each of ``ROW_FLAGS``."""
        return {n: self._column(video_id, f"flags/{n}").astype(np.bool_) for n in ROW_FLAGS}

    def face_depth_mm(self, video_id: str) -> NDArray[np.float32]:
        """Median depth of the face in every row, (N,) float32 mm; NaN where unknown."""
        return cast(NDArray[np.float32], self._column(video_id, "face_depth_mm"))

    def read_relative_depth(self, video_id: str, start: int, length: int) -> NDArray[np.float32]:
        """Read depth relative to the face: mm behind its median depth, NaN = invalid.

        Returns
        -------
        (length, crop, crop) float32
        """
        depth = self.read(video_id, start, length, "depth").astype(np.float32)
        face_mm = self.face_depth_mm(video_id)[start : start + length]
        return np.where(depth > 0, depth - face_mm[:, None, None], np.float32(np.nan))

    def landmarks_px(self, video_id: str) -> NDArray[np.float32]:
        """Landmarks (N, 68 or 5, 2) in undistorted color pixels; NaN where no face was found."""
        return cast(NDArray[np.float32], self._column(video_id, "landmarks_px"))

    def T_crop_color(self, video_id: str) -> NDArray[np.float32]:  # noqa: N802 - T_dst_src
        """Similarities (N, 2, 3), undistorted color pixels to crop pixels; NaN = no crop."""
        return cast(NDArray[np.float32], self._column(video_id, "T_crop_color"))

    def close(self) -> None:
        """Close this process's handle; the next read opens it again."""
        self._file.close()

    def _info(self, video_id: str) -> VideoInfo:
        try:
            return self.videos[video_id]
        except KeyError:
            raise DatasetError(f"{self.path} has no video {video_id!r}") from None

    def _column(self, video_id: str, name: str) -> NDArray[Any]:
        self._info(video_id)
        return self._file.rows(video_id, name, slice(None))

    def _known(self, video_id: str, name: str, n_meanings: int) -> NDArray[np.uint8]:
        """Numbers that stand for words: those without one would end whoever looks them up."""
        values = cast(NDArray[np.uint8], self._column(video_id, name))
        if len(values) and int(values.max()) >= n_meanings:
            raise DatasetError(
                f"{self.path}: {name} of video {video_id} has the value {values.max()}, expected "
                f"0 to {n_meanings - 1}",
                remedy=REBUILD,
            )
        return values

    def __enter__(self) -> "ClipStore":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        frames = sum(v.n_frames for v in self.videos.values())
        return (
            f"ClipStore({self.path.name}: {len(self.videos)} videos, {frames} frames, "
            f"{'+'.join(self.modalities)} {self.crop_px} px)"
        )


def open_store(path: Path | str) -> ClipStore:
    """Open a clip store for reading.

    Raises
    ------
    DatasetError
        Missing, truncated, no clip store, of another schema version or contradictory.
    """
    return ClipStore(Path(path))


def _check_dimension(dimension: str) -> None:
    if dimension not in DIMENSIONS:
        raise DatasetError(f"no dimension {dimension!r}: there are {', '.join(DIMENSIONS)}")


def _stream(name: str) -> str:
    if name not in STREAMS:
        raise DatasetError(f"no stream {name!r}: there are {', '.join(STREAMS)}")
    return name
