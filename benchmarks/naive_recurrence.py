"""Eq. 1 and 2 in the straightforward way: a convolution for every gate, input, guide and step.

As published ConvLSTM modules do it, with torch's default memory format. The rest of the network
is ours: the ratio is the doing of the recurrence and of the layout.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from model.recurrent import ConvLSTM


def naive_forward(
    layer: ConvLSTM, x: Tensor, guides: tuple[Tensor, ...] = (), _forget: Tensor | None = None
) -> Tensor:
    """Run eq. 2 with a convolution for every gate, input, guide and step."""
    n = layer.hidden_channels
    weights_x, weights_h = torch.split(layer.weight_x, n), torch.split(layer.weight_h, n)
    biases = torch.split(layer.bias, n)
    weights_g = [torch.split(weight, n) for weight in layer.weight_guides]
    assert layer.weight_c is not None  # noqa: S101 - the paper preset has both peepholes
    assert layer.weight_peephole is not None  # noqa: S101
    weights_c = torch.split(layer.weight_c, n)
    h = c = x.new_zeros(x.shape[1], n, *x.shape[3:])
    before = [torch.zeros_like(guide[0]) for guide in guides]
    states = []
    for t in range(len(x)):
        gates = []
        for k in range(4):
            gate = conv2d(x[t], weights_x[k], biases[k], padding=1)
            gate = gate + conv2d(h, weights_h[k], padding=1)
            for guide, weight in zip(before, weights_g, strict=True):
                gate = gate + conv2d(guide, weight[k], padding=1)
            if k < 2:
                gate = gate + conv2d(c, weights_c[k], padding=1)
            gates.append(gate)
        c = torch.sigmoid(gates[1]) * c + torch.sigmoid(gates[0]) * torch.tanh(gates[3])
        h = torch.sigmoid(gates[2] + layer.weight_peephole[0] * c) * torch.tanh(c)
        states.append(h)
        before = [guide[t] for guide in guides]
    return torch.stack(states)


@contextmanager
def naive_recurrence() -> Iterator[None]:
    """Swap the layers' forward for the naive one."""
    ours = ConvLSTM.forward
    ConvLSTM.forward = naive_forward  # type: ignore[assignment]  # the peer, for the block only
    try:
        yield
    finally:
        ConvLSTM.forward = ours  # type: ignore[method-assign]  # as above


def in_default_layout(network: nn.Module) -> nn.Module:
    """Lay the weights out as torch does by default."""
    for parameter in network.parameters():
        parameter.data = parameter.data.contiguous()
    return network
