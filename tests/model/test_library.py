import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from model import MRAN, URAN
from model.checkpoint import CheckpointInfo, save_checkpoint
from model.config import ModelConfig, TrainConfig
from model.errors import CheckpointError, ModelError
from model.initialise import build_network
from model.preprocess import prepare

CONFIG = ModelConfig("mran", ("color", "depth"), input_px=16, width=1 / 16, fc_units=4)
STATS = {
    "color": {"mean": [100.0, 90.0, 80.0], "std": [30.0, 30.0, 30.0]},
    "depth": {"mean": [800.0], "std": [9.0]},
}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    info = CheckpointInfo(CONFIG, TrainConfig(), "paper", STATS, "store", 5, {})
    save_checkpoint(tmp_path / "checkpoint.safetensors", build_network(CONFIG, seed=4), info)
    return tmp_path


def crops(n_clips: int = 3) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        "color": rng.integers(0, 256, (n_clips, 16, 20, 20, 3), np.uint8),
        "depth": rng.integers(0, 900, (n_clips, 16, 20, 20), np.uint16),
    }


def test_a_run_scores_crops(run: Path) -> None:
    network = MRAN.from_pretrained(run)
    assert not network.training
    assert network.info is not None
    assert network.info.step == 5
    scores = network.predict(crops())
    original = build_network(CONFIG, seed=4).eval()
    tensors = {name: torch.from_numpy(array) for name, array in crops().items()}
    expected = original(prepare(tensors, CONFIG, STATS))
    np.testing.assert_allclose(scores, expected.score.detach(), atol=1e-6)
    prediction = network.predict_with_attention(crops())
    torch.testing.assert_close(prediction.attention, expected.attention.detach())
    again = MRAN.from_pretrained(run / "checkpoint.safetensors").predict(crops())
    np.testing.assert_array_equal(again, scores)


def test_runs_of_another_kind_and_no_runs_are_refused(run: Path) -> None:
    with pytest.raises(ModelError, match="of a mran, not of uran"):
        URAN.from_pretrained(run)
    with pytest.raises(CheckpointError, match="no checkpoint"):
        MRAN.from_pretrained(run / "elsewhere")


def test_crops_that_do_not_fit_are_named(run: Path) -> None:
    network = MRAN.from_pretrained(run)
    good = crops()
    with pytest.raises(ModelError, match="no depth among the crops"):
        network.predict({"color": good["color"]})
    with pytest.raises(ModelError, match=r"color is float64 .* expected uint8"):
        network.predict(good | {"color": good["color"] / 255})
    with pytest.raises(ModelError, match=r"expected uint16 of shape \(B, 16, H, W\)"):
        network.predict(good | {"depth": good["depth"][:, :8]})


def test_a_network_that_was_built_knows_no_normalisation() -> None:
    with pytest.raises(ModelError, match="was built, not loaded"):
        MRAN(CONFIG).predict(crops())


def test_the_package_imports_torch_only_when_a_network_is_asked_for() -> None:
    code = (
        "import sys, model; before = 'torch' in sys.modules; model.URAN; "
        "print(before, 'torch' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split() == ["False", "True"]
