"""The statistics of a clip store: how much of whom, how the labels are spread, what is missing."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annotation.agreement import cc, percent_positive, zero_mean
from annotation.agreement_report import DimensionAgreement, describe_agreement
from annotation.trace import Trace
from capture.terminal import OnProgress

from ..splits import SPLITS
from ..store import ClipStore
from ..store_schema import DIMENSIONS, NO_FACE, REASONS, Dimension, VideoInfo

FORMAT = "mavfer-dataset-statistics"
N_BINS = 20
"""Steps of 0.1 from -1 to 1: those of a slider from -10 to 10, one by one."""
GRID_BINS = 21
QUADRANTS = ("+v +a", "-v +a", "-v -a", "+v -a")

Facts = dict[str, Any]


def measure(store: ClipStore, *, on_progress: OnProgress | None = None) -> Facts:
    """Count and describe everything in a store, as JSON values; reads no crops.

    Returns
    -------
    dict
        ``data set`` (the columns of Table II that data can tell), ``videos``, ``labels``
        (distributions), ``agreement`` (Table III, from the raters kept in the store), ``balance``,
        ``missing``.
    """
    videos, labels = {}, {}
    for done, video in enumerate(store.videos.values()):
        videos[video.id] = _measure_video(store, video)
        labels[video.id] = {d: store.labels(video.id, d) for d in DIMENSIONS}
        if on_progress is not None:
            on_progress(done + 1, len(store.videos))
    return {
        "format": FORMAT,
        "schema_version": 1,
        "store": {"name": store.path.name, "fingerprint": store.fingerprint},
        "data_set": _measure_data_set(store, videos),
        "videos": videos,
        "labels": _distributions(store, labels),
        "agreement": [_agreement(each) for each in describe_agreement(_traces(store))],
        "balance": _balance(store, labels),
        "missing": _sum_missing(videos),
    }


def known_pairs(store: ClipStore) -> NDArray[np.float64]:
    """Valence and arousal of every row that has both, (N, 2)."""
    pairs = [
        np.stack([store.labels(v, d) for d in ("valence", "arousal")], axis=1).astype(float)
        for v in store.videos
    ]
    joined = np.concatenate(pairs) if pairs else np.empty((0, 2))
    return joined[np.isfinite(joined).all(axis=1)]


def _measure_video(store: ClipStore, video: VideoInfo) -> Facts:
    times = store.time_ns(video.id)
    valid = store.valid(video.id)
    reason, source = store.reason(video.id), store.face_source(video.id)
    missing = Counter(REASONS[value] for value in reason[source == NO_FACE].tolist())
    return {
        "subject": video.subject,
        "split": video.split,
        "category": video.category or None,
        "frames": video.n_frames,
        "duration_s": _span_s(times),
        "valid_frames": {name: int(flags.sum()) for name, flags in valid.items()},
        "missing_faces": dict(sorted(missing.items())),
        "longest_gap_s": _longest_gap_s(valid["face"], times),
        "flags": {name: int(rows.sum()) for name, rows in store.flags(video.id).items()},
        "labelled_frames": {
            d: int(np.isfinite(store.labels(video.id, d)).sum()) for d in DIMENSIONS
        },
        "raters": len({trace.rater for trace in store.traces(video.id) if trace.rater}),
        "kind": video.kind,
    }


def _measure_data_set(store: ClipStore, videos: Facts) -> Facts:
    members = list(store.videos.values())
    durations = [facts["duration_s"] for facts in videos.values()]
    dimensional = any(sum(f["labelled_frames"].values()) for f in videos.values())
    kinds = [
        name
        for name, present in (
            ("dimensional", dimensional),
            ("categorical", any(video.category for video in members)),
        )
        if present
    ]
    return {
        "subjects": len({video.subject for video in members}),
        "videos": len(members),
        "frames": sum(video.n_frames for video in members),
        "duration_s": {
            "total": float(np.sum(durations)) if durations else 0.0,
            "shortest": float(np.min(durations)) if durations else 0.0,
            "longest": float(np.max(durations)) if durations else 0.0,
        },
        "annotation_type": kinds,
        "data_type": list(store.modalities),
        "rate_hz": store.rate_hz,
        "splits": {
            split: {
                "subjects": len({v.subject for v in members if v.split == split}),
                "videos": sum(v.split == split for v in members),
                "frames": sum(v.n_frames for v in members if v.split == split),
            }
            for split in SPLITS
        },
    }


def _distributions(store: ClipStore, labels: dict[str, dict[Dimension, NDArray[Any]]]) -> Facts:
    edges = np.linspace(-1, 1, N_BINS + 1)
    found: Facts = {"bin_edges": np.round(edges, 6).tolist()}
    for dimension in DIMENSIONS:
        columns = [labels[v][dimension].astype(float) for v in store.videos]
        known = [column[np.isfinite(column)] for column in columns]
        values = np.concatenate(known) if known else np.empty(0)
        centred = [zero_mean(column[None]) for column in known if len(column)]
        found[dimension] = {
            "frames": len(values),
            "mean": _number(values.mean()) if len(values) else None,
            "std": _number(values.std()) if len(values) else None,
            "min": _number(values.min()) if len(values) else None,
            "max": _number(values.max()) if len(values) else None,
            "percent_positive": _number(percent_positive(values)) if len(values) else None,
            "percent_positive_zero_mean": _number(percent_positive(np.concatenate(centred, axis=1)))
            if centred
            else None,
            "histogram": np.histogram(values, edges)[0].tolist(),
            "by_split": {
                split: np.histogram(
                    np.concatenate(
                        [np.empty(0)]
                        + [k for v, k in zip(store.videos.values(), known, strict=True)
                           if v.split == split]
                    ),
                    edges,
                )[0].tolist()
                for split in SPLITS
            },
        }  # fmt: skip
    pairs = known_pairs(store)
    grid = np.linspace(-1, 1, GRID_BINS + 1)
    found["valence_arousal"] = {
        "frames": len(pairs),
        "bin_edges": np.round(grid, 6).tolist(),
        "histogram": np.histogram2d(pairs[:, 0], pairs[:, 1], [grid, grid])[0].astype(int).tolist(),
        "correlation": _number(cc(pairs[:, 0], pairs[:, 1]))
        if len(pairs) > 1 and pairs.std(axis=0).all()
        else None,
    }
    return found


def _balance(store: ClipStore, labels: dict[str, dict[Dimension, NDArray[Any]]]) -> Facts:
    """Classes by split: quadrants of the plane by frames, categories by videos."""
    quadrants, categories = {}, {}
    for split in SPLITS:
        members = [video for video in store.videos.values() if video.split == split]
        counts: Counter[str] = Counter()
        for video in members:
            valence, arousal = labels[video.id]["valence"], labels[video.id]["arousal"]
            known = np.isfinite(valence) & np.isfinite(arousal)
            signs = zip(valence[known] > 0, arousal[known] > 0, strict=True)
            counts.update(_quadrant(bool(v), bool(a)) for v, a in signs)
        quadrants[split] = {name: counts[name] for name in QUADRANTS}
        categories[split] = dict(
            sorted(Counter(video.category for video in members if video.category).items())
        )
    return {"quadrants": quadrants, "categories": categories}


def _quadrant(positive: bool, active: bool) -> str:
    return f"{'+' if positive else '-'}v {'+' if active else '-'}a"


def _sum_missing(videos: Facts) -> Facts:
    frames = sum(facts["frames"] for facts in videos.values())
    valid: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    flags: Counter[str] = Counter()
    for facts in videos.values():
        valid.update(facts["valid_frames"])
        reasons.update(facts["missing_faces"])
        flags.update(facts["flags"])
    return {
        "frames": frames,
        "valid_percent": {
            n: _number(100 * k / frames) if frames else 0.0 for n, k in valid.items()
        },
        "faces_missing": frames - valid["face"],
        "by_reason": dict(sorted(reasons.items())),
        "flags": dict(flags),
        "longest_gap_s": max((facts["longest_gap_s"] for facts in videos.values()), default=0.0),
    }


def _traces(store: ClipStore) -> list[Trace]:
    found = []
    for video_id in store.videos:
        for trace in store.traces(video_id):
            known = np.isfinite(trace.value)
            if trace.rater and known.any():
                times, values = trace.time_ns[known], trace.value[known]
                found.append(Trace(video_id, trace.rater, trace.dimension, times, values))
    return found


def _agreement(report: DimensionAgreement) -> Facts:
    """Table III's columns and what they are made of."""
    teams: Sequence[Any] = report.teams
    weights = [team.n_moments for team in teams]
    return {
        "dimension": report.dimension,
        "percent_positive": _number(report.percent_positive_zero_mean),
        "correlation": _number(report.mean_cc),
        "correlation_across_sessions": _number(report.pooled_cc),
        "ccc": _number(report.mean_ccc),
        "alpha": _weighted([team.alpha_zero_mean for team in teams], weights),
        "teams": [
            {
                "raters": list(team.raters),
                "sessions": team.n_sessions,
                "alpha": _number(team.alpha_zero_mean),
            }
            for team in teams
        ],
        "pairs": report.n_pairs,
    }


def _weighted(values: Sequence[float], weights: Sequence[int]) -> float | None:
    known = np.isfinite(values)
    if not np.any(known):
        return None
    return _number(np.average(np.asarray(values)[known], weights=np.asarray(weights)[known]))


def _span_s(times: NDArray[np.int64]) -> float:
    """Time from the first row to the end of the last one, at the median step."""
    if len(times) < 2:
        return 0.0
    return float((times[-1] - times[0] + np.median(np.diff(times))) / 1e9)


def _longest_gap_s(face: NDArray[np.bool_], times: NDArray[np.int64]) -> float:
    """Longest time without a face: between those beside it, or the video's ends."""
    if not len(times):
        return 0.0
    seen = times[face]
    marks = np.concatenate([times[:1], seen, times[-1:]])
    return float(np.diff(marks).max() / 1e9) if not face.all() else 0.0


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
