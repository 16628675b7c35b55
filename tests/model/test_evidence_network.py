"""The network of ours: what each modality contributes, what it costs, what it does without one."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from model.architectures import construct
from model.config import CHANNELS, TrainConfig
from model.evidence_network import EvidenceNetwork, is_present
from model.export import export_onnx
from model.initialise import build_network
from model.knock_out import blank, knock_outs_of
from model.losses import training_loss
from model.presets import Preset, preset
from tests.model.test_architectures import ALL, clips, tiny
from tests.model.test_export import info_of

BOTH = ("evidence", "evidence_attended")


def built(architecture: str = "evidence", **changes: object) -> EvidenceNetwork:
    config = tiny(architecture, **({"fc_units": 64} | changes))
    network = build_network(config, seed=1, initialisation="he")
    assert isinstance(network, EvidenceNetwork)
    return network


def cost(architecture: str, name: Preset) -> tuple[int, int]:
    """Count parameters, and the multiplications of a clip in training, forwards and backwards."""
    model, _ = preset(name, architecture=architecture, modalities=ALL)
    with torch.device("meta"):
        network = construct(model)
        x = {
            m: torch.randn(model.clip_length, 1, CHANNELS[m], model.input_px, model.input_px)
            for m in ALL
        }
    with FlopCounterMode(display=False) as counter:
        network(x).score.sum().backward()
    return sum(p.numel() for p in network.parameters()), counter.get_total_flops()


@pytest.mark.parametrize("name", ["small", "paper"])
def test_costs_no_more_than_mran(name: Preset) -> None:
    parameters, flops = cost("mran", name)
    for architecture in BOTH:
        ours, our_flops = cost(architecture, name)
        assert ours <= parameters
        assert our_flops <= flops


@pytest.mark.parametrize("architecture", BOTH)
def test_the_score_is_the_evidence_added_up(architecture: str) -> None:
    network = built(architecture).eval()
    x = clips(network.config)
    score, attention, own = network(x)
    assert own is not None
    alone = [network(blank(x, [m for m in ALL if m != name])).score for name in ALL]
    if architecture == "evidence":  # else the map, too, changes with what is missing
        torch.testing.assert_close(torch.stack(alone, 1), own)
    assert score.shape == (3, 1)
    assert own.shape == (3, 3, 1)
    assert own.isfinite().all()
    said = [network.streams[name](x[name], attention) for name in ALL]
    e, p = torch.stack(said).chunk(2, -1)
    precision = torch.nn.functional.softplus(p)
    torch.testing.assert_close(score, torch.tanh(e.sum(0) / (1 + precision.sum(0))))


def test_missing_modalities_drop_out_clip_by_clip() -> None:
    network = built().eval()
    x = clips(network.config)
    whole = network(x)
    x["color"][:, 0] = 0
    partly = network(x)
    assert partly.own[0, 0].isnan().all()
    assert not partly.own[1:].isnan().any()
    torch.testing.assert_close(partly.own[:, 1:], whole.own[:, 1:])
    torch.testing.assert_close(partly.score[1:], whole.score[1:])
    assert not torch.equal(partly.score[0], whole.score[0])
    nothing = network(blank(x, ALL))
    assert torch.equal(nothing.score, torch.zeros(3, 1))
    assert nothing.own.isnan().all()


@pytest.mark.parametrize("name", ALL)
def test_every_modality_is_evidence(name: str) -> None:
    network = built().eval()
    x = clips(network.config)
    shuffled = x | {name: x[name].roll(1, 1)}
    assert (network(x).score - network(shuffled).score).abs().min() > 0
    words = {str(each) for each in knock_outs_of(network.config)}
    assert {f"{name}=blank", f"{name}=shuffle"} <= words
    assert "guides=zero" not in words


def test_the_order_of_modalities_is_no_matter() -> None:
    network = built().eval()
    turned = construct(replace(network.config, modalities=ALL[::-1])).eval()
    turned.load_state_dict(network.state_dict())
    x = clips(network.config)
    torch.testing.assert_close(turned(x).score, network(x).score)


def test_without_precision_weights_all_modalities_count_alike() -> None:
    network = built(precision_weights=False).eval()
    score, _, own = network(clips(network.config))
    e = 2 * torch.atanh(own)  # p = 1
    torch.testing.assert_close(score, torch.tanh(e.sum(1) / 4))


def test_dropout_of_modalities_leaves_one_and_rests_in_evaluation() -> None:
    network = built(modality_dropout=0.9)
    x = clips(network.config, batch=64)
    torch.manual_seed(0)
    score, _, own = network(x)
    e, p = torch.stack([network.streams[name](x[name], None) for name in ALL]).chunk(2, -1)
    p = torch.nn.functional.softplus(p)
    kept = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * len(ALL))[1:]  # (7, 3)
    sums = [torch.einsum("sm,mbk->bsk", kept, each) for each in (e, p)]
    possible = torch.tanh(sums[0] / (1 + sums[1]))[..., 0]
    closest, which = (possible - score).abs().min(1)
    assert closest.max() < 1e-5
    share = kept[which].mean(0)  # nearly always one alone
    assert ((share > 0.2) & (share < 0.6)).all()
    assert own.isfinite().all()  # what each says by itself is not left out
    torch.testing.assert_close(network.eval()(x).score[:, 0], possible[:, -1])


def test_what_is_missing_costs_nothing_and_teaches_nothing() -> None:
    network = built()
    config = TrainConfig(own_weight=1.0)
    x = clips(network.config)
    gold = torch.tensor([[0.5], [-0.5], [0.1]])
    prediction = network(blank(x, ["color"]))
    loss = training_loss(prediction.score, gold, network.config, config, own=prediction.own)
    loss.backward()
    assert loss.isfinite()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None
        assert parameter.grad.isfinite().all()
        if name.startswith("streams.color."):
            assert not parameter.grad.any()
    learning = [bool(layer.weight.grad.any()) for layer in network.output_layers]
    assert learning == [False, True, True]
    everything = network(blank(x, ALL))
    alone = training_loss(everything.score, gold, network.config, config, own=everything.own)
    torch.testing.assert_close(alone, (gold * gold).mean())


def test_own_losses_are_their_mean_and_skip_what_has_no_label() -> None:
    config, model = TrainConfig(own_weight=0.5), tiny("evidence")
    score, gold = torch.zeros(2, 1), torch.tensor([[1.0], [torch.nan]])
    own = torch.tensor([[[2.0], [torch.nan]], [[9.0], [4.0]]])
    # The first is off by 1 where there is a label; of the second no clip has score and label.
    got = training_loss(score, gold, model, config, own=own)
    torch.testing.assert_close(got, torch.tensor(1 + 0.5 * 1.0))


def test_clips_that_hold_anything_are_present() -> None:
    clip = torch.zeros(4, 3, 1, 8, 8)
    clip[2, 1, 0, 3, 3] = -1e-3
    assert is_present(clip).tolist() == [False, True, False]


def test_a_file_for_other_runtimes(tmp_path: Path) -> None:
    network = built("evidence_attended", clip_length=2).eval()  # all that `evidence` is, and more
    check = export_onnx(network, info_of(network.config), tmp_path / "network.onnx")
    assert max(check.score, check.attention) < 1e-5


def test_attention_reaches_all_modalities() -> None:
    network = built("evidence_attended").eval()
    x = clips(network.config)
    score, attention, _ = network(x)
    assert attention is not None
    torch.testing.assert_close(network.recognise(x, attention), score)
    elsewhere: Tensor = attention.flip(-1)
    for name in ALL:
        alone = blank(x, [m for m in ALL if m != name])
        assert not torch.equal(
            network.recognise(alone, elsewhere), network.recognise(alone, attention)
        )
