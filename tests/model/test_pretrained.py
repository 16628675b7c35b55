from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from model.architectures import construct
from model.config import TrainConfig
from model.errors import ModelError, ModelWarning
from model.initialise import build_network
from model.presets import preset
from model.pretrained import check_pretrained, load_pretrained
from tests.model.test_architectures import tiny

VGG_NUMBERS = [0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28]
VGG_FACE_NAMES = [
    *("conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1", "conv3_2", "conv3_3"),
    *("conv4_1", "conv4_2", "conv4_3", "conv5_1", "conv5_2", "conv5_3"),
]


def vgg_shapes(width: int) -> list[tuple[int, int]]:
    channels = [c // width for c in (64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512)]
    return list(zip(channels, [3, *channels[:-1]], strict=True))


def torchvision_vgg16(width: int = 16) -> dict[str, Tensor]:
    """Make a state dict named as torchvision's vgg16 is, of a fraction of its width."""
    state = {}
    for number, (outputs, inputs) in zip(VGG_NUMBERS, vgg_shapes(width), strict=True):
        state[f"features.{number}.weight"] = torch.randn(outputs, inputs, 3, 3)
        state[f"features.{number}.bias"] = torch.randn(outputs)
    units = 4096 // width
    for number, shape in ((0, (units, 512 // width * 49)), (3, (units, units)), (6, (9, units))):
        state[f"classifier.{number}.weight"] = torch.randn(shape)
        state[f"classifier.{number}.bias"] = torch.randn(shape[0])
    return state


def public_vgg_face(width: int = 16) -> dict[str, Tensor]:
    """Make the same weights under the names of the public conversions of VGG-Face."""
    state = torchvision_vgg16(width)
    names = {f"features.{n}": name for n, name in zip(VGG_NUMBERS, VGG_FACE_NAMES, strict=True)}
    names |= {"classifier.0": "fc6", "classifier.3": "fc7", "classifier.6": "fc8"}
    return {
        f"{names[key.rpartition('.')[0]]}.{key.rpartition('.')[2]}": tensor
        for key, tensor in state.items()
    }


def torchvision_resnet50(width: int = 16) -> dict[str, Tensor]:
    """Make a state dict with every name of torchvision's resnet50, batch counters included."""
    state: dict[str, Tensor] = {}

    def conv(name: str, outputs: int, inputs: int, kernel: int) -> None:
        state[f"{name}.weight"] = torch.randn(outputs, inputs, kernel, kernel)

    def norm(name: str, channels: int) -> None:
        for part in ("weight", "bias", "running_mean"):
            state[f"{name}.{part}"] = torch.randn(channels)
        state[f"{name}.running_var"] = torch.rand(channels) + 0.5
        state[f"{name}.num_batches_tracked"] = torch.tensor(7)

    inputs = 64 // width
    conv("conv1", inputs, 3, 7)
    norm("bn1", inputs)
    for stage, (paper, blocks) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3)), 1):
        channels = paper // width
        for block in range(blocks):
            name = f"layer{stage}.{block}"
            conv(f"{name}.conv1", channels, inputs, 1)
            conv(f"{name}.conv2", channels, channels, 3)
            conv(f"{name}.conv3", 4 * channels, channels, 1)
            for k, size in ((1, channels), (2, channels), (3, 4 * channels)):
                norm(f"{name}.bn{k}", size)
            if block == 0:
                conv(f"{name}.downsample.0", 4 * channels, inputs, 1)
                norm(f"{name}.downsample.1", 4 * channels)
            inputs = 4 * channels
    state |= {"fc.weight": torch.randn(9, inputs), "fc.bias": torch.randn(9)}
    return state


STATES = {
    "vgg16": torchvision_vgg16,
    "vgg_face": public_vgg_face,
    "resnet50": torchvision_resnet50,
    "vgg_face_lstm": public_vgg_face,
}


@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
@pytest.mark.parametrize("architecture", STATES)
def test_every_weight_of_the_trunk_comes_from_the_file(
    architecture: str, suffix: str, tmp_path: Path
) -> None:
    state = STATES[architecture]()
    path = tmp_path / f"weights.{suffix}"
    save_file(state, path) if suffix == "safetensors" else torch.save(state, path)
    config = tiny(architecture, backbone_px=224, fc_units=256)
    network = build_network(config, initialisation="pretrained", pretrained=path)
    known = {round(float(t.double().sum()), 3) for t in state.values()}
    for name, tensor in network.get_submodule("backbone").state_dict().items():
        assert round(float(tensor.double().sum()), 3) in known, name


def test_the_first_layer_is_the_files_first_layer(tmp_path: Path) -> None:
    state = public_vgg_face()
    save_file(state, tmp_path / "w.safetensors")
    network = construct(tiny("vgg_face", backbone_px=224))
    assert load_pretrained(network, tmp_path / "w.safetensors") == []
    own = network.get_submodule("backbone").state_dict()
    assert torch.equal(own["features.0.weight"], state["conv1_1.weight"])
    assert torch.equal(own["features.28.bias"], state["conv5_3.bias"])
    assert torch.equal(own["classifier.3.weight"], state["fc7.weight"])


def test_a_layer_of_another_input_size_keeps_its_own_weights(tmp_path: Path) -> None:
    save_file(public_vgg_face(), tmp_path / "w.safetensors")
    network = construct(tiny("affwildnet", backbone_px=96, fc_units=256))
    kept = load_pretrained(network, tmp_path / "w.safetensors")
    assert kept == ["classifier.0.bias", "classifier.0.weight"]
    with pytest.warns(ModelWarning, match=r"classifier.0.weight of affwildnet start from random"):
        build_network(
            network.config, initialisation="pretrained", pretrained=tmp_path / "w.safetensors"
        )


@pytest.mark.parametrize("architecture", ["vgg16", "vgg_face"])
def test_networks_that_see_frames_of_the_published_size_take_all_or_nothing(
    architecture: str, tmp_path: Path
) -> None:
    state = public_vgg_face()
    state["fc6.weight"] = state["fc6.weight"][:, :288].contiguous()  # of frames of 96 px
    save_file(state, tmp_path / "w.safetensors")
    network = construct(tiny(architecture))
    before = {name: t.clone() for name, t in network.state_dict().items()}
    with pytest.raises(ModelError, match=r"classifier.0.weight is \[256, 288\], .*\[256, 1568\]"):
        load_pretrained(network, tmp_path / "w.safetensors")
    assert all(torch.equal(t, before[name]) for name, t in network.state_dict().items())


def test_sizes_are_the_published_ones() -> None:
    counts = {}
    for name in ("vgg16", "resnet50"):
        model, _ = preset("paper", architecture=name, modalities=("color",))
        with torch.device("meta"):
            trunk = construct(model).get_submodule("backbone")
        counts[name] = sum(p.numel() for p in trunk.parameters())
    # torchvision's documented totals less their last layers for 1000 classes.
    assert counts["vgg16"] == 138_357_544 - (4096 * 1000 + 1000)
    assert counts["resnet50"] == 25_557_032 - (2048 * 1000 + 1000)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda s: s.pop("features.5.weight"), "1 weights of vgg16 are missing, features.5"),
        (lambda s: s.update({"features.5.bias": torch.zeros(3)}), r"features.5.bias is \[3\]"),
        (lambda s: s["features.5.bias"].fill_(torch.nan), "not finite"),
        (lambda s: s.clear(), "are missing"),
    ],
)
def test_other_weights_are_refused(spoil, message: str, tmp_path: Path) -> None:
    state = torchvision_vgg16()
    spoil(state)
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(ModelError, match=message):
        load_pretrained(construct(tiny("vgg16", backbone_px=224)), tmp_path / "w.pth")


