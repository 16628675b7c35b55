"""One HTML file with crops, labels and traces of a clip store: nothing is loaded from elsewhere."""

import base64
import html
import json
import math
from collections.abc import Sequence
from importlib.resources import files
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from capture.terminal import OnProgress

from ..derived import DERIVED_MARK
from ..preview import depth_picture, thermal_picture
from ..store import ClipStore
from ..store_schema import DIMENSIONS, FACE_SOURCES, REASONS, StoreModality, VideoInfo

COLUMNS = 16
"""Crops in a row of a sheet, and rows of a sheet: larger pictures are slow to open."""
_JPEG_QUALITY = 82
_MOST_TRACE_POINTS = 2000


def render_page(
    store: ClipStore,
    video_ids: Sequence[str],
    *,
    most_frames: int,
    on_progress: OnProgress | None = None,
) -> str:
    """Return the page.

    Parameters
    ----------
    video_ids : sequence of str
    most_frames : int
        Crops in the page; of longer stores every n-th row's are shown, labels are whole.
    """
    total = sum(store.videos[v].n_frames for v in video_ids)
    step = max(math.ceil(total / most_frames), 1)
    videos = []
    for done, video_id in enumerate(video_ids):
        videos.append(_video(store, store.videos[video_id], step))
        if on_progress is not None:
            on_progress(done + 1, len(video_ids))
    left_out = len(store.videos) - len(video_ids)
    about = (
        f"{len(video_ids)} videos, {total} rows, {' + '.join(store.modalities)}. "
        + (f"Crops of every {step}th row. " if step > 1 else "")
        + (f"{left_out} videos left out. " if left_out else "")
        + f"Fingerprint {store.fingerprint[:12]}…"
    )
    data = {
        "about": about,
        "crop_px": store.crop_px,
        "modalities": list(store.modalities),
        "columns": COLUMNS,
        "sources": list(FACE_SOURCES),
        "reasons": list(REASONS),
        "videos": videos,
    }
    here = files(__package__)
    # "</script>" in a name would end the script that holds the data.
    text = json.dumps(data, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    page = here.joinpath("page.html").read_text(encoding="utf-8")
    for mark, content in (
        ("@TITLE@", html.escape(store.path.name)),
        ("@MARK@", DERIVED_MARK),
        ("@STYLE@", here.joinpath("page.css").read_text(encoding="utf-8")),
        ("@SCRIPT@", here.joinpath("page.js").read_text(encoding="utf-8")),
        ("@DATA@", text),  # last: what is in it is not looked through for marks
    ):
        page = page.replace(mark, content)
    return page


def _video(store: ClipStore, video: VideoInfo, step: int) -> dict[str, Any]:
    valid = store.valid(video.id)
    face = valid["face"]
    labels = {d: _rounded(store.labels(video.id, d)) for d in DIMENSIONS}
    percent = round(100 * float(face.mean()), 1) if len(face) else 0.0
    facts = [
        f"{video.subject}, {video.split}",
        video.category,
        f"{video.n_frames} rows",
        f"face {percent} %",
        f"lag of {video.label_lag_ns / 1e9:g} s taken out" if video.label_lag_ns else "",
        video.kind,
        video.source,
    ]
    return {
        "id": video.id,
        "subject": video.subject,
        "split": video.split,
        "category": video.category,
        "facts": " · ".join(filter(None, facts)),
        "face_percent": percent,
        "step": step,
        "time_s": np.round(store.time_ns(video.id) / 1e9, 4).tolist(),
        **{
            d: values if any(v is not None for v in values) else None
            for d, values in labels.items()
        },
        "valid": {name: flags.astype(int).tolist() for name, flags in valid.items()},
        "face_source": store.face_source(video.id).tolist(),
        "reason": store.reason(video.id).tolist(),
        "confidence": _rounded(store.confidence(video.id)),
        "flags": {
            name: rows.astype(int).tolist()
            for name, rows in store.flags(video.id).items()
            if rows.any()
        },
        "raters": _raters(store, video),
        "sheets": {m: _sheets(store, video, m, step) for m in store.modalities},
    }


def _raters(store: ClipStore, video: VideoInfo) -> dict[str, dict[str, Any]]:
    """Traces of single raters, shifted as the gold labels are, thinned to what a plot shows."""
    found: dict[str, dict[str, Any]] = {d: {} for d in DIMENSIONS}
    for trace in store.traces(video.id):
        if not trace.rater:
            continue
        every = max(math.ceil(len(trace.time_ns) / _MOST_TRACE_POINTS), 1)
        found[trace.dimension][trace.rater] = {
            "time_s": np.round((trace.time_ns[::every] - video.label_lag_ns) / 1e9, 3).tolist(),
            "value": _rounded(trace.value[::every]),
        }
    return {dimension: raters for dimension, raters in found.items() if raters}


def _sheets(store: ClipStore, video: VideoInfo, modality: StoreModality, step: int) -> list[str]:
    """Crops of every `step`-th row, a square of them a JPEG, as data addresses."""
    rows = range(0, video.n_frames, step)
    return [
        _sheet(store, video.id, modality, rows[first : first + COLUMNS**2])
        for first in range(0, len(rows), COLUMNS**2)
    ]


def _sheet(store: ClipStore, video_id: str, modality: StoreModality, rows: range) -> str:
    size = store.crop_px
    sheet = np.zeros((math.ceil(len(rows) / COLUMNS) * size, COLUMNS * size, 3), np.uint8)
    for at, row in enumerate(rows):
        y, x = (size * place for place in divmod(at, COLUMNS))
        crop = store.read(video_id, row, 1, modality)[0]
        sheet[y : y + size, x : x + size] = _picture(crop, modality)
    bgr = cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR)
    _, jpeg = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg.tobytes()).decode('ascii')}"


def _picture(crop: NDArray[Any], modality: StoreModality) -> NDArray[np.uint8]:
    if modality == "color":
        return cast(NDArray[np.uint8], crop)
    return depth_picture(crop) if modality == "depth" else thermal_picture(crop)


def _rounded(values: NDArray[Any]) -> list[float | None]:
    return [round(float(v), 4) if np.isfinite(v) else None for v in values]
