"""Ridge regression on mean crops: what is linearly there, and what every network must beat."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from .config import CHANNELS, ModelConfig
from .errors import ModelError
from .losses import concordance
from .prediction import Network, Prediction

_SIDE_PX = 24
_PENALTIES = tuple(10.0**power for power in range(-2, 7))


class RidgeRegression(Network):
    """A linear map of the mean over a clip's frames, reduced to 24x24 pixels, clipped to [-1, 1].

    `fit` solves it in closed form. Several modalities are stacked, each with the same total
    variance: the penalty does not favour the one with more channels.

    Attributes
    ----------
    penalty : float or None
        The weight of the squared norm that `fit` chose.

    Parameters
    ----------
    config : ModelConfig
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        if config.categorical or config.label == "frames":
            raise ModelError("ridge predicts a dimension of a clip, no categories and no frames")
        channels = sum(CHANNELS[name] for name in config.modalities)
        self.side_px = min(_SIDE_PX, config.input_px)
        self.linear = nn.Linear(channels * self.side_px**2, config.n_scores)
        self.penalty: float | None = None

    @property
    def output_layers(self) -> tuple[nn.Linear, ...]:
        """The only layer."""
        return (self.linear,)

    def describe(self, clips: Mapping[str, Tensor]) -> Tensor:
        """Map clips (T, B, C, H, W) to their mean crops (B, F)."""
        means = [clips[name].mean(0) for name in self.config.modalities]
        return torch.cat(
            [functional.adaptive_avg_pool2d(mean, self.side_px).flatten(1) for mean in means], 1
        )

    def forward(self, clips: Mapping[str, Tensor]) -> Prediction:
        """Predict a batch of clips (T, B, C, H, W)."""
        return Prediction(self.linear(self.describe(clips)).to(self.linear.weight).clamp(-1, 1))

    @torch.no_grad()
    def fit(
        self,
        features: Tensor,
        gold: Tensor,
        *,
        held_out: tuple[Tensor, Tensor] | None = None,
        penalties: Sequence[float] = _PENALTIES,
    ) -> float:
        """Solve for the weights; the penalty with the best held-out CCC wins.

        Parameters
        ----------
        features : (N, F) float
            From `describe`.
        gold : (N, K) float
        held_out : ((M, F), (M, K)), optional
            Features and gold of other subjects. Without it the middle penalty is taken.
        penalties : sequence of float
            To choose from, where all modalities together have as much variance as features of
            unit variance would.

        Returns
        -------
        float
            The penalty.
        """
        x, y = features.double(), gold.double()
        mean, level = x.mean(0), y.mean(0)
        sd = x.std(0, correction=0).clamp_min(1e-6) * self._block_sizes().to(x).sqrt()
        z = (x - mean) / sd
        # The smaller of the two equal systems: features by features or clips by clips.
        wide = z.shape[1] > z.shape[0]
        values, vectors = torch.linalg.eigh(z @ z.T if wide else z.T @ z)
        target = vectors.T @ ((y - level) if wide else z.T @ (y - level))

        def solved(penalty: float) -> Tensor:
            solution: Tensor = vectors @ (target / (values.clamp_min(0) + penalty)[:, None])
            return (z.T @ solution if wide else solution) / sd[:, None]

        candidates = sorted(penalties)
        best = candidates[len(candidates) // 2]
        if held_out is not None:
            other, other_gold = held_out[0].double(), held_out[1].double()
            scores = [
                concordance(((other - mean) @ solved(p) + level).clamp(-1, 1), other_gold).mean()
                for p in candidates
            ]
            best = candidates[int(torch.stack(scores).argmax())]
        weight = solved(best)
        self.linear.weight.copy_(weight.T)
        self.linear.bias.copy_(level - mean @ weight)
        self.penalty = best
        return best

    def _block_sizes(self) -> Tensor:
        """Features of each feature's modality against the mean modality, (F,)."""
        sizes = [CHANNELS[name] * self.side_px**2 for name in self.config.modalities]
        mean = sum(sizes) / len(sizes)
        return torch.cat([torch.full((size,), size / mean) for size in sizes])
