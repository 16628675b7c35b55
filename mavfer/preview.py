"""A contact sheet of a clip store: what the aligned crops look like."""

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from capture.files import atomic_output

from .derived import DERIVED_MARK, png_with_text
from .store import ClipStore, open_store

_MAX_VIDEOS = 24
_MOMENTS_PER_VIDEO = 4
_GAP_PX = 4
_LABEL_PX = 14
_DEPTH_RANGE_MM = 120
"""Nearer and farther than this from the face's median depth is drawn alike."""
_THERMAL_RANGE_COUNTS = 200
"""Below the warmest skin, 8 K: the face fills the color map, the room is dark."""
_WARMEST_PERCENTILE = 99.0
_BACKGROUND = 40

Picture = NDArray[np.uint8]


def write_contact_sheet(store_path: Path, path: Path, *, overwrite: bool = False) -> None:
    """Draw the store's contact sheet into the PNG file `path`."""
    with open_store(store_path) as store:
        sheet = contact_sheet(store)
        about = f"{DERIVED_MARK} {' '.join(store.videos)}"
    _, png = cv2.imencode(".png", cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))
    with atomic_output(path, overwrite=overwrite) as partial:
        partial.write_bytes(png_with_text(png.tobytes(), "Comment", about))


def contact_sheet(store: ClipStore, video_ids: Sequence[str] | None = None) -> Picture:
    """Draw videos as rows and moments as columns, the modalities of a moment side by side.

    Crops without a detected face have a red frame.

    Parameters
    ----------
    video_ids : sequence of str, optional
        Default: at most 24 of the store, evenly chosen.

    Returns
    -------
    (H, W, 3) uint8 RGB
    """
    ids = [video.id for video in store.videos.values() if video.n_frames]
    chosen = [ids[i] for i in _spread(len(ids), _MAX_VIDEOS)]
    if video_ids is not None:
        chosen = [video_id for video_id in video_ids if store.videos[video_id].n_frames]
    rows = [_video_row(store, video_id) for video_id in chosen]
    if not rows:
        return np.full((store.crop_px, store.crop_px, 3), _BACKGROUND, np.uint8)
    width = max(row.shape[1] for row in rows)
    return np.concatenate(
        [np.pad(r, ((0, 0), (0, width - r.shape[1]), (0, 0)), constant_values=40) for r in rows]
    )


def moment_picture(store: ClipStore, video_id: str, row: int) -> Picture:
    """Draw the crops of one moment side by side, (H, W, 3) uint8 RGB."""
    return np.concatenate(_moment_pictures(store, video_id, row), axis=1)


def depth_picture(crop_mm: NDArray[np.uint16]) -> Picture:
    """Color a depth crop (H, W) round its median: near is yellow, invalid black; RGB."""
    valid = crop_mm > 0
    middle = float(np.median(crop_mm[valid])) if valid.any() else 0.0
    towards = 0.5 + (middle - crop_mm.astype(np.float32)) / (2 * _DEPTH_RANGE_MM)
    return _colored(towards, valid, cv2.COLORMAP_VIRIDIS)


def thermal_picture(crop_counts: NDArray[np.uint16]) -> Picture:
    """Color a thermal crop (H, W) down from its warmest skin; invalid is black; RGB."""
    valid = crop_counts > 0
    warmest = float(np.percentile(crop_counts[valid], _WARMEST_PERCENTILE)) if valid.any() else 0.0
    warmth = 1 - (warmest - crop_counts.astype(np.float32)) / _THERMAL_RANGE_COUNTS
    return _colored(warmth, valid, cv2.COLORMAP_INFERNO)


def _moment_pictures(store: ClipStore, video_id: str, row: int) -> list[Picture]:
    pictures = []
    for modality in store.modalities:
        crop = store.read(video_id, row, 1, modality)[0]
        if modality == "color":
            pictures.append(cast(Picture, crop).copy())
        elif modality == "depth":
            pictures.append(depth_picture(cast(NDArray[np.uint16], crop)))
        else:
            pictures.append(thermal_picture(cast(NDArray[np.uint16], crop)))
    return pictures


def _video_row(store: ClipStore, video_id: str) -> Picture:
    video = store.videos[video_id]
    faces = store.valid(video_id)["face"]
    cells = []
    for row in _spread(video.n_frames, _MOMENTS_PER_VIDEO):
        for picture in _moment_pictures(store, video_id, row):
            if not faces[row]:
                cv2.rectangle(picture, (0, 0), (store.crop_px - 1,) * 2, (220, 40, 40), 2)
            cells.append(np.pad(picture, ((0, 0), (0, 1), (0, 0))))
        cells.append(np.full((store.crop_px, _GAP_PX, 3), _BACKGROUND, np.uint8))
    strip = np.concatenate(cells, axis=1)
    caption = np.full((_LABEL_PX, strip.shape[1], 3), _BACKGROUND, np.uint8)
    text = f"{video_id}  {video.split}  face {100 * faces.mean():.0f} %"
    ascii_text = text.encode("ascii", "replace").decode()
    cv2.putText(
        caption, ascii_text, (3, 10), cv2.FONT_HERSHEY_SIMPLEX, 0.35, (230,) * 3, 1, cv2.LINE_AA
    )
    return np.concatenate([caption, strip])


def _colored(share: NDArray[np.floating], valid: NDArray[np.bool_], colormap: int) -> Picture:
    grey = (np.clip(share, 0, 1) * 255).astype(np.uint8)
    picture = cast(Picture, cv2.cvtColor(cv2.applyColorMap(grey, colormap), cv2.COLOR_BGR2RGB))
    picture[~valid] = 0
    return picture


def _spread(n: int, at_most: int) -> list[int]:
    """Return up to `at_most` indices spread evenly over range(n)."""
    count = min(n, at_most)
    return [int((i + 0.5) * n / count) for i in range(count)]
