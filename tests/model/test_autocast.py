"""Half-width arithmetic: right types everywhere, values near the full width's."""

import pytest
import torch

from model.catalogue import ARCHITECTURES, Architecture
from model.initialise import build_network
from model.precision import WRONG_GRADIENTS, bfloat16_fault
from tests.model.test_architectures import clips, tiny


@pytest.mark.parametrize("architecture", [a for a in ARCHITECTURES if a != "resnet50"])
def test_half_width_convolutions_give_nearly_the_same(architecture: Architecture) -> None:
    # Not the ResNet: with random weights its normalisations magnify rounding.
    network = build_network(tiny(architecture), seed=0, initialisation="he")
    x = clips(network.config)
    full = network(x).score
    (full - 0.5).square().sum().backward()
    wide = {name: p.grad.clone() for name, p in network.named_parameters()}
    network.zero_grad()

    with torch.autocast("cpu", torch.bfloat16):
        half = network(x)
    (half.score - 0.5).square().sum().backward()

    assert half.score.dtype == torch.float32
    assert half.attention is None or half.attention.dtype == torch.float32
    torch.testing.assert_close(half.score, full, rtol=0, atol=0.03)
    if bfloat16_fault(torch.device("cpu")) == WRONG_GRADIENTS:
        pytest.skip(f"scores are right; this processor {WRONG_GRADIENTS}")
    difference = size = 0.0
    for name, parameter in network.named_parameters():
        assert parameter.grad.dtype == torch.float32
        difference += float((parameter.grad - wide[name]).square().sum())
        size += float(wide[name].square().sum())
    # A pool or a ReLU that turns over at a near tie moves whole gradients: a loose bound.
    assert difference < 0.3**2 * size
