"""How near gold labels come to a truth that only simulated sessions have."""

from collections.abc import Sequence

import numpy as np

from annotation.agreement import cc, ccc, rmse
from annotation.labels import Labels
from annotation.trace import DIMENSIONS, Dimension
from capture.session import Session

from .simulate import read_truth


def truth_scores(
    sessions: Sequence[Session], labels: Labels, *, lag_s: float = 0.0
) -> dict[Dimension, dict[str, float]]:
    """Compare labels with what the simulated subjects felt, over all sessions together.

    Parameters
    ----------
    sessions : sequence of Session
        Simulated; those without labels do not count.
    labels : Labels
    lag_s : float
        Reaction time of the raters that is taken out of the labels.

    Returns
    -------
    dict of dimension to dict
        ``n_moments``, ``rmse``, ``cc`` and ``ccc``; NaN where undefined.
    """
    found: dict[Dimension, list[np.ndarray[tuple[int, int], np.dtype[np.float64]]]] = {
        dimension: [] for dimension in DIMENSIONS
    }
    for session in sessions:
        if session.id not in labels:
            continue
        for truth in read_truth(session):
            said = labels.at(session.id, truth.dimension, truth.time_ns + round(lag_s * 1e9))
            found[truth.dimension].append(np.stack([truth.value, said]))
    scores: dict[Dimension, dict[str, float]] = {}
    for dimension, parts in found.items():
        felt, said = np.concatenate(parts, axis=1) if parts else np.empty((2, 0))
        scores[dimension] = {
            "n_moments": int(np.sum(np.isfinite(said))),
            "rmse": rmse(felt, said),
            "cc": cc(felt, said),
            "ccc": ccc(felt, said),
        }
    return scores
