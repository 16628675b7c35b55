"""Khorrami's convolutional network, alone and under a recurrent one (Tables VII to IX).

Layers as in the authors' public code of the network that their AV+EC 2015 paper builds on (P.
Khorrami, T. L. Paine, T. S. Huang, "Do deep neural networks learn facial action units when doing
expression recognition?", ICCV workshops 2015: 1x96x96 inputs, 5x5 convolutions with padding, 64,
128 and 256 features, 2x2 pools, a last pool over quadrants, 300 fully connected units).
"""

from torch import Tensor, nn
from torch.nn import functional

from .config import CHANNELS, ModelConfig
from .frames import FrameNetwork, Memory

_LUMA = (0.299, 0.587, 0.114)


class KhorramiNetwork(FrameNetwork):
    """Three 5x5 convolutions on grey frames, quadrant pooling, one fully connected layer.

    Parameters
    ----------
    config : ModelConfig
    memory : str, optional
        See `model.frames.FrameNetwork`.
    """

    def __init__(self, config: ModelConfig, *, memory: Memory | None = None) -> None:
        super().__init__(config, n_features=config.fc_units, memory=memory)
        c64, c128, c256 = (config.channels(paper) for paper in (64, 128, 256))
        self.conv1 = nn.Conv2d(1, c64, 5, padding=2)
        self.conv2 = nn.Conv2d(c64, c128, 5, padding=2)
        self.conv3 = nn.Conv2d(c128, c256, 5, padding=2)
        self.fc = nn.Linear(4 * c256, config.fc_units)
        self.dropout = nn.Dropout(config.dropout)

    def describe(self, images: Tensor) -> Tensor:
        """Map images (N, C, H, W) to features (N, fc_units)."""
        x = grey(images) if CHANNELS[self.config.target] > 1 else images
        x = functional.max_pool2d(self.conv1(x), 2).relu()
        x = functional.max_pool2d(self.conv2(x), 2).relu()
        x = functional.max_pool2d(self.conv3(x), x.shape[-1] // 2).relu()  # a value a quadrant
        features: Tensor = self.dropout(self.fc(x.flatten(1)).relu())
        return features


def grey(images: Tensor) -> Tensor:
    """Weigh RGB (N, 3, H, W) to luma (N, 1, H, W)."""
    weights = images.new_tensor(_LUMA)[:, None, None]
    return (images * weights).sum(1, keepdim=True)
