"""Training in half width on a processor that has it: what a GPU does by default, for real."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from mavfer.store import ClipStore
from model.precision import bfloat16_fault
from model.run_folder import RunFolder
from model.train import train
from tests.model.test_train import assert_same_weights, plan, run, weights

FAULT = bfloat16_fault(torch.device("cpu"))
pytestmark = pytest.mark.skipif(FAULT is not None, reason=f"this processor {FAULT}")


def losses(folder: Path) -> list[float]:
    return [line["train_loss"] for line in RunFolder(folder).metrics()]


def test_half_width_learns_what_full_width_learns(store: ClipStore, tmp_path: Path) -> None:
    results = {
        precision: run(
            store, tmp_path / precision, max_steps=16, validate_every=8, precision=precision
        )
        for precision in ("float32", "bfloat16")
    }
    assert results["bfloat16"].precision == "bfloat16"
    full, half = losses(tmp_path / "float32"), losses(tmp_path / "bfloat16")
    assert half != full
    np.testing.assert_allclose(half, full, rtol=0.05)
    assert half[-1] < half[0]
    # What is kept is full width: a checkpoint does not tell how it was computed.
    assert {w.dtype for w in weights(tmp_path / "bfloat16").values()} == {torch.float32}
    config = json.loads((tmp_path / "bfloat16" / "config.json").read_text())
    assert config["train"]["precision"] == "bfloat16"


def test_half_width_goes_on_to_the_same_bits(store: ClipStore, tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    run(store, whole, max_steps=4, validate_every=2, precision="bfloat16")
    run(store, parts, max_steps=2, validate_every=2, precision="bfloat16")
    again = plan(max_steps=4, validate_every=2, precision="bfloat16")
    assert train(store, parts, again, resume=True).precision == "bfloat16"
    assert_same_weights(whole, parts)
    assert losses(whole) == losses(parts)


def test_checkpointing_changes_no_bit_in_half_width(store: ClipStore, tmp_path: Path) -> None:
    for name, checkpointing in (("plain", False), ("checkpointed", True)):
        run(
            store,
            tmp_path / name,
            max_steps=2,
            precision="bfloat16",
            checkpointing=checkpointing,
        )
    assert_same_weights(tmp_path / "plain", tmp_path / "checkpointed")
