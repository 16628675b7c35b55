import numpy as np
import pytest
import torch

from model.architectures import construct
from model.errors import ModelError
from model.ridge import RidgeRegression
from tests.model.test_architectures import clips, tiny


def network(**changes: object) -> RidgeRegression:
    built = construct(tiny("ridge", **changes))
    assert isinstance(built, RidgeRegression)
    return built


@pytest.mark.parametrize("n_clips", [12, 4000])
def test_the_solution_is_the_minimum_of_the_penalised_squares(n_clips: int) -> None:
    # Fewer and more clips than features: two systems, one solution.
    ridge = network(modalities=("depth",))
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(n_clips, 24 * 24, generator=generator).double()
    gold = torch.rand(n_clips, 1, generator=generator).double() - 0.5
    ridge.double().fit(features, gold, penalties=[50.0])

    x, y = features.numpy(), gold.numpy()
    z = (x - x.mean(0)) / x.std(0)
    solution = np.linalg.solve(z.T @ z + 50 * np.eye(x.shape[1]), z.T @ (y - y.mean(0)))
    expected = z @ solution + y.mean(0)
    ours = ridge.linear(features).detach().numpy()
    np.testing.assert_allclose(ours, expected, atol=1e-8)


def test_the_penalty_is_the_best_on_held_out_clips() -> None:
    ridge = network(modalities=("depth",))
    generator = torch.Generator().manual_seed(1)
    truth = torch.randn(576, 1, generator=generator)
    # About as many clips as features: without a penalty the noise is fitted and blown up.
    features = torch.randn(600, 576, generator=generator)
    other = torch.randn(60, 576, generator=generator)
    noise = 20 * torch.randn(600, 1, generator=generator)
    chosen = ridge.fit(
        features,
        (features @ truth + noise) / 100,
        held_out=(other, other @ truth / 100),
        penalties=[1e-6, 1e3, 1e9],
    )
    assert chosen == ridge.penalty == 1e3


def test_what_lies_in_the_mean_crop_is_found_and_scores_are_bounded() -> None:
    ridge = network(outputs=("valence", "arousal"))
    x = clips(ridge.config, batch=40)
    level = torch.linspace(-0.9, 0.9, 40)
    x["thermal"] = x["thermal"] + level[None, :, None, None, None]
    gold = torch.stack([level, -level], 1)
    ridge.fit(ridge.describe(x), gold, penalties=[1.0])
    score = ridge(x).score
    torch.testing.assert_close(score, gold, rtol=0, atol=0.1)
    assert ridge({n: 50 * c for n, c in x.items()}).score.abs().max() == 1


def test_categories_and_frames_are_refused() -> None:
    with pytest.raises(ModelError, match="no categories and no frames"):
        network(label="frames")


def test_a_modality_of_three_channels_counts_no_more_than_one_of_one() -> None:
    ridge = network(modalities=("color", "depth"))
    depth = torch.randn(50, 24 * 24, generator=torch.Generator().manual_seed(2))
    gold = depth[:, :1] / 10
    ridge.fit(torch.cat([depth, depth, depth, depth], 1), gold, penalties=[100.0])
    *color, of_depth = ridge.linear.weight.detach().split(24 * 24, 1)
    torch.testing.assert_close(sum(color), of_depth)  # the same picture: half comes from each
