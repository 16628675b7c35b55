"""Every network of the catalogue, tiny: shapes, ranges, gradients, checkpoints."""

from pathlib import Path
from typing import get_args

import pytest
import torch
from torch import Tensor

from model.catalogue import ARCHITECTURES, FACTS, Architecture
from model.checkpoint import CheckpointInfo, load_checkpoint, save_checkpoint
from model.config import CHANNELS, ModelConfig, TrainConfig
from model.errors import ModelError
from model.initialise import build_network
from model.prediction import AttentionNetwork
from model.presets import preset

ALL = ("color", "depth", "thermal")


def tiny(architecture: Architecture, **changes: object) -> ModelConfig:
    several = FACTS[architecture].modalities != "one"
    base = {
        "modalities": ALL if several else ("color",),
        "input_px": 32,
        "clip_length": 4,
        "width": 1 / 16,
        "fc_units": 8,
        "dropout": 0.0,
        "backbone_px": 32,
        "recurrent_units": 4,
    }
    return ModelConfig(architecture, **(base | changes))


def clips(config: ModelConfig, batch: int = 3) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    size = (config.input_px, config.input_px)
    return {
        name: torch.randn(config.clip_length, batch, CHANNELS[name], *size, generator=generator)
        for name in config.modalities
    }


def test_every_name_has_its_facts() -> None:
    assert set(FACTS) == set(get_args(Architecture)) == set(ARCHITECTURES)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_shapes_gradients_and_attention(architecture: Architecture) -> None:
    config = tiny(architecture, outputs=("valence", "arousal"))
    network = build_network(config, seed=1, initialisation="he")
    prediction = network(clips(config))
    assert prediction.score.shape == (3, 2)
    assert prediction.score.abs().max() <= 1
    assert (prediction.attention is not None) == FACTS[architecture].attention
    assert isinstance(network, AttentionNetwork) == FACTS[architecture].attention
    if prediction.attention is not None:
        assert prediction.attention.shape == (4, 3, 1, 32, 32)
    (prediction.score - 0.3).square().sum().backward()
    dead = [n for n, p in network.named_parameters() if p.grad is None]
    assert dead == []
    # Of `evidence` a stream of two units may be dead.
    assert any(layer.weight.grad.abs().max() > 0 for layer in network.output_layers)


@pytest.mark.parametrize("architecture", [a for a in ARCHITECTURES if a != "ridge"])
def test_categories_and_frames(architecture: Architecture) -> None:
    config = tiny(architecture, outputs=("category",), categories=("a", "b", "c"), label="frames")
    score = build_network(config)(clips(config, batch=2)).score
    assert score.shape == (2, 4, 3)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_checkpoints_hold_every_network(architecture: Architecture, tmp_path: Path) -> None:
    config = tiny(architecture)
    network = build_network(config, seed=2)
    network(clips(config))  # running statistics are state, too
    info = CheckpointInfo(config, TrainConfig(), "small", _stats(config), "store", 1, {})
    save_checkpoint(tmp_path / "c.safetensors", network, info)
    loaded, _ = load_checkpoint(tmp_path / "c.safetensors")
    x = clips(config)
    assert torch.equal(loaded(x).score, network.eval()(x).score)


def _stats(config: ModelConfig) -> dict[str, dict[str, list[float]]]:
    return {
        name: {"mean": [0.0] * CHANNELS[name], "std": [1.0] * CHANNELS[name]}
        for name in config.modalities
    }


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("name", ["paper", "small", "recommended"])
def test_presets_build(name: str, architecture: Architecture) -> None:
    modalities = ("color", "thermal") if FACTS[architecture].modalities == "several" else ("color",)
    model, train = preset(name, architecture=architecture, modalities=modalities)
    with torch.device("meta"):
        build_network(model, output_gain=train.output_gain)


@pytest.mark.parametrize("architecture", ["cnn3d", "vgg16", "khorrami_cnn_rnn"])
def test_networks_of_one_modality_refuse_more(architecture: Architecture) -> None:
    with pytest.raises(ModelError, match="takes one modality"):
        tiny(architecture, modalities=("color", "depth"))


@pytest.mark.parametrize(
    "architecture",
    ["mran", "spatial", "early_fusion", "evidence_attended", "khorrami_cnn_rnn", "lgbp_top_lstm"],
)
def test_checkpointing_changes_no_bit(architecture: Architecture) -> None:
    network = build_network(tiny(architecture, dropout=0.5), seed=3, initialisation="he")
    x = clips(network.config)
    results = []
    for checkpointing in (False, True):
        network.checkpointing = checkpointing
        network.zero_grad()
        torch.manual_seed(0)  # the same dropout
        score = network(x).score
        score.sum().backward()
        results.append([score.detach(), *(p.grad.clone() for p in network.parameters())])
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


def test_convolutions_run_channels_last() -> None:
    # Memory formats are lost silently, and with them a fifth of the speed.
    network = build_network(tiny("mran", width=1 / 4))
    formats = []
    for module in network.modules():
        if isinstance(module, torch.nn.Conv3d):
            module.register_forward_hook(
                lambda _m, _i, out: formats.append(
                    out.is_contiguous(memory_format=torch.channels_last_3d)
                )
            )
    network(clips(network.config))
    assert formats == [True] * 5
