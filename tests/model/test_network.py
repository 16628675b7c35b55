from dataclasses import replace

import pytest
import torch
from torch import Tensor

from model.config import ModelConfig
from model.errors import ModelError, ModelWarning
from model.initialise import build_network
from model.network import RecurrentAttentionNetwork
from model.presets import preset

ALL = ("color", "depth", "thermal")


def tiny(architecture: str = "mran", modalities: tuple[str, ...] = ALL, **changes) -> ModelConfig:
    base = {"input_px": 16, "width": 1 / 16, "fc_units": 8, "dropout": 0.0}
    return ModelConfig(architecture, modalities, **(base | changes))


def clips(config: ModelConfig, batch: int = 2, seed: int = 0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    size = config.input_px
    return {
        name: torch.randn(
            config.clip_length, batch, 3 if name == "color" else 1, size, size, generator=generator
        )
        for name in config.modalities
    }


def parameters_of_table_1(guides: int) -> int:
    """Count the paper's network from Table I, layer by layer, by hand."""

    def conv(inputs: int, outputs: int, kernel: int, bias: bool = True) -> int:
        return inputs * outputs * kernel + outputs * bias

    def encoder(inputs: int) -> int:
        return conv(inputs, 32, 9) + conv(32, 64, 9) + conv(64, 128, 9)

    def lstm(inputs: int, hidden: int, side: int, guides: int) -> int:
        x = 4 * conv(inputs, hidden, 9)  # with the bias of each gate
        h = 4 * conv(hidden, hidden, 9, bias=False) * (1 + guides)
        peephole = 2 * conv(hidden, hidden, 9, bias=False) + hidden * side * side
        return x + h + peephole

    def stream(inputs: int, guides: int) -> int:
        lstms = lstm(128, 64, 12, guides) + lstm(64, 32, 24, guides) + lstm(32, 1, 48, guides)
        return encoder(inputs) + lstms + conv(64, 64, 4) + conv(32, 32, 4)  # up1, up2

    attention = 4 + conv(3, 32, 27)  # up3 (2x2, no bias) and the convolution to X'
    head = conv(32, 32, 27) + conv(32, 64, 27) + conv(64, 128, 27) + conv(128, 256, 27)
    return (
        stream(3, guides)
        + guides * stream(1, 0)
        + attention
        + head
        + conv(9216, 1024, 1)
        + conv(1024, 1, 1)
    )


@pytest.mark.parametrize(
    ("architecture", "modalities", "expected"),
    [("mran", ALL, 13_370_235), ("uran", ("color",), 11_421_695)],
)
def test_paper_preset_has_the_parameters_of_table_1(
    architecture: str, modalities: tuple[str, ...], expected: int
) -> None:
    config, _ = preset("paper", architecture=architecture, modalities=modalities)
    with torch.device("meta"):
        network = RecurrentAttentionNetwork(config)
    count = sum(p.numel() for p in network.parameters())
    assert count == parameters_of_table_1(len(config.guides)) == expected
    assert network.head.fc1.in_features == 9216


def test_shapes_and_ranges() -> None:
    config = tiny(outputs=("valence", "arousal"), input_px=32)
    score, attention, _ = build_network(config, seed=0)(clips(config, batch=3))
    assert score.shape == (3, 2)
    assert score.abs().max() <= 1
    assert attention.shape == (16, 3, 1, 32, 32)


@pytest.mark.parametrize(
    ("kind", "mean"),
    [("mean1", 1.0), ("standardise", 1.0), ("residual", 2.0), ("literal", 1 / 256)],
)
@pytest.mark.filterwarnings("ignore::model.errors.ModelWarning")
def test_attention_of_a_frame_has_a_fixed_mean(kind: str, mean: float) -> None:
    config = tiny(attention=kind)
    attention = build_network(config, seed=0)(clips(config)).attention
    torch.testing.assert_close(attention.mean((2, 3, 4)), torch.full((16, 2), mean))


def test_literal_attention_is_mean1_up_to_the_number_of_pixels() -> None:
    one, other = tiny(attention="mean1"), tiny(attention="literal")
    x = clips(one)
    scaled = build_network(one, seed=3)(x).attention
    with pytest.warns(ModelWarning, match="learns a constant"):
        literal = build_network(other, seed=3)(x).attention
    torch.testing.assert_close(literal * 256, scaled)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"peephole": "hadamard"},
        {"peephole": "none"},
        {"forget_input": "thermal"},
        {"attention": "standardise", "upsampling": "bilinear"},
        {"architecture": "uran", "modalities": ("depth",)},
        {"modalities": ("color", "thermal"), "clip_length": 8},
    ],
)
def test_gradient_reaches_every_parameter(changes: dict) -> None:
    config = tiny(**changes)
    network = build_network(config, seed=1).double()
    x = {name: clip.double() for name, clip in clips(config).items()}
    (network(x).score ** 2).sum().backward()
    dead = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert dead == []


