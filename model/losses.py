"""What training minimises."""

import torch
from torch import Tensor
from torch.nn import functional

from .config import ModelConfig, TrainConfig
from .errors import ModelError

_EPSILON = 1e-8


def concordance(predicted: Tensor, gold: Tensor) -> Tensor:
    """CCC of each column of (B, K) with population moments, differentiable; (K,)."""
    predicted_mean, gold_mean = predicted.mean(0), gold.mean(0)
    p, g = predicted - predicted_mean, gold - gold_mean
    spread = (p * p + g * g).mean(0) + (predicted_mean - gold_mean) ** 2
    return 2 * (p * g).mean(0) / (spread + _EPSILON)


def check_loss(model: ModelConfig, train: TrainConfig) -> None:
    """Refuse a loss that has no gradient: the CCC of a single score is 0 whatever it is."""
    single = train.batch_size == 1 and model.label != "frames"
    if train.loss == "ccc" and single and not model.categorical:
        raise ModelError(
            "loss ccc with batch_size 1: the CCC of one clip does not depend on the network",
            remedy="use a batch_size of 2 or more, or another loss",
        )


def training_loss(
    predicted: Tensor,
    gold: Tensor,
    model: ModelConfig,
    train: TrainConfig,
    *,
    own: Tensor | None = None,
) -> Tensor:
    """Return what a step minimises.

    Parameters
    ----------
    predicted : (B, K) or (B, T, K) float
        Scores, or logits of K categories.
    gold : (B, K) or (B, T, K) float
        NaN where a frame has no label. Categories: (B, 1) or (B, T, 1), the number of the
        category.
    model : ModelConfig
    train : TrainConfig
        ``loss``, ``epsilon``, ``ccc_weight``, ``own_weight``.
    own : (B, M, K) or (B, M, T, K) float, optional
        What each modality says by itself, NaN where a clip lacks it. Each is held to the gold
        labels, too, so that none rests while the others learn.
    """
    loss = _loss(predicted, gold, model, train)
    if own is None or not train.own_weight:
        return loss
    terms = []
    for each in own.unbind(1):
        present = torch.isfinite(each).all(-1, keepdim=True)
        gold_here = torch.where(present, gold, torch.nan)
        if torch.isfinite(gold_here).all(-1).any():
            terms.append(_loss(each, gold_here, model, train))
    return loss + train.own_weight * torch.stack(terms).mean() if terms else loss


def _loss(predicted: Tensor, gold: Tensor, model: ModelConfig, train: TrainConfig) -> Tensor:
    if model.categorical:
        return _cross_entropy(predicted.flatten(0, -2), gold.flatten())
    predicted, gold = predicted.flatten(0, -2), gold.flatten(0, -2)
    labelled = torch.isfinite(gold).all(-1)
    predicted, gold = predicted[labelled], gold[labelled]
    if train.loss == "ccc":
        return (1 - concordance(predicted, gold)).mean()
    error = predicted - gold
    if train.loss == "l1":
        loss = error.abs().mean()
    elif train.loss == "epsilon":
        loss = (error.abs() - train.epsilon).clamp_min(0).mean()
    else:
        loss = (error * error).mean()
    if train.ccc_weight:
        loss = loss + train.ccc_weight * (1 - concordance(predicted, gold)).mean()
    return loss


def _cross_entropy(logits: Tensor, category: Tensor) -> Tensor:
    labelled = torch.isfinite(category)
    return functional.cross_entropy(logits[labelled], category[labelled].long())
