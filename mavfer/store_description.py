"""A clip store summarised for people."""

from pathlib import Path
from typing import Any

import numpy as np

from .splits import SPLITS
from .store import ClipStore, open_store
from .store_schema import FORMAT, SCHEMA_VERSION


def describe_store(path: Path | str) -> dict[str, Any]:
    """Summarise a clip store for people: counts, splits, validity, stats, provenance (JSON)."""
    with open_store(path) as store:
        videos = {}
        for video in store.videos.values():
            valid = {
                k: float(v.mean()) if len(v) else 0.0 for k, v in store.valid(video.id).items()
            }
            labelled = np.isfinite(store.labels(video.id, "valence"))
            videos[video.id] = {
                "subject": video.subject,
                "split": video.split,
                **({"category": video.category} if video.category else {}),
                "kind": video.kind,
                "frames": video.n_frames,
                "labelled_frames": int(labelled.sum()),
                **_raters(store, video.id),
                **{f"{name}_percent": round(100 * share, 2) for name, share in valid.items()},
            }
        members = {s: [v for v in store.videos.values() if v.split == s] for s in SPLITS}
        return {
            "format": FORMAT,
            "schema_version": SCHEMA_VERSION,
            "software_version": store.software_version,
            "fingerprint": store.fingerprint,
            "modalities": list(store.modalities),
            "crop_px": store.crop_px,
            "clip_length": store.clip_length,
            "rate_hz": store.rate_hz,
            "landmarks": store.landmarks,
            "frames": sum(v.n_frames for v in store.videos.values()),
            "splits": {
                s: {
                    "videos": len(member),
                    "subjects": len({v.subject for v in member}),
                    "frames": sum(v.n_frames for v in member),
                    "clips": len(store.clips(s, stride_frames=store.clip_length)),
                }
                for s, member in members.items()
            },
            "videos": videos,
            "stats": dict(store.stats),
            "provenance": dict(store.provenance),
        }


def _raters(store: ClipStore, video_id: str) -> dict[str, Any]:
    """Say what of single raters is kept, and what was done to the labels; nothing if nothing."""
    raters = {trace.rater for trace in store.traces(video_id) if trace.rater}
    lag_ns = store.videos[video_id].label_lag_ns
    return {
        **({"raters": len(raters)} if raters else {}),
        **({"label_lag_s": lag_ns / 1e9} if lag_ns else {}),
    }
