import json
from dataclasses import replace
from pathlib import Path

import pytest

from capture.manifest import Consent
from mavfer.store import ClipStore, open_store
from mavfer.store_assembly import write_store
from mavfer.store_writer import StoreLayout
from model import evaluate_cli, train_cli
from model.checkpoint import read_info
from model.config import ModelConfig, TrainConfig
from model.model_card import model_card
from model.run_spec import RunSpec, fulfil
from tests.model.conftest import CROP_PX, video_entry

TINY = ("--set", "width=0.1", "--set", "input_px=16", "--set", "fc_units=8", "--threads", "1")


@pytest.fixture(scope="module")
def run(store_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("card") / "run"
    words = [str(store_path), "-o", str(folder), "--model", "uran", "--steps", "2", "--quiet"]
    assert train_cli.main([*words, *TINY]) == 0
    return folder


def copied(run: Path, folder: Path) -> Path:
    """Copy a run as training left it."""
    folder.mkdir()
    for name in ("config.json", "checkpoint.safetensors", "metrics.jsonl"):
        (folder / name).write_bytes((run / name).read_bytes())
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


def test_an_evaluation_on_another_store_is_not_quoted(
    run: Path, store: ClipStore, tmp_path: Path
) -> None:
    path, own = tmp_path / "other.h5", copied(run, tmp_path / "run")
    layout = StoreLayout(("color", "depth", "thermal"), CROP_PX, 16, 4.0)
    write_store(path, [video_entry("O0", 7)], layout=layout, splits={"O0": "test"})
    # Into the folder whose scores the card quotes.
    assert evaluate_cli.main([str(own), str(path), "--quiet", "--threads", "1"]) == 0
    metrics = json.loads((own / "evaluation" / "test" / "metrics.json").read_text())
    info = read_info(own / "checkpoint.safetensors")
    with open_store(path) as other:
        assert metrics["evaluated_on"] == other.fingerprint
    assert metrics["trained_on"] == info.store_fingerprint == store.fingerprint
    assert "Not evaluated" in model_card(own, store, info)


@pytest.mark.parametrize(
    "words", [["--split", "validation"], ["--knockout", "attention=mean"]], ids=" ".join
)
def test_neither_another_split_nor_a_knock_out_is_quoted(
    run: Path, store_path: Path, tmp_path: Path, words: list[str]
) -> None:
    own = copied(run, tmp_path / "run")
    base = [str(own), str(store_path), "--quiet", "--threads", "1", "--no-post-processing"]
    assert evaluate_cli.main([*base, "-o", str(own / "evaluation" / "test"), *words]) == 0
    assert "Not evaluated" in (own / "MODEL_CARD.md").read_text()


def test_the_card_is_filled_when_the_checkpoint_is_named(
    run: Path, store_path: Path, tmp_path: Path
) -> None:
    own = copied(run, tmp_path / "run")
    words = [str(own / "checkpoint.safetensors"), str(store_path), "--quiet", "--threads", "1"]
    assert evaluate_cli.main([*words, "--no-post-processing"]) == 0
    assert "Test split, 2 people" in (own / "MODEL_CARD.md").read_text()


def test_the_card_of_a_benchmarks_run_quotes_its_scores(store_path: Path, tmp_path: Path) -> None:
    model = ModelConfig("uran", ("color",), input_px=16, width=0.1, fc_units=8)
    train = TrainConfig(max_steps=1, validate_every=1, cache="prepared")
    with open_store(store_path) as store:
        spec = RunSpec(store_path, store.fingerprint, model, train, "small")
    fulfil(spec, tmp_path, [""])
    card = (spec.folder(tmp_path) / "MODEL_CARD.md").read_text()
    assert "Test split, 2 people, all frames pooled (evaluations-" in card
    assert "valence: worst subject X" in card
