"""What is asked of every row: rows that cannot be so say why, what rows differ in stays theirs."""

from pathlib import Path

import pytest

from mavfer.store import open_store
from model import benchmark_cli
from model.benchmark import BenchmarkPlan, plan_rows
from model.errors import ModelError
from model.experiments import EXPERIMENTS


def test_a_row_that_cannot_be_so_says_why_and_leaves_the_others(
    store_path: Path, tmp_path: Path
) -> None:
    with open_store(store_path) as store:
        plan = BenchmarkPlan(store, tmp_path, settings={"forget_input": "thermal"})
        rows = {row.row.label: row for row in plan_rows(EXPERIMENTS["table4"], plan)}
        assert len(rows) == len(EXPERIMENTS["table4"].rows)
        for label in ("color + thermal", "color + depth + thermal"):
            assert len(rows[label].specs) == 3
            assert rows[label].specs[0].model.forget_input == "thermal"
        assert rows["color + depth"].specs == ()
        told = "not run: forget_input thermal needs thermal among the guides"
        assert rows["color + depth"].note == told
        nowhere = BenchmarkPlan(store, tmp_path, settings={"learning_rate": -1.0})
        with pytest.raises(ModelError, match=r"^learning_rate -1\.0"):
            plan_rows(EXPERIMENTS["table4"], nowhere)


@pytest.mark.parametrize(
    ("experiment", "settings", "message"),
    [
        ("fig11", {"clip_length": 8}, "'T = 4' is the row with clip_length=4"),
        ("repairs", {"attention": "residual"}, "'as published' is the row with attention=mean1"),
        ("evidence", {"own_weight": 1.0}, "is the row with own_weight=0.0"),
        ("table8", {"loss": "mse"}, "is the row with loss=epsilon"),
    ],
)
def test_what_rows_differ_in_cannot_be_set_for_all(
    store_path: Path,
    tmp_path: Path,
    experiment: str,
    settings: dict[str, object],
    message: str,
) -> None:
    with open_store(store_path) as store:
        plan = BenchmarkPlan(store, tmp_path, settings=settings)
        with pytest.raises(ModelError, match=message):
            plan_rows(EXPERIMENTS[experiment], plan)


def test_rows_without_it_can_be_set_so(store_path: Path, tmp_path: Path) -> None:
    with open_store(store_path) as store:
        settings = {"clip_length": 4}
        plan = BenchmarkPlan(store, tmp_path, settings=settings, rows=("uran",))
        (row,) = plan_rows(EXPERIMENTS["table9"], plan)
        assert row.specs[0].model.clip_length == 4


def test_pictures_are_of_one_seed_and_no_other_is_trained(store_path: Path, tmp_path: Path) -> None:
    with open_store(store_path) as store:
        plan = BenchmarkPlan(store, tmp_path, n_seeds=3)
        for name, n_seeds in {"fig10": 1, "fig12": 1, "fig13": 1, "fig11": 3, "table9": 3}.items():
            for row in plan_rows(EXPERIMENTS[name], plan):
                seeds = [spec.train.seed for spec in row.specs]
                assert seeds == list(range(n_seeds if row.row.architecture else 0)), name


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("table4", "--set", "seed=4"), "say how many with --seeds"),
        (("table7", "--pretrained", "vgg16={file}"), "at scale small, whose networks have a part"),
        (("table7", "--pretrained", "vgg16=none.pth"), "vgg16=none.pth: there is no such file"),
        (
            ("table4", "fig10", "--pretrained", "vgg16={file}", "--scale", "paper"),
            "no row of table4, fig10 is a vgg16",
        ),
        (
            ("table7", "--pretrained", "vgg16={file}", "--scale", "paper", "--rows", "uran"),
            "no row of table7 is a vgg16",
        ),
    ],
)
def test_what_would_be_ignored_is_refused_in_one_line(
    store_path: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    message: str,
) -> None:
    file = tmp_path / "vgg16.pth"
    file.touch()
    asked = [word.format(file=file) for word in words]
    out = tmp_path / "out"
    command = [*asked, "--store", str(store_path), "-o", str(out), "--quiet", "--dry-run"]
    assert benchmark_cli.main(command) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.strip().count("\n") == 0
