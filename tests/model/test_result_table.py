"""Tables say the same as Markdown, CSV and LaTeX."""

import csv

import pytest

from annotation.bootstrap import Interval
from model.experiments import EXPERIMENTS
from model.published import TABLE_4
from model.result_table import (
    Breakdown,
    ResultRow,
    ResultTable,
    Spread,
    to_csv,
    to_latex,
    to_markdown,
)


def small_table() -> ResultTable:
    color = Spread((0.4, 0.5, 0.6))
    fused = Spread((0.45, 0.56, 0.64))
    return ResultTable(
        "table4: Modalities",
        ("ccc",),
        "ccc",
        (
            ResultRow("color", TABLE_4[("color",)], {"ccc": color}),
            ResultRow("a & b", None, {"ccc": fused}, fused.minus(color), control=True),
            ResultRow("later", None, {}, note="not run: why"),
        ),
        notes=("A note.",),
        breakdowns=(
            Breakdown(
                "knock-out",
                "CCC with something spoiled",
                "The same weights.",
                {"a & b": {"guides=zero": Spread((0.1, None, 0.3))}},
                first="as trained",
            ),
            Breakdown(
                "people",
                "CCC with other test people",
                "",
                {"color": {"all": Interval(0.41, 0.62, 0.95, 20, 1000, 0)}},
            ),
            Breakdown("hidden", "in files only", "", {"color": {"x": color}}, printed=False),
        ),
    )


def test_differences_are_paired_by_seed() -> None:
    first, second = Spread((0.1, 0.5, 0.9)), Spread((0.15, 0.56, 0.94))
    difference = second.minus(first)
    assert difference.mean == pytest.approx(0.05)
    assert difference.sd == pytest.approx(0.01)
    assert first.sd == pytest.approx(0.4)
    assert Spread((None, 0.2)).minus(Spread((0.1, 0.1))).values == (None, pytest.approx(0.1))
    assert Spread((0.5,)).text() == "0.500"
    assert Spread((None,)).text() == "–"
    assert difference.text(signed=True) == "+0.050 ± 0.010"


def test_tables_say_the_same_in_three_formats() -> None:
    table = small_table()
    markdown = to_markdown(table)
    assert "| color | 0.486 | 0.500 ± 0.100 |  |" in markdown
    assert "| control: a & b | – | 0.550 ± 0.095 | +0.050 ± 0.010 |" in markdown
    assert "- later: not run: why" in markdown
    assert "| control: a & b | 0.550 ± 0.095 | 0.200 ± 0.141 |" in markdown
    assert "in files only" not in markdown
    assert "| color | 0.410 to 0.620 |" in markdown
    rows = list(csv.DictReader(to_csv(table).splitlines()))
    assert rows[0] == {
        "row": "color",
        "breakdown": "",
        "column": "",
        "metric": "ccc",
        "paper": "0.486",
        "mean": "0.50000",
        "sd": "0.10000",
        "low": "",
        "high": "",
        "seed_0": "0.40000",
        "seed_1": "0.50000",
        "seed_2": "0.60000",
    }
    assert [row["breakdown"] for row in rows[:4]] == ["", "people", "hidden", ""]
    assert [rows[1][name] for name in ("mean", "low", "high", "seed_0")] == [
        *("", "0.41000", "0.62000", "")
    ]
    assert (rows[5]["breakdown"], rows[5]["column"]) == ("knock-out", "guides=zero")
    assert rows[5]["seed_1"] == ""
    assert table.to_object()[0]["breakdowns"]["people"] == {
        "all": {"low": 0.41, "high": 0.62, "level": 0.95}
    }
    latex = to_latex(table)
    assert r"control: a \& b & -- & 0.550 $\pm$ 0.095" in latex
    assert latex.count(r"\\") == 4


def test_every_experiment_of_the_paper_is_there() -> None:
    wanted = {*(f"table{n}" for n in range(3, 11)), *(f"fig{n}" for n in range(7, 16))}
    assert set(EXPERIMENTS) == wanted | {"repairs", "repairs-uran", "evidence"}
    for experiment in EXPERIMENTS.values():
        labels = [row.label for row in experiment.rows]
        assert len(set(labels)) == len(labels)
