"""The layers against eq. 1 and eq. 2 written out: a loop over steps, a convolution a gate."""

import pytest
import torch
from torch import Tensor
from torch.nn.functional import conv2d

from model.convlstm import Peephole, scan
from model.recurrent import ConvLSTM

PEEPHOLES = ("paper", "hadamard", "none")


def conv(x: Tensor, weight: Tensor) -> Tensor:
    return conv2d(x, weight, padding=1)


def equation_2(
    layer: ConvLSTM, x: Tensor, guides: list[Tensor], x_forget: Tensor, peephole: str
) -> Tensor:
    """Eq. 2 of the paper as printed, one step after the other (eq. 1 without guides)."""
    n = layer.hidden_channels
    w_xi, w_xf, w_xo, w_xc = layer.weight_x.split(n)
    w_hi, w_hf, w_ho, w_hc = layer.weight_h.split(n)
    b_i, b_f, b_o, b_c = (b[:, None, None] for b in layer.bias.split(n))
    h = c = x.new_zeros(x.shape[1], n, *x.shape[3:])
    before = [torch.zeros_like(guide[0]) for guide in guides]
    states = []
    for t in range(len(x)):
        to_i, to_f, to_o, to_c = conv(h, w_hi), conv(h, w_hf), conv(h, w_ho), conv(h, w_hc)
        for guide, weight in zip(before, layer.weight_guides, strict=True):
            w_gi, w_gf, w_go, w_gc = weight.split(n)
            to_i = to_i + conv(guide, w_gi)
            to_f = to_f + conv(guide, w_gf)
            to_o = to_o + conv(guide, w_go)
            to_c = to_c + conv(guide, w_gc)
        peep_i = peep_f = w_co = torch.zeros(())
        if peephole == "paper":
            w_ci, w_cf = layer.weight_c.split(n)
            peep_i, peep_f, w_co = conv(c, w_ci), conv(c, w_cf), layer.weight_peephole[0]
        elif peephole == "hadamard":
            w_ci, w_cf, w_co = layer.weight_peephole
            peep_i, peep_f = w_ci * c, w_cf * c
        i = torch.sigmoid(conv(x[t], w_xi) + to_i + peep_i + b_i)
        f = torch.sigmoid(conv(x_forget[t], w_xf) + to_f + peep_f + b_f)
        c = f * c + i * torch.tanh(conv(x[t], w_xc) + to_c + b_c)
        o = torch.sigmoid(conv(x[t], w_xo) + to_o + w_co * c + b_o)
        h = o * torch.tanh(c)
        states.append(h)
        before = [guide[t] for guide in guides]
    return torch.stack(states)


@pytest.fixture(params=["few channels", "many channels"])
def layout(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways of laying a step out, whatever the channels of the test."""
    if request.param == "many channels":
        monkeypatch.setattr("model.convlstm._FEW_CHANNELS", 0)


def random_layer(peephole: str, n_guides: int) -> ConvLSTM:
    layer = ConvLSTM(2, 3, size_px=4, n_guides=n_guides, peephole=peephole).double()
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return layer


@pytest.mark.usefixtures("layout")
@pytest.mark.parametrize("peephole", PEEPHOLES)
@pytest.mark.parametrize("n_guides", [0, 2])
@pytest.mark.parametrize("forget", [False, True])
def test_layer_is_equation_2_and_so_are_its_gradients(
    peephole: str, n_guides: int, forget: bool
) -> None:
    torch.manual_seed(0)
    layer = random_layer(peephole, n_guides)
    x, x_forget = torch.randn(2, 5, 2, 2, 4, 4).double().requires_grad_().unbind()
    guides = [torch.randn(5, 2, 3, 4, 4).double().requires_grad_() for _ in range(n_guides)]
    probe = torch.randn(5, 2, 3, 4, 4).double()
    inputs = [*layer.parameters(), x, *guides]

    fast = layer(x, guides, x_forget if forget else None)
    slow = equation_2(layer, x, guides, x_forget if forget else x, peephole)

    torch.testing.assert_close(fast, slow, rtol=0, atol=1e-12)
    fast_gradients = torch.autograd.grad((fast * probe).sum(), inputs)
    slow_gradients = torch.autograd.grad((slow * probe).sum(), inputs)
    for ours, theirs in zip(fast_gradients, slow_gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-11)


def test_a_guide_acts_one_step_later() -> None:
    torch.manual_seed(0)
    layer = random_layer("paper", 1)
    x, guide = torch.randn(4, 1, 2, 4, 4).double(), torch.randn(4, 1, 3, 4, 4).double()
    changed = guide.clone()
    changed[2] += 1
    difference = (layer(x, [guide]) - layer(x, [changed])).abs().amax((1, 2, 3, 4))
    assert difference[:3].max() == 0
    assert difference[3] > 0


@pytest.mark.usefixtures("layout")
@pytest.mark.parametrize("peephole", PEEPHOLES)
def test_written_gradient_against_finite_differences(peephole: str) -> None:
    torch.manual_seed(0)
    gates = torch.randn(3, 1, 8, 3, 3).double().requires_grad_()
    weight_h = (0.3 * torch.randn(8, 2, 3, 3).double()).requires_grad_()
    weight_c = weight_p = None
    if peephole == "paper":
        weight_c = (0.3 * torch.randn(4, 2, 3, 3).double()).requires_grad_()
    if peephole != "none":
        n = 1 if peephole == "paper" else 3
        weight_p = (0.3 * torch.randn(n, 2, 3, 3).double()).requires_grad_()
    inputs = (gates, weight_h, weight_c, weight_p)
    assert torch.autograd.gradcheck(lambda g, h, c, p: scan(g, h, Peephole(c, p)), inputs)


@pytest.mark.usefixtures("layout")
def test_one_step_needs_no_past() -> None:
    layer = random_layer("paper", 0)
    x = torch.randn(1, 2, 2, 4, 4).double()
    torch.testing.assert_close(layer(x), equation_2(layer, x, [], x, "paper"))
    layer(x).sum().backward()
    assert layer.weight_h.grad is not None
    assert layer.weight_h.grad.abs().max() == 0
