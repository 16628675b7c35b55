import json
import struct
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from capture.files import OutputExistsError
from model.checkpoint import CheckpointInfo, load_checkpoint, read_info, save_checkpoint
from model.config import ModelConfig, TrainConfig
from model.errors import CheckpointError, ModelError
from model.initialise import build_network

CONFIG = ModelConfig("mran", ("color", "depth"), input_px=16, width=1 / 16, fc_units=4)
STATS = {
    "color": {"mean": [1.0, 2.0, 3.0], "std": [1.0, 1.0, 1.0]},
    "depth": {"mean": [800.0], "std": [9.0]},
}
INFO = CheckpointInfo(CONFIG, TrainConfig(), "paper", STATS, "abc", 12, {"valence.ccc": 0.5})


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "checkpoint.safetensors"
    save_checkpoint(path, build_network(CONFIG, seed=0), INFO)
    return path


def rewritten(path: Path, **changes: object) -> Path:
    """Write the checkpoint anew with changed metadata."""
    value = INFO.to_object() | changes
    save_file(load_file(path), path, metadata={"mavfer": json.dumps(value)})
    return path


def test_round_trip_is_bit_exact(saved: Path) -> None:
    network, info = load_checkpoint(saved)
    original = build_network(CONFIG, seed=0).state_dict()
    assert info.to_object() == INFO.to_object()
    assert not network.training
    assert all(torch.equal(original[name], w) for name, w in network.state_dict().items())
    clips = {"color": torch.randn(16, 1, 3, 16, 16), "depth": torch.randn(16, 1, 1, 16, 16)}
    assert torch.equal(network(clips).score, build_network(CONFIG, seed=0).eval()(clips).score)


def test_nothing_is_overwritten_unasked(saved: Path) -> None:
    before = saved.read_bytes()
    with pytest.raises(OutputExistsError):
        save_checkpoint(saved, build_network(CONFIG, seed=1), INFO)
    assert saved.read_bytes() == before


@pytest.mark.parametrize("keep", [0, 4, 100, -1])
def test_truncated_files_are_refused(saved: Path, keep: int) -> None:
    saved.write_bytes(saved.read_bytes()[:keep])
    with pytest.raises(CheckpointError, match="cannot be read as safetensors"):
        load_checkpoint(saved)


@pytest.mark.parametrize(
    "content",
    [b"\x80\x04\x95pickle", struct.pack("<Q", 1 << 62) + b"{}", b"\0" * 64, b"not a checkpoint"],
)
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "checkpoint.safetensors"
    path.write_bytes(content)
    with pytest.raises(CheckpointError):
        read_info(path)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no checkpoint at"):
        load_checkpoint(tmp_path / "nothing")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "other"}, "not a mavfer checkpoint"),
        ({"schema_version": 99}, "schema 99"),
        ({"step": -1}, "step is -1"),
        ({"stats": []}, "stats are damaged"),
        ({"stats": {"color": {"mean": [1]}}}, "statistics of color"),
        ({"validation": {"x": "y"}}, "validation is damaged"),
        ({"model": None}, "expected a JSON object"),
        ({"model": CONFIG.to_object() | {"fc_units": 5}}, "head.fc1.weight is"),
        ({"model": CONFIG.to_object() | {"width": 8.0, "input_px": 1024}}, "expected"),
        ({"model": CONFIG.to_object() | {"modalities": ["color", "thermal"]}}, "statistics of th"),
        ({"model": CONFIG.to_object() | {"peephole": "none"}}, "unknown weight"),
    ],
)
def test_contradictory_metadata_is_refused(saved: Path, changes: dict, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        load_checkpoint(rewritten(saved, **changes))


def test_missing_and_infinite_weights_are_refused(saved: Path) -> None:
    weights = load_file(saved)
    metadata = {"mavfer": json.dumps(INFO.to_object())}
    name = "model.head.fc2.weight"
    save_file({k: w for k, w in weights.items() if k != name}, saved, metadata=metadata)
    with pytest.raises(CheckpointError, match=r"head\.fc2\.weight is missing"):
        load_checkpoint(saved)
    save_file(weights | {name: weights[name] * torch.inf}, saved, metadata=metadata)
    with pytest.raises(CheckpointError, match="not finite"):
        load_checkpoint(saved)


def test_extra_tensors_do_not_disturb(saved: Path) -> None:
    save_checkpoint(
        saved,
        build_network(CONFIG, seed=0),
        replace(INFO, step=13),
        extra={"adam.step": torch.ones(1)},
        overwrite=True,
    )
    assert load_checkpoint(saved)[1].step == 13


def test_a_disk_that_is_full_leaves_the_checkpoint_before(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise SafetensorError("I/O error: No space left on device")

    before = saved.read_bytes()
    monkeypatch.setattr("model.checkpoint.save_file", full)
    with pytest.raises(CheckpointError, match=r"cannot be written.*No space left.*--resume"):
        save_checkpoint(saved, build_network(CONFIG, seed=1), INFO, overwrite=True)
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]
