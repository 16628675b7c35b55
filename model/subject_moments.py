"""Pooled CCC put together from what each subject contributes: what resampling subjects needs."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from .evaluation import Evaluation, VideoPrediction

Moments = Mapping[str, Sequence[float]]
"""By subject: n, Σp, Σg, Σp², Σg², Σpg of its frames with predictions p and gold g."""
N_MOMENTS = 6
WHOLE = ""
"""Key of all frames, beside those of the groups, as "light dim"."""


def subject_moments(evaluation: Evaluation) -> dict[str, dict[str, dict[str, list[float]]]]:
    """Return `Moments` by output, then by group; empty for categories."""
    if evaluation.categorical:
        return {}
    parts = {WHOLE: list(evaluation.videos)}
    for group, members in evaluation.groups.items():
        for video in evaluation.videos:
            names = members.get(video.video_id, np.empty(0, np.str_))
            for name in sorted(set(names.tolist()) - {""}):
                parts.setdefault(f"{group} {name}", []).append(video.frames(names == name))
    return {
        output: {key: _by_subject(videos, k) for key, videos in sorted(parts.items())}
        for k, output in enumerate(evaluation.outputs)
    }


def _by_subject(videos: Sequence[VideoPrediction], k: int) -> dict[str, list[float]]:
    total: dict[str, NDArray[np.float64]] = {}
    for video in videos:
        own = _moments(video.predicted[:, k], video.gold[:, k])
        total[video.subject] = total.get(video.subject, np.zeros(N_MOMENTS)) + own
    return {subject: values.tolist() for subject, values in sorted(total.items())}


def _moments(predicted: NDArray[np.floating], gold: NDArray[np.floating]) -> NDArray[np.float64]:
    known = np.isfinite(predicted) & np.isfinite(gold)
    p, g = predicted[known].astype(np.float64), gold[known].astype(np.float64)
    return np.array([len(p), p.sum(), g.sum(), p @ p, g @ g, p @ g])


def ccc_of_moments(moments: NDArray[np.float64]) -> NDArray[np.float64]:
    """CCC (population moments) of summed moments, (6,) or (N, 6); NaN where undefined."""
    n, sum_p, sum_g, sum_pp, sum_gg, sum_pg = moments.T
    with np.errstate(divide="ignore", invalid="ignore"):
        mean_p, mean_g = sum_p / n, sum_g / n
        spread = sum_pp / n - mean_p**2 + sum_gg / n - mean_g**2 + (mean_p - mean_g) ** 2
        together = sum_pg / n - mean_p * mean_g
        return np.where((n > 0) & (spread > 0), 2 * together / spread, np.nan)
