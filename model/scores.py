"""RMSE, CC and CCC, or accuracy, of predictions as plain numbers that fit into JSON."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from annotation.agreement import cc, ccc, rmse

from .config import CATEGORY, ModelConfig

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


def score_categories(logits: NDArray[np.floating], gold: NDArray[np.floating]) -> Scores:
    """Compare (N, K) logits with (N,) numbers of categories; NaN does not count.

    Returns
    -------
    dict
        ``n``, ``accuracy``, ``uar`` (recall averaged over the categories there are) and ``sd``,
        the sd of the categories' probabilities over clips, averaged.
    """
    known = np.isfinite(gold) & np.isfinite(logits).all(-1)
    if not known.any():
        return {"n": 0, "accuracy": None, "uar": None, "sd": None}
    scores, number = logits[known].astype(np.float64), gold[known].astype(np.int64)
    right = scores.argmax(-1) == number
    recalls = [right[number == k].mean() for k in np.unique(number)]
    likely = np.exp(scores - scores.max(-1, keepdims=True))
    likely /= likely.sum(-1, keepdims=True)
    return {
        "n": len(number),
        "accuracy": float(right.mean()),
        "uar": float(np.mean(recalls)),
        "sd": float(likely.std(0).mean()),
    }


def confusion(logits: NDArray[np.floating], gold: NDArray[np.floating]) -> NDArray[np.int64]:
    """Count (N, K) logits against (N,) numbers of categories: (K, K), gold by predicted."""
    known = np.isfinite(gold) & np.isfinite(logits).all(-1)
    table = np.zeros((logits.shape[-1],) * 2, np.int64)
    np.add.at(table, (gold[known].astype(np.int64), logits[known].argmax(-1)), 1)
    return table


def score_clips(
    predicted: NDArray[np.floating], gold: NDArray[np.floating], config: ModelConfig
) -> dict[str, Scores]:
    """Score what a network said about clips, (N, K) or (N, T, K), by the name of its output."""
    if config.categorical:
        flat = predicted.reshape(-1, predicted.shape[-1])
        return {CATEGORY: score_categories(flat, gold.reshape(-1))}
    n_columns = len(config.outputs)
    return score_outputs(
        predicted.reshape(-1, n_columns), gold.reshape(-1, n_columns), config.outputs
    )
