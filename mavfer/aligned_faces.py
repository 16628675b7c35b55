"""Aligning the faces of some rows, from those of the rows round them.

Smoothing and the filling of gaps look a little into the past and the future; no further than
`reach_ns`, so crops can be cut as soon as the faces that near are found.
"""

from dataclasses import fields, replace

import numpy as np
from numpy.typing import NDArray

from .alignment import REACH_S, align, smooth_alignment
from .sources import FaceTrack
from .store_schema import FACE_INTERPOLATED, NO_COLOR_FRAME, NO_FACE, UNREADABLE
from .store_writer import StoreLayout


def reach_ns(fill_gaps_s: float) -> int:
    """How far away a face may be that an alignment follows from: over a gap, then smoothing."""
    return round((fill_gaps_s + REACH_S) * 1e9) + 1


def align_faces(
    track: FaceTrack,
    time_ns: NDArray[np.int64],
    layout: StoreLayout,
    *,
    fill_gaps_s: float,
) -> tuple[FaceTrack, NDArray[np.float64]]:
    """Align faces, smooth over time and fill short gaps.

    Rows less than `reach_ns` from either end are right only if no rows lie beyond it.

    Parameters
    ----------
    track : FaceTrack
    time_ns : (N,) int64
        Times of the rows of `track`.

    Returns
    -------
    FaceTrack
        With the rows that were filled.
    T_crop_color : (N, 2, 3) float64
        NaN where there is nothing to cut.
    """
    track = replace(
        track, face_source=track.face_source.copy(), landmarks_px=track.landmarks_px.copy()
    )
    aligned = np.full((len(time_ns), 2, 3), np.nan)
    for row in np.flatnonzero(track.face_source != NO_FACE):
        aligned[row] = align(track.landmarks_px[row], layout.landmarks, crop_px=layout.crop_px)
    T_crop_color = smooth_alignment(
        aligned, time_ns, crop_px=layout.crop_px, fill_gaps_s=fill_gaps_s
    )
    imageless = np.isin(track.reason, (NO_COLOR_FRAME, UNREADABLE))
    T_crop_color[imageless] = np.nan  # nothing to cut from
    filled = np.isfinite(T_crop_color[:, 0, 0]) & (track.face_source == NO_FACE)
    track.face_source[filled] = FACE_INTERPOLATED
    _interpolate_landmarks(track, filled, time_ns)
    return track, T_crop_color


def join_tracks(tracks: list[FaceTrack]) -> FaceTrack:
    """Put tracks of rows that follow each other together."""
    return FaceTrack(
        **{f.name: np.concatenate([getattr(t, f.name) for t in tracks]) for f in fields(FaceTrack)}
    )


def rows_of_track(track: FaceTrack, rows: slice) -> FaceTrack:
    """Take some rows out of a track."""
    return FaceTrack(**{f.name: getattr(track, f.name)[rows] for f in fields(FaceTrack)})


def _interpolate_landmarks(
    track: FaceTrack, filled: NDArray[np.bool_], time_ns: NDArray[np.int64]
) -> None:
    found = np.flatnonzero(np.isfinite(track.landmarks_px[:, 0, 0]))
    for row in np.flatnonzero(filled):
        after = int(np.searchsorted(found, row))
        a, b = found[after - 1], found[after]
        share = (time_ns[row] - time_ns[a]) / (time_ns[b] - time_ns[a])
        between = (1 - share) * track.landmarks_px[a] + share * track.landmarks_px[b]
        track.landmarks_px[row] = between
