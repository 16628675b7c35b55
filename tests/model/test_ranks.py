"""Two real processes under torchrun against one."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mavfer.store import ClipStore
from model.checkpoint import load_checkpoint
from model.config import ModelConfig, TrainConfig
from model.ranks import Ranks
from model.run_folder import RunFolder
from model.train import TrainPlan, train

CPU = torch.device("cpu")
MODEL = ModelConfig(
    "mran", ("color", "depth"), input_px=16, width=0.1, fc_units=8, dropout=0.0, attention="mean1"
)
TRAIN = TrainConfig(
    batch_size=5, max_steps=4, validate_every=2, ccc_weight=0.3, gradient_clip=1.0, patience=None
)
PLANS = {
    "uneven": TrainPlan(MODEL, TRAIN, "small", CPU),  # shares of 3 and 2
    "streamed": TrainPlan(  # shares of 1 and nothing
        MODEL, replace(TRAIN, batch_size=1, ccc_weight=0.0, cache="none"), "small", CPU
    ),
}
SCRIPT = """\
import json, sys, torch
from dataclasses import replace
from pathlib import Path
from mavfer.store import open_store
from model.config import ModelConfig, TrainConfig
from model.errors import ModelError
from model.ranks import joined_ranks
from model.train import TrainPlan, train

torch.set_num_threads(1)
store_path, folder, plans = Path(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.argv[3])
with open_store(store_path) as store, joined_ranks(torch.device("cpu")) as ranks:
    for name, (model, training) in plans.items():
        model, training = ModelConfig.from_object(model), TrainConfig.from_object(training)
        plan = TrainPlan(model, training, "small", torch.device("cpu"))
        result = train(store, folder / name, plan, ranks=ranks)
        assert result.n_ranks == 2
    try:
        train(store, folder / "taken", plan, ranks=ranks)
    except (ModelError, OSError) as error:
        (folder / f"refused-{ranks.rank}").write_text(str(error))
"""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_processes_train_as_one_does(store: ClipStore, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "thesis.tex").write_text("x")
    plans = {name: [p.model.to_object(), p.train.to_object()] for name, p in PLANS.items()}
    launch = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    ended = subprocess.run(
        [
            *(sys.executable, *launch, str(tmp_path / "script.py")),
            *(str(store.path), str(tmp_path), json.dumps(plans)),
        ],
        capture_output=True,
        text=True,
        timeout=600,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert ended.returncode == 0, ended.stderr
    for name, plan in PLANS.items():
        train(store, tmp_path / f"{name}-alone", plan)
        one = RunFolder(tmp_path / f"{name}-alone")
        two = RunFolder(tmp_path / name)
        assert [line["step"] for line in two.metrics()] == [2, 4]  # one process wrote
        for first, second in zip(one.metrics(), two.metrics(), strict=True):
            assert second["train_loss"] == pytest.approx(first["train_loss"], rel=1e-4)
            for key, value in first["validation"]["valence"].items():
                assert second["validation"]["valence"][key] == pytest.approx(value, abs=1e-4)
        weights = load_checkpoint(one.checkpoint)[0].state_dict()
        others = load_checkpoint(two.checkpoint)[0].state_dict()
        for key, tensor in weights.items():
            torch.testing.assert_close(others[key], tensor, atol=1e-4, rtol=1e-3)
    # What the first process cannot do ends them all.
    for rank in range(2):
        assert "is not empty" in (tmp_path / f"refused-{rank}").read_text()
    assert [path.name for path in (tmp_path / "taken").iterdir()] == ["thesis.tex"]


def test_shares_cover_a_batch_once() -> None:
    batch = list(range(7))
    shares = [Ranks(rank, 3).share(batch) for rank in range(3)]
    assert sorted(row for share in shares for row in share) == batch
    assert Ranks().share(batch) == batch