class Trap:
    def __reduce__(self):
        return (print, ("executed",))


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "no pretrained weights at"), (b"junk", "cannot be read"), (b"", "cannot be read")],
)
@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
def test_files_that_are_no_weights_are_refused(
    content: bytes | None, message: str, suffix: str, tmp_path: Path
) -> None:
    path = tmp_path / f"w.{suffix}"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelError, match=message):
        load_pretrained(construct(tiny("vgg16")), path)


def test_nothing_in_a_file_is_executed(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    torch.save({"x": Trap()}, tmp_path / "w.pth")
    with pytest.raises(ModelError, match="cannot be read"):
        load_pretrained(construct(tiny("vgg16")), tmp_path / "w.pth")
    assert "executed" not in capsys.readouterr().out


@pytest.mark.parametrize("architecture", ["vgg16", "resnet50", "vgg_face", "affwildnet"])
def test_a_run_that_wants_published_weights_does_not_start_without(architecture: str) -> None:
    model, train = preset("paper", architecture=architecture, modalities=("color",))
    with pytest.raises(ModelError, match=r"no file.*was given"):
        check_pretrained(model, train)
    with pytest.raises(ModelError, match="random weights are not called pretrained"):
        build_network(tiny(architecture), initialisation=train.initialisation)


def test_weights_that_would_not_be_used_are_refused() -> None:
    with pytest.raises(ModelError, match="initialisation xavier"):
        check_pretrained(tiny("vgg16"), TrainConfig(pretrained="w.pth"))
    pretrained = TrainConfig(initialisation="pretrained", pretrained="w.pth")
    with pytest.raises(ModelError, match="no published weights"):
        check_pretrained(tiny("uran"), pretrained)
    with pytest.raises(ModelError, match="fit width 1"):
        check_pretrained(tiny("vgg16"), pretrained)
