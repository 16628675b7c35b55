"""RMSE, CC and CCC of predictions as plain numbers that fit into JSON."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from annotation.agreement import cc, ccc, rmse

CONSTANT_SD = 0.05
"""Predictions that spread less than this on [-1, 1] say the same about everything."""

Scores = dict[str, float | None]


def score(predicted: NDArray[np.floating], gold: NDArray[np.floating]) -> Scores:
    """Compare (N,) predictions with (N,) labels; pairs with NaN do not count.

    Returns
    -------
    dict
        ``n``, ``rmse``, ``cc``, ``ccc`` (population moments) and the ``sd`` of the predictions;
        None where undefined.
    """
    known = np.isfinite(predicted) & np.isfinite(gold)
    p, g = predicted[known].astype(np.float64), gold[known].astype(np.float64)
    values = {"rmse": rmse(p, g), "cc": cc(p, g), "ccc": ccc(p, g)}
    values["sd"] = float(np.std(p)) if len(p) else math.nan
    return {"n": len(p)} | {k: v if math.isfinite(v) else None for k, v in values.items()}


def score_outputs(
    predicted: NDArray[np.floating], gold: NDArray[np.floating], outputs: Sequence[str]
) -> dict[str, Scores]:
    """Score every column of (N, K) arrays by the name of its output."""
    return {name: score(predicted[:, k], gold[:, k]) for k, name in enumerate(outputs)}
