from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from model.config import ModelConfig, TrainConfig
from model.errors import ModelError
from model.losses import check_loss, concordance, training_loss

MODEL = ModelConfig("uran", ("color",))
CATEGORIES = ModelConfig("uran", ("color",), ("category",), categories=("calm", "tense", "glad"))
X, Y = torch.tensor([[0.0], [1], [2], [3]]), torch.tensor([[1.0], [3], [2], [6]])


def loss(x: Tensor, y: Tensor, **changes: object) -> float:
    return training_loss(x, y, MODEL, TrainConfig(**changes)).item()


def test_the_ccc_of_a_single_clip_is_no_loss() -> None:
    single = TrainConfig(loss="ccc", batch_size=1)
    score = torch.tensor([[0.3]], requires_grad=True)
    training_loss(score, torch.tensor([[0.5]]), MODEL, single).backward()
    assert score.grad is not None
    assert score.grad.item() == 0
    with pytest.raises(ModelError, match=r"batch_size 1.*2 or more"):
        check_loss(MODEL, single)
    # The frames of one clip differ, and categories have their own loss.
    check_loss(replace(MODEL, label="frames"), single)
    check_loss(CATEGORIES, single)
    check_loss(MODEL, replace(single, batch_size=2))


def test_concordance_against_the_numpy_definition() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 50))
    cov = np.cov(x, y, ddof=0)
    expected = 2 * cov[0, 1] / (cov[0, 0] + cov[1, 1] + (x.mean() - y.mean()) ** 2)
    ours = concordance(torch.from_numpy(x)[:, None], torch.from_numpy(y)[:, None]).item()
    assert ours == pytest.approx(expected, abs=1e-7)
    assert concordance(X, Y).item() == pytest.approx(0.5)


def test_regression_losses_by_hand() -> None:
    # Errors 1, 2, 0, 3.
    assert loss(X, Y) == pytest.approx(3.5)
    assert loss(X, Y, ccc_weight=0.3) == pytest.approx(3.5 + 0.3 * 0.5)
    assert loss(X, Y, loss="l1") == pytest.approx(1.5)
    assert loss(X, Y, loss="ccc") == pytest.approx(0.5)
    assert loss(X, Y, loss="epsilon", epsilon=1.5) == pytest.approx((0.5 + 1.5) / 4)


def test_errors_within_epsilon_have_no_gradient() -> None:
    x = X.clone().requires_grad_()
    training_loss(x, Y, MODEL, TrainConfig(loss="epsilon", epsilon=1.5)).backward()
    assert x.grad is not None
    assert x.grad[:, 0].tolist() == [0, -0.25, 0, -0.25]


def test_frames_without_a_label_do_not_count() -> None:
    frames, gold = X.reshape(2, 2, 1), Y.reshape(2, 2, 1).clone()
    assert loss(frames, gold) == pytest.approx(3.5)
    gold[1, 1] = torch.nan
    assert loss(frames, gold) == pytest.approx(5 / 3)


def test_categories_are_scored_by_cross_entropy() -> None:
    logits = torch.tensor([[1.0, 2.0, 0.0], [0.0, 0.0, 5.0], [3.0, 0.0, 0.0]])
    category = torch.tensor([[1.0], [2.0], [torch.nan]])
    p = torch.softmax(logits, 1)
    expected = -(p[0, 1].log() + p[1, 2].log()) / 2
    ours = training_loss(logits, category, CATEGORIES, TrainConfig())
    torch.testing.assert_close(ours, expected)
