"""What training minimises."""

import torch
from torch import Tensor

_EPSILON = 1e-8


def concordance(predicted: Tensor, gold: Tensor) -> Tensor:
    """CCC of each column of (B, K) with population moments, differentiable; (K,)."""
    predicted_mean, gold_mean = predicted.mean(0), gold.mean(0)
    p, g = predicted - predicted_mean, gold - gold_mean
    spread = (p * p + g * g).mean(0) + (predicted_mean - gold_mean) ** 2
    return 2 * (p * g).mean(0) / (spread + _EPSILON)


def regression_loss(predicted: Tensor, gold: Tensor, *, ccc_weight: float) -> Tensor:
    """Mean squared error (eq. 5) plus, where asked for, ccc_weight · (1 - CCC of the batch).

    Parameters
    ----------
    predicted, gold : (B, K) float
    """
    squared = torch.mean((predicted - gold) ** 2)
    if not ccc_weight:
        return squared
    return squared + ccc_weight * (1 - concordance(predicted, gold)).mean()
