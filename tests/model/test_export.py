"""Networks as ONNX files, run by onnxruntime."""

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from capture.files import OutputExistsError
from model import export, train_cli
from model.catalogue import Architecture
from model.checkpoint import CheckpointInfo, save_checkpoint
from model.config import CHANNELS, TrainConfig
from model.errors import ModelError
from model.export import export_onnx
from model.initialise import build_network
from tests.model.test_architectures import clips, tiny


def info_of(config) -> CheckpointInfo:
    stats = {
        name: {"mean": [0.0] * CHANNELS[name], "std": [1.0] * CHANNELS[name]}
        for name in config.modalities
    }
    return CheckpointInfo(config, TrainConfig(), "small", stats, "store", 1, {})


@pytest.mark.parametrize(
    ("architecture", "changes"),
    [
        ("mran", {"clip_length": 2, "modalities": ("color", "thermal")}),
        ("uran", {"clip_length": 2, "peephole": "hadamard", "upsampling": "bilinear"}),
    ],
)
def test_a_file_scores_any_number_of_clips_as_torch_does(
    architecture: Architecture, changes: dict, tmp_path: Path
) -> None:
    config = tiny(architecture, **changes)
    network = build_network(config, seed=1, initialisation="he").eval()
    path = tmp_path / "network.onnx"
    check = export_onnx(network, info_of(config), path)
    assert max(check.score, check.attention) < 1e-5

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    x = clips(config, batch=5)
    feed = {name: clip.transpose(0, 1).numpy() for name, clip in x.items()}
    score, attention = session.run(["score", "attention"], feed)
    expected = network(x)
    np.testing.assert_allclose(score, expected.score.detach(), atol=1e-5)
    np.testing.assert_allclose(
        attention, expected.attention.transpose(0, 1).detach(), rtol=1e-4, atol=1e-5
    )
    metadata = json.loads(session.get_modelmeta().custom_metadata_map["mavfer"])
    assert metadata["model"] == config.to_object()
    assert [p.name for p in tmp_path.iterdir()] == ["network.onnx"]


def test_the_command_exports_a_run_and_overwrites_only_when_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    config = tiny("cnn3d", clip_length=1)
    run, output = tmp_path / "run", tmp_path / "cnn.onnx"
    save_checkpoint(run / "checkpoint.safetensors", build_network(config), info_of(config))
    assert train_cli.main(["export", str(run), "-o", str(output), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["model"] == "cnn3d"
    assert report["size_bytes"] == output.stat().st_size
    assert train_cli.main(["export", str(run), "-o", str(output)]) != 0
    assert "exists already" in capsys.readouterr().err
    with pytest.raises(OutputExistsError):
        export_onnx(build_network(config).eval(), info_of(config), output)


def test_a_file_that_computes_something_else_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny("khorrami_cnn", clip_length=1)
    network = build_network(config, initialisation="he").eval()
    checked = export._checked

    def after_a_change(module: torch.nn.Module, *rest: object) -> object:
        with torch.no_grad():
            network.output_layers[0].bias.add_(0.5)
        return checked(module, *rest)

    monkeypatch.setattr(export, "_checked", after_a_change)
    with pytest.raises(ModelError, match=r"differs from the network by .*not kept"):
        export_onnx(network, info_of(config), tmp_path / "x.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_network_that_onnx_has_no_words_for_is_one_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_args: object, **_options: object) -> None:
        # As for the histograms of LGBP-TOP, which take the exporter long to refuse.
        raise torch.onnx.OnnxExporterError("no ONNX function found for aten.scatter_add_")

    monkeypatch.setattr(torch.onnx, "export", refuse)
    config = tiny("lgbp_top_lstm")
    network = build_network(config).eval()
    with pytest.raises(ModelError, match=r"lgbp_top_lstm cannot be expressed.*load_checkpoint"):
        export_onnx(network, info_of(config), tmp_path / "network.onnx")
    assert list(tmp_path.iterdir()) == []
