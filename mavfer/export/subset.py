"""Which videos of a store may be used for a purpose, and a store of only those."""

import json
from datetime import date
from pathlib import Path
from typing import Any

from capture.files import atomic_output, require_free_space

from ..consent import Purpose, refusal
from ..errors import DatasetError
from ..provenance import without_names
from ..store import ClipStore
from ..store_assembly import rewrite_store
from ..store_file import open_hdf5
from ..store_writer import SPARE_BYTES


def usable_videos(
    store: ClipStore, purpose: Purpose, *, today: date | None = None
) -> tuple[list[str], dict[str, str]]:
    """Separate videos that may be used for `purpose` from those that may not, with the reason."""
    day = today or date.today()  # noqa: DTZ011 - the subject's calendar day
    reasons = {
        video.id: refusal(video.consent, purpose, today=day) for video in store.videos.values()
    }
    refused = {video_id: reason for video_id, reason in reasons.items() if reason is not None}
    return [video_id for video_id in reasons if video_id not in refused], refused


def require_usable(store: ClipStore, purpose: Purpose) -> None:
    """Refuse a store that holds a video which may not be used for `purpose`."""
    _, refused = usable_videos(store, purpose)
    if refused:
        video_id, reason = next(iter(refused.items()))
        raise DatasetError(
            f"{store.path}: {len(refused)} of {len(store.videos)} videos may not be used for "
            f"{purpose} (video {video_id}: {reason})",
            remedy=f"mavfer export store … --purpose {purpose} leaves them out",
        )


def export_store(
    store: ClipStore, path: Path, purpose: Purpose, *, overwrite: bool = False
) -> dict[str, str]:
    """Write a store of the videos that may be used for `purpose`; nothing names the others.

    Returns
    -------
    dict of video id to str
        What was left out, and why.

    Raises
    ------
    DatasetError
        No video may be used so.
    """
    keep, refused = usable_videos(store, purpose)
    if not keep:
        raise DatasetError(
            f"{store.path}: no video may be used for {purpose} "
            f"({', '.join(sorted(set(refused.values())))})"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    require_free_space(path.parent, store.path.stat().st_size + SPARE_BYTES)
    videos = store.videos
    gone, staying = (
        {name for v in ids for name in (v, videos[v].subject, videos[v].source)}
        for ids in (refused, keep)
    )
    with atomic_output(path, overwrite=overwrite) as partial, open_hdf5(store.path) as source:
        provenance: dict[str, Any] = json.loads(source.attrs["provenance"])
        kept = without_names(provenance, gone, staying=staying, instead="(left out)")
        rewrite_store(source, partial, keep, provenance={**kept, "purpose": purpose})
    return refused
