import json
from dataclasses import replace
from pathlib import Path

import pytest

from capture.manifest import Consent
from mavfer.store import ClipStore, open_store
from model import evaluate_cli, train_cli
from model.checkpoint import read_info
from model.model_card import model_card

TINY = ("--set", "width=0.1", "--set", "input_px=16", "--set", "fc_units=8", "--threads", "1")


@pytest.fixture(scope="module")
def run(store_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("card") / "run"
    words = [str(store_path), "-o", str(folder), "--model", "uran", "--steps", "2", "--quiet"]
    assert train_cli.main([*words, *TINY]) == 0
    return folder


def test_a_run_leaves_its_card_and_its_evaluation_fills_it(run: Path, store_path: Path) -> None:
    card = (run / "MODEL_CARD.md").read_text()
    with open_store(store_path) as store:
        assert store.fingerprint in card
    assert "Checkpoint chosen on V0, V1" in card
    assert "| train | 4 | 4 | 160 |" in card
    assert "Not evaluated on the test split yet" in card
    for heading in ("Consent", "Scores", "Intended use", "Limits", "Not for"):
        assert f"## {heading}" in card
    words = [str(run), "--store", str(store_path), "--quiet", "--threads", "1"]
    assert evaluate_cli.main(words) == 0
    pooled = json.loads((run / "evaluation" / "test" / "metrics.json").read_text())["pooled"]
    card = (run / "MODEL_CARD.md").read_text()
    assert "Test split, 2 people" in card
    assert f"{pooled['ccc']:.3f}" in card
    assert "worst subject X" in card


def test_consent_is_counted_by_purpose_and_day(run: Path, store: ClipStore) -> None:
    info = read_info(run / "checkpoint.safetensors")
    consents = {
        "T0": Consent(share=True, publish_pictures=True),
        "T1": Consent(share=True, until="2999-01-01"),
        "T2": Consent(share=True, until="2001-01-01"),
        "T3": Consent(record=False),
    }
    store.videos = {
        name: replace(video, consent=consents.get(video.subject))
        for name, video in store.videos.items()
    }
    card = model_card(run, store, info)
    # The other four are films, which may be learned from where they are.
    assert "| train: used inside the laboratory | 6 | 6 |" in card
    assert "| share: given to others | 2 | 2 |" in card
    assert "| publish: pictures shown to anyone | 1 | 1 |" in card
    assert "4 videos come without consent on record" in card
    assert "The first consent ends on 2001-01-01" in card


def test_an_evaluation_of_other_weights_is_not_quoted(run: Path, store: ClipStore) -> None:
    info = read_info(run / "checkpoint.safetensors")
    assert "Not evaluated" in model_card(run, store, replace(info, step=info.step + 1))
