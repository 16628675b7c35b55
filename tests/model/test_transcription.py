"""The networks against the paper written out slowly, in double precision, for every option."""

import pytest
import torch

from model.config import CHANNELS, ModelConfig
from model.initialise import build_network
from model.network import RecurrentAttentionNetwork
from tests.model.transcription import transcribed

ALL = ("color", "depth", "thermal")
OPTIONS: list[dict[str, object]] = [
    {},
    {"peephole": "hadamard"},
    {"peephole": "none"},
    {"forget_input": "thermal"},
    {"guide_step": "same"},
    {"guide_step": "same", "forget_input": "thermal", "peephole": "hadamard"},
    {"attention": "literal"},
    {"attention": "residual"},
    {"attention": "standardise"},
    {"upsampling": "bilinear"},
    {"upsampling": "nearest"},
    {"attention": "standardise", "upsampling": "bilinear"},
    {"label": "frames"},
    {"outputs": ("valence", "arousal")},
    {"outputs": ("category",), "categories": ("calm", "tense", "glad")},
    {"modalities": ("color", "depth")},
    {"modalities": ("color", "thermal")},
    {"modalities": ("thermal", "color")},
    {"architecture": "uran", "modalities": ("color",)},
    {"architecture": "uran", "modalities": ("depth",)},
    {"architecture": "uran", "modalities": ("thermal",)},
    {"architecture": "spatial"},
    {"architecture": "spatial", "modalities": ("color",), "upsampling": "bilinear"},
    {"clip_length": 1},
    {"clip_length": 8, "modalities": ("color", "depth")},
    {"clip_length": 16, "architecture": "uran", "modalities": ("color",)},
    {"clip_length": 32, "architecture": "uran", "modalities": ("depth",)},
]


def fan_in(parameter: torch.Tensor) -> int:
    return parameter.numel() // len(parameter) if parameter.ndim else 1


@pytest.mark.parametrize(
    "options", OPTIONS, ids=lambda o: ",".join(map(str, o.values())) or "paper"
)
def test_fast_and_slow_agree_in_values_and_gradients(options: dict) -> None:
    base = {
        "architecture": "mran",
        "modalities": ALL,
        "input_px": 16,
        "clip_length": 4,
        "width": 1 / 16,
        "fc_units": 5,
        "dropout": 0.0,
    }
    config = ModelConfig(**(base | options))
    torch.manual_seed(3)
    network = RecurrentAttentionNetwork(config).double()
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            torch.nn.init.normal_(parameter, std=(fan_in(parameter) + 3) ** -0.5)
            if name.endswith("bias"):
                parameter.abs_()  # so that ReLUs of so few channels live
    clips = {
        name: torch.randn(config.clip_length, 2, CHANNELS[name], 16, 16).double()
        for name in config.modalities
    }
    weights = dict(network.named_parameters())

    fast = network(clips)
    score, attention = transcribed(weights, clips, config)

    torch.testing.assert_close(fast.score, score, rtol=0, atol=1e-10)
    torch.testing.assert_close(fast.attention, attention, rtol=0, atol=1e-10)
    probe, map_probe = torch.randn_like(score), torch.randn_like(attention)

    def gradients(score: torch.Tensor, attention: torch.Tensor) -> tuple[torch.Tensor, ...]:
        # The maps too: behind them lies everything but the head.
        total = (score * probe).sum() + (attention * map_probe).sum()
        # Unused: weights of the step before, where a clip is one frame.
        return torch.autograd.grad(
            total, list(weights.values()), allow_unused=True, materialize_grads=True
        )

    ours, theirs = gradients(fast.score, fast.attention), gradients(score, attention)
    for name, mine, slow in zip(weights, ours, theirs, strict=True):
        scale = max(1.0, float(slow.abs().max()))
        assert float((mine - slow).abs().max()) <= 1e-8 * scale, name
        # A clip of one frame has no step before for the recurrent weights.
        assert slow.abs().max() > 0 or config.clip_length == 1, name


@pytest.mark.parametrize("gain", [0.0, 0.5, 3.0])
def test_standardised_attention_starts_with_its_gain(gain: float) -> None:
    config = ModelConfig(
        "mran",
        ("color", "depth"),
        input_px=16,
        clip_length=2,
        width=1 / 16,
        fc_units=5,
        dropout=0.0,
        attention="standardise",
        attention_gain=gain,
    )
    network = build_network(config, seed=1, initialisation="he", output_gain=0.1).double()
    generator = torch.Generator().manual_seed(2)
    clips = {
        name: torch.randn(2, 3, CHANNELS[name], 16, 16, generator=generator).double()
        for name in config.modalities
    }
    # The gain of the config, not what the network holds.
    weights = dict(network.named_parameters()) | {"softmax.gain": torch.tensor(gain).double()}
    score, attention = transcribed(weights, clips, config)
    found = network(clips)
    torch.testing.assert_close(found.attention, attention, rtol=0, atol=1e-10)
    torch.testing.assert_close(found.score, score, rtol=0, atol=1e-10)
    assert (attention.std().item() > 0.1) == (gain > 0)
