"""Pages for the documentation: figures, pictures, and how they were made."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from mavfer.store import open_store
from model import benchmark_cli
from model.benchmark import BenchmarkPlan, carry_out, plan_rows
from model.benchmark_outcome import Outcome, outcome_of_runs
from model.errors import ModelError
from model.experiments import EXPERIMENTS
from model.publish import publish
from model.run_folder import RunFolder

SMALL = {"width": 0.05, "input_px": 16, "fc_units": 4, "validate_every": 1}


def links(page: Path) -> list[str]:
    return re.findall(r"\]\(([^)]+)\)", page.read_text())


@pytest.fixture(scope="module")
def made(
    lit_store_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Outcome, BenchmarkPlan]:
    with open_store(lit_store_path) as store:
        root = tmp_path_factory.mktemp("benchmark")
        plan = BenchmarkPlan(store, root, n_seeds=2, steps=2, settings=SMALL, to_publish=True)
        rows = [row for row in plan_rows(EXPERIMENTS["table5"], plan) if row.row.label == "2D-CNN"]
        assert carry_out(rows, plan) == {}
        return outcome_of_runs(EXPERIMENTS["table5"], rows, plan, {}), plan


def test_a_page_says_how_its_figures_were_made(
    made: tuple[Outcome, BenchmarkPlan], tmp_path: Path
) -> None:
    outcome, plan = made
    page = publish(outcome, plan, tmp_path / "results", command="mavfer-benchmark table5")
    text = page.read_text()
    for words in (
        "# table5: Components of URAN",
        "## CCC by light",
        "```sh\nmavfer-benchmark table5\n```",
        f"| store | lit.h5, fingerprint `{plan.store.fingerprint}` |",
        "| people | 4 train, 2 validation, 2 test |",
        "| videos | 8, 320 frames |",
        "| seeds | 0, 1 |",
        "| steps | 2 |",
        "| training | 2 runs, ",
        "| trained with torch | ",
        "| trained on | ",
    ):
        assert words in text
    assert "| pictures | of 0 of 2 test people: the others do not agree |" in text
    assert str(plan.root) not in text
    assert set(links(page)) == {"table5-curves.svg", "table5-by-light.svg", "table5.csv"}
    assert all((page.parent / link).is_file() for link in links(page))
    assert {path.name for path in page.parent.iterdir()} == {
        *("table5.md", "table5.csv", "table5-curves.svg", "table5-curves.png"),
        *("table5-by-light.svg", "table5-by-light.png"),
    }


def test_a_page_is_whole_or_not_there(made: tuple[Outcome, BenchmarkPlan], tmp_path: Path) -> None:
    outcome, plan = made
    folder = tmp_path / "results"
    broken = replace(outcome, paths={**outcome.paths, "figure": tmp_path / "lost.png"})
    with pytest.raises(OSError, match="lost"):
        publish(broken, plan, folder, command="x")
    assert list(folder.iterdir()) == []
    unchecked = replace(plan, to_publish=False)
    with pytest.raises(ModelError, match="may show people who do not agree"):
        publish(outcome, unchecked, folder, command="x")
    failed = replace(outcome, failures={"key": "diverged"})
    with pytest.raises(ModelError, match="1 runs failed, diverged"):
        publish(failed, plan, folder, command="x")
    assert list(folder.iterdir()) == []


def test_pictures_are_published_by_the_command(
    store_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["fig9", "--store", str(store_path), "-o", str(tmp_path / "out"), "--quiet"]
    words += ["--set", "width=0.25", "--publish", str(tmp_path / "results")]
    assert benchmark_cli.main(words) == 0
    page = tmp_path / "results" / "fig9.md"
    assert f"page: {page}" in capsys.readouterr().out
    assert links(page) == ["fig9.png"]
    assert "mavfer-benchmark fig9 --store drawn.h5 --scale small --seeds 3 --set width=0.25" in (
        page.read_text()
    )


def test_training_time_counts_every_part_of_an_interrupted_run(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    assert run.trained_s() == 0
    for time_s in (1.0, 2.5, 0.5, 3.0, 1.0):
        run.append({"step": 1, "time_s": time_s, "train_loss": None, "validation": {}})
    assert run.trained_s() == 2.5 + 3.0 + 1.0
