"""The browser's folder: the page and the contact sheets."""

from pathlib import Path

import cv2

from capture.terminal import OnProgress

from ..consent import Purpose
from ..derived import DERIVED_MARK, png_with_text
from ..errors import DatasetError
from ..export.subset import usable_videos
from ..output_folder import output_folder
from ..preview import contact_sheet
from ..store import ClipStore
from .page import render_page

PAGE_NAME = "index.html"
_VIDEOS_A_SHEET = 24
_SHEET_NAMES = tuple(f"contact-{'[0-9]' * digits}.png" for digits in (3, 4))


def write_browser(
    store: ClipStore,
    folder: Path,
    *,
    purpose: Purpose = "train",
    most_frames: int = 6000,
    overwrite: bool = False,
    on_progress: OnProgress | None = None,
) -> tuple[list[Path], dict[str, str]]:
    """Write page and contact sheets into `folder`, the page last: with it, they are all there.

    Returns
    -------
    list of Path
        The page, then the sheets.
    dict of video id to str
        What consent leaves out, and why.

    Raises
    ------
    OutputExistsError
        `folder` holds such files and `overwrite` is false.
    DatasetError
        Nothing may be shown.
    """
    if most_frames < 1:
        raise DatasetError(f"{most_frames} frames in the page: at least 1")
    video_ids, refused = usable_videos(store, purpose)
    if not video_ids:
        raise DatasetError(f"{store.path}: no video may be shown for {purpose}")
    names = [PAGE_NAME]
    with output_folder(
        folder, names=(PAGE_NAME, *_SHEET_NAMES), last=PAGE_NAME, overwrite=overwrite
    ) as made:
        page = render_page(store, video_ids, most_frames=most_frames, on_progress=on_progress)
        (made / PAGE_NAME).write_text(page, encoding="utf-8")
        for start in range(0, len(video_ids), _VIDEOS_A_SHEET):
            members = video_ids[start : start + _VIDEOS_A_SHEET]
            names.append(f"contact-{start // _VIDEOS_A_SHEET:03d}.png")
            (made / names[-1]).write_bytes(sheet_png(store, members))
    return [folder / name for name in names], refused


def sheet_png(store: ClipStore, video_ids: list[str]) -> bytes:
    """Draw a contact sheet, marked with whose pictures it holds."""
    sheet = contact_sheet(store, video_ids)
    _, png = cv2.imencode(".png", cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))
    return png_with_text(png.tobytes(), "Comment", f"{DERIVED_MARK} {' '.join(video_ids)}")