def test_weights_depend_on_the_seed_only() -> None:
    config = tiny()
    torch.manual_seed(5)
    before = torch.get_rng_state()
    one = build_network(config, seed=7).state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(3)
    same, other = build_network(config, seed=7), build_network(config, seed=8)
    assert all(torch.equal(one[name], w) for name, w in same.state_dict().items())
    assert not torch.equal(one["head.fc1.weight"], other.head.fc1.weight)


def test_xavier_bounds_each_gate_on_its_own() -> None:
    config, _ = preset("paper", architecture="uran", modalities=("color",))
    weight = build_network(config, seed=0).target.lstms[0].weight_x
    bound = (6 / (9 * (128 + 64))) ** 0.5
    assert weight.abs().max() <= bound
    assert weight.abs().max() > 0.999 * bound


def test_scores_of_a_clip_do_not_depend_on_the_rest_of_the_batch() -> None:
    config = tiny()
    network = build_network(config, seed=0).eval()
    x = clips(config, batch=3)
    alone = network({name: clip[:, 1:2] for name, clip in x.items()}).score
    torch.testing.assert_close(network(x).score[1:2], alone, rtol=1e-4, atol=1e-6)


def test_guides_reach_the_score_and_dark_color_hides_them() -> None:
    config = tiny()
    network = build_network(config, seed=0).eval()
    x = clips(config)
    changed = x | {"depth": x["depth"] + 1}
    assert not torch.equal(network(x).attention, network(changed).attention)
    # Only color carries features: with color blank and zero biases the guides cannot be seen.
    dark = {name: clip * (name != "color") for name, clip in x.items()}
    assert torch.equal(network(dark).score, torch.zeros(2, 1))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"modalities": ("color",)}, "at least one guide"),
        ({"architecture": "uran"}, "one modality"),
        ({"modalities": ("color", "infrared")}, "expected among"),
        ({"modalities": ("color", "color")}, "expected among"),
        ({"modalities": ("color", "depth"), "forget_input": "thermal"}, "needs thermal"),
        ({"input_px": 40}, "multiple of 16"),
        ({"clip_length": 12}, "power of two"),
        ({"width": 0.0}, "width"),
        ({"outputs": ()}, "outputs"),
    ],
)
def test_impossible_networks_are_refused(changes: dict, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        tiny(**changes)


def test_small_preset_names_its_deviations_in_the_config() -> None:
    paper, _ = preset("paper", architecture="mran", modalities=ALL)
    small, train = preset("small", architecture="mran", modalities=ALL)
    assert (paper.attention, paper.upsampling, paper.normalisation) == (
        "mean1",
        "deconvolution",
        "store",
    )
    assert (small.attention, small.upsampling, small.normalisation) == (
        "standardise",
        "deconvolution",
        "clip",
    )
    assert replace(small, input_px=96).hidden_px == paper.hidden_px
    assert train.initialisation == "xavier"
    for name in ("uran", "cnn2d", "cnn3d", "no_attention", "spatial", "early_fusion", "evidence"):
        _, ours = preset("small", architecture=name, modalities=("color",))
        assert ours.initialisation == "xavier"
    for name in ("khorrami_cnn", "khorrami_cnn_rnn", "cnn_lstm", "vgg16", "lgbp_top_lstm"):
        _, baseline = preset("small", architecture=name, modalities=("color",))
        assert baseline.initialisation == "he"


def test_without_gain_attention_begins_uniform_and_its_gain_is_learned() -> None:
    config = tiny(attention="standardise", attention_gain=0.0, input_px=32)
    network = build_network(config, seed=0)
    found = network(clips(config, batch=3))
    torch.testing.assert_close(found.attention, torch.ones_like(found.attention))
    found.score.sum().backward()
    (gain,) = (p for name, p in network.named_parameters() if name.endswith("softmax.gain"))
    assert gain.item() == 0
    assert gain.grad != 0
